----------------------------- MODULE MCWatchdog -----------------------------
(* The theorems about Watchdog, each named as a sentence, the history that some of them need, and the flaws.              *)
(* No property uses an operator that an action uses.                                                                      *)
EXTENDS Watchdog

VARIABLES
    sentenced,                                            \* the watchdog has acted, the disk took its KILL, no confirm since
    well                                                  \* the process has been up for a whole tick, so that its beats come

all == <<vars, sentenced, well>>

MCInit == Init /\ sentenced = FALSE /\ well = TRUE
MCNext ==
    /\ Next
    /\ sentenced' = IF (tripped' /\ ~tripped /\ ~full) \/ (file' /\ ~file) THEN TRUE
                    ELSE IF Confirm THEN FALSE ELSE sentenced
    /\ well' = IF process' # "up" THEN FALSE ELSE IF Tick THEN TRUE ELSE well
MCSpec == MCInit /\ [][MCNext]_all

(* Liveness: time passes, and what can be done by who is alive is done, however often one of the two dies in between.     *)
LiveSpec ==
    /\ MCSpec
    /\ WF_all(Tick /\ MCNext) /\ WF_all(CountdownEnds /\ MCNext)
    /\ SF_all(dog = "on" /\ Tick /\ MCNext)               \* at last it lives long enough to look
    /\ SF_all(Send /\ MCNext) /\ SF_all(GuardCancels /\ MCNext) /\ SF_all(Latch /\ MCNext)
    /\ SF_all(Trip /\ MCNext) /\ SF_all(Sweep /\ MCNext)
    /\ WF_all(DogStarts /\ MCNext)
LonelySpec ==                                             \* as LiveSpec, and nobody starts a dead watchdog again
    /\ MCSpec
    /\ WF_all(Tick /\ MCNext) /\ WF_all(CountdownEnds /\ MCNext)
    /\ SF_all(Trip /\ MCNext) /\ SF_all(Sweep /\ MCNext)
DiskSpec ==                                               \* the disk mends at last, again and again
    /\ MCSpec
    /\ WF_all(Mends /\ MCNext) /\ SF_all(PutAgain /\ MCNext)
------------------------------------------------------------------------------
(* Safety *)

NoEntryIsDecidedBetweenTheActAndAConfirm ==               \* DOL-WATCH-003
    [][(~pipe /\ pipe') => ~sentenced]_all
AHealthyBookIsNeverActedUpon ==                           \* DOL-WATCH-002
    [][(~tripped /\ tripped') => ~well]_all
TheCountdownIsNotArmedForTheDead ==                       \* DOL-WATCH-004
    [][(left' > left) => (late < Missed /\ ~tripped)]_all
------------------------------------------------------------------------------
(* Liveness *)

WhatADeadProcessLeftIsCancelled ==                        \* DOL-WATCH-001
    (process = "dead" /\ working) ~> (~working \/ process # "dead")
WhatAHungProcessLeftIsCancelled ==                        \* DOL-WATCH-001
    (process = "held" /\ working) ~> (~working \/ process # "held")
WhatWorksUnderASentenceIsCancelled ==                     \* DOL-WATCH-001
    (sentenced /\ working) ~> (~sentenced \/ ~working)
AKillThatTheDiskRefusedIsPutAtLast ==                     \* DOL-WATCH-008, where who owes it lives
    owed ~> (sentenced \/ dog = "dead")
BothDeadTheVenueCancels ==                                \* DOL-WATCH-004
    (process = "dead" /\ dog = "dead" /\ armed /\ working) ~> (~working \/ process # "dead" \/ dog # "dead")
------------------------------------------------------------------------------
(* Interesting, so reachable *)

NeverWokenAfterTheAct == ~(sentenced /\ process = "up" /\ file /\ ~killed)
NeverPutAgain == [][~(owed /\ ~owed' /\ file' /\ process = "up")]_all
NeverASecondSweep == [][~(tripped /\ tripped' /\ ~armed /\ working /\ ~working' /\ process = "dead")]_all
NeverCancelledByTheCountdownAlone == [][~(armed /\ ~armed' /\ working /\ dog = "dead")]_all
NeverTradesWithoutAThirdLine == ~(process = "up" /\ working /\ dog = "dead" /\ ~armed)
NeverWatchesAgain == [][~(tripped /\ ~tripped' /\ dog = "on" /\ dog' = "on")]_all
------------------------------------------------------------------------------
(* Flaws *)

LooksOnATimer == FALSE                                    \* the gate does not look: the timer will, later
MovesTheFileFirst == TRUE                                 \* a crash after it forgets the kill
MovesOneThatOnlyMemoryHas == killed                       \* as the code did, where journal and latch file had refused
PutOnce == FALSE
RestsThoughOwed == TRUE                                   \* no KILL lies there, so it was taken
OneBeatIsEnough == late > 0 /\ looked
SleptAndDidNotLook == TRUE                                \* the watchdog takes its own sleep for the process'
FileAfterTheCancels == FALSE
SweptOnce == tripped /\ armed                             \* until the countdown has fired; later ones are left
RefreshedWhateverTheBeats == dog = "on"
SomebodyElseRefreshes == TRUE                             \* another tool arms the countdown of the same symbols
==============================================================================
