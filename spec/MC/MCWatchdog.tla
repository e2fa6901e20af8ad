----------------------------- MODULE MCWatchdog -----------------------------
(* The theorems about Watchdog, each named as a sentence, the history that some of them need, and the flaws.              *)
(* No property uses an operator that an action uses.                                                                      *)
EXTENDS Watchdog

VARIABLES
    sentenced,                                            \* the watchdog has acted, the disk took its KILL, no confirm since
    well,                                                 \* the process is up, and has been since a beat of its loop came
    silent                                                \* ticks since a beat of its loop came, whatever was announced

all == <<vars, sentenced, well, silent>>

MCInit == Init /\ sentenced = FALSE /\ well = TRUE /\ silent = 0
MCNext ==
    /\ Next
    /\ sentenced' = IF (tripped' /\ ~tripped /\ ~full) \/ (file' /\ ~file) THEN TRUE
                    ELSE IF Confirm THEN FALSE ELSE sentenced
    /\ well' = IF process' # "up" THEN FALSE ELSE IF Tick /\ ~waits /\ late' = 0 THEN TRUE ELSE well
    /\ silent' = IF ~Tick THEN silent
                 ELSE IF process = "up" /\ ~waits /\ late' = 0 THEN 0
                 ELSE IF silent = Missed + Longer THEN silent ELSE silent + 1
MCSpec == MCInit /\ [][MCNext]_all

(* Liveness: time passes, and what can be done by who is alive is done, however often one of the two dies in between.     *)
LiveSpec ==
    /\ MCSpec
    /\ WF_all(Tick /\ MCNext) /\ WF_all(CountdownEnds /\ MCNext)
    /\ SF_all(dog = "on" /\ Tick /\ MCNext)               \* at last it lives long enough to look
    /\ SF_all(Send /\ MCNext) /\ SF_all(GuardCancels /\ MCNext) /\ SF_all(Latch /\ MCNext)
    /\ WF_all(process = "up" /\ WaitIsOver /\ MCNext)     \* a disk answers at last; of one that hangs nothing is said
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
AHangIsNoticedWithinTheLongerLimit ==                     \* DOL-WATCH-010
    silent = Missed + Longer => late = Missed
AHangThatAnnouncedNothingIsNoticedAsBefore ==             \* DOL-WATCH-010, DOL-WATCH-001
    (silent >= Missed /\ spent = 0) => late = Missed
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

NeverALongWaitWithoutAnAct == ~(process = "up" /\ silent = Missed + Longer - 1 /\ late < Missed /\ ~tripped /\ well)
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
NobodyHearsThatItWaits == FALSE                           \* as it was: a slow disk is a hung process
EverybodyIsExcused == TRUE                                \* a tick is no beat that is missed, though nobody waits
AWaitHasNoEnd == waits                                    \* a process that is stopped while it waits waits for ever
EachWaitBeginsAnew == spent' = 0 /\ UNCHANGED late         \* a callback that waits again and again hides that it hangs
TheEndOfAWaitIsABeat == late' = 0 /\ spent' = 0            \* the same
OneBeatIsEnough == late > 0 /\ looked
SleptAndDidNotLook == TRUE                                \* the watchdog takes its own sleep for the process'
FileAfterTheCancels == FALSE
SweptOnce == tripped /\ armed                             \* until the countdown has fired; later ones are left
RefreshedWhateverTheBeats == dog = "on"
SomebodyElseRefreshes == TRUE                             \* another tool arms the countdown of the same symbols
==============================================================================
