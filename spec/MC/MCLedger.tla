------------------------------ MODULE MCLedger ------------------------------
(* What is true of the ledger: each theorem is a sentence, and uses no operator that an action uses, unless it is a table. *)
EXTENDS Ledger

MCSpec == Spec
FairSpec == Spec /\ WF_vars(WriteDown) /\ WF_vars(Post) /\ WF_vars(Restart) /\ \A o \in Orders: WF_vars(Ask(o))

Stages == {"DOWN", "IDLE", "HEARD", "JOURNALLED", "POSTED"}

TypeOK ==
    /\ venue \subseteq Items /\ acked \subseteq Items /\ memory.known \subseteq Items
    /\ stage \in Stages /\ crashes \in 0..MaxCrashes /\ desync \in BOOLEAN
    /\ Len(journal) <= MaxRecords /\ Len(hand) <= 1 /\ Len(seen) <= 2
    /\ (stage \in {"HEARD", "JOURNALLED", "POSTED"}) = (Len(hand) = 1)
    /\ \A o \in Orders: memory.tally[o] \in 0..8 /\ memory.inferred[o] \in 0..8

(* Sums over what was posted, said apart from the accounts *)

RECURSIVE OfOrder(_, _), Paid(_), Moved(_)
OfOrder(o, p) == IF p = <<>> THEN 0 ELSE (IF Head(p)[1] = o THEN Head(p)[2] ELSE 0) + OfOrder(o, Tail(p))
Paid(p) == IF p = <<>> THEN 0 ELSE Head(p)[2] * Head(p)[3] + Paid(Tail(p))
Moved(p) == IF p = <<>> THEN 0 ELSE Head(p)[2] + Moved(Tail(p))

RECURSIVE Sum(_, _, _)
Sum(table, items, i) == IF i > 4 THEN 0 ELSE (IF i \in items THEN table[i] ELSE 0) + Sum(table, items, i + 1)
Worth == <<-3, 4, 4, 0>>               \* what each item does to cash, fees apart

Settled == stage \in {"IDLE", "HEARD"}

NoFillIsLost == stage = "IDLE" => acked \subseteq memory.known
NoFillIsCountedTwice ==
    /\ OfOrder(1, memory.posted) \in 0..((IF 1 \in venue THEN 1 ELSE 0) + (IF 2 \in venue THEN 2 ELSE 0))
    /\ -OfOrder(2, memory.posted) \in 0..(IF 3 \in venue THEN 2 ELSE 0)
NoDepositIsCountedTwice == memory.capital \in {0, Sum(DepositOf, venue, 1)}
DebitsEqualCredits == memory.cash + memory.cost + memory.fees = memory.realised + memory.capital
CashIsWhatWasPaid == memory.cash = memory.capital - memory.fees - Paid(memory.posted)
LotsAreWhatMoved == memory.lots = Moved(memory.posted)
WhatIsKnownIsTheVenues ==              \* every fill known, by whatever way: cash, lots and fees are those of the venue
    (Settled /\ memory.known = venue) =>
        /\ memory.lots = Sum(LotsOf, venue, 1)
        /\ memory.fees = Sum(FeeOf, venue, 1)
        /\ memory.cash = Sum(Worth, venue, 1) - Sum(FeeOf, venue, 1) + Sum(DepositOf, venue, 1)
EquityIsCashAndValueOfPositions ==     \* what would be left if all were sold at the mark, from profits instead of cash
    \A mark \in {-2, 0, 3}:
        Equity(memory, mark) = memory.capital - memory.fees + memory.realised + (memory.lots * mark - memory.cost)
