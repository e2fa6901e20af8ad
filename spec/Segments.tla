------------------------------ MODULE Segments ------------------------------
\* A journal for years: segments that are chained, checkpoints, and what is done to both: rotation, retention, backup, restore.
\* Definitions: operators, actions, Init, Next. The theorems are in MC/MCSegments.tla. docs/design/journal-years.md says why.
\*
\* What stands for what. A record is its kind and, of a checkpoint, the state that it holds. A hash stands for all that is before it,
\* so a segment's `link` (the hash that its header names) is that very sequence. The state is three numbers: events, kills
\* (episodes), and whether the latch holds. A crash may come between any two actions; each action is one call of the system.
EXTENDS Naturals, Sequences, FiniteSets, TLC

CONSTANTS
    MaxRecords,         \* the run ends when so many are in the journal
    MaxSegments,        \* and the journal is rotated so often, less one
    MaxCrashes

None == [no |-> TRUE]
Zero == [events |-> 0, kills |-> 0, killed |-> FALSE]

VARIABLES
    live,               \* [number, link, recs]: the file that every tool finds under the journal's name
    old,                \* number -> segment, of those that were rotated away and are still beside it
    retired,            \* the numbers of those that retention took away
    next,               \* the file that rotation makes, or None; a crash leaves it
    linked,             \* whether the live file has its number's name as well
    pc,                 \* "idle", "made", "linked": where rotation is
    up,                 \* whether the process runs
    mem,                \* its state
    waiting,            \* <<kind>> of a step that is not in the journal yet, or <<>>
    acked,              \* what was acknowledged, ever (a ghost; a restore says what it takes away)
    latch,              \* the latch file: [killed, kills]
    killed,             \* whether somebody killed, and nobody has armed since (a ghost)
    backup,             \* [live, old, head, begins, done] or None; `begins` (a ghost): how many records are before its first
    crashes

vars == <<live, old, retired, next, linked, pc, up, mem, waiting, acked, latch, killed, backup, crashes>>

\* --- states and records ------------------------------------------------------------------------------------------------------

Kinds == {"event", "kill", "arm"}

Apply(state, kind) ==
    CASE kind = "event" -> [state EXCEPT !.events = @ + 1]
      [] kind = "kill" -> IF state.killed THEN state ELSE [state EXCEPT !.kills = @ + 1, !.killed = TRUE]
      [] kind = "arm" -> [state EXCEPT !.killed = FALSE]
      [] OTHER -> state

Record(kind) == [kind |-> kind, state |-> None]
Checkpoint(state) == [kind |-> "checkpoint", state |-> state]

RECURSIVE FoldFrom(_, _)
FoldFrom(state, recs) == IF recs = <<>> THEN state ELSE FoldFrom(Apply(state, Head(recs).kind), Tail(recs))
Fold(recs) == FoldFrom(Zero, recs)

Whole(file) == file.link \o file.recs

Last(recs) ==
    LET places == {i \in 1..Len(recs) : recs[i].kind = "checkpoint"} IN
    IF places = {} THEN 0 ELSE CHOOSE i \in places : \A j \in places : j <= i

\* --- what recovery needs, and does -------------------------------------------------------------------------------------------

\* The last segment of this chain that holds a checkpoint; the first one needs none.
Anchors(file, others) ==
    {n \in (DOMAIN others \union {file.number}) :
        LET it == IF n = file.number THEN file ELSE others[n] IN n = 1 \/ Last(it.recs) > 0}

From(file, others) ==
    LET found == {n \in Anchors(file, others) : n <= file.number} IN
    IF found = {} THEN 0 ELSE CHOOSE n \in found : \A m \in found : m <= n

Recoverable(file, others) ==
    LET first == From(file, others) IN
    first > 0 /\ \A n \in first..(file.number - 1) : n \in DOMAIN others

RECURSIVE Joined(_, _, _)
Joined(n, file, others) == IF n = file.number THEN file.recs ELSE others[n].recs \o Joined(n + 1, file, others)

\* From the last checkpoint on, over segments if need be.
Rebuilt(file, others) ==
    LET recs == Joined(From(file, others), file, others)
        at == Last(recs) IN
    IF at = 0 THEN FoldFrom(Zero, recs) ELSE FoldFrom(recs[at].state, SubSeq(recs, at + 1, Len(recs)))

\* The journal has every step.
Idle == waiting = <<>>

\* --- what a flaw replaces ----------------------------------------------------------------------------------------------------

