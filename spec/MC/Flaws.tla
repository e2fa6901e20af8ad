-------------------------------- MODULE Flaws --------------------------------
(* Wrong controllers. Each definition below replaces one operator of Posture (models.toml says which, as a line of a cfg  *)
(* file: `Cut <- NoCut`), and TLC must reject it by the theorem named there. A theorem that rejects nothing says nothing.  *)
(* Flaws of liveness are in MCLive.tla.                                                                                   *)
EXTENDS MCPosture

(* The filter *)

NoCut(c, r) == c                                          \* a bad reading only stops recovery
ShareLost(c, r) == c - MsPerBp * (Bp - r)                 \* the lost share is subtracted, over and over
DampedCut(c, r) == Max(MsPerBp * r, c - 6)                \* confidence falls as gently as it rises
Jump(c, r, ms) == MsPerBp * r                             \* full recovery as soon as readings are good
NoCeiling(c, r, ms) == c + ms                             \* credit is not bounded by the R in force
SlowerThanTime(c, r, ms) == Min(MsPerBp * r, c + (ms + 1) \div 2)
RoundedEachTime(c, r, ms) == Min(MsPerBp * r, c + 2 * (ms \div 2)) \* a floor of differences
CompoundRecovery(c, r, ms) == Min(MsPerBp * r, c + ms + (c + ms) \div 10)
ZeroIsMissing(c, r) == IF r = 0 THEN c ELSE Min(c, MsPerBp * r)     \* a reading of 0 is taken for none
CreditUnderTheNewR(c, p, r, ms, new) ==                   \* the reading of now, applied to the time before it
    LET earned == Min(MsPerBp * new, c + ms)
    IN [confidence |-> earned, posture |-> Move(p, earned), rose |-> Move(p, earned)]
NewRFirst(c, p, r, ms, new) ==                            \* cut, then credit
    LET earned == Earn(Cut(c, new), r, ms)
    IN [confidence |-> earned, posture |-> Move(p, earned), rose |-> Move(p, earned)]
PostureOfTheLastStep(c, p, r, ms, new) ==                 \* posture looks at the confidence before this step's cut
    LET earned == Earn(c, r, ms)
    IN [confidence |-> Cut(earned, new), posture |-> Move(p, earned), rose |-> Move(p, earned)]
Least(m, p, r) == IF m = RUNNING THEN Min(p, r) ELSE 0    \* the minimum in place of the product
RoundedUp(m, p, r) == IF m = RUNNING THEN (p * r + Bp - 1) \div Bp ELSE 0
RoundedTwice(m, p, r) == IF m = RUNNING THEN Max(0, (p * r) \div Bp - 1) ELSE 0

(* Postures *)

KeptAtTheLevel(c) == IF c >= FallApexMs THEN APEX         \* falls below, not at
                     ELSE IF c >= FallStalkerMs THEN STALKER
                     ELSE IF c >= FallTurtleMs THEN TURTLE
                     ELSE HIBERNATE
RegainedAbove(c) == IF c > ReturnApexMs THEN APEX         \* returns above, not at
                    ELSE IF c > ReturnStalkerMs THEN STALKER
                    ELSE IF c > ReturnTurtleMs THEN TURTLE
                    ELSE HIBERNATE
OneLevelDown(p, c) == IF p < Fallen(c) THEN p + 1 ELSE IF p > Risen(c) THEN Risen(c) ELSE p
OneLevelUp(p, c) == IF p < Fallen(c) THEN Fallen(c) ELSE IF p > Risen(c) THEN p - 1 ELSE p
NoHysteresis(c) == Fallen(c)                              \* one level both ways
NarrowGap(c) == IF c >= ReturnApexMs - 1 THEN APEX        \* a gap of 6 %
                ELSE IF c >= ReturnStalkerMs - 1 THEN STALKER
                ELSE IF c >= ReturnTurtleMs - 1 THEN TURTLE
                ELSE HIBERNATE
FallsToReturnLevel(c) == Risen(c)                         \* falls as soon as it would not be entered

(* Time *)

CreditOfTheAbsoluteStep(b) == b[1] * NanosPerSecond + b[2]
NoFaultOfTheClock(b) == mode
FaultAtOneSecond(b) == AtLeast(b, ClockBack)              \* at the limit, not beyond

(* The latch *)

LatchesNextTime(label, ms, m, p, r) ==                    \* the trip is seen by the next step's R1
    LET new == Total(mode, p, r)
        after == Filtered(confidence, posture, held, ms, new)
    IN /\ confidence' = after.confidence /\ posture' = after.posture /\ held' = new
       /\ product' = p /\ capital' = r /\ mode' = m /\ step' = Noted(label, ms, after.rose)
LatchMovesNoPosture(c, p, r, ms, new) ==                  \* confidence is 0 at once, posture is left to the next step
    LET earned == Earn(c, r, ms)
        rose == Move(p, earned)
    IN [confidence |-> Cut(earned, new), posture |-> IF new = 0 THEN rose ELSE Move(rose, Cut(earned, new)), rose |-> rose]
