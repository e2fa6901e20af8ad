------------------------------- MODULE Judging -------------------------------
(* How an order is cut: the part that reduces, the part that the guard's own order covers already, and the rest, which is *)
(* an entry. DESIGN.md section 2.4 says it in words, kernel/orders.py in Python (`split`, `leaving`, `remaining`).        *)
(*                                                                                                                        *)
(* What belongs here: pure operators on lots, no state. OrderAuthority.tla judges its orders by them, and                 *)
(* trace/TraceOrder.tla those of a journal.                                                                               *)
EXTENDS Integers

Positive(n) == IF n > 0 THEN n ELSE 0
Least(a, b) == IF a < b THEN a ELSE b
Size(n) == IF n < 0 THEN -n ELSE n

\* Only an order against the position that it names can reduce it.
Opposes(side, position) == (side > 0 /\ position < 0) \/ (side < 0 /\ position > 0)

\* What of a position an order can still shrink, with so many lots of exits on their way that execute at once. A reduce-only
\* order cannot open anything, whatever else is on its way.
Remaining(size, leaving, reduceOnly) == IF reduceOnly THEN size ELSE Positive(size - leaving)

\* An order that reduces nothing is an entry as a whole.
Entering(lots) == [exit |-> 0, covered |-> 0, entry |-> lots, cancel |-> 0]

\* An order of `lots` against a position of `size`, beside `own` lots of the guard's and `resting` ones of other exits. One
\* that executes at once (`taking`) outranks the resting ones and displaces what is too many of them (`cancel`): DOL-EXIT-001.
Split(lots, size, own, resting, taking) ==
    LET free == Positive(size - own)
        left == Positive(free - resting)
        exit == Least(lots, IF taking THEN free ELSE left)
        wanted == Least(lots, IF taking THEN size ELSE Positive(size - resting))
    IN [exit |-> exit, covered |-> wanted - exit, entry |-> lots - wanted,
        cancel |-> IF taking THEN Least(Positive(exit - left), resting) ELSE 0]

\* How many lots leave: the exit part, whatever else, and what may enter; of an undivided order (`whole`) all or none.
Leaving(lots, exit, entry, whole, minimum) ==
    IF exit + entry = lots THEN lots
    ELSE IF whole THEN 0
    ELSE IF exit + entry < minimum THEN exit
    ELSE exit + entry
==============================================================================
