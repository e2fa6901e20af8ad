------------------------------- MODULE Posture -------------------------------
(* The survival controller of Dolphin: five multipliers, the confidence filter, the posture machine, the kill latch with  *)
(* its two-step re-arm, and the two-step re-base. DESIGN.md sections 2.1 to 2.3, 2.5 and 2.6 are what it says in words.   *)
(*                                                                                                                        *)
(* What belongs here: definitions only (constants, variables, operators, actions, Init, Next). Theorems about them are in *)
(* MC/MCPosture.tla, which adds the history that some of them need; trace/TracePosture.tla replays journals through the   *)
(* same actions with the shipped policy.                                                                                  *)
(*                                                                                                                        *)
(* Rules of this file                                                                                                     *)
(*  1. Confidence is time (ms of policy time). R values are basis points. All numbers are integers below 2^31.            *)
(*  2. Every action ends in Land, which is the one place where confidence, posture and the R in force change, in the one  *)
(*     order: credit under the held R, posture, [the latch has tripped], new R, cut, posture.                             *)
(*  3. Real time (the waits of the latch and of the re-base) is exact: <<seconds, nanoseconds>>. It never meets policy    *)
(*     time in one formula, so that the two may run at any ratio (profiles).                                              *)
(*  4. What the model does not decide (which reading comes, whether a deadline is missed, whether every feed is green) is *)
(*     a parameter of an action: any value may come.                                                                      *)
EXTENDS Integers

CONSTANTS
    Bp,                                                   \* one, in basis points
    FullMs, MsPerBp,                                      \* full confidence; confidence that one bp of R_total deserves
    FallApexMs, FallStalkerMs, FallTurtleMs,              \* a posture is lost at or below
    ReturnApexMs, ReturnStalkerMs, ReturnTurtleMs,        \* and regained at or above
    TrappedBelowBp,                                       \* R5 under which APEX cannot be regained
    NanosPerSecond,
    ArmWait, RebaseTrapped, RebaseGap, ClockBack,         \* real time, <<seconds, nanoseconds>>
    EpisodeModulus                                        \* episodes are counted modulo this (finite for model checking)

CONSTANTS                                                 \* what the environment of a model may do
    Products, Capitals, Flats,                            \* values of R2*R3*R4 (floored after each factor), of R5, of flat
    Credits, Elapsed,                                     \* policy ms credited and real time passed between two visits
    StepsBack,                                            \* by how much (real time) a host's clock steps back
    Nonces                                                \* of operators' requests

VARIABLES
    confidence, posture,                                  \* the filter (ms) and what it allows
    held,                                                 \* R_total in force, under which confidence is being earned
    product, capital,                                     \* R2*R3*R4 and R5 in force; R1 is Bp exactly in RUNNING
    flat,                                                 \* no position, nothing in flight
    mode, episode,                                        \* the latch, and how many times it has been entered
    waited, nonce,                                        \* of the pending arm request: real time since, and its nonce
    trapped, rebased, request,                            \* real time since trapped, since the last re-base; pending nonce
    step                                                  \* what the last step was: for properties and for reading a trace

vars == <<confidence, posture, held, product, capital, flat, mode, episode, waited, nonce, trapped, rebased, request, step>>
------------------------------------------------------------------------------
(* Words *)

APEX == 0
STALKER == 1
TURTLE == 2
HIBERNATE == 3                                            \* worse is larger

RUNNING == 0
KILLED == 1
ARM_PENDING == 2

NoNonce == 0                                              \* no request is pending; real nonces are positive

Min(a, b) == IF a < b THEN a ELSE b
Max(a, b) == IF a > b THEN a ELSE b
------------------------------------------------------------------------------
(* Real time *)

Zero == <<0, 0>>
Plus(a, b) == LET nanos == a[2] + b[2]
              IN <<a[1] + b[1] + nanos \div NanosPerSecond, nanos % NanosPerSecond>>
AtLeast(a, b) == a[1] > b[1] \/ (a[1] = b[1] /\ a[2] >= b[2])
UpTo(a, limit) == IF AtLeast(a, limit) THEN limit ELSE a  \* a wait is only ever compared with its limit
------------------------------------------------------------------------------
(* Five categories: DOL-FILTER-001, DOL-FILTER-010 *)

Scale(a, b) == (a * b) \div Bp                            \* floored: never above the real product
Total(m, p, r) == IF m = RUNNING THEN Scale(p, r) ELSE 0  \* R1 is 0 unless RUNNING: DOL-POSTURE-005
------------------------------------------------------------------------------
(* The filter *)

Deserved(r) == MsPerBp * r
Earn(c, r, ms) == Min(Deserved(r), c + ms)                \* DOL-FILTER-002: at most one ms per ms
Cut(c, r) == Min(c, Deserved(r))                          \* DOL-FILTER-002: lost at once
------------------------------------------------------------------------------
(* Postures: DOL-POSTURE-001. Every level that is met is passed; ties go to the worse on the way down. *)

