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
    ArmWait, RequestLife,                                 \* real time, <<seconds, nanoseconds>>: the first moment at which a
                                                          \* confirm is accepted, and the first at which none is any more
    RebaseTrapped, RebaseGap, ClockBack,
    EpisodeModulus                                        \* episodes are counted modulo this (finite for model checking)

CONSTANTS                                                 \* what the environment of a model may do
    Products, Capitals, Flats,                            \* values of R2*R3*R4 (floored after each factor), of R5, of flat
    Credits, Elapsed,                                     \* policy ms credited and real time passed between two visits
    StepsBack,                                            \* by how much (real time) a host's clock steps back
    Nonces,                                               \* of operators' requests
    Holdings                                              \* what a book may hold (positive; Nothing and Unseen besides)

VARIABLES
    confidence, posture,                                  \* the filter (ms) and what it allows
    held,                                                 \* R_total in force, under which confidence is being earned
    product, capital,                                     \* R2*R3*R4 and R5 in force; R1 is Bp exactly in RUNNING
    flat,                                                 \* no position, nothing in flight
    mode, episode,                                        \* the latch, and how many times it has been entered
    waited, nonce, kept,                                  \* of the pending arm request: real time since, its nonce, and what it
                                                          \* took over
    trapped, rebased,                                     \* real time since trapped, since the last re-base
    request, asked,                                       \* of the pending re-base request: its nonce, and real time since
    step                                                  \* what the last step was: for properties and for reading a trace

vars == <<confidence, posture, held, product, capital, flat, mode, episode, waited, nonce, kept, trapped, rebased, request, asked,
          step>>
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
Nothing == 0                                              \* a flat book, or no request that took anything over
Unseen == -1                                              \* nobody can say what is held: unknown is never flat

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
          named |-> NoNonce, clear |-> FALSE, seen |-> Unseen, green |-> FALSE]
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
(* The latch: DOL-KILL-001, DOL-REARM-001 to DOL-REARM-007 *)

AfterTrip(m) == KILLED                                    \* also from ARM_PENDING
EpisodeAfter(before, after) ==                            \* a trip while KILLED changes nothing
    IF after = KILLED /\ before # KILLED THEN (episode + 1) % EpisodeModulus ELSE episode

\* n is the nonce of an arm request that was granted in this step, or NoNonce. A new request takes the place of a pending one.
WaitedAfter(before, after, e, n) ==                       \* counted from the request that is pending
    IF after = ARM_PENDING /\ before = ARM_PENDING /\ n = NoNonce THEN UpTo(Plus(waited, e), RequestLife) ELSE Zero
NonceAfter(after, n) == IF after # ARM_PENDING THEN NoNonce ELSE IF n # NoNonce THEN n ELSE nonce
KeptAfter(after, n, h) == IF after # ARM_PENDING THEN Nothing ELSE IF n # NoNonce THEN h ELSE kept

MayArm(e, clear, green) == mode # RUNNING /\ e = episode /\ clear /\ green
InTime(wait) == AtLeast(wait, ArmWait) /\ ~AtLeast(wait, RequestLife)
Stands(seen) == seen = Nothing \/ (seen # Unseen /\ seen = kept)     \* flat at this moment, or just what was taken over
MayConfirm(n, seen, green) == mode = ARM_PENDING /\ n = nonce /\ InTime(waited) /\ Stands(seen) /\ green
ModeAfterArm == ARM_PENDING
ModeAfterRefusedConfirm == mode                           \* too early, too late or wrong: it stays pending, killed as before
------------------------------------------------------------------------------
(* The drawdown trap: DOL-CAPITAL-004, -005, -007. In APEX nothing is denied, so that nothing is trapped: between 5.40 *)
(* and 6.95 % of drawdown a book that fell to nothing else may still be there, by hysteresis.                             *)

IsTrapped(f, r, p) == f /\ r < TrappedBelowBp /\ p # APEX
InTheTrap == IsTrapped(flat, capital, posture)
TrappedAfter(f, r, p, e) ==
    IF IsTrapped(f, r, p) /\ InTheTrap THEN UpTo(Plus(trapped, e), RebaseTrapped) ELSE Zero
RebasedAfter(e) == UpTo(Plus(rebased, e), RebaseGap)

\* A request is made in a trap and ends with it; a new one takes the place of a pending one.
MayAsk == InTheTrap
RequestAfter(f, r, p, n) ==
    IF ~IsTrapped(f, r, p) THEN NoNonce ELSE IF n # NoNonce THEN n ELSE request
AskedAfter(f, r, p, e, n) ==
    IF IsTrapped(f, r, p) /\ n = NoNonce /\ request # NoNonce THEN UpTo(Plus(asked, e), RequestLife) ELSE Zero
MayRebase(n, priced) ==
    /\ request # NoNonce
    /\ n = request
    /\ ~AtLeast(asked, RequestLife)
    /\ InTheTrap
    /\ AtLeast(trapped, RebaseTrapped)
    /\ AtLeast(rebased, RebaseGap)
    /\ priced
------------------------------------------------------------------------------
(* Actions *)

Settle(e, f, arm, h, ask) ==                              \* what every step does to the latch's record, the waits and requests
    /\ flat' = f
    /\ episode' = EpisodeAfter(mode, mode')
    /\ waited' = WaitedAfter(mode, mode', e, arm)
    /\ nonce' = NonceAfter(mode', arm)
    /\ kept' = KeptAfter(mode', arm, h)
    /\ trapped' = TrappedAfter(f, capital', posture', e)
    /\ request' = RequestAfter(f, capital', posture', ask)
    /\ asked' = AskedAfter(f, capital', posture', e, ask)
