------------------------------ MODULE Watchdog ------------------------------
(* A trading process, an independent watchdog, and the venue's own countdown: who cancels what a dead or hung process has  *)
(* left, and why one that wakes finds itself killed. docs/design/watchdog.md says what each thing is in the code.          *)
(*                                                                                                                         *)
(* Rules of this file                                                                                                      *)
(*  1. Definitions only; the theorems, and the history that they need, are in MC/MCWatchdog.tla.                           *)
(*  2. One entry stands for all: `pipe` is an entry that has passed the gates and is not at the venue yet (Nautilus'       *)
(*     queues, a socket), `working` one that rests there. No gate is asked again in between.                               *)
(*  3. Time is Tick: the watchdog's polls and the beats that were due. Everything else happens between two of them.        *)
(*  4. A disk that refuses takes neither the file KILL nor the latch: journal and latch file are one here, `kept`.         *)
(*  5. A process that waits for its disk says so in its beat (`waits`). So long the clock of its last beat stands still: a  *)
(*     tick of it counts as `spent` and not as `late`, at most Longer of them between two beats, whoever waits how often.   *)
EXTENDS Integers

CONSTANTS
    Missed,                                               \* so many beats that did not come are a hang
    Longer,                                               \* and so many may pass besides, in a wait that was announced; 0: none is
    Countdown,                                            \* ticks until the venue cancels by itself
    DiskMayRefuse                                         \* whether the disk does, at times

VARIABLES
    process,                                              \* "up", "held" (blocked or stopped), "dead"
    late,                                                 \* beats that were due since the last one came, at most Missed
    waits,                                                \* the beat says that the process waits for its disk
    spent,                                                \* ticks of such waits since the last beat came, at most Longer
    killed,                                               \* the latch in the process' memory
    kept,                                                 \* the latch where a restart finds it: journal or latch file
    file,                                                 \* the file KILL lies in the state directory
    taken,                                                \* it was moved away before the latch was tripped (a flaw)
    pipe, working,
    dog,                                                  \* "on", "dead"
    looked,                                               \* the watchdog was awake through the last tick
    tripped,                                              \* it has acted, and goes on sweeping
    owed,                                                 \* the KILL of this act could not be put
    full,                                                 \* the disk refuses
    armed, left                                           \* the venue's countdown: whether it runs, ticks left

vars == <<process, late, waits, spent, killed, kept, file, taken, pipe, working, dog, looked, tripped, owed, full, armed, left>>
theProcess == <<killed, kept, file, taken, pipe>>
theVenue == <<working, armed, left>>
theDog == <<dog, looked, tripped, owed>>
heart == <<late, waits, spent>>

Less(n) == IF n = 0 THEN 0 ELSE n - 1
One(n) == IF n = Missed THEN n ELSE n + 1

TypeOK ==
    /\ process \in {"up", "held", "dead"} /\ late \in 0 .. Missed /\ waits \in BOOLEAN /\ spent \in 0 .. Longer
    /\ {killed, kept, file, taken, pipe, working, looked, tripped, owed, full, armed} \subseteq BOOLEAN
    /\ dog \in {"on", "dead"} /\ left \in 0 .. Countdown

Init ==
    /\ process = "up" /\ late = 0 /\ waits = FALSE /\ spent = 0 /\ killed = FALSE /\ kept = FALSE /\ file = FALSE /\ taken = FALSE
    /\ pipe = FALSE /\ working = FALSE
    /\ dog = "on" /\ looked = FALSE /\ tripped = FALSE /\ owed = FALSE /\ full = FALSE
    /\ armed = TRUE /\ left = Countdown
------------------------------------------------------------------------------
(* What a flawed variant replaces. *)

SeesTheFile == file                                       \* asked at each decision of the gate
Latched == /\ killed' = TRUE /\ kept' = (kept \/ ~full)   \* the latch first,
           /\ UNCHANGED <<file, taken>>
MayMoveTheFile == killed /\ kept                          \* then the file is moved away, once a restart finds the latch
MayPutAgain == owed                                       \* a KILL that the disk refused, at each look
MayRest == ~owed                                          \* and nobody rests before it lies there
Excused == waits /\ spent < Longer                        \* a tick in an announced wait is no beat that is missed
AfterAWait == UNCHANGED <<late, spent>>                   \* that it is over is no beat
MayBeGone == late = Missed /\ looked
FileAtTheTrip == TRUE                                     \* the watchdog writes KILL before its first cancel
MayWriteLater == ~FileAtTheTrip
Sweeps == tripped                                         \* again and again, not once
Refreshes == dog = "on" /\ late < Missed /\ ~tripped
WakesUnsure == FALSE                                      \* whether a watchdog that slept has looked
------------------------------------------------------------------------------
(* Time *)

Beats == IF process = "up" THEN {0} \cup ({late + 1} \ {Missed, Missed + 1}) ELSE {One(late)} \* one that is up may be slow
TheTick ==                                                \* what it does to the beat
    IF waits /\ spent < Longer
    THEN spent' = spent + 1 /\ late' = (IF Excused THEN late ELSE One(late)) /\ UNCHANGED waits
    ELSE IF Excused
    THEN UNCHANGED heart
    ELSE IF waits /\ process = "up"
    THEN late' = late + 1 /\ late' < Missed /\ UNCHANGED <<waits, spent>>
    ELSE late' \in Beats /\ spent' = (IF late' = 0 THEN 0 ELSE spent) /\ UNCHANGED waits
Tick ==
    /\ TheTick
    /\ looked' = (dog = "on")
    /\ IF Refreshes THEN left' = Countdown /\ armed' = TRUE ELSE left' = Less(left) /\ UNCHANGED armed
    /\ UNCHANGED <<process, theProcess, working, dog, tripped, owed, full>>
MachineSleeps ==                                          \* a suspended machine: nobody ran, every beat is late
    /\ late' = Missed /\ looked' = WakesUnsure
    /\ spent' = Longer                                    \* nothing is excused any more before the next beat
    /\ left' = 0
    /\ UNCHANGED <<process, waits, theProcess, working, armed, dog, tripped, owed, full>>
CountdownEnds ==                                          \* once: a countdown that has fired has to be armed again
    /\ armed /\ left = 0
    /\ working' = FALSE /\ armed' = FALSE
    /\ UNCHANGED <<process, heart, theProcess, left, theDog, full>>
------------------------------------------------------------------------------
(* The trading process *)

Wait ==                                                   \* one that hangs may announce it again and again: a callback that
    /\ process # "dead" /\ ~waits /\ Longer > 0             \* writes records and does not return to the loop
    /\ waits' = TRUE
    /\ UNCHANGED <<process, late, spent, theProcess, theVenue, theDog, full>>
WaitIsOver ==
    /\ process # "dead" /\ waits
    /\ waits' = FALSE /\ AfterAWait
    /\ UNCHANGED <<process, theProcess, theVenue, theDog, full>>
Enter ==
    /\ process = "up" /\ ~killed /\ ~SeesTheFile /\ ~pipe
    /\ pipe' = TRUE
    /\ UNCHANGED <<process, heart, killed, kept, file, taken, theVenue, theDog, full>>
Send ==
    /\ process = "up" /\ pipe
    /\ pipe' = FALSE /\ working' = TRUE
    /\ UNCHANGED <<process, heart, killed, kept, file, taken, armed, left, theDog, full>>
Latch ==
    /\ process = "up" /\ (file \/ taken) /\ ~killed
    /\ Latched
    /\ UNCHANGED <<process, heart, pipe, theVenue, theDog, full>>
KeepTheLatch ==                                           \* one that the disk refused, with the timer
    /\ process = "up" /\ killed /\ ~kept /\ ~full
    /\ kept' = TRUE
    /\ UNCHANGED <<process, heart, killed, file, taken, pipe, theVenue, theDog, full>>
MoveTheFile ==
    /\ process = "up" /\ file /\ MayMoveTheFile
    /\ file' = FALSE /\ taken' = ~killed
    /\ UNCHANGED <<process, heart, killed, kept, pipe, theVenue, theDog, full>>
GuardCancels ==
    /\ process = "up" /\ killed /\ working
    /\ working' = FALSE
    /\ UNCHANGED <<process, heart, theProcess, armed, left, theDog, full>>
Confirm ==                                                \* the operator's two steps, in one
    /\ process = "up" /\ killed /\ ~file
    /\ killed' = FALSE /\ kept' = FALSE
    /\ UNCHANGED <<process, heart, file, taken, pipe, theVenue, theDog, full>>
Hang ==
    /\ process = "up" /\ process' = "held"
    /\ UNCHANGED <<heart, theProcess, theVenue, theDog, full>>
Wake ==
    /\ process = "held" /\ process' = "up"
    /\ UNCHANGED <<heart, theProcess, theVenue, theDog, full>>
Die ==
    /\ process # "dead" /\ process' = "dead"
    /\ killed' = FALSE /\ taken' = FALSE /\ pipe' = FALSE
    /\ UNCHANGED <<heart, kept, file, theVenue, theDog, full>>
Start ==
    /\ process = "dead" /\ process' = "up" /\ waits' = FALSE  \* with a beat file of its own
    /\ killed' = kept
    /\ UNCHANGED <<late, spent, kept, file, taken, pipe, theVenue, theDog, full>>
------------------------------------------------------------------------------
(* The watchdog *)

Trip ==
    /\ dog = "on" /\ ~tripped /\ MayBeGone
    /\ tripped' = TRUE /\ file' = (file \/ (FileAtTheTrip /\ ~full)) /\ owed' = full
    /\ UNCHANGED <<process, heart, killed, kept, taken, pipe, theVenue, dog, looked, full>>
PutAgain ==
    /\ dog = "on" /\ tripped /\ MayPutAgain /\ ~full
    /\ file' = TRUE /\ owed' = FALSE
    /\ UNCHANGED <<process, heart, killed, kept, taken, pipe, theVenue, dog, looked, tripped, full>>
WriteLater ==
    /\ dog = "on" /\ tripped /\ MayWriteLater /\ ~working
    /\ file' = TRUE
    /\ UNCHANGED <<process, heart, killed, kept, taken, pipe, theVenue, theDog, full>>
Sweep ==
    /\ dog = "on" /\ Sweeps /\ working
    /\ working' = FALSE
    /\ UNCHANGED <<process, heart, theProcess, armed, left, theDog, full>>
Rest ==                                                   \* beats come, the kill was taken, nothing is left: watch again
    /\ dog = "on" /\ tripped /\ late = 0 /\ ~file /\ ~working /\ MayRest
    /\ tripped' = FALSE /\ owed' = FALSE
    /\ UNCHANGED <<process, heart, theProcess, theVenue, dog, looked, full>>
DogDies ==
    /\ dog = "on" /\ dog' = "dead" /\ tripped' = FALSE /\ owed' = FALSE /\ looked' = FALSE
    /\ UNCHANGED <<process, heart, theProcess, theVenue, full>>
DogStarts ==
    /\ dog = "dead" /\ dog' = "on"
    /\ UNCHANGED <<process, heart, theProcess, theVenue, looked, tripped, owed, full>>
------------------------------------------------------------------------------
(* The disk *)

Fills ==
    /\ DiskMayRefuse /\ ~full /\ full' = TRUE
    /\ UNCHANGED <<process, heart, theProcess, theVenue, theDog>>
Mends ==
    /\ full /\ full' = FALSE
    /\ UNCHANGED <<process, heart, theProcess, theVenue, theDog>>
------------------------------------------------------------------------------
Next ==
    \/ Tick \/ MachineSleeps \/ CountdownEnds
    \/ Wait \/ WaitIsOver
    \/ Enter \/ Send \/ Latch \/ KeepTheLatch \/ MoveTheFile \/ GuardCancels \/ Confirm \/ Hang \/ Wake \/ Die \/ Start
    \/ Trip \/ PutAgain \/ WriteLater \/ Sweep \/ Rest \/ DogDies \/ DogStarts
    \/ Fills \/ Mends
==============================================================================