Fallen(c) == IF c > FallApexMs THEN APEX
             ELSE IF c > FallStalkerMs THEN STALKER
             ELSE IF c > FallTurtleMs THEN TURTLE
             ELSE HIBERNATE                               \* the best that may still be kept
Risen(c) == IF c >= ReturnApexMs THEN APEX
            ELSE IF c >= ReturnStalkerMs THEN STALKER
            ELSE IF c >= ReturnTurtleMs THEN TURTLE
            ELSE HIBERNATE                                \* the worst that must still be endured
Move(p, c) == IF p < Fallen(c) THEN Fallen(c)
              ELSE IF p > Risen(c) THEN Risen(c)
              ELSE p
------------------------------------------------------------------------------
(* The order of one step: DOL-TIME-002, DOL-FILTER-003 *)

Filtered(c, p, r, ms, new) ==                             \* ms of policy time under r, then new
    LET earned == Earn(c, r, ms)
        rose == Move(p, earned)
        left == Cut(earned, new)
    IN [confidence |-> left, posture |-> Move(rose, left), rose |-> rose]

Plain == [act |-> "Start", credit |-> 0, rose |-> HIBERNATE, elapsed |-> Zero, back |-> Zero, trip |-> FALSE, done |-> FALSE,
          named |-> NoNonce, clear |-> FALSE, green |-> FALSE]
Label(act) == [Plain EXCEPT !.act = act]
Noted(label, ms, rose) == [label EXCEPT !.credit = ms, !.rose = rose]

Land(label, ms, m, p, r) ==                               \* the latch is now m, the readings are p and r
    LET new == Total(m, p, r)
        after == Filtered(confidence, posture, held, ms, new)
    IN /\ confidence' = after.confidence
       /\ posture' = after.posture
       /\ held' = new
       /\ product' = p
       /\ capital' = r
       /\ mode' = m
       /\ step' = Noted(label, ms, after.rose)
------------------------------------------------------------------------------
(* The latch: DOL-KILL-001, DOL-REARM-001 to DOL-REARM-005 *)

AfterTrip(m) == KILLED                                    \* also from ARM_PENDING
EpisodeAfter(before, after) ==                            \* a trip while KILLED changes nothing
    IF after = KILLED /\ before # KILLED THEN (episode + 1) % EpisodeModulus ELSE episode
WaitedAfter(before, after, e) ==                          \* counted from the request that is pending
    IF after = ARM_PENDING /\ before = ARM_PENDING THEN UpTo(Plus(waited, e), ArmWait) ELSE Zero
NonceAfter(before, after, n) ==
    IF after # ARM_PENDING THEN NoNonce ELSE IF before = ARM_PENDING THEN nonce ELSE n

MayArm(e, clear, green) == mode = KILLED /\ e = episode /\ clear /\ green
MayConfirm(n, green) == mode = ARM_PENDING /\ n = nonce /\ AtLeast(waited, ArmWait) /\ green
ModeAfterArm == ARM_PENDING
ModeAfterRefusedConfirm == mode                           \* too early or wrong, it stays pending
------------------------------------------------------------------------------
(* The drawdown trap: DOL-CAPITAL-004, DOL-CAPITAL-005 *)

IsTrapped(f, r) == f /\ r < TrappedBelowBp
TrappedAfter(f, r, e) ==
    IF IsTrapped(f, r) /\ IsTrapped(flat, capital) THEN UpTo(Plus(trapped, e), RebaseTrapped) ELSE Zero
RebasedAfter(e) == UpTo(Plus(rebased, e), RebaseGap)
MayRebase(n, priced) ==
    /\ request # NoNonce
    /\ n = request
    /\ IsTrapped(flat, capital)
    /\ AtLeast(trapped, RebaseTrapped)
    /\ AtLeast(rebased, RebaseGap)
    /\ priced
------------------------------------------------------------------------------
(* Actions *)

Settle(e, f, n) ==                                        \* what every step does to the latch's record and to the waits
    /\ flat' = f
    /\ episode' = EpisodeAfter(mode, mode')
    /\ waited' = WaitedAfter(mode, mode', e)
    /\ nonce' = NonceAfter(mode, mode', n)
    /\ trapped' = TrappedAfter(f, capital', e)

\* Time passes: ms of it are credited, e of real time elapse, a deadline may be missed, readings may be new (DOL-TIME-005).
Visit(ms, e, missed, p, r, f) ==
    /\ Land([Label("Visit") EXCEPT !.elapsed = e, !.trip = missed],
            ms, IF missed THEN AfterTrip(mode) ELSE mode, p, r)
    /\ Settle(e, f, NoNonce)
    /\ rebased' = RebasedAfter(e)
    /\ UNCHANGED request

