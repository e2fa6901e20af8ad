----------------------------- MODULE OrderFlaws -----------------------------
(* Wrong guards. Each definition below replaces one operator of OrderAuthority or Judging (models.toml says which), and   *)
(* TLC must reject it by the theorem named there. Flaws of liveness are in MCOrdersLive.tla.                              *)
EXTENDS MCOrders

(* What counts *)

InFlightIsNotCounted(n) == IF order[n].place = "Wire" THEN 0 ELSE order[n].most
ParkedIsNotCounted(n) == IF order[n].place = "Parked" THEN 0 ELSE order[n].most
OnlyWhatIsHeldCounts(side, apart, exit) == Positive(Limit - (side * known + exit))
CountedWhenItArrives(o, lots) == [o EXCEPT !.asked = lots] \* a change in flight is as small as the order was
HalfFilledIsDone(o) == IF o.place = "Gone" \/ o.news > 0 THEN [o EXCEPT !.news = 0, !.asked = 0, !.most = 0] ELSE o
TakenForRefused(o) == [o EXCEPT !.most = 0]               \* an answer of "status unknown" is taken for a rejection
ByTheVenueAlone(o) == [o EXCEPT !.most = 0]               \* a restart that asks the venue, and not its own journal
BeginsAtOnce == up # "Down"                               \* strategies trade before the reconciliation

(* The gates *)

EntersInEveryPosture == up = "Up"
TheKillIsAMessage == killed \/ posture = "Enter"
WhatPassedOncePasses(n) == TRUE                           \* gate 2 takes gate 1's word, also from before a kill
TokenOutlivesAFall(n) == order[n].token
StraightToTheWire == "Wire"                               \* released past both gates, as Nautilus does by itself
TheWholeOrNothing(lots, exit, entry, whole, minimum) == IF exit + entry = lots THEN lots ELSE 0
NoCancelWhileKilled(n) == ~killed
\* An exit that executes at once passes whole, and what rested is only asked to go. kernel/orders.py chooses this, since an exit
\* must not wait for a cancel; then both may fill. docs/limitations.md has it.
ExitsOutrank(side, names) == 0
\* The part of an algorithm's order is judged without that order wherever this is: also where it works at the venue.
ApartFromItsParent(n) == {n, order[n].parent}
TheWholeStays(o, lots) == o                               \* an algorithm's order does not shrink by its parts

(* Lists *)

OneByOne(list) == \A n \in list: Verdict(order[n].side, order[n].left, list, TRUE) = order[n].left
WhatFitsPasses(n, list) == Verdict(order[n].side, order[n].left, list, TRUE) = order[n].left
NoListAfterAFall(list) ==
    posture = "Enter" /\ \A side \in {Buy, Sell}: Verdict(side, Aggregate(side, list), list, TRUE) = Aggregate(side, list)

(* The flatten, the latch *)

TheWholePosition == Size(known)                           \* beside what works and would close it: own.py, until it is canceled
TwiceThePosition == 2 * Size(known)
AgainWhileItIsQueued == order[Own].place \in {"Nowhere", "Wire"}
NotReduceOnly == order[Own].left > 0
LatchInMemory == FALSE
BackToExits == "Exit"
=============================================================================
