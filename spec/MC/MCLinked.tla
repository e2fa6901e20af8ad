------------------------------ MODULE MCLinked ------------------------------
(* The theorems about Linked, each named as a sentence; what must happen at last; what should be reachable.               *)
(* No property uses an operator that an action uses for a decision: a flawed operator must not excuse itself.             *)
EXTENDS Linked

Spec == Init /\ [][Next]_vars
View == <<order, known, posture>>
------------------------------------------------------------------------------
(* What is true: lots of one side that may yet fill, of two linked ones the larger; reduce-only ones open nothing. *)

Open(f, side) ==
    LET lots == [n \in Orders |-> IF f[n].side = side /\ ~f[n].reduce /\ AtVenue(f[n]) THEN f[n].left ELSE 0]
        two == {n \in Pair: f[n].link # "None"}
        most == IF two = {} THEN 0 ELSE lots[CHOOSE n \in two: \A m \in two: lots[m] <= lots[n]]
    IN Sum(lots, Orders \ two) + most
\* What waits can fill only after its parent has, by a lot at least, on the other side or its own.
Fed(side) == IF order[Parent].place = "Venue" /\ order[Parent].side # side
                /\ (\E n \in Pair: order[n].place = "Held" /\ ~order[n].fed /\ order[n].side = side /\ ~order[n].reduce)
             THEN 1 ELSE 0
Exposed(side) == side * Held + Open(order, side) - Fed(side)
------------------------------------------------------------------------------
(* Invariants *)

TypeOK ==
    /\ \A n \in Names:
        /\ order[n].place \in Places
        /\ order[n].side \in {Buy, Sell}
        /\ {order[n].left, order[n].news, order[n].most} \subseteq 0..(2 * Limit)
        /\ {order[n].cancel, order[n].reduce, order[n].waits, order[n].fed} \subseteq BOOLEAN
        /\ order[n].link \in {"None", "OCO", "OUO"}
    /\ known \in Int /\ posture \in {"Enter", "Exit", "Empty"}

ThePositionIsNeverAboveTheLimit == Size(Held) <= Limit    \* DOL-ORDER-001
ExposureNeverAboveTheLimit == \A side \in {Buy, Sell}: Exposed(side) <= Limit
------------------------------------------------------------------------------
(* Properties of steps *)

At(act) == step'.act = act
Asks == {"AskBracket", "AskPair", "Ask"}
Passed == step'.act \in Asks /\ order' # order
New == {n \in Orders: order[n] = Free /\ order'[n] # Free /\ ~order'[n].reduce}
\* As if what waits from before were not there: it was judged when it came.
Added(side) == side * Held + Open([n \in Names |-> IF n \in New \/ order[n].place = "Venue" THEN order'[n] ELSE Free], side)

\* What is sent in a posture without entries could not increase the position if it all filled beside what works on its side:
\* not the children of a list either, whatever its parent does.
NothingEntersWithoutPosture ==                            \* DOL-POSTURE-003, DOL-KILL-002
    [][Passed /\ posture # "Enter" => \A n \in New: Added(order'[n].side) <= 0]_vars

Asked == step'.asked
Idle(side) == \A n \in Names: order[n].side = side => order[n].most = 0
\* Two linked exits for a position that nothing else closes pass, in every posture.
LinkedExitsPass ==                                        \* DOL-EXIT-001
    [][At("AskPair") /\ Asked[3] # "None" /\ Asked[1] * known < 0 /\ Asked[2] <= Size(known) /\ Idle(Asked[1])
        => \A n \in Pair: order'[n].most = Asked[2]]_vars
\* A stop and a target that only undo their entry cost nothing: a bracket passes where its entry passes alone.
ABracketPassesWithItsEntry ==                             \* DOL-ORDER-002
    [][At("AskBracket") /\ Asked[3] = -Asked[1] /\ Asked[4] <= Asked[2] /\ Asked[5] # "None"
        /\ posture = "Enter" /\ Asked[1] * known >= 0 /\ Size(known) + Asked[2] <= Limit
        /\ (\A n \in Names: order[n].most = 0)
        => order'[Parent].most = Asked[2]]_vars

PlainExits(f, at) == {n \in Orders: (f[n].place = "Venue" \/ f[n].fed) /\ f[n].left > 0 /\ ~f[n].cancel /\ ~f[n].reduce /\ f[n].side * at < 0 /\ ~f[n].waits}
LotsOf(f, names) ==
    LET two == {n \in names \intersect Pair: f[n].link # "None"}
        lots == [n \in Orders |-> f[n].left]
    IN Sum(lots, names \ two) + (IF two = {} THEN 0 ELSE lots[CHOOSE n \in two: \A m \in two: lots[m] <= lots[n]])
Known(f, at) == {n \in Orders: f[n].most > 0 /\ ~f[n].reduce /\ f[n].side * at < 0 /\ ~f[n].waits}
Within(f, at) == LotsOf(f, PlainExits(f, at)) <= Size(at)
\* What a kill, or a fall that holds nothing, does not ask to go is reduce-only protection, or exits that fit the position.
WhatAKillLeavesOnlyReduces ==                             \* DOL-KILL-002, DOL-POSTURE-006
    [][step'.act \in {"Kill", "Sweep"} =>
        /\ \A n \in Orders: AtVenue(order'[n]) /\ ~order'[n].cancel
                            => order'[n].side * known < 0 \/ order'[n].reduce
        /\ Within(order', known)]_vars
\* Where the exits fit the position they fit what an exit at once leaves of it: the rest is asked to go.
WhatIsOutrankedIsAskedToGo ==                             \* DOL-EXIT-005
    [][At("TakeNow") /\ order[Own].most = 0 /\ LotsOf(order, Known(order, known)) <= Size(known)
        => LotsOf(order', PlainExits(order', known)) <= Size(known')]_vars

\* Where no entry was let out, no fill makes the position larger, and so none crosses zero.
NothingGrowsWithoutEntries ==                             \* DOL-POSTURE-003, DOL-EXIT-004
    [][Begin # "Enter" => Size(Held') <= Size(Held)]_vars
------------------------------------------------------------------------------
(* Liveness: as in MCOrdersLive.tla; nothing is assumed of strategies. *)

Silent(act, n) == step' = step
SilentAsk(act, asked) == step' = step
LiveSpec ==
    /\ Init /\ [][Next]_vars
    /\ \A n \in Names: SF_vars(CancelArrives(n))
    /\ WF_vars(News) /\ SF_vars(Fill(Own)) /\ WF_vars(Expires(Own))
    /\ SF_vars(\E ages \in Ages: Sweep(ages)) /\ SF_vars(Displace) /\ SF_vars(Flatten)
NothingIncreases == \A side \in {Buy, Sell}: Open(order, side) > 0 => Exposed(side) <= 0
KilledEventuallyNothingIncreases == <>[](posture = "Empty") => <>[]NothingIncreases \* DOL-POSTURE-006
KilledEventuallyFlat == <>[](posture = "Empty") => <>[](Held = 0) \* DOL-KILL-003
------------------------------------------------------------------------------
(* Reachability: each must be refuted. *)

NeverHalfAnEntryAndItsStop == [][~(At("Kill") /\ order[Parent].most = 1 /\ \E n \in Pair: order[n].place = "Venue")]_vars
NeverOneOfTwo == [][~(At("Fill") /\ step'.name \in Pair /\ \E m \in Pair: m # step'.name /\ order'[m].place = "Gone"
                         /\ order[m].place = "Venue")]_vars
NeverATurn == [][~(At("AskBracket") /\ order'[Parent].most > Size(known) /\ order'[Parent].side * known < 0)]_vars
NeverOutranksAPair == [][~(At("TakeNow") /\ \A n \in Pair: order[n].place = "Venue" /\ order'[n] = Free)]_vars
=============================================================================