Passes(e, f) == Settle(e, f, NoNonce, Nothing, NoNonce)   \* no request is granted in this step

\* Time passes: ms of it are credited, e of real time elapse, a deadline may be missed, readings may be new (DOL-TIME-005).
Visit(ms, e, missed, p, r, f) ==
    /\ Land([Label("Visit") EXCEPT !.elapsed = e, !.trip = missed],
            ms, IF missed THEN AfterTrip(mode) ELSE mode, p, r)
    /\ Passes(e, f)
    /\ rebased' = RebasedAfter(e)

\* No time passes. A reading comes with an event:
Sense(p, r, f) ==
    /\ Land(Label("Sense"), 0, mode, p, r)
    /\ Passes(Zero, f)
    /\ UNCHANGED rebased

\* the operator's kill, or a Category 1 event:
Trip ==
    /\ Land([Label("Trip") EXCEPT !.trip = TRUE], 0, AfterTrip(mode), product, capital)
    /\ Passes(Zero, flat)
    /\ UNCHANGED rebased

\* the host's clock says b before the latest time seen, and is judged at the latest (DOL-TIME-003):
TooFarBack(b) == ~AtLeast(ClockBack, b)
CreditOfStepBack(b) == 0
ModeAfterStepBack(b) == IF TooFarBack(b) THEN AfterTrip(mode) ELSE mode
StepBack(b) ==
    /\ Land([Label("StepBack") EXCEPT !.back = b, !.trip = TooFarBack(b)], CreditOfStepBack(b), ModeAfterStepBack(b), product, capital)
    /\ Passes(Zero, flat)
    /\ UNCHANGED rebased

\* first step of the re-arm; clear: the book is flat or its position is explicitly accepted; e: the episode it names; h: what
\* is taken over (Nothing for a flat book, Unseen where nobody looked):
Arm(e, n, clear, h, green) ==
    LET done == MayArm(e, clear, green)
    IN /\ Land([Label("Arm") EXCEPT !.done = done, !.named = n, !.clear = clear, !.seen = h, !.green = green],
               0, IF done THEN ModeAfterArm ELSE mode, product, capital)
       /\ Settle(Zero, flat, IF done THEN n ELSE NoNonce, h, NoNonce)
       /\ UNCHANGED rebased

\* second step of the re-arm: RUNNING, at the confidence that the latch has left, which is 0. The book is looked at again
\* (seen). All deadlines begin anew, so that R3 may be another one (p):
Confirm(n, seen, green, p) ==
    LET done == MayConfirm(n, seen, green)
    IN /\ Land([Label("Confirm") EXCEPT !.done = done, !.named = n, !.seen = seen, !.green = green],
               0, IF done THEN RUNNING ELSE ModeAfterRefusedConfirm, IF done THEN p ELSE product, capital)
       /\ Passes(Zero, flat)
       /\ UNCHANGED rebased

\* first step of the re-base: remembered, nothing else; the whole right is tested at the second:
RebaseArm(n) ==
    LET done == MayAsk
    IN /\ Land([Label("RebaseArm") EXCEPT !.done = done, !.named = n], 0, mode, product, capital)
       /\ Settle(Zero, flat, NoNonce, Nothing, IF done THEN n ELSE NoNonce)
       /\ UNCHANGED rebased

\* second step of the re-base: the mark becomes the equity, so that R5 is one; confidence comes back by itself:
CapitalAfterRebase == Bp
RebaseConfirm(n, priced) ==
    LET done == MayRebase(n, priced)
    IN /\ Land([Label("RebaseConfirm") EXCEPT !.done = done, !.named = n],
               0, mode, product, IF done THEN CapitalAfterRebase ELSE capital)
       /\ Passes(Zero, flat)
       /\ rebased' = IF done THEN Zero ELSE rebased
------------------------------------------------------------------------------
(* A whole system: a backtest starts at full confidence, a live run at 0: DOL-TIME-007 *)

InitAt(c, p) ==
    /\ confidence = c
    /\ posture = p
    /\ held = Bp /\ product = Bp /\ capital = Bp
    /\ flat = TRUE
    /\ mode = RUNNING /\ episode = 0 /\ waited = Zero /\ nonce = NoNonce /\ kept = Nothing
    /\ trapped = Zero /\ rebased = RebaseGap /\ request = NoNonce /\ asked = Zero
    /\ step = Plain
Init == InitAt(FullMs, APEX) \/ InitAt(0, HIBERNATE)

\* Time alone changes what ages (R2..R4); R5 and flat come with events, since there they are sampled.
Passing == \E ms \in Credits, e \in Elapsed, missed \in BOOLEAN, p \in Products: Visit(ms, e, missed, p, capital, flat)
Sensing == \E p \in Products, r \in Capitals, f \in Flats: Sense(p, r, f)
Stepping == \E b \in StepsBack: StepBack(b)
Seen == Holdings \union {Nothing, Unseen}
Arming == \E n \in Nonces, e \in {episode, (episode + 1) % EpisodeModulus}, clear, green \in BOOLEAN, h \in Seen:
    Arm(e, n, clear, h, green)
Confirming == \E n \in Nonces, seen \in Seen, green \in BOOLEAN, p \in Products: Confirm(n, seen, green, p)
RebaseArming == \E n \in Nonces: RebaseArm(n)
RebaseConfirming == \E n \in Nonces, priced \in BOOLEAN: RebaseConfirm(n, priced)

Next == Passing \/ Sensing \/ Stepping \/ Trip \/ Arming \/ Confirming \/ RebaseArming \/ RebaseConfirming
==============================================================================
