---- MODULE OrderRecords ----
(* A sample: long 4 of which a resting exit takes 1; an exit of 4 that executes at once displaces it, and one that rests is *)
(* cut to 3; then an entry after a kill. The audit writes this module anew for each journal (audit/order_tla.py).         *)
EXTENDS Integers
Count == 3
PerChunk == 1000
Chunk1 == <<
<<-1, 4, 1, 1, 0, 0, 4, 1, 0, 0, 1, 1, 2, 0, 4, 4, 1>>,
<<-1, 4, 0, 1, 0, 0, 4, 1, 0, 0, 1, 1, 2, 0, 3, 3, 0>>,
<<1, 2, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 3, 0, 0, 0, 0>>>>
Chunks == <<Chunk1>>
====
