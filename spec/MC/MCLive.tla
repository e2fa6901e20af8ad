------------------------------- MODULE MCLive -------------------------------
(* Liveness: nothing is a trap for ever. From any reachable state on, the readings may settle (R2..R4 nominal, R5 and     *)
(* flat as they are: the equity of a flat book does not move). Then only time and the operator act, and both do.          *)
(* A book that is not flat and below the return level is no trap: what it holds decides, and it may always sell.          *)
EXTENDS Posture

VARIABLE settled

live == <<confidence, posture, held, product, capital, flat, mode, episode, waited, nonce, kept, trapped, rebased, request, asked,
          step, settled>>

HalfSeconds == 2
HalfASecond == <<0, 1>>
OneSecond == <<1, 0>>
OneAndAHalf == <<1, 1>>
TwoSeconds == <<2, 0>>
Ticks == {<<0, 1>>}
Never == {}
NotNoted(label, ms, rose) == Plain                        \* overrides Noted: the last step is not part of the state

Calm == UNCHANGED settled
Free == ~settled /\ Calm /\ Next
Settles == ~settled /\ settled' = TRUE /\ Sense(Bp, capital, flat)
Time == settled /\ Calm /\ \E ms \in Credits, e \in Elapsed: Visit(ms, e, FALSE, product, capital, flat)
Lapsed(wait) == AtLeast(wait, RequestLife)                \* an operator asks anew when his request has lapsed, and not before
Held == IF flat THEN Nothing ELSE 1
Arms == settled /\ Calm /\ (mode = KILLED \/ Lapsed(waited)) /\ \E n \in Nonces: Arm(episode, n, TRUE, Held, TRUE)
Confirms == settled /\ Calm /\ Confirm(nonce, Held, TRUE, product)
RebaseArms == settled /\ Calm /\ (request = NoNonce \/ Lapsed(asked)) /\ \E n \in Nonces: RebaseArm(n)
Rebases == settled /\ Calm /\ RebaseConfirm(request, TRUE)

LiveInit == Init /\ settled = FALSE
LiveNext == Free \/ Settles \/ Time \/ Arms \/ Confirms \/ RebaseArms \/ Rebases
LiveSpec ==
    /\ LiveInit /\ [][LiveNext]_live
    /\ WF_live(Time)
    /\ WF_live(Arms) /\ SF_live(Confirms)                  \* not always too late: a request is confirmed in time at last
    /\ WF_live(RebaseArms) /\ SF_live(Rebases)

Holding == ~flat /\ capital < TrappedBelowBp

NominalEventuallyApex ==                                  \* DOL-FILTER-006
    settled ~> (posture = APEX \/ Holding)
KilledEventuallyRunning == (settled /\ mode # RUNNING) ~> (mode = RUNNING)
KilledEventuallyHibernate == (mode = KILLED) ~> (posture = HIBERNATE)
TrappedEventuallyFree ==                                  \* DOL-CAPITAL-004
    (settled /\ flat /\ capital < TrappedBelowBp /\ posture # APEX) ~> (capital = Bp)
------------------------------------------------------------------------------
(* Flaws *)

NeverARebase(n, priced) == FALSE
WaitStartsAgainAtEachVisit(before, after, e, n) == Zero
==============================================================================
