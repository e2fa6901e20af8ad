----------------------------- MODULE LinkedFlaws -----------------------------
(* Wrong guards, and venues that break a promise. Each definition below replaces one operator of Linked (models.toml says *)
(* which), and TLC must reject it by the theorem named there.                                                             *)
EXTENDS MCLinked

(* What counts. The first three the code had until the model was written. *)

UndoesAnExit(side, lots) == lots                          \* also what closes a position is undone for nothing: it is entered again
AllThatWaits(n) == order[n].waits                         \* an exit's child that exits more is no exit until it works
MoreIsNoExit(apart) == 0                                  \* what children do beyond undoing is an entry only
UndoesNothing(side, lots, reduce) == 0                    \* a stop is a second entry
EachLegIsAnExit(link, lots) == 2 * lots                   \* a pair of exits for one position is one too many
ChildrenAreFree(side, lots, kids, link, reduce) == 0      \* however many there are

(* What goes. The code had these, too. *)

PairsTakeNoRoom(n, lots) == IF n \in Pair /\ order[n].link # "None" THEN 0 ELSE lots
EachLegMakesRoom(n, gone) == order[n].most
PairsStay(n) == n \notin Pair                             \* the flatten waits for linked exits to fill

(* Promises *)

LinkedByTheClient(o, link) == IF AtVenue(o) THEN [o EXCEPT !.cancel = TRUE] ELSE o
ToldOneByOne == {{n}: n \in Names}                        \* in any order
=============================================================================
