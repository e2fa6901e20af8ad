----------------------------- MODULE TracePosture -----------------------------
(* Does a journal conform to Posture? Each record is one visit or one event: what went in, and what the journal says came *)
(* out. The unchanged actions of Posture compute what should have come out. There is nothing to search: each record has   *)
(* one successor or none, so the journal conforms if and only if TLC finds Count + 1 distinct states; with fewer, the     *)
(* first bad record is the one of that number. The field that differs is printed.                                         *)
(*                                                                                                                        *)
(* Run with -deadlock (a trace ends) and one worker. Neither TLC has a module for JSON: records are TLA+ literals, in     *)
(* chunks of a thousand, since a parser's stack and a tuple's length have limits.                                         *)
EXTENDS Posture, Records, TLC

VARIABLE i                                                \* how many records have been consumed

OneMinute == <<60, 0>>
OneSecond == <<1, 0>>

View == i                                                 \* the cursor alone tells the states apart
------------------------------------------------------------------------------
(* One record *)

Record == Chunks[(i \div PerChunk) + 1][(i % PerChunk) + 1]

Action(r) == r[1]                                         \* 0 visit or event, 1 step back of the clock, 2 arm, 3 confirm,
                                                          \* 4 re-base arm, 5 re-base confirm
CreditMs(r) == r[2]
Passed(r) == <<r[3], r[4]>>                               \* real time since the record before (step back: by how much)
R2(r) == r[5]
R3(r) == r[6]
R4(r) == r[7]
R5(r) == r[8]
Flat(r) == r[9] = 1
Missed(r) == r[10] = 1                                    \* a Category 1 event: a deadline, a fault, the operator's kill
                                                          \* 11 to 15 is what the journal says, see Agrees
Named(r) == r[16]                                         \* operator only: the nonce of the request, as a small index
NamedEpisode(r) == r[17]
Clear(r) == r[18] = 1                                     \* arm: flat or accepted; re-base: equity above zero
Green(r) == r[19] = 1
Holding(r) == r[20]                                       \* arm: what is taken over; confirm: what is held; as a small index

Product(r) == Scale(Scale(R2(r), R3(r)), R4(r))           \* floored after each factor
------------------------------------------------------------------------------
(* What the journal says and what the model computes *)

Same(field, is, said) == IF is = said THEN TRUE ELSE PrintT(<<"differs", i + 1, field, is, said>>) /\ FALSE
Within(field, value) == IF value \in 0..Bp THEN TRUE ELSE PrintT(<<"differs", i + 1, field, Bp, value>>) /\ FALSE
AsBit(b) == IF b THEN 1 ELSE 0

Readable(r) ==
    /\ Within("r2_bp", R2(r)) /\ Within("r3_bp", R3(r)) /\ Within("r4_bp", R4(r)) /\ Within("r5_bp", R5(r))
    /\ IF Action(r) \in 0..5 THEN TRUE ELSE PrintT(<<"differs", i + 1, "action", 5, Action(r)>>) /\ FALSE

Happens(r) ==
    CASE Action(r) = 0 -> Visit(CreditMs(r), Passed(r), Missed(r), Product(r), R5(r), Flat(r))
      [] Action(r) = 1 -> StepBack(Passed(r))
      [] Action(r) = 2 -> Arm(NamedEpisode(r), Named(r), Clear(r), Holding(r), Green(r))
      [] Action(r) = 3 -> Confirm(Named(r), Holding(r), Green(r), Product(r))
      [] Action(r) = 4 -> RebaseArm(Named(r))
      [] Action(r) = 5 -> RebaseConfirm(Named(r), Clear(r))

Agrees(r) ==
    /\ Same("r234_bp", product', Product(r))
    /\ Same("r5_bp", capital', R5(r))
    /\ Same("flat", AsBit(flat'), r[9])
    /\ Same("mode", mode', r[13])
    /\ Same("episode", episode', r[15])
    /\ Same("held_bp", held', r[14])
    /\ Same("confidence_ms", confidence', r[11])
    /\ Same("posture", posture', r[12])

HandOver ==                                               \* the next window starts here
    IF i' = Count
    THEN PrintT(<<"handover", confidence', posture', held', product', capital', AsBit(flat'), mode', episode', waited'[1],
                  waited'[2], nonce', kept', trapped'[1], trapped'[2], rebased'[1], rebased'[2], request', asked'[1], asked'[2]>>)
    ELSE TRUE
------------------------------------------------------------------------------
TraceInit ==
    /\ confidence = Start[1] /\ posture = Start[2] /\ held = Start[3]
    /\ product = Start[4] /\ capital = Start[5] /\ flat = (Start[6] = 1)
    /\ mode = Start[7] /\ episode = Start[8] /\ waited = <<Start[9], Start[10]>> /\ nonce = Start[11]
    /\ kept = Start[12]
    /\ trapped = <<Start[13], Start[14]>> /\ rebased = <<Start[15], Start[16]>> /\ request = Start[17]
    /\ asked = <<Start[18], Start[19]>>
    /\ step = Plain
    /\ i = 0

TraceNext ==
    /\ i < Count
    /\ i' = i + 1
    /\ Readable(Record)
    /\ Happens(Record)
    /\ Agrees(Record)
    /\ HandOver

TraceSpec == TraceInit /\ [][TraceNext]_<<vars, i>>
==============================================================================
