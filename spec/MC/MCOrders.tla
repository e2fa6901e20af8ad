------------------------------ MODULE MCOrders ------------------------------
(* The theorems about OrderAuthority, each named as a sentence, and what should be reachable.                             *)
(*                                                                                                                        *)
(* Rules of this file                                                                                                     *)
(*  1. No property uses an operator that an action uses for a decision (Leaves, Working, Verdict, Room ...): a flawed     *)
(*     operator must not excuse itself. What may come is counted here from what is true.                                  *)
(*  2. `step` is hidden by the VIEW. TLC still evaluates [][...] properties on every step.                                *)
EXTENDS OrderAuthority, TLC

Spec == Init /\ [][Next]_vars
View == <<order, known, killed, posture, up>>
Alike == Permutations(Orders)                             \* no action prefers a name
------------------------------------------------------------------------------
(* What is true *)

Open(n) == IF order[n].place \in Outside THEN Max(order[n].left, order[n].asked - order[n].news) ELSE 0
Total(side, f) == Sum([n \in Names |-> IF order[n].side = side THEN f[n] ELSE 0], Names)
Exposed(side) == side * Held + Total(side, [n \in Names |-> Open(n)]) \* if all of this side fills and nothing else
Counted(side) == side * known + Total(side, [n \in Names |-> order[n].most])
Others(n) == Total(order[n].side, [m \in Names |-> IF m = n THEN 0 ELSE order[m].most])

Sent(n) == order[n].place \in {"Nowhere", "Gate1", "Queue", "Parked"} /\ order'[n].place = "Wire"
------------------------------------------------------------------------------
(* Invariants *)

TypeOK ==
    /\ \A n \in Names:
        /\ order[n].place \in Places
        /\ order[n].side \in {Buy, Sell}
        /\ {order[n].left, order[n].news, order[n].asked, order[n].most} \subseteq 0..(3 * Limit)
        /\ {order[n].cancel, order[n].token} \subseteq BOOLEAN
        /\ {order[n].mate, order[n].parent} \subseteq Names \union {NoName}
    /\ known \in Int
    /\ killed \in BOOLEAN
    /\ posture \in {"Enter", "Exit", "Empty"}
    /\ up \in {"Up", "Down", "Starting"}

ExposureNeverAboveTheLimit ==                             \* DOL-ORDER-001
    Exposed(Buy) <= Limit /\ Exposed(Sell) <= Limit
ReservedAndOpenNeverAboveTheLimit ==                      \* DOL-ORDER-001, DOL-ORDER-002
    up = "Up" => Counted(Buy) <= Limit /\ Counted(Sell) <= Limit
UnknownCountsInFull ==                                    \* in flight, parked, half told: DOL-EXIT-006
    up = "Up" => \A n \in Names:
        /\ order[n].most >= order[n].news + Open(n)
        /\ order[n].place \in {"Queue", "Parked"} => order[n].most >= order[n].left
KilledHoldsNothing == killed => posture = "Empty"         \* DOL-POSTURE-005
------------------------------------------------------------------------------
(* Properties of steps *)

\* The order's own state machine: pending, risk check, approved, submitted, accepted, over; denied from either gate.
Moves == {<<"Nowhere", "Gate1">>,
          <<"Gate1", "Queue">>, <<"Gate1", "Parked">>, <<"Gate1", "Nowhere">>,
          <<"Parked", "Queue">>, <<"Parked", "Nowhere">>,
          <<"Queue", "Wire">>, <<"Queue", "Nowhere">>,
          <<"Wire", "Venue">>, <<"Wire", "Gone">>,
          <<"Venue", "Gone">>,
          <<"Gone", "Nowhere">>}