LatchOnlyStopsEntries(m, p, r) == Scale(p, r)             \* R1 is not part of R_total
IgnoredWhilePending(m) == IF m = ARM_PENDING THEN ARM_PENDING ELSE KILLED
HealsByItself(m) == IF m = KILLED THEN RUNNING ELSE KILLED
SameEpisode(before, after) == episode
EpisodeOfEachTrip(before, after) == IF after = KILLED THEN (episode + 1) % EpisodeModulus ELSE episode
OneStep == RUNNING                                        \* arming is enough
WaitOfTheLastRequest(before, after, e, n) ==              \* a new request inherits what the last one has waited
    IF before = ARM_PENDING THEN UpTo(Plus(waited, e), RequestLife) ELSE waited
WaitFromTheKill(before, after, e, n) ==                   \* the wait begins with the kill, not with the request
    IF after # RUNNING /\ before # RUNNING THEN UpTo(Plus(waited, e), RequestLife) ELSE Zero
NoWait(wait) == ~AtLeast(wait, RequestLife)
NeverTooLate(wait) == AtLeast(wait, ArmWait)              \* a request is pending for ever
AnyNonce(n, seen, green) == mode = ARM_PENDING /\ InTime(waited) /\ Stands(seen) /\ green
ConfirmNotGreen(n, seen, green) == mode = ARM_PENDING /\ n = nonce /\ InTime(waited) /\ Stands(seen)
FlatOnceIsFlat(seen) == TRUE                              \* what was observed at the first step is believed at the second
UnknownIsUnchanged(seen) == seen = Nothing \/ seen = kept
AcceptedIsAccepted(seen) == seen = Nothing \/ (seen # Unseen /\ kept # Nothing) \* whatever it has become since
KeptOfTheFirstRequest(after, n, h) ==                     \* a new request stands on what an older one took over
    IF after # ARM_PENDING THEN Nothing ELSE IF n # NoNonce /\ nonce = NoNonce THEN h ELSE kept
ArmNotGreen(e, clear, green) == mode # RUNNING /\ e = episode /\ clear
ArmNotFlat(e, clear, green) == mode # RUNNING /\ e = episode /\ green
RefusalForgets == IF mode = ARM_PENDING THEN KILLED ELSE mode
ConfirmOfKilled(n, seen, green) == mode # RUNNING /\ Stands(seen) /\ green \* a confirm without a request
FullAgain(c, p, r, ms, new) ==                            \* the operator's confirm restores what the kill has taken
    LET earned == IF r = 0 /\ new = Bp THEN FullMs ELSE Earn(c, r, ms)
        rose == Move(p, earned)
    IN [confidence |-> Cut(earned, new), posture |-> Move(rose, Cut(earned, new)), rose |-> rose]
NonceStays(after, n) == IF n # NoNonce THEN n ELSE nonce

(* The re-base *)

WheneverAsked(n, priced) == request # NoNonce /\ n = request /\ AtLeast(rebased, RebaseGap)
TrappedOnce(f, r, p, e) ==                                \* the clock of the trap does not stop when it opens
    IF IsTrapped(f, r, p) THEN UpTo(Plus(trapped, e), RebaseTrapped) ELSE trapped
TrappedThoughHolding(f, r, p) == r < TrappedBelowBp /\ p # APEX
TrappedAtTheReturnLevel(f, r, p) == f /\ r <= TrappedBelowBp /\ p # APEX \* 5.40 % itself is no trap
TrappedThoughStillInApex(f, r, p) == f /\ r < TrappedBelowBp \* as DESIGN.md 2.5 says: and every entry passes
TimeInApexCounts(f, r, p, e) ==                           \* only the last moment of the wait is out of APEX
    IF f /\ r < TrappedBelowBp /\ flat /\ capital < TrappedBelowBp THEN UpTo(Plus(trapped, e), RebaseTrapped) ELSE Zero
RequestOutlivesItsTrap(f, r, p, n) == IF n # NoNonce THEN n ELSE request
RequestForEver(f, r, p, e, n) == Zero
AsOftenAsTrapped(n, priced) ==
    request # NoNonce /\ n = request /\ ~AtLeast(asked, RequestLife) /\ InTheTrap /\ AtLeast(trapped, RebaseTrapped)
InOneStep(n, priced) == InTheTrap /\ AtLeast(trapped, RebaseTrapped) /\ AtLeast(rebased, RebaseGap)
HalfWay == 91                                             \* the mark is lowered, but not to the equity
RebaseRestoresConfidence(c, p, r, ms, new) ==
    LET earned == IF new > r THEN MsPerBp * new ELSE Earn(c, r, ms)
        rose == Move(p, earned)
    IN [confidence |-> Cut(earned, new), posture |-> Move(rose, Cut(earned, new)), rose |-> rose]
==============================================================================
