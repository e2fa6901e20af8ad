------------------------------ MODULE MCPosture ------------------------------
(* The theorems about Posture, each named as a sentence, and the history that some of them need.                          *)
(*                                                                                                                        *)
(* Rules of this file                                                                                                     *)
(*  1. No property uses an operator that an action uses (Fallen, Risen, Earn, Cut, MayArm ...): a flawed operator must    *)
(*     not excuse itself. Levels are compared here in their own words.                                                    *)
(*  2. History variables follow from what is observable (mode, posture, elapsed time), never from the bookkeeping of the  *)
(*     actions. In the true model they cost few states or none.                                                           *)
(*  3. `step` is hidden by the VIEW of the safety models. TLC still evaluates [][...] properties on every step.           *)
EXTENDS Posture

CONSTANT ClaimedGapMs                                     \* what UpwardEntriesAreSevenMinutesApart claims: UPWARD_GAP_MS

VARIABLES
    since,                                                \* credited time since each boundary was last crossed upward
    pending,                                              \* real time in ARM_PENDING since the last request was granted
    took,                                                 \* what that request took over
    caught,                                               \* real time spent trapped, without a break
    aged,                                                 \* real time since the last request to re-base was granted
    spent                                                 \* real time since the mark was last moved by the operator

history == <<since, pending, took, caught, aged, spent>>
all == <<vars, history>>
View == <<confidence, posture, held, product, capital, flat, mode, episode, waited, nonce, kept, trapped, rebased, request, asked,
          history>>
------------------------------------------------------------------------------
(* Values that a cfg file cannot write: real time, in ticks of half a second. *)

HalfSeconds == 2
OneSecond == <<1, 0>>
OneAndAHalf == <<1, 1>>
TwoSeconds == <<2, 0>>
Ticks == {<<0, 0>>, <<0, 1>>}
NoTicks == {<<0, 0>>}
StepsToAndBeyondOneSecond == {<<1, 0>>, <<1, 1>>}       \* exactly one second is no fault yet
Never == {}
------------------------------------------------------------------------------
(* History *)