\* No time passes. A reading comes with an event:
Sense(p, r, f) ==
    /\ Land(Label("Sense"), 0, mode, p, r)
    /\ Settle(Zero, f, NoNonce)
    /\ UNCHANGED <<rebased, request>>

\* the operator's kill, or a Category 1 event:
Trip ==
    /\ Land([Label("Trip") EXCEPT !.trip = TRUE], 0, AfterTrip(mode), product, capital)
    /\ Settle(Zero, flat, NoNonce)
    /\ UNCHANGED <<rebased, request>>

\* the host's clock says b before the latest time seen, and is judged at the latest (DOL-TIME-003):
TooFarBack(b) == ~AtLeast(ClockBack, b)
CreditOfStepBack(b) == 0
ModeAfterStepBack(b) == IF TooFarBack(b) THEN AfterTrip(mode) ELSE mode
StepBack(b) ==
    /\ Land([Label("StepBack") EXCEPT !.back = b, !.trip = TooFarBack(b)], CreditOfStepBack(b), ModeAfterStepBack(b), product, capital)
    /\ Settle(Zero, flat, NoNonce)
    /\ UNCHANGED <<rebased, request>>

\* first step of the re-arm; clear: the book is flat or its position is explicitly accepted; e: the episode it names:
Arm(e, n, clear, green) ==
    LET done == MayArm(e, clear, green)
    IN /\ Land([Label("Arm") EXCEPT !.done = done, !.named = n, !.clear = clear, !.green = green],
               0, IF done THEN ModeAfterArm ELSE mode, product, capital)
       /\ Settle(Zero, flat, n)
       /\ UNCHANGED <<rebased, request>>

\* second step of the re-arm: RUNNING, at the confidence that the latch has left, which is 0. All deadlines begin anew, so
\* that R3 may be another one (p):
Confirm(n, green, p) ==
    LET done == MayConfirm(n, green)
    IN /\ Land([Label("Confirm") EXCEPT !.done = done, !.named = n, !.green = green],
               0, IF done THEN RUNNING ELSE ModeAfterRefusedConfirm, IF done THEN p ELSE product, capital)
       /\ Settle(Zero, flat, NoNonce)
       /\ UNCHANGED <<rebased, request>>

\* first step of the re-base: remembered, nothing else; the right is tested at the second:
RebaseArm(n) ==
    /\ Land([Label("RebaseArm") EXCEPT !.named = n], 0, mode, product, capital)
    /\ Settle(Zero, flat, NoNonce)
    /\ request' = n
    /\ UNCHANGED rebased

\* second step of the re-base: the mark becomes the equity, so that R5 is one; confidence comes back by itself:
CapitalAfterRebase == Bp
RebaseConfirm(n, priced) ==
    LET done == MayRebase(n, priced)
    IN /\ Land([Label("RebaseConfirm") EXCEPT !.done = done, !.named = n],
               0, mode, product, IF done THEN CapitalAfterRebase ELSE capital)
       /\ Settle(Zero, flat, NoNonce)
       /\ rebased' = IF done THEN Zero ELSE rebased
       /\ request' = IF done THEN NoNonce ELSE request
------------------------------------------------------------------------------
(* A whole system: a backtest starts at full confidence, a live run at 0: DOL-TIME-007 *)

InitAt(c, p) ==
    /\ confidence = c
    /\ posture = p
    /\ held = Bp /\ product = Bp /\ capital = Bp
    /\ flat = TRUE
    /\ mode = RUNNING /\ episode = 0 /\ waited = Zero /\ nonce = NoNonce
    /\ trapped = Zero /\ rebased = RebaseGap /\ request = NoNonce
    /\ step = Plain
Init == InitAt(FullMs, APEX) \/ InitAt(0, HIBERNATE)

\* Time alone changes what ages (R2..R4); R5 and flat come with events, since there they are sampled.
Passing == \E ms \in Credits, e \in Elapsed, missed \in BOOLEAN, p \in Products: Visit(ms, e, missed, p, capital, flat)
Sensing == \E p \in Products, r \in Capitals, f \in Flats: Sense(p, r, f)
Stepping == \E b \in StepsBack: StepBack(b)
Arming == \E n \in Nonces, e \in {episode, (episode + 1) % EpisodeModulus}, clear, green \in BOOLEAN: Arm(e, n, clear, green)
Confirming == \E n \in Nonces, green \in BOOLEAN, p \in Products: Confirm(n, green, p)
RebaseArming == \E n \in Nonces: RebaseArm(n)
RebaseConfirming == \E n \in Nonces, priced \in BOOLEAN: RebaseConfirm(n, priced)

Next == Passing \/ Sensing \/ Stepping \/ Trip \/ Arming \/ Confirming \/ RebaseArming \/ RebaseConfirming
==============================================================================