FlatCostsNothing == memory.lots = 0 => memory.cost = 0
ProfitIsNotShownBeforeItIsMade ==      \* what a reduction leaves of the cost is at most its share
    [][(Len(memory'.posted) = Len(memory.posted) + 1 /\ memory.lots * memory'.lots > 0
        /\ memory'.lots * memory'.lots < memory.lots * memory.lots)
       => memory'.cost * (memory.lots * memory.lots) <= memory.cost * memory'.lots * memory.lots]_vars
LessThanOneIsLeftOver ==               \* and less than one unit below it
    [][(Len(memory'.posted) = Len(memory.posted) + 1 /\ memory.lots * memory'.lots > 0
        /\ memory'.lots * memory'.lots < memory.lots * memory.lots)
       => memory'.cost * (memory.lots * memory.lots) + memory.lots * memory.lots
          > memory.cost * memory'.lots * memory.lots]_vars
AnAddedFillCostsWhatItCost ==
    [][(Len(memory'.posted) = Len(memory.posted) + 1 /\ memory.lots * (memory'.lots - memory.lots) > 0)
       => memory'.realised = memory.realised]_vars
ReplayIsWhatWasBefore ==               \* without a record since: the same; with one: that of the record alone is new
    [][(stage = "DOWN" /\ stage' = "IDLE") =>
        \/ memory' = before[1]
        \/ /\ Len(before[2]) > 0
           /\ memory'.known \ before[1].known \subseteq {before[2][1].item}]_vars
ReplayForgetsNothing == [][(stage = "DOWN" /\ stage' = "IDLE" /\ Len(before[2]) = 0) => memory' = before[1]]_vars
ARestartFromACheckpointIsOneFromTheStart ==
    [][(stage = "DOWN" /\ stage' = "IDLE") => memory' = Folded(Nothing, journal)]_vars
AReportNeverTakesAway == [][\A o \in Orders: stage # "DOWN" /\ stage' # "DOWN" => memory'.tally[o] >= memory.tally[o]]_vars

OneLookAccusesNobody == [][(~desync /\ desync') => (Len(seen) > 0 /\ seen[Len(seen)][1] = "DIFFERS")]_vars
WhatIsInFlightIsNotAccused == [][(~desync /\ desync') => \A n \in 1..Len(seen'): ~seen'[n][2]]_vars
WhatIsUnknownIsNotAccused == [][(~desync /\ desync') => memory.lots # VenueLots]_vars
UnknownIsNeitherSameNorOther == \A n \in 1..Len(seen): seen[n][1] # "UNKNOWN"
TwoLooksAccuse == [][(Len(seen') = 2 /\ seen' # seen /\ \A n \in 1..2: seen'[n] = <<"DIFFERS", FALSE>>) => desync']_vars

FirstIsCounted == Len(journal) = MaxRecords \/ memory.tally[1] >= 1
SecondIsCounted == Len(journal) = MaxRecords \/ memory.tally[1] >= 2
BothAreCounted == Len(journal) = MaxRecords \/ memory.tally[1] = 3
EveryFillIsCountedInTheEnd ==          \* also one whose notice never comes: the venue is asked
    /\ (1 \in venue) ~> FirstIsCounted
    /\ (2 \in venue) ~> SecondIsCounted
    /\ (venue = {1, 2}) ~> BothAreCounted

(* What should happen: TLC must refute each *)

NeverADuplicateAfterARestart ==
    [][~(stage = "JOURNALLED" /\ hand[1].item \in memory.known /\ stage' = "IDLE" /\ crashes > 0)]_vars
NeverALateFillAfterAnInferredOne == [][~(\E o \in Orders: stage' = "IDLE" /\ memory'.inferred[o] < memory.inferred[o])]_vars
NeverTakenBackInPart == [][~(\E o \in Orders: stage # "DOWN" /\ stage' # "DOWN" /\ memory.inferred[o] > memory'.inferred[o]
                              /\ memory'.inferred[o] > 0)]_vars
NeverADuplicateOfWhatTheCheckpointKnew ==
    [][~(stage = "JOURNALLED" /\ hand[1].item \in saved[1].known /\ stage' = "IDLE" /\ crashes > 0)]_vars
NeverAFoldFromTheMiddle == [][~(stage = "DOWN" /\ stage' = "IDLE" /\ saved[2] > 0 /\ Len(journal) > saved[2])]_vars
NeverDiesBetweenJournalAndPosting == [][~(stage = "JOURNALLED" /\ stage' = "DOWN")]_vars
NeverDiesBeforeTheJournal == [][~(stage = "HEARD" /\ stage' = "DOWN")]_vars
NeverRoundsACost == [][~(stage = "JOURNALLED" /\ stage' = "IDLE" /\ memory.lots * memory'.lots > 0
                        /\ memory'.lots * memory'.lots < memory.lots * memory.lots
                        /\ memory'.cost * memory.lots # memory.cost * memory'.lots)]_vars
NeverFlips == [][~(memory.lots * memory'.lots < 0)]_vars
NeverFlatAgain == [][~(stage # "DOWN" /\ stage' # "DOWN" /\ memory.lots # 0 /\ memory'.lots = 0)]_vars
NeverHappensWhileDown == [][~(stage = "DOWN" /\ venue' # venue)]_vars
NeverADesync == ~desync
NeverAcquittedByTheSecondLook ==
    [][~(Len(seen') = 2 /\ seen'[1] = <<"DIFFERS", FALSE>> /\ seen'[2][1] = "SAME")]_vars
=============================================================================