Cross(q) == posture > q /\ step'.rose <= q                \* the boundary into posture q was crossed upward
Later(q) == Min(since[q] + step'.credit, ClaimedGapMs)
Granted(act) == step'.act = act /\ step'.done

HistoryInit ==
    /\ since = [q \in {APEX, STALKER, TURTLE} |-> ClaimedGapMs]
    /\ pending = Zero /\ took = Nothing
    /\ caught = Zero /\ aged = Zero
    /\ spent = RebaseGap
HistoryNext ==
    /\ since' = [q \in {APEX, STALKER, TURTLE} |-> IF Cross(q) THEN 0 ELSE Later(q)]
    /\ pending' = IF mode' = ARM_PENDING /\ ~Granted("Arm") THEN UpTo(Plus(pending, step'.elapsed), RequestLife) ELSE Zero
    /\ took' = IF mode' # ARM_PENDING THEN Nothing ELSE IF Granted("Arm") THEN step'.seen ELSE took
    /\ caught' = IF /\ flat /\ capital < TrappedBelowBp /\ posture # APEX
                    /\ flat' /\ capital' < TrappedBelowBp /\ posture' # APEX
                 THEN UpTo(Plus(caught, step'.elapsed), RebaseTrapped) ELSE Zero
    /\ aged' = IF request' = NoNonce \/ Granted("RebaseArm") THEN Zero ELSE UpTo(Plus(aged, step'.elapsed), RequestLife)
    /\ spent' = IF Granted("RebaseConfirm") THEN Zero ELSE UpTo(Plus(spent, step'.elapsed), RebaseGap)

MCInit == Init /\ HistoryInit
MCNext == Next /\ HistoryNext
MCSpec == MCInit /\ [][MCNext]_all
------------------------------------------------------------------------------
(* Invariants *)

TypeOK ==
    /\ confidence \in Int
    /\ posture \in APEX..HIBERNATE
    /\ held \in 0..Bp
    /\ product \in Products \union {Bp}
    /\ capital \in Capitals \union {Bp}
    /\ flat \in BOOLEAN
    /\ mode \in {RUNNING, KILLED, ARM_PENDING}
    /\ episode \in 0..(EpisodeModulus - 1)
    /\ \A wait \in {waited, trapped, rebased, asked}: wait[1] \in Nat /\ wait[2] \in 0..(NanosPerSecond - 1)
    /\ AtLeast(RequestLife, waited) /\ AtLeast(RebaseTrapped, trapped) /\ AtLeast(RebaseGap, rebased) /\ AtLeast(RequestLife, asked)
    /\ nonce \in Nonces \union {NoNonce}
    /\ kept \in Holdings \union {Nothing, Unseen}
    /\ request \in Nonces \union {NoNonce}

ConfidenceInRange == confidence \in 0..FullMs            \* DOL-FILTER-003
ConfidenceNeverAboveHeldR == confidence <= MsPerBp * held \* DOL-FILTER-002
RTotalNeverAboveTheProduct == held * Bp <= product * capital \* DOL-FILTER-001, DOL-FILTER-010
RTotalLosesLessThanOneBp == mode = RUNNING => product * capital < (held + 1) * Bp
KilledMeansHibernateInTheSameStep == mode # RUNNING => posture = HIBERNATE \* DOL-POSTURE-005
NoConfidenceWhileKilled == mode # RUNNING => confidence = 0 \* DOL-POSTURE-005
NothingIsDeservedWhileKilled == mode # RUNNING => held = 0
FallIsImmediate ==                                        \* DOL-POSTURE-001
    /\ confidence <= FallApexMs => posture # APEX
    /\ confidence <= FallStalkerMs => posture \in {TURTLE, HIBERNATE}
    /\ confidence <= FallTurtleMs => posture = HIBERNATE
ReturnIsImmediate ==                                      \* DOL-POSTURE-001
    /\ confidence >= ReturnApexMs => posture = APEX
    /\ confidence >= ReturnStalkerMs => posture \in {APEX, STALKER}
    /\ confidence >= ReturnTurtleMs => posture # HIBERNATE
AskingOftenChangesNothing ==                              \* two visits under one reading are one: DOL-TIME-002
    \A a, b \in Credits:
        LET first == Filtered(confidence, posture, held, a, held)
            second == Filtered(first.confidence, first.posture, held, b, held)
            once == Filtered(confidence, posture, held, a + b, held)
        IN second.confidence = once.confidence /\ second.posture = once.posture
AWorseReadingNeverGivesMore ==                            \* DOL-FILTER-004
    \A a, b \in Products, ms \in Credits:
        a <= b => LET worse == Filtered(confidence, posture, held, ms, a)
                      better == Filtered(confidence, posture, held, ms, b)
                  IN worse.confidence <= better.confidence /\ worse.posture >= better.posture
NeighboursNeverPart ==                                    \* hence no two states move further apart: DOL-FILTER-005
    \A ms \in Credits, new \in Products:
        LET less == Filtered(confidence - 1, posture, held, ms, new)
            more == Filtered(confidence, posture, held, ms, new)
        IN confidence > 0 => more.confidence - less.confidence \in {0, 1}
ANonceIsHeldExactlyWhilePending == (nonce # NoNonce) <=> (mode = ARM_PENDING)
ARequestToRebaseIsOfThisTrap ==                           \* hence it is never older than the trap: DOL-CAPITAL-007
    request # NoNonce => flat /\ capital < TrappedBelowBp /\ posture # APEX
------------------------------------------------------------------------------
(* Properties of steps *)

UpSlopeAtMostOne == [][confidence' <= confidence + step'.credit]_all \* DOL-FILTER-002
NothingIsEarnedUnderAReadingNotYetHeld == [][confidence' <= MsPerBp * held]_all \* DOL-TIME-002
GoodTimeIsCreditedInFull ==                               \* hence 100 minutes nominal give APEX: DOL-FILTER-006
    [][held = Bp /\ held' = Bp /\ confidence + step'.credit <= FullMs => confidence' >= confidence + step'.credit]_all
PostureFallsOnlyAtItsLevel ==
    [][posture' > posture =>
        confidence' <= (CASE posture = APEX -> FallApexMs [] posture = STALKER -> FallStalkerMs [] posture = TURTLE -> FallTurtleMs)]_all
PostureRisesOnlyAtItsLevel ==                             \* a cut in the same step may then take some of it back
    [][posture' < posture =>
        confidence + step'.credit >= (CASE posture' = APEX -> ReturnApexMs [] posture' = STALKER -> ReturnStalkerMs
                                        [] posture' = TURTLE -> ReturnTurtleMs)]_all
UpwardEntriesAreSevenMinutesApart ==                      \* DOL-POSTURE-002
    [][\A q \in {APEX, STALKER, TURTLE}: Cross(q) => Later(q) >= ClaimedGapMs]_all
TimeFaultNeverRaisesConfidence ==                         \* DOL-TIME-003
    [][step'.act = "StepBack" => confidence' <= confidence]_all
ALargeStepBackKills == [][step'.act = "StepBack" /\ ~AtLeast(ClockBack, step'.back) => mode' = KILLED]_all
ASmallStepBackChangesNothing ==
    [][step'.act = "StepBack" /\ AtLeast(ClockBack, step'.back) => confidence' = confidence /\ posture' = posture /\ mode' = mode]_all

ATripAlwaysLatches == [][step'.trip => mode' = KILLED]_all \* DOL-KILL-001, DOL-REARM-005
OnlyOperatorLeavesKilled == [][mode = KILLED /\ mode' # KILLED => step'.act = "Arm"]_all
OnlyATripKills == [][mode # KILLED /\ mode' = KILLED => step'.trip]_all
EveryKillIsANewEpisode ==                                 \* DOL-KILL-001, DOL-REARM-005
    [][IF mode # KILLED /\ mode' = KILLED THEN episode' = (episode + 1) % EpisodeModulus ELSE episode' = episode]_all
RearmNeedsTwoSteps == [][mode = KILLED => mode' # RUNNING]_all \* DOL-REARM-002
RearmNeedsSixtySeconds ==                                 \* DOL-REARM-003
    [][mode = ARM_PENDING /\ mode' = RUNNING => AtLeast(pending, ArmWait)]_all
RearmNamesThePendingRequest ==                            \* DOL-REARM-002
    [][mode = ARM_PENDING /\ mode' = RUNNING => step'.act = "Confirm" /\ step'.named = nonce]_all
RearmNeedsFlatOrAccepted ==                               \* DOL-REARM-001
    [][mode = KILLED /\ mode' = ARM_PENDING => step'.clear]_all
RearmNeedsGreen ==                                        \* DOL-REARM-002
    [][mode # RUNNING /\ mode' \notin {mode, KILLED} => step'.green]_all
RearmStartsAtZero ==                                      \* DOL-REARM-004
    [][mode # RUNNING /\ mode' = RUNNING => confidence' = 0 /\ posture' = HIBERNATE]_all
RefusedConfirmStaysPending ==                             \* DOL-REARM-003
    [][step'.act = "Confirm" /\ ~step'.done => mode' = mode /\ nonce' = nonce /\ waited' = waited /\ kept' = kept]_all
RearmRequestLapses ==                                     \* DOL-REARM-006
    [][mode = ARM_PENDING /\ mode' = RUNNING => ~AtLeast(pending, RequestLife)]_all
RearmStandsOnWhatIsHeldNow ==                             \* DOL-REARM-007
    [][mode = ARM_PENDING /\ mode' = RUNNING => step'.seen = Nothing \/ (step'.seen > Nothing /\ step'.seen = took)]_all

MarkMoved == step'.act = "RebaseConfirm" /\ capital' # capital
RebaseOnlyWhenTrapped ==                                  \* DOL-CAPITAL-004
    [][MarkMoved => flat /\ capital < TrappedBelowBp /\ posture # APEX /\ caught = RebaseTrapped]_all
DrawdownAloneKeepsApexShut ==                             \* so that a trap ends by equity, a flow or a re-base, never by time
    [][capital < TrappedBelowBp /\ posture # APEX => posture' # APEX]_all
RebaseRequestLapses == [][MarkMoved => ~AtLeast(aged, RequestLife)]_all \* DOL-REARM-006
RebaseIsRateLimited == [][MarkMoved => spent = RebaseGap]_all \* DOL-CAPITAL-005
RebaseNeedsTwoSteps ==                                    \* DOL-CAPITAL-004
    [][MarkMoved => request # NoNonce /\ step'.named = request]_all
RebaseRestoresR5 == [][MarkMoved => capital' = Bp]_all
RebaseEarnsNothing == [][step'.act = "RebaseConfirm" => confidence' <= confidence /\ posture' >= posture]_all
------------------------------------------------------------------------------
(* Reachability: each says that something interesting never happens, and TLC must find that it does. *)

RefusedThough(act) == step'.act = act /\ ~step'.done     \* what follows in each: only one thing was wrong
NeverInStalker == posture # STALKER
NeverInTurtle == posture # TURTLE
NeverHibernatesWithoutAKill == ~(posture = HIBERNATE /\ mode = RUNNING /\ episode = 0 /\ confidence > 0)
NeverFallsSeveralLevelsAtOnce == [][~(posture = APEX /\ posture' = HIBERNATE /\ mode' = RUNNING)]_all
NeverRisesSeveralLevelsAtOnce == [][~(posture = HIBERNATE /\ posture' = APEX)]_all
NeverRisesAndIsCutInOneStep == [][~(step'.rose < posture /\ posture' > posture)]_all
NeverTiesOnTheWayDown == ~(confidence = FallApexMs /\ posture = STALKER)
NeverTiesOnTheWayUp == ~(confidence = ReturnApexMs /\ posture = APEX /\ held < Bp)
NeverStepsBackExactlyToTheLimit == [][~(step'.act = "StepBack" /\ step'.back = ClockBack)]_all
NeverRoundsAProduct == held * Bp = product * capital \/ mode # RUNNING
NeverReachesApexAfterAKill == ~(posture = APEX /\ episode > 0)
NeverRefusedForBeingEarly ==
    [][~(RefusedThough("Confirm") /\ step'.green /\ step'.seen = Nothing /\ step'.named = nonce /\ mode = ARM_PENDING
         /\ ~AtLeast(pending, ArmWait))]_all
NeverKilledWhilePending == [][~(mode = ARM_PENDING /\ mode' = KILLED)]_all
NeverCarriesANanosecond == waited # OneSecond
NeverRebased == [][~MarkMoved]_all
NeverRefusedForTheRate ==
    [][~(RefusedThough("RebaseConfirm") /\ caught = RebaseTrapped /\ request # NoNonce /\ step'.named = request /\ aged # RequestLife
         /\ spent # RebaseGap)]_all
NeverRefusedForAnOldRequest ==
    [][~(RefusedThough("RebaseConfirm") /\ caught = RebaseTrapped /\ request # NoNonce /\ step'.named = request /\ aged = RequestLife
         /\ spent = RebaseGap)]_all
NeverFlatInApexBelowTheReturnLevel == ~(flat /\ capital < TrappedBelowBp /\ posture = APEX) \* the gap of hysteresis: no trap
NeverEndsARequestWithItsTrap == [][~(request # NoNonce /\ request' = NoNonce /\ step'.act = "Sense")]_all
NeverRefusedForBeingLate ==
    [][~(RefusedThough("Confirm") /\ step'.green /\ step'.seen = Nothing /\ step'.named = nonce /\ pending = RequestLife)]_all
NeverRefusedForAnotherHolding ==
    [][~(RefusedThough("Confirm") /\ step'.green /\ step'.seen > Nothing /\ took > Nothing /\ step'.named = nonce
         /\ AtLeast(pending, ArmWait) /\ pending # RequestLife)]_all
NeverConfirmedWithAPosition == [][~(Granted("Confirm") /\ step'.seen # Nothing)]_all
NeverAskedAnew == [][~(mode = ARM_PENDING /\ Granted("Arm"))]_all
NeverReturnsFromTheTrap == ~(spent # RebaseGap /\ posture = APEX /\ rebased # Zero)
==============================================================================