OwnMoves == {<<"Nowhere", "Wire">>, <<"Wire", "Venue">>, <<"Wire", "Gone">>, <<"Venue", "Gone">>, <<"Gone", "Nowhere">>}
EveryOrderPassesBothGates ==
    [][\A n \in Names: order[n].place # order'[n].place =>
        <<order[n].place, order'[n].place>> \in (IF n = Own THEN OwnMoves ELSE Moves)]_vars

NothingIncreasesAfterTheKill ==                           \* DOL-KILL-002
    [][\A n \in Orders: killed /\ Sent(n) => Exposed(order[n].side)' <= 0]_vars
NothingEntersWithoutPosture ==                            \* DOL-POSTURE-003
    [][\A n \in Orders: posture # "Enter" /\ Sent(n) => Exposed(order[n].side)' <= 0]_vars

\* The part of an order that the position leaves beside all that works passes, in every posture; so does a list that is one.
ExitsPass ==                                              \* DOL-EXIT-001
    [][\A n \in Orders: step'.act \in {"Gate1", "Gate2"} /\ step'.name = n /\ order[n].mate = NoName =>
        LET part == IF order[n].side * known < 0 THEN Size(known) - Others(n) ELSE 0
        IN order'[n].left >= Least(order[n].left, part)]_vars
AnExitingListPasses ==                                    \* DOL-EXIT-001
    [][\A n \in Orders: step'.act \in {"Gate1", "Gate2"} /\ step'.name = n /\ order[n].mate # NoName =>
        LET m == order[n].mate
            part == Size(known) - Others(n) + order[m].most
        IN order[n].side = order[m].side /\ order[n].side * known < 0 /\ order[n].left + order[m].left <= part
           => order'[n].left = order[n].left /\ order'[m].left = order[m].left]_vars
AListLeavesWholeOrNotAtAll ==                             \* DOL-EXIT-004
    [][\A n \in Orders: order[n].mate # NoName /\ order'[n].place # order[n].place =>
        order'[order[n].mate].place = order'[n].place /\ order'[n].left \in {0, order[n].left}]_vars
CancelsPass ==                                            \* DOL-EXIT-001
    [][step'.act = "Cancel" => order'[step'.name].cancel \/ order'[step'.name].place = "Nowhere"]_vars

TheFlattenNeverCrossesZero ==                             \* DOL-KILL-003
    [][step'.act = "Fill" /\ step'.name = Own => Size(Held') < Size(Held)]_vars
TheFlattenIsSentOnce ==                                   \* again only when the one before is over: DOL-TRIM-005
    [][step'.act = "Flatten" => order[Own].place = "Nowhere"]_vars
TheFlattenIsNoLargerThanThePosition ==                    \* DOL-KILL-003
    [][step'.act = "Flatten" => order'[Own].left <= Size(known) /\ order'[Own].side * known < 0]_vars
TheLatchOutlivesACrash ==                                 \* DOL-KILL-001
    [][killed /\ ~killed' => step'.act = "Rearm"]_vars
------------------------------------------------------------------------------
(* Reachability: each says that something interesting never happens, and TLC must find that it does. *)

At(act) == step'.act = act
NeverKilledInFlight == [][~(At("Kill") /\ \E n \in Orders: order[n].place = "Wire" /\ Exposed(order[n].side) > 0)]_vars
NeverKilledInTheQueue == [][~(At("Kill") /\ \E n \in Orders: order[n].place = "Queue" /\ order[n].token)]_vars
NeverFilledAfterTheKill == [][~(killed /\ At("Fill") /\ step'.name # Own /\ Size(Held') > Size(Held))]_vars
NeverExitsAfterTheKill == [][~(killed /\ At("Gate2") /\ order'[step'.name].place = "Wire")]_vars
NeverShrunk == [][~(At("Gate1") /\ order'[step'.name].left \in 1..(order[step'.name].left - 1))]_vars
NeverDeniedAtGate2 == [][~(At("Gate2") /\ order'[step'.name].place = "Nowhere")]_vars
NeverReleasedAfterAKill == [][~(killed /\ At("Release"))]_vars
NeverFlatByTheGuard == [][~(known = 0 /\ At("Tell") /\ step'.name = Own)]_vars
NeverFlattensARest == [][~(At("Flatten") /\ order'[Own].left < Size(known))]_vars
NeverExpires == [][~At("OwnExpires")]_vars
NeverChangedBelowWhatFilled == [][~(At("ChangeArrives") /\ order[step'.name].asked <= order[step'.name].news)]_vars
NeverCrashesWithAnOrderOnTheWire == [][~(At("Reconcile") /\ \E n \in Orders: order[n].place = "Wire")]_vars
NeverKilledWhileStarting == [][~(At("Kill") /\ up = "Starting")]_vars
NeverRunsAgain == [][~(At("Rearm") /\ \E n \in Orders: order[n].place = "Venue")]_vars
NeverRefusesAList == [][~(At("Gate1") /\ order[step'.name].mate # NoName /\ order'[step'.name].place = "Nowhere")]_vars
NeverLosesAListAtGate2 == [][~(At("Gate2") /\ order[step'.name].mate # NoName /\ order'[step'.name].place = "Nowhere")]_vars
NeverAPartAfterItsWhole ==
    [][~(At("Gate2") /\ order'[step'.name].place = "Wire" /\ order[step'.name].parent # NoName
         /\ order[order[step'.name].parent].place \in Outside)]_vars
=============================================================================
