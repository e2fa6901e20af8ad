------------------------------- MODULE Shipped -------------------------------
(* The shipped policy, in ms of policy time, basis points, and seconds and nanoseconds of real time. It is written out    *)
(* here, not generated; tests/spec/test_constants.py holds every value against src/dolphin/kernel/policy.py and units.py. *)
(* The waits of the re-base are what a user may vary, and stand in Records.tla.                                           *)

Bp == 10000
FullMs == 6000000
MsPerBp == 600
FallApexMs == 5100000
FallStalkerMs == 1980000
FallTurtleMs == 600000
ReturnApexMs == 5520000
ReturnStalkerMs == 2400000
ReturnTurtleMs == 1020000
TrappedBelowBp == 9200
NanosPerSecond == 1000000000
ArmWait == <<60, 0>>
ClockBack == <<1, 0>>

EpisodeModulus == 1073741824
Products == {}                                            \* the environment is the journal
Capitals == {}
Flats == {}
Credits == {}
Elapsed == {}
StepsBack == {}
Nonces == {}
==============================================================================
