---------------------------- MODULE MCLedgerFlaws ----------------------------
(* Wrong ledgers, one operator each (models.toml says which), and the theorem by which TLC must reject it. *)
EXTENDS MCLedger

PostsFirst == FALSE                                          \* the rest of the process hears of it before the journal has
CountsEveryNotice(a, r) == TRUE                              \* a notice that comes twice is two fills
IgnoresWhatWasInferred(a, r) == 0                            \* the late fill comes on top of what was inferred for it
TakesBackInFull(a, r) == IF r.item = 0 \/ r.order = 0 THEN 0 ELSE a.inferred[r.order]
ForgetsWhichItKnows(a, r) == {}                              \* the fills that are known are not part of the fold
LeavesTheLastOut == Folded(Nothing, IF journal = <<>> THEN <<>> ELSE SubSeq(journal, 1, Len(journal) - 1))
FoldsOnWhatIsLeft == Folded(before[1], journal)              \* replay on a ledger that was not empty
WritesNotWhichItKnows(a) == [a EXCEPT !.known = {}]          \* a checkpoint of lots and money alone
WritesNoCost(a) == [a EXCEPT !.cost = 0]
WritesNotWhatWasInferred(a) == [a EXCEPT !.inferred = <<0, 0>>]
FoldsAllOnTheCheckpoint == Folded(saved[1], journal)          \* what is before the checkpoint is counted again
RoundsUp(cost, kept, lots) == -((-cost * kept) \div lots)    \* profit is shown early, by part of a cent
RoundsTwice(cost, kept, lots) == (cost * kept) \div lots - 1
ForgetsTheSide(a, l, p) == a.cash - Abs(l) * p               \* who sells pays too
LotsOfTheSell(a, l) == a.lots + Abs(l)                       \* a sell is counted as a buy
KeepsTheCost(a, l, p) == IF Sign(a.lots) * Sign(l) >= 0 THEN a.cost + l * p ELSE a.cost
AllOfItIsProfit(a, l, p) == a.realised - l * p               \* cash in hand is taken for profit
AverageOfAllThereWas(a, l, p) ==                             \* an added fill is booked at the average so far
    IF Sign(a.lots) * Sign(l) > 0 THEN a.cost + ((a.cost * l) \div a.lots)
    ELSE IF a.lots = 0 THEN l * p
    ELSE IF Sign(a.lots + l) = Sign(a.lots) THEN KeptCost(a.cost, Abs(a.lots + l), Abs(a.lots)) ELSE (a.lots + l) * p
EquityAtCost(a, mark) == a.cash + a.cost                     \* open losses are not seen
FeesAreForeign(a, r) == [a EXCEPT !.capital = @ + r.deposit, !.fees = @ + r.fee, !.cash = @ + r.deposit]
DepositTwice(a, r) == [a EXCEPT !.capital = @ + 2 * r.deposit, !.fees = @ + r.fee, !.cash = @ - r.fee + 2 * r.deposit]
ReportOfNothing(o) == 0                                      \* nobody asks
OneLook(looks) == Len(looks) > 0 /\ looks[Len(looks)] = <<"DIFFERS", FALSE>>
FlightIsNoExcuse(looks) == Len(looks) = 2 /\ looks[1][1] = "DIFFERS" /\ looks[2][1] = "DIFFERS"
NobodyIsAccused(looks) == FALSE
UnknownIsOther(looks, look) ==
    LET read == IF look[1] = "UNKNOWN" THEN <<"DIFFERS", look[2]>> ELSE look
    IN IF Len(looks) < 2 THEN Append(looks, read) ELSE <<looks[2], read>>
UnknownIsALook(looks, look) == IF Len(looks) < 2 THEN Append(looks, look) ELSE <<looks[2], look>>
=============================================================================
