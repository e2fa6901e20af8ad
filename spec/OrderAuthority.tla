---------------------------- MODULE OrderAuthority ----------------------------
(* Who may let an order leave: two gates, what lies between them, the venue, the kill, the guard's own flatten, a crash.  *)
(* One position and the orders that name it. DESIGN.md sections 2.3, 2.4, 2.6 and 2.7 are what it says in words.          *)
(*                                                                                                                        *)
(* What belongs here: definitions only. Theorems are in MC/MCOrders.tla, liveness in MC/MCOrdersLive.tla, wrong guards in *)
(* MC/OrderFlaws.tla. docs/design/order-authority.md says what TLC found.                                                 *)
(*                                                                                                                        *)
(* Rules of this file                                                                                                     *)
(*  1. What is true and what the guard knows are apart. `place`, `left`, `asked` and `news` of an order are true; `most`  *)
(*     (lots that it counts as) and the position `known` are the guard's. A verdict reads only these.                     *)
(*  2. News may be late for ever: an answer that was lost is an answer that is late. So UNKNOWN has no state of its own:  *)
(*     until it is told otherwise, the guard counts an order as all that it granted.                                      *)
(*  3. The venue is the worst that is honest: it fills in any parts and order whatever has arrived and is not gone,       *)
(*     rejects, loses or refuses cancels, takes changes late, and keeps reduce-only orders (the guard's) from crossing 0. *)
(*  4. A step is one thing that happens in one process; all else may happen between two.                                  *)
(*                                                                                                                        *)
(* How judging is simplified (kernel/orders.py has all of it; Judging.tla is shared)                                      *)
(*  - Leverage is one number of lots, Limit, on either side; the kernel counts entries of both sides against it, and what *)
(*    is denied here is denied there. Postures are three: entries, exits only, nothing held (HIBERNATE, and every kill).  *)
(*  - Every exit waits its turn behind those that work. The kernel lets one that executes at once outrank resting exits,  *)
(*    and cancels these: with a cancel that comes too late both fill. OrderFlaws.tla shows what that costs.               *)
(*  - The flatten leaves out what working orders will close, and cancels them first; own.py sends the whole at once.      *)
(*  - The minimum is one lot, no order is reduce-only but the guard's, no group of orders is linked but whole lists.      *)
EXTENDS Judging, FiniteSets

CONSTANTS
    Orders,                                               \* names that strategies may use, each again when its order is over
    Own,                                                  \* the name of the guard's flatten
    NoName,
    Limit,                                                \* lots that may be held on either side
    Lots,                                                 \* sizes that strategies ask for
    Postures                                              \* that a model goes through, of those below

CONSTANTS                                                 \* what the environment of a model may do
    Routes,                                               \* where gate 1 sends on: "Queue", or "Parked" to an emulator or algorithm
    Changes,                                              \* sizes that working orders are changed to
    Singles, Lists, Children, Crashes                     \* whether orders come alone, in lists, of algorithms; whether it crashes

VARIABLES
    order,                                                \* of each name: what is true of it, what the guard knows of it
    known,                                                \* the position as the guard knows it
    killed,                                               \* the latch
    posture,
    up,                                                   \* "Up", "Down", or "Starting": alive, not yet reconciled with the venue
    step                                                  \* what the last step was: for properties

vars == <<order, known, killed, posture, up, step>>
------------------------------------------------------------------------------
(* Words *)

Names == Orders \union {Own}
Buy == 1
Sell == -1
Max(a, b) == IF a < b THEN b ELSE a

\* Where an order is in truth. Denied, canceled inside, or over and told: its name is free again.
Places == {"Nowhere",
           "Gate1",                                       \* sent by a strategy, risk check pending
           "Queue",                                       \* approved, on its way to gate 2
           "Parked",                                      \* approved, held by the emulator or by an algorithm
           "Wire",                                        \* submitted: past gate 2, it can no longer be held back
           "Venue",                                       \* accepted, works
           "Gone"}                                        \* filled, canceled, rejected or expired; the guard has not heard
Inside == {"Gate1", "Queue", "Parked"}                    \* what a crash takes with it
Outside == {"Wire", "Venue"}

\* `left` may fill yet, `news` has filled and was not told; `asked` is what a change on its way makes of what was left when
\* last told; `cancel`: one is on its way; `token`: gate 1 passed it under this kill; `mate`: the other order of its list;
\* `parent`: the algorithm's order that it is a part of.
Free == [place |-> "Nowhere", side |-> Buy, left |-> 0, news |-> 0, asked |-> 0, cancel |-> FALSE,
         most |-> 0, token |-> FALSE, mate |-> NoName, parent |-> NoName]
Outdoors(o, place) == [o EXCEPT !.place = place, !.token = FALSE, !.mate = NoName, !.parent = NoName]
Ended(o) == [o EXCEPT !.place = "Gone", !.left = 0, !.asked = 0, !.cancel = FALSE]

RECURSIVE Sum(_, _)
Sum(f, names) == IF names = {} THEN 0
                 ELSE LET n == CHOOSE n \in names: TRUE IN f[n] + Sum(f, names \ {n})
------------------------------------------------------------------------------
(* The verdict: DOL-EXIT-001, DOL-ORDER-002, DOL-KILL-002. By what the guard knows. *)

Leaves(n) == order[n].most                                \* in flight, parked or unknown: at full size
Working(side, names) == Sum([n \in Names |-> IF order[n].side = side THEN Leaves(n) ELSE 0], names)
Resting(side, names) == Working(side, names)              \* exits that an exit waits behind

MayEnter == posture = "Enter" /\ up = "Up"

\* All on this side may fill and nothing on the other.
Room(side, apart, exit) == Positive(Limit - (side * known + Working(side, Names \ apart) + exit))

\* How many of `lots` on this side leave; `apart` are the orders that are being judged, or replaced.
Verdict(side, lots, apart, whole) ==
    LET own == IF order[Own].side = side THEN Leaves(Own) ELSE 0
        cut == IF Opposes(side, known)
               THEN Split(lots, Size(known), own, Resting(side, Orders \ apart), FALSE)
               ELSE Entering(lots)
        entry == IF MayEnter THEN Least(cut.entry, Room(side, apart, cut.exit)) ELSE 0
    IN Leaving(lots, cut.exit, entry, whole, 1)

\* A part of an algorithm's order is judged beside all but the order that it is a part of, while that is held back: it takes
\* its place.
Apart(n) == {n} \union {m \in {order[n].parent} \ {NoName}: order[m].place = "Parked"}
Alone(n) == Verdict(order[n].side, order[n].left, Apart(n), FALSE)

\* A list is judged on its aggregate, and whole: all of it leaves, or nothing.
Aggregate(side, list) == Sum([n \in Names |-> IF order[n].side = side THEN order[n].left ELSE 0], list)
Fits(list) ==
    \A side \in {Buy, Sell}: LET lots == Aggregate(side, list)
                             IN lots = 0 \/ Verdict(side, lots, list, TRUE) = lots
PassesIn(n, list) == Fits(list)

Holds(n) == order[n].token /\ MayEnter                    \* what gate 1 said stands, while nothing got worse
------------------------------------------------------------------------------
(* Strategies, and what Nautilus does with their orders *)

Did(act, n) == step' = [act |-> act, name |-> n]
Set(n, o) == order' = [order EXCEPT ![n] = o]
Rest == UNCHANGED <<known, killed, posture, up>>
Trading == up = "Up"                                      \* strategies begin after the reconciliation

Fresh(n) == order[n].place = "Nowhere" /\ \A m \in Names: n \notin {order[m].mate, order[m].parent}
Asked(side, lots) == [Free EXCEPT !.place = "Gate1", !.side = side, !.left = lots]

Ask(n, side, lots) ==
    /\ Trading /\ Singles
    /\ Fresh(n)
    /\ Set(n, Asked(side, lots))
    /\ Did("Ask", n) /\ Rest

AskList(n, m, one, other) ==
    /\ Trading /\ Lists
    /\ n # m /\ Fresh(n) /\ Fresh(m)
    /\ order' = [order EXCEPT ![n] = [one EXCEPT !.mate = m], ![m] = [other EXCEPT !.mate = n]]
    /\ Did("AskList", n) /\ Rest

\* An algorithm works off its order in parts; the order shrinks by each, so that it and its parts are never more than it was.
AfterSpawn(o, lots) == [o EXCEPT !.left = @ - lots, !.most = @ - lots, !.token = FALSE]
Spawn(n, child, lots) ==
    /\ Trading /\ Children
    /\ order[n].place = "Parked" /\ lots < order[n].left
    /\ Fresh(child)
    /\ order' = [order EXCEPT ![n] = AfterSpawn(@, lots), ![child] = [Asked(order[n].side, lots) EXCEPT !.parent = n]]
    /\ Did("Spawn", child) /\ Rest

Granted(n, place, lots) == [order[n] EXCEPT !.place = place, !.left = lots, !.most = lots, !.token = TRUE]
Judged(n, lots, o) == IF lots = 0 THEN Free ELSE o        \* denied, or let on, shrunk where not all of it may

Gate1(n, place) ==
    /\ Trading
    /\ order[n].place = "Gate1" /\ order[n].mate = NoName
    /\ LET lots == Alone(n) IN Set(n, Judged(n, lots, Granted(n, place, lots)))
    /\ Did("Gate1", n) /\ Rest

ReleasedTo == "Queue"                                     \* past gate 1, never past gate 2
Release(n) ==
    /\ Trading
    /\ order[n].place = "Parked"
    /\ Set(n, [order[n] EXCEPT !.place = ReleasedTo])
    /\ Did("Release", n) /\ Rest

Gate2(n) ==
    /\ Trading
    /\ order[n].place = "Queue" /\ order[n].mate = NoName
    /\ LET lots == IF Holds(n) THEN order[n].left ELSE Alone(n)
       IN Set(n, Judged(n, lots, Outdoors(Granted(n, "Wire", lots), "Wire")))
    /\ Did("Gate2", n) /\ Rest

Gate1List(n, m) ==
    /\ Trading
    /\ order[n].place = "Gate1" /\ order[n].mate = m
    /\ order' = [order EXCEPT ![n] = IF PassesIn(n, {n, m}) THEN Granted(n, "Queue", @.left) ELSE Free,
                              ![m] = IF PassesIn(m, {n, m}) THEN Granted(m, "Queue", @.left) ELSE Free]
    /\ Did("Gate1", n) /\ Rest

Gate2List(n, m) ==
    /\ Trading
    /\ order[n].place = "Queue" /\ order[n].mate = m
    /\ LET held == Holds(n) /\ Holds(m)
       IN order' = [order EXCEPT ![n] = IF held \/ PassesIn(n, {n, m}) THEN Outdoors(@, "Wire") ELSE Free,
                                 ![m] = IF held \/ PassesIn(m, {n, m}) THEN Outdoors(@, "Wire") ELSE Free]
    /\ Did("Gate2", n) /\ Rest

\* A change of a working order is judged by its result; until it is told, the larger of old and new counts.
Reserved(o, lots) == [o EXCEPT !.asked = lots, !.most = Max(@, lots)]
Change(n, lots) ==
    /\ Trading
    /\ n # Own /\ order[n].place = "Venue" /\ order[n].asked = 0
    /\ Verdict(order[n].side, lots, {n}, TRUE) = lots
    /\ Set(n, Reserved(order[n], lots))
    /\ Did("Change", n) /\ Rest

\* Cancels always pass. One of a queued order follows it out.
Canceled(o) == IF o.place = "Parked" THEN Free
               ELSE IF o.place \in {"Queue", "Wire", "Venue"} THEN [o EXCEPT !.cancel = TRUE]
               ELSE o
MayCancel(n) == TRUE
Cancel(n) ==
    /\ Trading
    /\ n # Own /\ order[n].place \in {"Parked", "Queue", "Wire", "Venue"}
    /\ Set(n, IF MayCancel(n) THEN Canceled(order[n]) ELSE order[n])
    /\ Did("Cancel", n) /\ Rest
------------------------------------------------------------------------------
(* The venue *)

Held == known + Sum([n \in Names |-> order[n].side * order[n].news], Names)

Accept(n) ==
    /\ order[n].place = "Wire"
    /\ Set(n, [order[n] EXCEPT !.place = "Venue"])
    /\ Did("Accept", n) /\ Rest
Reject(n) ==
    /\ order[n].place = "Wire"
    /\ Set(n, Ended(order[n]))
    /\ Did("Reject", n) /\ Rest

\* A rejection that is no venue's word: the order lives. Nobody knows, so it counts on. (The code lets go of it after a time of
\* silence; here there is no time, and what was on the wire so long has arrived.)
ToldAsRejected(o) == o
RejectedThoughItLives(n) ==
    /\ up = "Up" /\ n # Own
    /\ order[n].place \in Outside
    /\ Set(n, ToldAsRejected(order[n]))
    /\ Did("RejectedThoughItLives", n) /\ Rest

OwnReduces == Opposes(order[Own].side, Held)              \* the guard's order is reduce-only
Fill(n) ==
    /\ order[n].place = "Venue"
    /\ n = Own => OwnReduces
    /\ LET filled == [order[n] EXCEPT !.left = @ - 1, !.news = @ + 1]
       IN Set(n, IF filled.left = 0 THEN Ended(filled) ELSE filled)
    /\ Did("Fill", n) /\ Rest
OwnExpires ==
    /\ order[Own].place = "Venue" /\ ~OwnReduces
    /\ Set(Own, Ended(order[Own]))
    /\ Did("OwnExpires", Own) /\ Rest

CancelArrives(n) ==
    /\ order[n].place = "Venue" /\ order[n].cancel
    /\ Set(n, Ended(order[n]))
    /\ Did("CancelArrives", n) /\ Rest
CancelIsLost(n) ==                                        \* or refused, or it came before its order
    /\ order[n].place \in Outside /\ order[n].cancel
    /\ Set(n, [order[n] EXCEPT !.cancel = FALSE])
    /\ Did("CancelIsLost", n) /\ Rest

ChangeArrives(n) ==                                       \* it may be refused: all of it may have filled
    /\ order[n].place = "Venue" /\ order[n].asked > 0
    /\ Set(n, [order[n] EXCEPT !.left = IF order[n].asked > order[n].news THEN order[n].asked - order[n].news ELSE @,
                               !.asked = 0])
    /\ Did("ChangeArrives", n) /\ Rest
------------------------------------------------------------------------------
(* News *)

Heard(o) == LET asked == Positive(o.asked - o.news)
            IN IF o.place = "Gone" THEN Free
               ELSE [o EXCEPT !.news = 0, !.asked = asked, !.most = Max(o.left, asked)]
Tell(n) ==
    /\ up = "Up"
    /\ order[n].place \in {"Venue", "Gone"}
    /\ Heard(order[n]) # order[n]
    /\ known' = known + order[n].side * order[n].news
    /\ Set(n, Heard(order[n]))
    /\ Did("Tell", n) /\ UNCHANGED <<killed, posture, up>>
------------------------------------------------------------------------------
(* The kill, and every fall to a posture that holds nothing *)

MustEmpty == posture = "Empty"

\* All that is no exit beside the rest is canceled: again and again, since cancels get lost and fills come.
IsExit(n) == Opposes(order[n].side, known) /\ Working(order[n].side, Names) <= Size(known)
Swept == [n \in Names |-> IF n # Own /\ Leaves(n) > 0 /\ ~IsExit(n) THEN Canceled(order[n]) ELSE order[n]]
SweepsAgain == MustEmpty
Sweep ==
    /\ up = "Up" /\ SweepsAgain
    /\ Swept # order
    /\ order' = Swept
    /\ Did("Sweep", Own) /\ Rest

Forgotten(o) == [o EXCEPT !.token = FALSE]                \* what gate 1 said before a kill counts no more
Kill ==
    /\ up # "Down" /\ ~killed
    /\ killed' = TRUE /\ posture' = "Empty"
    /\ order' = [n \in Names |-> Forgotten(Swept[n])]
    /\ Did("Kill", Own)
    /\ UNCHANGED <<known, up>>

Move(p) ==
    /\ up = "Up" /\ ~killed
    /\ posture # p
    /\ posture' = p
    /\ order' = IF p = "Empty" THEN Swept ELSE order
    /\ Did("Move", Own)
    /\ UNCHANGED <<known, killed, up>>

\* The guard's own order: what the position leaves beside the exits that work; and these are canceled, so that the next one
\* is for the rest. One at a time.
OwnSide == IF known > 0 THEN Sell ELSE Buy
OwnLots == Positive(Size(known) - Working(OwnSide, Orders))
MayFlatten == order[Own].place = "Nowhere"
Flatten ==
    /\ up = "Up" /\ MustEmpty
    /\ MayFlatten
    /\ known # 0 /\ OwnLots > 0
    /\ Set(Own, [Free EXCEPT !.place = "Wire", !.side = OwnSide, !.left = OwnLots, !.most = OwnLots])
    /\ Did("Flatten", Own) /\ Rest

Displaced == [n \in Names |-> IF n # Own /\ Leaves(n) > 0 THEN Canceled(order[n]) ELSE order[n]]
Displace ==
    /\ up = "Up" /\ MustEmpty
    /\ known # 0 /\ order[Own].place = "Nowhere"
    /\ Displaced # order
    /\ order' = Displaced
    /\ Did("Displace", Own) /\ Rest

\* The two steps back are Posture.tla's; here they are one.
Rearm ==
    /\ up = "Up" /\ killed
    /\ killed' = FALSE
    /\ Did("Rearm", Own)
    /\ UNCHANGED <<order, known, posture, up>>
------------------------------------------------------------------------------
(* A crash takes what was inside, and the guard's memory; the venue goes on. The journal has the latch and each order that *)
(* was let out; the venue has what arrived.                                                                               *)

Crash ==
    /\ up # "Down" /\ Crashes
    /\ up' = "Down"
    /\ order' = [n \in Names |-> IF order[n].place \in Inside THEN Free ELSE [order[n] EXCEPT !.most = 0]]
    /\ Did("Crash", Own)
    /\ UNCHANGED <<known, killed, posture>>

KilledAfterStart == killed
PostureAfterStart == IF killed THEN "Empty" ELSE "Exit"   \* nothing is earned while it is down
Start ==
    /\ up = "Down"
    /\ up' = "Starting"
    /\ killed' = KilledAfterStart
    /\ posture' = PostureAfterStart
    /\ Did("Start", Own)
    /\ UNCHANGED <<order, known>>

ByTheJournal(o) == [o EXCEPT !.most = o.left]             \* let out, and the venue has not seen it yet
Reconciled(o) == IF o.place = "Wire" THEN ByTheJournal(o)
                 ELSE IF o.place = "Nowhere" THEN o
                 ELSE Heard(o)
Reconcile ==
    /\ up = "Starting"
    /\ up' = "Up"
    /\ known' = Held
    /\ order' = [n \in Names |-> Reconciled(order[n])]
    /\ Did("Reconcile", Own)
    /\ UNCHANGED <<killed, posture>>
------------------------------------------------------------------------------
Init ==
    /\ order = [n \in Names |-> Free]
    /\ known \in -Limit..Limit
    /\ killed = FALSE /\ posture = "Enter" /\ up = "Up"
    /\ step = [act |-> "Init", name |-> Own]

Strategies == \E n \in Orders:
    \/ \E side \in {Buy, Sell}, lots \in Lots: Ask(n, side, lots)
    \/ \E m \in Orders, one, other \in {Asked(side, lots): side \in {Buy, Sell}, lots \in Lots}: AskList(n, m, one, other)
    \/ \E child \in Orders, lots \in Lots: Spawn(n, child, lots)
    \/ \E lots \in Changes: Change(n, lots)
    \/ Cancel(n)
Gates == \E n \in Orders:
    \/ \E place \in Routes: Gate1(n, place)
    \/ Release(n) \/ Gate2(n)
    \/ \E m \in Orders: Gate1List(n, m) \/ Gate2List(n, m)
Venue == OwnExpires \/ \E n \in Names:
    Accept(n) \/ Reject(n) \/ RejectedThoughItLives(n) \/ Fill(n) \/ CancelArrives(n) \/ CancelIsLost(n) \/ ChangeArrives(n)
Guard == Kill \/ Sweep \/ Flatten \/ Displace \/ Rearm \/ \E p \in Postures: Move(p)
Fate == Crash \/ Start \/ Reconcile \/ \E n \in Names: Tell(n)

Next == Strategies \/ Gates \/ Venue \/ Guard \/ Fate
==============================================================================
