------------------------------ MODULE Accounts ------------------------------
(* What one entry makes of the accounts. Definitions only: Ledger.tla has when an entry comes and what a crash leaves,    *)
(* MC/MCLedger.tla what is true of both; trace/TraceLedger.tla judges by these very operators what a journal says.        *)
(*                                                                                                                        *)
(* Cost is the average cost of what is held, and what a reduction leaves of it is floored: profit is never shown before   *)
(* it is made. Money and lots are integers. TLC's have 32 bits, too few for those of a journal; so how two are added,     *)
(* and what a fill is worth, are operators, and trace/Ledger.cfg puts others in their place that are exact at any size.   *)
EXTENDS Integers, Sequences

Abs(n) == IF n < 0 THEN -n ELSE n
Min(a, b) == IF a < b THEN a ELSE b
Sign(n) == IF n < 0 THEN -1 ELSE IF n > 0 THEN 1 ELSE 0

(* Numbers *)

NoLots == 0
AddLots(x, y) == x + y
SignOf(lots) == Sign(lots)
SizeOf(lots) == Abs(lots)
NoMoney == 0
AddMoney(x, y) == x + y
LessMoney(x, y) == x - y
Amount(lots, price) == lots * price
KeptCost(cost, kept, lots) == (cost * kept) \div lots        \* floored: \div is, also below zero

(* Entries *)

Nothing == [known |-> {}, posted |-> <<>>, lots |-> NoLots, cost |-> NoMoney, cash |-> NoMoney, realised |-> NoMoney,
            fees |-> NoMoney, capital |-> NoMoney, tally |-> <<0, 0>>, inferred |-> <<0, 0>>]

LotsAfter(a, l) == AddLots(a.lots, l)

CostAfter(a, l, p) ==
    LET after == AddLots(a.lots, l)
    IN IF SignOf(a.lots) * SignOf(l) >= 0 THEN AddMoney(a.cost, Amount(l, p))
       ELSE IF SignOf(after) = SignOf(a.lots) THEN KeptCost(a.cost, SizeOf(after), SizeOf(a.lots))
       ELSE Amount(after, p)                                 \* closed, and what is left over is new

CashAfter(a, l, p) == LessMoney(a.cash, Amount(l, p))

RealisedAfter(a, l, p) == LessMoney(LessMoney(AddMoney(a.realised, CostAfter(a, l, p)), a.cost), Amount(l, p))

Booked(a, l, p) ==                                           \* one fill on the accounts
    [a EXCEPT !.lots = LotsAfter(a, l), !.cost = CostAfter(a, l, p), !.cash = CashAfter(a, l, p),
              !.realised = RealisedAfter(a, l, p)]

Entry(a, o, l, p) == [Booked(a, l, p) EXCEPT !.posted = Append(@, <<o, l, p>>)]

Money(a, r) ==                                               \* a fee, or a deposit
    [a EXCEPT !.fees = AddMoney(@, r.fee), !.capital = AddMoney(@, r.deposit),
              !.cash = AddMoney(LessMoney(@, r.fee), r.deposit)]

(* Which fills are counted *)

Fresh(a, r) == r.item = 0 \/ r.item \notin a.known

Remembered(a, r) == IF r.item = 0 THEN a.known ELSE a.known \union {r.item}
=============================================================================
