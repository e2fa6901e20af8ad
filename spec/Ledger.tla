------------------------------- MODULE Ledger -------------------------------
(* The ledger: fills come from a venue, are heard, journalled and posted; the process may die between any two of these.   *)
(* Definitions only: operators, actions, Init, Next. What is true of them is in MC/MCLedger.tla.                          *)
(*                                                                                                                        *)
(* The venue's notices come once, twice, late, after a restart, or never. What never came is found by asking the venue    *)
(* how much of an order it has filled: the missing lots are then *inferred*, at a price that is not the true one. If the  *)
(* true fill comes after all, what was inferred is taken back first, lot by lot, so that lots are right at each moment    *)
(* and money is once all fills are known. Each record of the journal is one notice as heard, duplicates too; a torn last  *)
(* line is a record that was not written. The ledger is the fold of the journal, and nothing else is kept over a crash:   *)
(* a checkpoint is the fold of what is before it, written among the records, and a restart may begin from it.              *)
(*                                                                                                                        *)
(* What an entry makes of the accounts is Accounts.tla's. The price of item 2 is negative.                                *)
EXTENDS Accounts

CONSTANTS
    Happening,      \* which items may happen
    MaxCrashes,     \* how often the process dies
    MaxRecords,     \* how long the journal becomes
    Checkpoints,    \* whether the ledger is written down among the records
    Looks           \* what a comparison with the venue may find, besides what is so: {} or {"UNKNOWN"}; {} is no comparison

VARIABLES
    venue,          \* items that have happened
    journal,        \* the records, oldest first
    saved,          \* the last checkpoint: a ledger, and after how many records it was written
    memory,         \* the ledger of the process: Nothing while it is down
    hand,           \* the record that is being worked on: <<>> or <<record>>
    stage,          \* DOWN, IDLE, HEARD (not yet journalled), JOURNALLED (not yet posted), POSTED (only if posted first)
    acked,          \* history: items of which the rest of the process has been told
    crashes,
    before,         \* history: what the ledger was when it was last idle, and what has been journalled since
    seen,           \* history: the last two comparisons
    desync          \* whether the Category 1 event LEDGER_DESYNC is out

vars == <<venue, journal, saved, memory, hand, stage, acked, crashes, before, seen, desync>>

(* What may happen at the venue: three fills of two orders, and a deposit *)

Items == 1..4
Orders == 1..2
OrderOf == <<1, 1, 2, 0>>
LotsOf == <<1, 2, -2, 0>>
PriceOf == <<3, -2, 2, 0>>
FeeOf == <<1, 0, -1, 0>>              \* the last one is a rebate
DepositOf == <<0, 0, 0, 5>>
InferredPrice == 1
Side(o) == IF o = 1 THEN 1 ELSE -1

Notice(i) == [item |-> i, order |-> OrderOf[i], lots |-> LotsOf[i], price |-> PriceOf[i], fee |-> FeeOf[i],
              deposit |-> DepositOf[i]]
Inferred(o, n) == [item |-> 0, order |-> o, lots |-> Side(o) * n, price |-> InferredPrice, fee |-> 0, deposit |-> 0]

RECURSIVE FilledBy(_, _, _)
FilledBy(o, items, i) ==              \* lots of order o, without sign, in these items from i on
    IF i > 4 THEN 0
    ELSE (IF i \in items /\ OrderOf[i] = o THEN Abs(LotsOf[i]) ELSE 0) + FilledBy(o, items, i + 1)

TakenBack(a, r) == IF r.item = 0 \/ r.order = 0 THEN 0 ELSE Min(Abs(r.lots), a.inferred[r.order])

Fill(a, r) ==
    LET back == TakenBack(a, r)
        o == r.order
        clean == IF back = 0 THEN a ELSE Entry(a, o, -Side(o) * back, InferredPrice)
        filled == Entry(clean, o, r.lots, r.price)
    IN [filled EXCEPT !.tally[o] = @ + Abs(r.lots) - back,
                      !.inferred[o] = IF r.item = 0 THEN @ + Abs(r.lots) ELSE @ - back]

Apply(a, r) ==                                               \* one record of the journal
    IF ~Fresh(a, r) THEN a
    ELSE LET moved == IF r.order = 0 THEN a ELSE Fill(a, r)
         IN [Money(moved, r) EXCEPT !.known = Remembered(a, r)]

RECURSIVE Folded(_, _)
Folded(a, records) == IF records = <<>> THEN a ELSE Folded(Apply(a, Head(records)), Tail(records))

Written(a) == a                       \* what a checkpoint says of the ledger

Replay == Folded(saved[1], SubSeq(journal, saved[2] + 1, Len(journal)))

Equity(a, mark) == a.cash + a.lots * mark

Missing(o) == FilledBy(o, venue, 1) - memory.tally[o]        \* what the venue says it has filled, and we have not

(* Actions *)

Init ==
    /\ venue = {} /\ journal = <<>> /\ saved = <<Nothing, 0>> /\ memory = Nothing /\ hand = <<>> /\ stage = "IDLE" /\ acked = {}
    /\ crashes = 0 /\ before = <<Nothing, <<>>>> /\ seen = <<>> /\ desync = FALSE

Happen(i) ==                                                 \* the venue fills; it does not ask whether we are up
    /\ i \in Happening \ venue
    /\ venue' = venue \union {i}
    /\ UNCHANGED <<journal, saved, memory, hand, stage, acked, crashes, before, seen, desync>>

Take(r) ==
    /\ stage = "IDLE" /\ Len(journal) < MaxRecords
    /\ hand' = <<r>> /\ stage' = "HEARD"
    /\ UNCHANGED <<venue, journal, saved, memory, acked, crashes, before, seen, desync>>

Hear(i) == i \in venue /\ Take(Notice(i))             \* for the first time, or again

Ask(o) ==                                                    \* reconciliation: what the venue has filled of an order
    /\ stage = "IDLE" /\ Missing(o) > 0
    /\ Take(Inferred(o, Missing(o)))

JournalsFirst == TRUE

Done(m) == before' = <<m, <<>>>>

WriteDown ==
    /\ stage = (IF JournalsFirst THEN "HEARD" ELSE "POSTED")
    /\ journal' = Append(journal, hand[1])
    /\ IF JournalsFirst
       THEN hand' = hand /\ stage' = "JOURNALLED" /\ before' = <<before[1], hand>>
       ELSE hand' = <<>> /\ stage' = "IDLE" /\ Done(memory)
    /\ UNCHANGED <<venue, saved, memory, acked, crashes, seen, desync>>

Post ==
    /\ stage = (IF JournalsFirst THEN "JOURNALLED" ELSE "HEARD")
    /\ memory' = Apply(memory, hand[1])
    /\ acked' = (IF hand[1].item = 0 THEN acked ELSE acked \union {hand[1].item})
    /\ IF JournalsFirst
       THEN hand' = <<>> /\ stage' = "IDLE" /\ Done(memory')
       ELSE hand' = hand /\ stage' = "POSTED" /\ before' = before
    /\ UNCHANGED <<venue, journal, saved, crashes, seen, desync>>

Keep ==                                                      \* a checkpoint: nothing is in hand
    /\ Checkpoints /\ stage = "IDLE" /\ Len(journal) > saved[2]
    /\ saved' = <<Written(memory), Len(journal)>>
    /\ UNCHANGED <<venue, journal, memory, hand, stage, acked, crashes, before, seen, desync>>

Crash ==
    /\ stage # "DOWN" /\ crashes < MaxCrashes
    /\ crashes' = crashes + 1
    /\ stage' = "DOWN" /\ memory' = Nothing /\ hand' = <<>> /\ seen' = <<>>
    /\ UNCHANGED <<venue, journal, saved, acked, before, desync>>

Restart ==
    /\ stage = "DOWN"
    /\ memory' = Replay /\ stage' = "IDLE" /\ Done(memory')
    /\ UNCHANGED <<venue, journal, saved, hand, acked, crashes, seen, desync>>

(* Comparison: what the ledger says against what the venue says it holds. A fill that is being worked on, or an order     *)
(* that the venue has not answered yet (`flying`), excuses a difference; what cannot be read is neither same nor other.   *)

VenueLots == (IF 1 \in venue THEN 1 ELSE 0) + (IF 2 \in venue THEN 2 ELSE 0) - (IF 3 \in venue THEN 2 ELSE 0)

Found == IF memory.lots = VenueLots THEN "SAME" ELSE "DIFFERS"

Accuses(looks) == Len(looks) = 2 /\ looks[1] = <<"DIFFERS", FALSE>> /\ looks[2] = <<"DIFFERS", FALSE>>

Noted(looks, look) ==                                        \* an unread look is none: the one before it stands
    IF look[1] = "UNKNOWN" THEN looks ELSE IF Len(looks) < 2 THEN Append(looks, look) ELSE <<looks[2], look>>

Look(found, flying) ==
    /\ Looks # {} /\ stage = "IDLE" /\ ~desync
    /\ found \in Looks \union {Found}
    /\ seen' = Noted(seen, <<found, flying>>)
    /\ desync' = Accuses(seen')
    /\ UNCHANGED <<venue, journal, saved, memory, hand, stage, acked, crashes, before>>

Next ==
    \/ \E i \in Items: Happen(i) \/ Hear(i)
    \/ \E o \in Orders: Ask(o)
    \/ WriteDown \/ Post \/ Keep \/ Crash \/ Restart
    \/ \E found \in {"SAME", "DIFFERS", "UNKNOWN"}, flying \in BOOLEAN: Look(found, flying)

Spec == Init /\ [][Next]_vars
=============================================================================
