---------------------------- MODULE MCOrdersLive ----------------------------
(* Liveness: a kill that stands is followed by no working order that could increase, and by no position.                  *)
(*                                                                                                                        *)
(* What is assumed: what is queued or on the wire arrives, what the venue did is told at last, a cancel that is asked for *)
(* again and again gets through, the guard's own order is taken at last and filled, and the guard does what it may do.    *)
(* Nothing is assumed of strategies, which may go on sending. Crashes end at last.                                        *)
EXTENDS OrderAuthority

Silent(act, n) == step' = step                            \* overrides Did: the last step is not part of the state

LiveSpec ==
    /\ Init /\ [][Next]_vars
    /\ \A n \in Names: WF_vars(Accept(n) \/ Reject(n)) /\ SF_vars(CancelArrives(n)) /\ WF_vars(Tell(n))
    /\ \A n \in Orders: WF_vars(Gate2(n))
    /\ SF_vars(Accept(Own)) /\ SF_vars(Fill(Own)) /\ WF_vars(OwnExpires)
    /\ SF_vars(Sweep) /\ SF_vars(Displace) /\ SF_vars(Flatten)
    /\ WF_vars(Start) /\ WF_vars(Reconcile)

Coming(side) == Sum([n \in Names |-> IF order[n].side = side THEN order[n].left ELSE 0], {n \in Names: order[n].place \in Outside})
NothingIncreases == \A n \in Orders: order[n].place \in Outside => order[n].side * Held + Coming(order[n].side) <= 0

Stands == killed /\ up = "Up"                            \* a process that crashes for ever can cancel nothing

KilledEventuallyNothingIncreases ==                       \* DOL-POSTURE-006
    <>[]Stands => <>[]NothingIncreases
KilledEventuallyFlat ==                                   \* DOL-KILL-003
    <>[]Stands => <>[](Held = 0)
------------------------------------------------------------------------------
(* Flaws *)

OnceIsEnough == FALSE                                     \* what is on the wire at the kill is asked to go, and not again
ExitsStay == order                                        \* the flatten waits for resting exits to fill
=============================================================================