\* A checkpoint is written when the journal has every step: a state that is ahead of its journal is no fold of it.
MayCheckpoint == Idle
\* The live file goes to its number's name before another takes its own.
MayReplace == pc = "linked"
\* A file that an earlier rotation left is not taken: it continues a journal that has gone on since.
Made(fresh) == fresh
\* Only what stands before a checkpoint that recovery will use.
MayRetire(n) == n < live.number /\ Last(live.recs) > 0
\* The live file first: what is rotated away meanwhile is then in the copy twice, not nowhere.
LiveFileFirst == TRUE
\* The copy is read and folded, and its own head is what is said.
Verified(copy) == Recoverable(copy.live, copy.old)
HeadSaid(copy) == Len(Whole(copy.live))
\* A backup that is there is brought up where the book still has all from the segment on that it ends in.
MayBringUp == \A n \in backup.live.number..(live.number - 1) : n \in DOMAIN old
\* Nobody knows what was decided after the backup: the book comes up killed.
LatchRestored(copy) == [killed |-> TRUE, kills |-> 99]
\* A kill is told to the latch file before the journal.
LatchBefore(kind) == IF kind = "kill" THEN [killed |-> TRUE, kills |-> mem'.kills] ELSE latch

\* How many records are before the oldest segment from which a copy goes on without a hole.
Begins(copy) ==
    LET numbers == DOMAIN copy.old \union {copy.live.number}
        whole == {n \in numbers : \A k \in n..copy.live.number : k \in numbers}
        first == CHOOSE n \in whole : \A m \in whole : n <= m IN
    IF first = copy.live.number THEN Len(copy.live.link) ELSE Len(copy.old[first].link)

\* --- the two halves of a copy -----------------------------------------------------------------------------------------------

FirstCopied ==
    [live |-> IF LiveFileFirst THEN live ELSE None, old |-> IF LiveFileFirst THEN <<>> ELSE old, head |-> 0, begins |-> 0, done |-> FALSE]

SecondCopied(copy) ==
    IF LiveFileFirst
    THEN [copy EXCEPT !.old = [n \in {m \in DOMAIN old : m < copy.live.number} |-> old[n]]]
    ELSE [copy EXCEPT !.live = live]

\* --- a run -------------------------------------------------------------------------------------------------------------------

Init ==
    /\ live = [number |-> 1, link |-> <<>>, recs |-> <<>>]
    /\ old = <<>> /\ retired = {} /\ next = None /\ linked = FALSE /\ pc = "idle"
    /\ up = TRUE /\ mem = Zero /\ waiting = <<>> /\ acked = <<>>
    /\ latch = [killed |-> FALSE, kills |-> 0] /\ killed = FALSE
    /\ backup = None /\ crashes = 0

Room == Len(Whole(live)) < MaxRecords

Step(kind) ==
    /\ up /\ pc = "idle" /\ waiting = <<>> /\ Room
    /\ kind = "arm" => mem.killed
    /\ mem' = Apply(mem, kind)
    /\ waiting' = <<kind>>
    /\ latch' = LatchBefore(kind)
    /\ killed' = (killed \/ kind = "kill")
    /\ UNCHANGED <<live, old, retired, next, linked, pc, up, acked, backup, crashes>>

Put(record) == live' = [live EXCEPT !.recs = Append(@, record)]

Write ==
    /\ up /\ pc = "idle" /\ waiting # <<>>
    /\ Put(Record(waiting[1]))
    /\ acked' = Append(acked, Record(waiting[1]))
    /\ waiting' = <<>>
    /\ latch' = IF waiting[1] = "arm" THEN [killed |-> FALSE, kills |-> mem.kills] ELSE latch
    /\ killed' = IF waiting[1] = "arm" THEN FALSE ELSE killed
    /\ UNCHANGED <<old, retired, next, linked, pc, up, mem, backup, crashes>>

WriteCheckpoint ==
    /\ up /\ pc = "idle" /\ MayCheckpoint /\ Room
    /\ live.recs # <<>> => live.recs[Len(live.recs)].kind # "checkpoint"
    /\ Put(Checkpoint(mem))
    /\ acked' = Append(acked, Checkpoint(mem))
    /\ UNCHANGED <<old, retired, next, linked, pc, up, mem, waiting, latch, killed, backup, crashes>>

\* --- rotation: make, link, replace -------------------------------------------------------------------------------------------

\* With its checkpoint, or without where the state has no room in a line.
Make(with) ==
    /\ up /\ pc = "idle" /\ waiting = <<>> /\ Room /\ live.number < MaxSegments
    /\ live.recs # <<>>
    /\ LET first == IF with THEN <<Checkpoint(mem)>> ELSE <<>> IN
        next' = Made([number |-> live.number + 1, link |-> Whole(live), recs |-> first])
    /\ pc' = "made"
    /\ UNCHANGED <<live, old, retired, linked, up, mem, waiting, acked, latch, killed, backup, crashes>>

Link ==
    /\ up /\ pc = "made"
    /\ linked' = TRUE /\ pc' = "linked"
    /\ UNCHANGED <<live, old, retired, next, up, mem, waiting, acked, latch, killed, backup, crashes>>

\* The moment that decides: before it the old file is the journal, after it the new one is.
Replace ==
    /\ up /\ MayReplace
    /\ old' = IF linked THEN (live.number :> live) @@ old ELSE old
    /\ live' = next
    /\ acked' = acked \o next.recs
    /\ next' = None /\ linked' = FALSE /\ pc' = "idle"
    /\ UNCHANGED <<retired, up, mem, waiting, latch, killed, backup, crashes>>

\* --- crash and recovery ------------------------------------------------------------------------------------------------------

Crash ==
    /\ up /\ crashes < MaxCrashes
    /\ up' = FALSE /\ pc' = "idle" /\ waiting' = <<>> /\ mem' = Zero /\ crashes' = crashes + 1
    /\ UNCHANGED <<live, old, retired, next, linked, acked, latch, killed, backup>>

\* A kill that the latch file alone knows is stepped, and waits to be written, before anything else.
Recover ==
    /\ ~up /\ Recoverable(live, old)
    /\ LET state == Rebuilt(live, old)
           held == latch.killed /\ ~state.killed /\ latch.kills > state.kills IN
        /\ mem' = IF held THEN Apply(state, "kill") ELSE state
        /\ waiting' = IF held THEN <<"kill">> ELSE <<>>
    /\ up' = TRUE
    /\ UNCHANGED <<live, old, retired, next, linked, pc, acked, latch, killed, backup, crashes>>

\* --- retention, backup, restore ----------------------------------------------------------------------------------------------

Retire(n) ==
    /\ n \in DOMAIN old /\ MayRetire(n)
    /\ old' = [m \in DOMAIN old \ {n} |-> old[m]]
    /\ retired' = retired \union {n}
    /\ UNCHANGED <<live, next, linked, pc, up, mem, waiting, acked, latch, killed, backup, crashes>>

BeginBackup ==
    /\ backup = None
    /\ backup' = FirstCopied
    /\ UNCHANGED <<live, old, retired, next, linked, pc, up, mem, waiting, acked, latch, killed, crashes>>

EndBackup ==
    /\ backup # None /\ ~backup.done
    /\ LET copy == SecondCopied(backup) IN
        backup' = IF Verified(copy) THEN [copy EXCEPT !.head = HeadSaid(copy), !.begins = Begins(copy), !.done = TRUE] ELSE None
    /\ UNCHANGED <<live, old, retired, next, linked, pc, up, mem, waiting, acked, latch, killed, crashes>>

\* A backup that is there gets the segments that it has not and the live file of now; the rename of that decides.
BringUpBackup ==
    /\ backup # None /\ backup.done /\ MayBringUp
    /\ Len(Whole(live)) > backup.head
    /\ LET copy == [backup EXCEPT !.live = live, !.old = @ @@ old] IN
        backup' = IF Verified(copy) THEN [copy EXCEPT !.head = HeadSaid(copy)] ELSE backup
    /\ UNCHANGED <<live, old, retired, next, linked, pc, up, mem, waiting, acked, latch, killed, crashes>>

\* Over what is left of a destroyed book. What was acknowledged since is gone, and is said: `acked` begins anew.
Restore ==
    /\ ~up /\ backup # None /\ backup.done
    /\ live' = backup.live /\ old' = backup.old /\ retired' = 1..(backup.live.number - 1) \ DOMAIN backup.old
    /\ next' = None /\ linked' = FALSE
    /\ latch' = LatchRestored(backup)
    /\ acked' = Whole(backup.live)
    /\ backup' = None
    /\ UNCHANGED <<pc, up, mem, waiting, killed, crashes>>

Next ==
    \/ \E kind \in Kinds : Step(kind)
    \/ Write \/ WriteCheckpoint
    \/ \E with \in BOOLEAN : Make(with)
    \/ Link \/ Replace
    \/ Crash \/ Recover
    \/ \E n \in DOMAIN old : Retire(n)
    \/ BeginBackup \/ EndBackup \/ BringUpBackup \/ Restore

Spec == Init /\ [][Next]_vars
=============================================================================
