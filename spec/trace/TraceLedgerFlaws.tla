--------------------------- MODULE TraceLedgerFlaws ---------------------------
(* Wrong ledgers of a journal, one operator each, and an honest journal that each must reject: else the trace            *)
(* specification would accept what it should find. As MC/MCLedgerFlaws.tla has them for the model; here the numbers are   *)
(* residues and pairs. tests/audit/test_ledger_tla.py names the field by which each is rejected.                          *)
EXTENDS TraceLedger

One == Low(1)

CountsEveryNotice(a, r) == TRUE                              \* a notice that comes twice is two fills
RoundsUp(cost, kept, lots) == AddResidues(KeptByWitness(cost, kept, lots), One)
ForgetsTheSide(a, l, p) ==                                   \* who sells pays too
    IF SignOf(l) < 0 THEN AddMoney(a.cash, Amount(l, p)) ELSE LessMoney(a.cash, Amount(l, p))
AllOfItIsProfit(a, l, p) == LessMoney(a.realised, Amount(l, p))     \* cash in hand is taken for profit
FeesAreForeign(a, r) == [a EXCEPT !.capital = AddMoney(@, r.deposit)]
DepositTwice(a, r) == [a EXCEPT !.capital = AddMoney(AddMoney(@, r.deposit), r.deposit), !.fees = AddMoney(@, r.fee)]
NothingCameBack(a) == [a EXCEPT !.lots = NoLots, !.cost = NoMoney]     \* what is not held any more was lost
LosesACarry(x, y) == <<x[1] + y[1], (x[2] + y[2]) % Giga>>   \* lots beyond a thousand million
===============================================================================
