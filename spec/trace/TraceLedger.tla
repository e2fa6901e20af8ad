----------------------------- MODULE TraceLedger -----------------------------
(* Does what a journal says of its ledger follow from its entries? A record is an entry (a fill, a deposit, an opening    *)
(* entry), whose postings Accounts.tla computes, or a statement: a checkpoint's ledger, a reading of a position, the      *)
(* answer to a reconciliation, the checksum in CLOSE. Nothing is searched: a record has one successor or none, so all     *)
(* conform if and only if TLC finds Count + 1 distinct states; with fewer, the first bad record is the one of that        *)
(* number, and the field is printed.                                                                                      *)
(*                                                                                                                        *)
(* TLC's integers have 32 bits, so numbers have two other forms here. Lots, whose sign and order decide, are pairs:       *)
(* thousand millions and the rest. Money, of which only sums and products are taken, is a residue number: what is left of *)
(* it by ten primes. Two of them are the same number if and only if all ten are the same, as long as both are smaller than  *)
(* half the product of the primes (155 bits); the audit sees to that. A quotient is brought along with its remainder and  *)
(* multiplied back, as the kernel's `certified_kept` does it.                                                             *)
(* Names are small numbers: positions have a place while they are open, and instruments and currencies an index. A fill's *)
(* item is how many fills had been remembered when it last was. Run with -deadlock (a trace ends) and one worker.         *)
EXTENDS Accounts, LedgerRecords, TLC

VARIABLES
    i,              \* how many records have been consumed
    held,           \* accounts of what is open, by place
    where,          \* the instrument of a place, 0 where nothing is open
    ended,          \* what has ended, by instrument
    purse,          \* fees by currency; the first one has the capital
    counts          \* remembered: fills that can be told apart, ever; forgotten: those of before a simulated venue began
                    \* anew; run: those of this run; fills; again

vars == <<i, held, where, ended, purse, counts>>
View == i                                                 \* the cursor alone tells the states apart

Record == Chunks[(i \div PerChunk) + 1][(i % PerChunk) + 1]
------------------------------------------------------------------------------
(* Lots: pairs *)

Giga == 1000000000
NoPair == <<0, 0>>
AddPairs(x, y) == LET low == x[2] + y[2] IN <<x[1] + y[1] + (low \div Giga), low % Giga>>
Negative(x) == IF x[2] = 0 THEN <<-x[1], 0>> ELSE <<-x[1] - 1, Giga - x[2]>>
SignOfPair(x) == IF x[1] < 0 THEN -1 ELSE IF x = NoPair THEN 0 ELSE 1
SizeOfPair(x) == IF x[1] < 0 THEN Negative(x) ELSE x
Below(x, y) == x[1] < y[1] \/ (x[1] = y[1] /\ x[2] < y[2])

(* Money: residues *)

P == <<46337, 46327, 46309, 46307, 46301, 46279, 46273, 46271, 46261, 46237>>
G == <<Giga % P[1], Giga % P[2], Giga % P[3], Giga % P[4], Giga % P[5],
       Giga % P[6], Giga % P[7], Giga % P[8], Giga % P[9], Giga % P[10]>>
NoResidues == <<0, 0, 0, 0, 0, 0, 0, 0, 0, 0>>
AddResidues(x, y) ==
    <<(x[1] + y[1]) % P[1], (x[2] + y[2]) % P[2], (x[3] + y[3]) % P[3], (x[4] + y[4]) % P[4], (x[5] + y[5]) % P[5],
      (x[6] + y[6]) % P[6], (x[7] + y[7]) % P[7], (x[8] + y[8]) % P[8], (x[9] + y[9]) % P[9], (x[10] + y[10]) % P[10]>>
LessResidues(x, y) ==
    <<(x[1] - y[1]) % P[1], (x[2] - y[2]) % P[2], (x[3] - y[3]) % P[3], (x[4] - y[4]) % P[4], (x[5] - y[5]) % P[5],
      (x[6] - y[6]) % P[6], (x[7] - y[7]) % P[7], (x[8] - y[8]) % P[8], (x[9] - y[9]) % P[9], (x[10] - y[10]) % P[10]>>
Times(x, y) ==
    <<(x[1] * y[1]) % P[1], (x[2] * y[2]) % P[2], (x[3] * y[3]) % P[3], (x[4] * y[4]) % P[4], (x[5] * y[5]) % P[5],
      (x[6] * y[6]) % P[6], (x[7] * y[7]) % P[7], (x[8] * y[8]) % P[8], (x[9] * y[9]) % P[9], (x[10] * y[10]) % P[10]>>
Low(n) == <<n % P[1], n % P[2], n % P[3], n % P[4], n % P[5], n % P[6], n % P[7], n % P[8], n % P[9], n % P[10]>>
Residues(pair) == AddResidues(Times(Low(pair[1]), G), Low(pair[2]))

(* A share floored: the quotient and the remainder were brought along *)

Divides(amount, lots, quotient, rest) ==
    /\ AddResidues(Times(quotient, Residues(lots)), Residues(rest)) = amount
    /\ rest[1] >= 0 /\ Below(rest, lots)

KeptByWitness(cost, kept, lots) ==
    IF Record[13] # <<>> /\ Divides(Times(cost, Residues(kept)), lots, Record[13][1], Record[13][2]) THEN Record[13][1]
    ELSE Assert(FALSE, "the quotient that was brought along is not what is kept of the cost")

(* What lots cost: at a linear price their product; at an inverse one a share of 10^18, which was brought along for them *)

InverseOne == Residues(<<Giga, 0>>)

AmountOfRecord(lots, price) ==
    IF price[1] = 0 THEN Times(Residues(lots), price[2])
    ELSE LET said == CHOOSE w \in {price[n] : n \in 3..Len(price)}: w[1] = lots
         IN IF Divides(Times(Residues(lots), InverseOne), price[2], said[2], said[3])
            THEN LessResidues(NoResidues, said[2])
            ELSE Assert(FALSE, "the quotient that was brought along is not what the lots are worth")
------------------------------------------------------------------------------
(* What is said against what is so *)

Same(field, is, said) == IF is = said THEN TRUE ELSE PrintT(<<"differs", i + 1, field, is, said>>) /\ FALSE
AsBit(b) == IF b THEN 1 ELSE 0

Forgets == 1024
Least(n) == IF counts.remembered - Forgets > n THEN counts.remembered - Forgets ELSE n
Known == (Least(counts.forgotten) + 1)..counts.remembered
KnownInRun == ((IF counts.run > Forgets THEN counts.run - Forgets ELSE 0) + 1)..counts.run

Together(a, b) ==
    [a EXCEPT !.lots = AddLots(@, b.lots), !.cost = AddMoney(@, b.cost), !.cash = AddMoney(@, b.cash),
              !.realised = AddMoney(@, b.realised)]

HowMany == Len(SelectSeq(where, LAMBDA n: n # 0))
Of(instrument) == {s \in 1..Len(held): where[s] = instrument}

RECURSIVE AllOf(_), Emptied(_, _), Left(_, _)
AllOf(places) ==
    IF places = {} THEN Nothing ELSE LET s == CHOOSE s \in places: TRUE IN Together(held[s], AllOf(places \ {s}))
Emptied(accounts, places) ==
    IF places = {} THEN accounts
    ELSE LET s == CHOOSE s \in places: TRUE IN Emptied([accounts EXCEPT ![s] = Nothing], places \ {s})
Left(instruments, places) ==
    IF places = {} THEN instruments
    ELSE LET s == CHOOSE s \in places: TRUE IN Left([instruments EXCEPT ![s] = 0], places \ {s})

(* A fill: <<1, place, instrument, side, lots, price, item, item in this run, again, counted, currency, fee, share>>;     *)
(* counted 0 is a spread's own fill, whose legs have theirs; item 0: it was not remembered; a fill without a trade id is   *)
(* never remembered, and has -1.                                                                                          *)

Item(n) == [item |-> IF n < 0 THEN 0 ELSE n]

Posted(r) ==
    LET lots == IF r[4] = 1 THEN r[5] ELSE Negative(r[5])
        after == Booked(held[r[2]], lots, r[6])
        flat == SignOf(after.lots) = 0
    IN /\ held' = [held EXCEPT ![r[2]] = IF flat THEN Nothing ELSE after]
       /\ where' = [where EXCEPT ![r[2]] = IF flat THEN 0 ELSE r[3]]
       /\ ended' = IF flat THEN [ended EXCEPT ![r[3]] = Together(@, after)] ELSE ended
       /\ purse' = [purse EXCEPT ![r[11]] = Money(@, [fee |-> r[12], deposit |-> NoMoney])]

Filled(r) ==
    LET fresh == Fresh([known |-> Known], Item(r[7]))
        new == Fresh([known |-> KnownInRun], Item(r[8]))
        named == r[7] >= 0
    IN /\ Same("side", IF r[4] = 1 THEN 1 ELSE -1, r[4])
       /\ Same("lots", 1, SignOf(r[5]))
       /\ IF new THEN TRUE ELSE Same("again", 1, r[9])
       /\ IF fresh THEN Same("again", 0, r[9]) ELSE TRUE
       /\ IF r[10] = 0 THEN UNCHANGED <<held, where, ended, purse, counts>>
          ELSE /\ counts' = [counts EXCEPT !.remembered = @ + AsBit(fresh /\ named), !.run = @ + AsBit(new /\ named),
                                           !.fills = @ + AsBit(fresh), !.again = @ + AsBit(~fresh)]
               /\ IF fresh THEN Posted(r) ELSE UNCHANGED <<held, where, ended, purse>>

(* A deposit, or a withdrawal: <<2, amount>> *)

Flowed(r) ==
    /\ purse' = [purse EXCEPT ![1] = Money(@, [fee |-> NoMoney, deposit |-> r[2]])]
    /\ UNCHANGED <<held, where, ended, counts>>

(* What is shown of an instrument at a start: <<3, instrument, <<place, lots, price>>, ...>>. The same lots under another  *)
(* name keep their cost. Else what was held is left at its cost, and what is shown begins at its own price.                *)

RECURSIVE Begun(_, _, _), BegunIn(_, _, _)
Begun(accounts, r, n) ==
    IF n > Len(r) THEN accounts
    ELSE Begun([accounts EXCEPT ![r[n][1]] = Booked(Nothing, r[n][2], r[n][3])], r, n + 1)
BegunIn(instruments, r, n) ==
    IF n > Len(r) THEN instruments ELSE BegunIn([instruments EXCEPT ![r[n][1]] = r[2]], r, n + 1)

RECURSIVE Shown(_, _)
Shown(r, n) == IF n > Len(r) THEN NoLots ELSE AddLots(r[n][2], Shown(r, n + 1))

LeftAtCost(a) == [a EXCEPT !.lots = NoLots, !.cost = NoMoney, !.cash = AddMoney(@, a.cost)]
Settled(a) == [a EXCEPT !.cost = NoMoney, !.realised = LessMoney(@, a.cost)]

Opened(r) ==
    LET mine == Of(r[2])
        total == AllOf(mine)
        as_it_is == mine = {r[n][1] : n \in 3..Len(r)} /\ \A n \in 3..Len(r): held[r[n][1]].lots = r[n][2]
        same == total.lots = Shown(r, 3)
    IN /\ UNCHANGED <<purse, counts>>
       /\ IF as_it_is THEN UNCHANGED <<held, where, ended>>
          ELSE IF same /\ Len(r) = 3
          THEN /\ held' = [Emptied(held, mine) EXCEPT ![r[3][1]] = total]
               /\ where' = [Left(where, mine) EXCEPT ![r[3][1]] = r[2]]
               /\ ended' = ended
          ELSE /\ held' = Begun(Emptied(held, mine), r, 3)
               /\ where' = BegunIn(Left(where, mine), r, 3)
               /\ ended' = [ended EXCEPT ![r[2]] = Together(@, IF same /\ Len(r) = 2 THEN Settled(total)
                                                                ELSE LeftAtCost(total))]

(* Statements. Of an account: <<4, place, instrument, lots, cost, cash, realised>>, of what has ended of an instrument:   *)
(* <<5, instrument, ...>>; debits equal credits in what is said, whatever it should be                                    *)

Account(lots, cost, cash, realised) == [lots |-> lots, cost |-> cost, cash |-> cash, realised |-> realised]
SaidOf(a, said) ==
    /\ Same("balance", said.realised, AddMoney(said.cash, said.cost))
    /\ Same("lots", a.lots, said.lots)
    /\ Same("cost", a.cost, said.cost)
    /\ Same("cash", a.cash, said.cash)
    /\ Same("realised", a.realised, said.realised)

(* A reconciliation is of the fills that the journal had then. Where the disk refused, fills waited and were written      *)
(* before the answer was: its count is then smaller, and its lots are of another moment.                                  *)

Late(fills) == fills < counts.fills

Says(r) ==
    CASE r[1] = 4 -> /\ Same("open", 1, AsBit(r[2] > 0))
                     /\ Same("instrument", where[r[2]], r[3])
                     /\ SaidOf(held[r[2]], Account(r[4], r[5], r[6], r[7]))
      [] r[1] = 5 -> SaidOf(ended[r[2]], Account(r[3], r[4], r[5], r[6]))
      [] r[1] = 6 -> /\ Same("held", HowMany, r[2])
                     /\ Same("fills", counts.fills, r[3])
                     /\ Same("again", counts.again, r[4])
                     /\ Same("capital", purse[1].capital, r[5])
      [] r[1] = 7 -> Same("fees", purse[r[2]].fees, r[3])                          \* <<7, currency, fees>>
      [] r[1] = 8 -> /\ Same("known", Least(counts.forgotten) + 1, r[2])           \* <<8, first, last>> that are known
                     /\ Same("known", counts.remembered, r[3])
      [] r[1] = 9 -> Same("checksum", 1, r[2])                                     \* <<9, whether it is of these books>>
      [] r[1] = 10 -> Same("position_lots", IF r[2] = 0 THEN NoLots ELSE held[r[2]].lots, r[3])
      [] r[1] = 11 -> Same("flat", 0, HowMany)
      [] r[1] = 12 -> Late(r[4]) \/ Same("rows", AllOf(Of(r[2])).lots, r[3])        \* <<12, instrument, lots, fills>>
      [] r[1] = 13 -> Late(r[2]) \/ Same("fills", counts.fills, r[2])

(* A run begins anew: <<14, whether its venue is a simulated one, whose names begin anew too>> *)

Resumed(r) ==
    /\ counts' = [counts EXCEPT !.run = 0, !.forgotten = IF r[2] = 1 THEN counts.remembered ELSE @]
    /\ UNCHANGED <<held, where, ended, purse>>
------------------------------------------------------------------------------
Begins(rows) == SubSeq([n \in 1..Len(rows) |-> [Nothing EXCEPT !.lots = rows[n][1], !.cost = rows[n][2],
                                                               !.cash = rows[n][3], !.realised = rows[n][4]]], 1, Len(rows))
TraceInit ==
    /\ i = 0
    /\ held = Begins(StartHeld) /\ where = StartWhere /\ ended = Begins(StartEnded)
    /\ purse = SubSeq([n \in 1..Len(StartPurse) |-> [Nothing EXCEPT !.fees = StartPurse[n][1],
                                                                    !.capital = StartPurse[n][2]]], 1, Len(StartPurse))
    /\ counts = [remembered |-> StartCounts[1], forgotten |-> StartCounts[2], run |-> StartCounts[3],
                 fills |-> StartCounts[4], again |-> StartCounts[5]]

TraceNext ==
    /\ i < Count
    /\ i' = i + 1
    /\ CASE Record[1] = 1 -> Filled(Record)
         [] Record[1] = 2 -> Flowed(Record)
         [] Record[1] = 3 -> Opened(Record)
         [] Record[1] = 14 -> Resumed(Record)
         [] OTHER -> Says(Record) /\ UNCHANGED <<held, where, ended, purse, counts>>

TraceSpec == TraceInit /\ [][TraceNext]_vars
==============================================================================
