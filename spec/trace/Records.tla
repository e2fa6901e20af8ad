------------------------------- MODULE Records -------------------------------
(* What src/dolphin/audit/trace_tla.py writes anew for each window of a journal; this one is a sample: a     *)
(* reading of 80 %, a minute under it, a kill. The columns of a record are named in TracePosture.tla.        *)
EXTENDS Integers

JournalRequestLife == <<86400, 0>>
JournalRebaseTrapped == <<86400, 0>>
JournalRebaseGap == <<2592000, 0>>
Start == <<6000000, 0, 10000, 10000, 10000, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2592000, 0, 0, 0, 0>>
Count == 3
PerChunk == 1000
Chunk1 == <<
<<0, 0, 0, 0, 10000, 8000, 10000, 10000, 1, 0, 4800000, 1, 0, 8000, 0>>,
<<0, 60000, 60, 0, 10000, 10000, 10000, 10000, 1, 0, 4800000, 1, 0, 10000, 0>>,
<<0, 0, 0, 0, 10000, 10000, 10000, 10000, 1, 1, 0, 3, 1, 0, 1>> >>
Chunks == <<Chunk1>>
==============================================================================
