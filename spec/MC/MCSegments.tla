----------------------------- MODULE MCSegments -----------------------------
\* The theorems about Segments.tla, each a sentence; what should be reachable; and wrong journals, one operator each.
EXTENDS Segments

File(n) == IF n = live.number THEN live ELSE old[n]
IsPrefix(short, long) == Len(short) <= Len(long) /\ SubSeq(long, 1, Len(short)) = short

TypeOK ==
    /\ live.number \in 1..MaxSegments
    /\ pc \in {"idle", "made", "linked"}
    /\ DOMAIN old \subseteq 1..(MaxSegments - 1)
    /\ Len(waiting) <= 1
    /\ pc # "idle" => (up /\ next # None)

\* --- theorems ----------------------------------------------------------------------------------------------------------------

NothingAcknowledgedIsLost == IsPrefix(acked, Whole(live))

EverySegmentIsKeptUntilItIsRetired == \A n \in 1..(live.number - 1) : n \in DOMAIN old \/ n \in retired

TheChainIsUnbrokenOverSegments ==
    \A n \in DOMAIN old : n + 1 \in (DOMAIN old \union {live.number}) => File(n + 1).link = Whole(File(n))

ACheckpointIsTheFoldOfWhatIsBeforeIt ==
    \A i \in 1..Len(Whole(live)) :
        Whole(live)[i].kind = "checkpoint" => Whole(live)[i].state = Fold(SubSeq(Whole(live), 1, i - 1))

RetentionLeavesWhatRecoveryNeeds == Recoverable(live, old)

TheStateIsTheFold == (up /\ Idle) => mem = Fold(Whole(live))

AKillIsNotForgotten == (up /\ killed) => (mem.killed \/ waiting = <<"arm">>)

ABackupIsAsNewAsItSays ==
    (backup # None /\ backup.done) =>
        /\ backup.head = Len(Whole(backup.live))
        /\ Recoverable(backup.live, backup.old)
        /\ Rebuilt(backup.live, backup.old) = Fold(Whole(backup.live))

ABackupLacksOnlyWhatWasRetired ==
    (backup # None /\ backup.done) =>
        \A n \in 1..(backup.live.number - 1) : n \in DOMAIN backup.old \/ n \in retired

ABackupKeepsWhatItHad == (backup # None /\ backup.done) => Begins(backup) = backup.begins

\* --- what should be reachable ------------------------------------------------------------------------------------------------

NeverRotatedTwice == live.number < 3
NeverRetired == retired = {}
NeverRestored == latch.kills < 99
NeverRecoveredOverSegments == ~(~up /\ Last(live.recs) = 0 /\ live.number > 1)
NeverALeftoverOfARotation == ~(~up /\ next # None)

\* --- wrong journals ----------------------------------------------------------------------------------------------------------

CheckpointAheadOfTheJournal == TRUE
ReplacedUnlinked == pc \in {"made", "linked"}
LeftoverTaken(fresh) == IF next # None THEN next ELSE fresh
RetiredByAge(n) == n < live.number
RotatedFilesFirst == FALSE
HeadOfTheBook(copy) == Len(Whole(live))
NotVerified(copy) == TRUE
BroughtUpOverAGap == TRUE
BackupsOwnLatch(copy) == LET state == Rebuilt(copy.live, copy.old) IN [killed |-> state.killed, kills |-> state.kills]
LatchAfterTheJournal(kind) == latch
CheckpointAlone(file, others) ==
    LET recs == Joined(From(file, others), file, others)
        at == Last(recs) IN
    IF at = 0 THEN FoldFrom(Zero, recs) ELSE recs[at].state
=============================================================================
