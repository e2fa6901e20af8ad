-------------------------------- MODULE Linked --------------------------------
(* Orders that are linked: a parent with two children that wait for it (OTO), two of which one is to fill (OCO, OUO), and *)
(* both together, a bracket; beside another order of the strategy, the guard's flatten, and a kill.                       *)
(*                                                                                                                        *)
(* What belongs here: definitions only. Theorems and flaws are in MC/MCLinked.tla and MC/LinkedFlaws.tla. The two gates,  *)
(* parking, changes, loss of messages and crashes are OrderAuthority.tla's; here an order is at the venue as it passes.   *)
(*                                                                                                                        *)
(* Rules of this file                                                                                                     *)
(*  1. True: `place`, `left`, `news` (filled and not told), `fed` (its parent has filled). The guard's: `most`, `waits`   *)
(*     (as far as it knows), the position `known`. Verdicts, sweeps and the flatten read only the guard's.                *)
(*  2. Counting is nautilus/working.py and counting.py, on lots: what waits for its parent and only undoes what that      *)
(*     enters is nothing; linked orders are the largest of them; what opposes the position is an exit up to its size and  *)
(*     an entry beyond; a reduce-only order is no entry. Entries of both sides and the position share one limit.          *)
(*  3. The venue is the worst that keeps four promises: a child does not work before its parent has filled (then all of   *)
(*     it may work at once), a fill of one linked order takes as much of the other in the same moment, a reduce-only      *)
(*     order never crosses zero, and a cancel that arrived ends an order.                                                 *)
EXTENDS Judging, Sequences

CONSTANTS
    Parent, Pair, Other, Own, NoName,                     \* names; Pair: the two children, or the two that are linked
    Limit, Lots,                                          \* as in OrderAuthority.tla
    Begin, Postures,                                      \* where a model begins, and where it moves to
    Brackets, Pairs, Links,                               \* which lists are sent, and with which links between the two
    Reducing                                              \* whether children are reduce-only: subset of BOOLEAN

VARIABLES order, known, posture, step

vars == <<order, known, posture, step>>
------------------------------------------------------------------------------
(* Words *)

Orders == {Parent, Other} \union Pair
Names == Orders \union {Own}
Buy == 1
Sell == -1
Max(a, b) == IF a < b THEN b ELSE a

\* "Held": the venue has it, and it waits for its parent.
Places == {"Nowhere", "Held", "Venue", "Gone"}
Free == [place |-> "Nowhere", side |-> Buy, left |-> 0, news |-> 0, most |-> 0, cancel |-> FALSE, reduce |-> FALSE,
         waits |-> FALSE, fed |-> FALSE, link |-> "None"]
Sent(side, lots) == [Free EXCEPT !.place = "Venue", !.side = side, !.left = lots, !.most = lots]
Child(o) == [o EXCEPT !.place = "Held", !.waits = TRUE]
Heard(o) == IF o.place = "Gone" THEN Free ELSE [o EXCEPT !.news = 0, !.most = o.left]
Ended(o) == [o EXCEPT !.place = "Gone", !.left = 0, !.cancel = FALSE]
AtVenue(o) == o.place \in {"Held", "Venue"}

RECURSIVE Sum(_, _)
Sum(f, names) == IF names = {} THEN 0
                 ELSE LET n == CHOOSE n \in names: TRUE IN f[n] + Sum(f, names \ {n})
Largest(f, names) == IF names = {} THEN 0 ELSE f[CHOOSE n \in names: \A m \in names: f[m] <= f[n]]
------------------------------------------------------------------------------
(* What counts, as the guard knows it *)

Counts == [n \in Orders |-> order[n].most]
TheLargest(names) == Largest(Counts, names)               \* what two linked orders come to
Together(names) ==
    LET two == {n \in names \intersect Pair: order[n].link # "None"}
    IN Sum(Counts, names \ two) + TheLargest(two)

\* How many lots of its children only undo a parent: what it enters, not what it closes. A reduce-only child opens nothing.
Entered(side, lots) == IF Opposes(side, known) THEN Positive(lots - Size(known)) ELSE lots
Undone(side, lots, reduce) == IF reduce THEN lots ELSE Entered(side, lots)

InHand(apart) == {n \in Orders \ apart: order[n].most > 0}
\* Children on their parent's side go the same way as it: they count as if they worked.
Waits(n) == order[n].waits /\ order[n].side # order[Parent].side
Waiting(apart) == {n \in InHand(apart): Waits(n)}
Exits(apart) == {n \in InHand(apart) \ Waiting(apart): Opposes(order[n].side, known)}
Plain(names) == {n \in names: ~order[n].reduce}
\* What children would do beyond undoing what their parent enters, on the other side than it.
More(apart) ==
    LET parent == order[Parent]
    IN Positive(Together(Plain(Waiting(apart))) - Undone(parent.side, parent.most, FALSE))
MoreExits(apart) == IF Opposes(-order[Parent].side, known) THEN More(apart) ELSE 0
Beyond(apart) ==
    LET plain == Together(Plain(Exits(apart))) + MoreExits(apart)
        protective == Together(Exits(apart) \ Plain(Exits(apart)))
    IN Least(plain, Positive(plain + protective - Size(known)))
Straight(apart) ==
    LET names == Plain(InHand(apart) \ (Waiting(apart) \union Exits(apart)))
    IN Together({n \in names: order[n].side = Buy}) + Together({n \in names: order[n].side = Sell})
Entries(apart) == Beyond(apart) + Straight(apart) + More(apart) - MoreExits(apart)

Resting(apart) == Together(Exits(apart)) + MoreExits(apart)
OwnCovers(side) == IF order[Own].side = side THEN order[Own].most ELSE 0
Room(apart, before) == Positive(Limit - Size(known) - Entries(apart) - before)
------------------------------------------------------------------------------
(* Verdicts *)

MayEnter == posture = "Enter"
Cut(side, lots, apart) ==
    IF Opposes(side, known) THEN Split(lots, Size(known), OwnCovers(side), Resting(apart), FALSE) ELSE Entering(lots)

\* What of an order leaves; `before` was judged just before it, in the same list.
Verdict(side, lots, apart, before, whole) ==
    LET cut == Cut(side, lots, apart)
        entry == IF MayEnter THEN Least(cut.entry, Room(apart, before)) ELSE 0
    IN Leaving(lots, cut.exit, entry, whole, 1)

Both(link, lots) == IF link = "None" THEN 2 * lots ELSE lots

\* The children that are judged with their list: those that do more than undo their parent.
Judged(side, lots, kids, link, reduce) ==
    LET undone == Undone(side, lots, reduce)
    IN IF Both(link, kids) <= undone THEN 0
       ELSE IF kids <= undone THEN Both(link, kids) - kids
       ELSE Both(link, kids)

\* A bracket is judged on its aggregate, each side for itself, and whole.
BracketFits(side, lots, kidside, kids, link, reduce) ==
    LET more == IF kidside = side THEN Both(link, kids) ELSE Judged(side, lots, kids, link, reduce)
    IN IF kidside = side
       THEN Verdict(side, lots + more, {}, 0, TRUE) = lots + more
       ELSE /\ Verdict(side, lots, {}, 0, TRUE) = lots
            /\ more = 0 \/ (~reduce /\ Verdict(kidside, more, {}, lots, TRUE) = more)
PairFits(side, lots, link) == LET all == Both(link, lots) IN Verdict(side, all, {}, 0, TRUE) = all
------------------------------------------------------------------------------
(* Strategies *)

Did(act, n) == step' = [act |-> act, name |-> n, asked |-> <<>>]
DidAsk(act, asked) == step' = [act |-> act, name |-> Parent, asked |-> asked]
Rest == UNCHANGED <<known, posture>>
Unused(names) == \A n \in names: order[n] = Free
Put(new) == order' = [n \in Names |-> IF n \in DOMAIN new THEN new[n] ELSE order[n]]

AskBracket(side, lots, kidside, kids, link, reduce) ==
    /\ Brackets /\ Unused(Pair \union {Parent})
    /\ kidside = side => ~reduce
    /\ LET child == Child([Sent(kidside, kids) EXCEPT !.reduce = reduce, !.link = link])
       IN IF BracketFits(side, lots, kidside, kids, link, reduce)
          THEN Put([n \in Pair \union {Parent} |-> IF n = Parent THEN Sent(side, lots) ELSE child])
          ELSE UNCHANGED order
    /\ DidAsk("AskBracket", <<side, lots, kidside, kids, link>>) /\ Rest

AskPair(side, lots, link) ==
    /\ Pairs /\ Unused(Pair \union {Parent})
    /\ IF PairFits(side, lots, link)
       THEN Put([n \in Pair |-> [Sent(side, lots) EXCEPT !.link = link]])
       ELSE UNCHANGED order
    /\ DidAsk("AskPair", <<side, lots, link>>) /\ Rest

Ask(side, lots) ==
    /\ Unused({Other})
    /\ LET out == Verdict(side, lots, {}, 0, FALSE)
       IN IF out > 0 THEN Put([n \in {Other} |-> Sent(side, out)]) ELSE UNCHANGED order
    /\ Did("Ask", Other) /\ Rest

\* An exit that executes at once outranks resting ones: so many lots of them are canceled, newest first. It is filled, and the
\* cancels are taken and told: what it costs where they lose their race is OrderFlaws.tla's ExitsOutrank.
RECURSIVE Displaces(_, _, _)
Counted(n, gone) == order[n].most - (IF order[n].link # "None" /\ n \in Pair THEN TheLargest(gone \intersect Pair) ELSE 0)
Stays(n, lots, gone) == lots <= 0 /\ (n \notin Pair \/ order[n].link = "None" \/ gone \intersect Pair = {})
Displaces(names, lots, gone) ==
    IF names = <<>> THEN gone
    ELSE LET n == Head(names)
         IN IF n \notin Plain(Exits({})) \/ order[n].cancel \/ Stays(n, lots, gone)
            THEN Displaces(Tail(names), lots, gone)
            ELSE Displaces(Tail(names), lots - Positive(Counted(n, gone)), gone \union {n})
\* Orders by age, either way: a list comes as one.
Lists == {<<Parent, a, b>>: a, b \in Pair} \ {<<Parent, a, a>>: a \in Pair}
Ages == {<<Other>> \o list: list \in Lists} \union {list \o <<Other>>: list \in Lists}
TakeNow(lots, ages) ==
    /\ known # 0 /\ \A n \in Orders: Heard(order[n]) = order[n] /\ ~order[n].cancel
    /\ LET exit == Least(lots, Positive(Size(known) - order[Own].most))
           many == Positive(exit - Positive(Size(known) - order[Own].most - Resting({})))
           gone == Displaces(ages, many, {})
       IN /\ exit > 0
          /\ known' = IF known > 0 THEN known - exit ELSE known + exit
          /\ order' = [n \in Names |-> IF n \in gone THEN Free
                                    ELSE IF n \in Pair /\ Parent \in gone THEN [order[n] EXCEPT !.waits = FALSE]
                                    ELSE order[n]]
    /\ Did("TakeNow", NoName) /\ UNCHANGED posture

Cancel(n) ==
    /\ AtVenue(order[n]) /\ ~order[n].cancel
    /\ order' = [order EXCEPT ![n].cancel = TRUE]
    /\ Did("Cancel", n) /\ Rest
------------------------------------------------------------------------------
(* The venue *)

Held == known + Sum([n \in Names |-> order[n].side * order[n].news], Names)

Filled(o) == LET o2 == [o EXCEPT !.left = @ - 1, !.news = @ + 1] IN IF o2.left = 0 THEN Ended(o2) ELSE o2
\* One of two is to fill: the other goes with the first fill of it (OCO), or becomes as much smaller (OUO).
Taken(o, link) == IF ~AtVenue(o) THEN o
                  ELSE IF link = "OCO" \/ o.left = 1 THEN Ended(o)
                  ELSE [o EXCEPT !.left = @ - 1]
MayFill(n) == (n = Own \/ order[n].reduce) => Opposes(order[n].side, Held)
Fill(n) ==
    /\ order[n].place = "Venue" /\ MayFill(n)
    /\ order' = [m \in Names |->
         IF m = n THEN Filled(order[n])
         ELSE IF n \in Pair /\ m \in Pair /\ order[n].link # "None" THEN Taken(order[m], order[n].link)
         ELSE IF n = Parent /\ m \in Pair /\ order[m].place = "Held" THEN [order[m] EXCEPT !.fed = TRUE]
         ELSE order[m]]
    /\ Did("Fill", n) /\ Rest
Expires(n) ==
    /\ order[n].place = "Venue" /\ ~MayFill(n)
    /\ order' = [order EXCEPT ![n] = Ended(@)]
    /\ Did("Expires", n) /\ Rest

Works(o) == o.place = "Held" /\ o.fed
Activate(n) ==
    /\ n \in Pair /\ Works(order[n])
    /\ order' = [order EXCEPT ![n].place = "Venue"]
    /\ Did("Activate", n) /\ Rest
\* The children of a parent that ended may end with it, and need not: also those of one that had filled in part.
EndsWithItsParent(n) ==
    /\ n \in Pair /\ order[Parent].place \in {"Gone", "Nowhere"}
    /\ order[n].place = "Held"
    /\ order' = [order EXCEPT ![n] = Ended(@)]
    /\ Did("EndsWithItsParent", n) /\ Rest

CancelArrives(n) ==
    /\ AtVenue(order[n]) /\ order[n].cancel
    /\ order' = [order EXCEPT ![n] = Ended(@)]
    /\ Did("CancelArrives", n) /\ Rest
CancelIsLost(n) ==
    /\ AtVenue(order[n]) /\ order[n].cancel
    /\ order' = [order EXCEPT ![n].cancel = FALSE]
    /\ Did("CancelIsLost", n) /\ Rest
------------------------------------------------------------------------------
(* News: late, and in the order in which it happened, as a venue's one stream tells it. A prefix of the news is all of     *)
(* it, told earlier. A parent's first fill, and its end, are what its children waited for.                                *)

ToldTogether == {Names}
Tell(names) ==
    /\ \E n \in names: Heard(order[n]) # order[n]
    /\ known' = known + Sum([n \in names |-> order[n].side * order[n].news], names)
    /\ order' = [n \in Names |->
         LET o == IF n \in names THEN Heard(order[n]) ELSE order[n]
         IN IF n \in Pair /\ Parent \in names /\ Heard(order[Parent]) # order[Parent] THEN [o EXCEPT !.waits = FALSE] ELSE o]
    /\ Did("Tell", NoName) /\ UNCHANGED posture
------------------------------------------------------------------------------
(* The kill, and every fall to a posture that holds nothing *)

Emptying == posture = "Empty"

\* What opposes nothing goes, but reduce-only protection; of plain exits the oldest stay, up to the position; linked ones are
\* the largest of them; what waits for a parent that is to go goes with it.
Takes(n, lots) == lots                                    \* of the room that exits have, so much
RECURSIVE Increasing(_, _, _)
Increasing(names, room, kept) ==
    IF names = <<>> THEN {}
    ELSE LET n == Head(names)
             o == order[n]
             more == Positive(o.most - (IF o.link # "None" /\ n \in Pair THEN TheLargest(kept \intersect Pair) ELSE 0))
             rest == Increasing(Tail(names), room, kept)
         IN IF o.most = 0 \/ (o.reduce /\ known # 0) THEN rest
            ELSE IF ~Opposes(o.side, known) \/ Waits(n) \/ more > room THEN {n} \union rest
            ELSE Increasing(Tail(names), room - Takes(n, more), kept \union {n})
Swept(ages) == [n \in Names |-> IF n # Own /\ n \in Increasing(ages, Size(known), {})
                                THEN [order[n] EXCEPT !.cancel = AtVenue(order[n])] ELSE order[n]]
Sweep(ages) ==
    /\ Emptying /\ Swept(ages) # order
    /\ order' = Swept(ages)
    /\ Did("Sweep", Own) /\ Rest
Kill(ages) ==
    /\ posture # "Empty"
    /\ posture' = "Empty"
    /\ order' = Swept(ages)
    /\ Did("Kill", Own) /\ UNCHANGED known
Move(p) ==
    /\ posture # p /\ posture # "Empty"
    /\ posture' = p
    /\ Did("Move", Own) /\ UNCHANGED <<order, known>>

\* The guard's own order: what the position leaves beside the exits that work; and these are canceled, for the next one.
OwnSide == IF known > 0 THEN Sell ELSE Buy
OwnLots == Positive(Size(known) - Resting({}))
Flatten ==
    /\ Emptying /\ order[Own] = Free
    /\ known # 0 /\ OwnLots > 0
    /\ Put([n \in {Own} |-> Sent(OwnSide, OwnLots)])
    /\ Did("Flatten", Own) /\ Rest
MayGo(n) == TRUE
Displace ==
    /\ Emptying /\ known # 0 /\ order[Own] = Free
    /\ LET asked == [n \in Names |-> IF n # Own /\ AtVenue(order[n]) /\ MayGo(n) THEN [order[n] EXCEPT !.cancel = TRUE] ELSE order[n]]
       IN asked # order /\ order' = asked
    /\ Did("Displace", Own) /\ Rest
------------------------------------------------------------------------------
Init ==
    /\ order = [n \in Names |-> Free]
    /\ known \in -Limit..Limit
    /\ posture = Begin
    /\ step = [act |-> "Init", name |-> Own, asked |-> <<>>]

Strategies ==
    \/ \E side, kidside \in {Buy, Sell}, lots, kids \in Lots, link \in Links, reduce \in Reducing:
        AskBracket(side, lots, kidside, kids, link, reduce)
    \/ \E side \in {Buy, Sell}, lots \in Lots, link \in Links: AskPair(side, lots, link)
    \/ \E side \in {Buy, Sell}, lots \in Lots: Ask(side, lots)
    \/ \E lots \in Lots, ages \in Ages: TakeNow(lots, ages)
    \/ Cancel(Parent)
Venue == \E n \in Names:
    Fill(n) \/ Expires(n) \/ Activate(n) \/ EndsWithItsParent(n) \/ CancelArrives(n) \/ CancelIsLost(n)
Guard == Flatten \/ Displace \/ (\E ages \in Ages: Kill(ages) \/ Sweep(ages)) \/ \E p \in Postures: Move(p)

News == \E names \in ToldTogether: Tell(names)

Next == Strategies \/ Venue \/ Guard \/ News
==============================================================================
