--------------------------- MODULE MCPolicyChange ---------------------------
(* The theorems about PolicyChange.tla, each named as a sentence, what is interesting and so reachable, and the flaws. *)
EXTENDS PolicyChange

Three ==                                                  \* B is tighter than A; C is looser in one posture, and waits less
    [A |-> [leverage |-> <<2, 1>>, wait |-> 2, gap |-> 2],
     B |-> [leverage |-> <<1, 1>>, wait |-> 2, gap |-> 2],
     C |-> [leverage |-> <<2, 2>>, wait |-> 1, gap |-> 1]]

Spec == Init /\ [][Next]_vars
------------------------------------------------------------------------------
(* Safety: DOL-POLICY-002 *)

TypeOK ==
    /\ pc \in {"down", "made", "replaced", "up"} /\ mem \in Names \union {"none"} /\ wants \in Names
    /\ posture \in APEX..HIBERNATE /\ killed \in BOOLEAN /\ trapped \in -1..2 /\ rebased \in 0..2
    /\ owedWait \in 0..2 /\ owedGap \in 0..2 /\ Len(files) \in 1..MaxFiles

WhatDecidesIsWhatTheHeaderSays == pc = "up" => mem = InForce
EachHeaderNamesThePolicyBefore == \A i \in 2..Len(files): files[i].before = files[i - 1].policy
Changes == files' # files
AChangeMovesNothing == [][Changes => book' = book]_vars
NothingIsTakenThatNobodyAccepted == [][Changes => accepted = <<InForce, InForce'>>]_vars
NothingIsLoosenedUnlessItSeesWell ==
    [][Changes /\ (posture # APEX \/ killed) =>
        \A at \in {APEX, STALKER}: Policies[InForce'].leverage[at + 1] <= Policies[InForce].leverage[at + 1]]_vars
AWaitIsNeverCutShort == [][trapped >= 0 /\ trapped' < 0 => owedWait = 0]_vars
TheGapIsNeverCutShort == [][trapped >= 0 /\ trapped' < 0 => owedGap = 0]_vars
------------------------------------------------------------------------------
(* Interesting, so reachable *)

NeverChangedBack == ~(Len(files) = 3 /\ files[3].policy = files[1].policy)
NeverTightenedWhileKilled == ~(Len(files) > 1 /\ killed /\ pc = "replaced")
NeverLeftAFile == ~(pc = "up" /\ next # None)
------------------------------------------------------------------------------
(* Flaws *)

AcceptedByTheNewOneAlone(p, q) == accepted[2] = q         \* a change back, once A and B were both accepted
LooserInAnyPosture == TRUE
LooserWhileKilled == posture = APEX \/ killed             \* it trades nothing anyway
GapForgotten(p, q) == FALSE
TakesWhatIsThere(fresh) == IF next # None THEN next ELSE fresh
MemoryFirst == TRUE
NamesTheFirst == files[1].policy                          \* the first header's hash is copied from file to file
BegunAnew == <<APEX, FALSE, -1, Longest>>                 \* the new header opens a run
==============================================================================
