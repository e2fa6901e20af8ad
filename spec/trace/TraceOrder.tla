------------------------------ MODULE TraceOrder ------------------------------
(* Is each order of a journal judged as Judging.tla judges? A record is one ORDER: what went in, and what its VERDICT     *)
(* says came out. Nothing is searched: a record has one successor or none, so all conform if and only if TLC finds        *)
(* Count + 1 distinct states; with fewer, the first bad record is the one of that number, and the field is printed.       *)
(*                                                                                                                        *)
(* What is not decided here is a parameter: `room`, the lots that money, sensors and limits leave of the entry part, as   *)
(* the kernel computes it (TLC has 32 bits). Whether any may enter, by latch, posture and style, is decided here.         *)
(* Run with -deadlock (a trace ends) and one worker.                                                                      *)
EXTENDS Judging, OrderRecords, TLC

VARIABLE i                                                \* how many records have been consumed

Record == Chunks[(i \div PerChunk) + 1][(i % PerChunk) + 1]

Side(r) == r[1]
Lots(r) == r[2]
Taking(r) == r[3]                                         \* 1 executes at once or may, 2 when triggered, 0 rests
Named(r) == r[4] = 1
ReduceOnly(r) == r[5] = 1
Whole(r) == r[6] = 1
Position(r) == r[7]
Resting(r) == Positive(r[8])
Own(r) == Positive(r[9])
Underway(r) == Positive(r[10])                            \* exits that execute at once and are not done
Minimum(r) == r[11]
Running(r) == r[12] = 1
Posture(r) == r[13]                                       \* 0 APEX, 1 STALKER, worse is larger
Room(r) == r[14]
                                                          \* 15 to 17 is what the journal says
Enters(r) == Running(r) /\ (Posture(r) = 0 \/ (Posture(r) = 1 /\ Taking(r) = 0))

Cut(r) ==
    IF Named(r) /\ Opposes(Side(r), Position(r))
    THEN Split(Lots(r), Remaining(Size(Position(r)), Underway(r), ReduceOnly(r)), Own(r), Resting(r), Taking(r) = 1)
    ELSE Entering(Lots(r))
Judged(r) ==
    LET cut == Cut(r)
        entry == IF Enters(r) THEN Least(cut.entry, Room(r)) ELSE 0
        out == Leaving(Lots(r), cut.exit, entry, Whole(r), Minimum(r))
        nothing == Lots(r) <= 0 \/ (Whole(r) /\ out # Lots(r))
    IN IF nothing THEN <<0, 0, 0>> ELSE <<out, cut.exit, cut.cancel>>

Same(field, is, said) == IF is = said THEN TRUE ELSE PrintT(<<"differs", i + 1, field, is, said>>) /\ FALSE
Agrees(r) ==
    LET judged == Judged(r)
    IN /\ Same("lots", judged[1], r[15])
       /\ Same("exit_lots", judged[2], r[16])
       /\ Same("cancel_lots", judged[3], r[17])
------------------------------------------------------------------------------
TraceInit == i = 0
TraceNext ==
    /\ i < Count
    /\ Agrees(Record)
    /\ i' = i + 1
TraceSpec == TraceInit /\ [][TraceNext]_i
==============================================================================
