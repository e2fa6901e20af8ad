---------------------------- MODULE PolicyChange ----------------------------
(* A book is started with another policy than its journal's: who has to agree, what may not become looser by it, which file *)
(* says what is in force, and what a crash at each step leaves. docs/design/policy-change.md says it in words.               *)
(*                                                                                                                           *)
(* Rules of this file                                                                                                        *)
(*  1. Definitions only; the theorems are in MC/MCPolicyChange.tla, with the policies of the model.                          *)
(*  2. A change is a segment boundary (Segments.tla): the next file is made whole, then it takes the journal's name. What    *)
(*     the controller does between two starts is Posture.tla's; here it is any fall, rise, kill, trap and re-base.           *)
(*  3. Of a policy stands here what a change can loosen: the leverage of each posture, and the two waits of a re-base.       *)
EXTENDS Integers, Sequences

CONSTANTS Policies, FirstPolicy, MaxFiles, MaxCrashes

VARIABLES
    files,                                                \* the headers in order, the live one last: [policy, before]
    next,                                                 \* the file that a change makes, or None; a crash leaves it
    pc,                                                   \* "down", "made", "replaced", "up": where the start is
    mem,                                                  \* the policy by which the process decides
    wants, accepted,                                      \* the user's file; the pair <<before, after>> that he accepted
    posture, killed,
    trapped, rebased,                                     \* time since trapped (-1: not), since the last re-base
    owedWait, owedGap,                                    \* what is left of the waits as they were when they began (ghosts)
    crashes

book == <<posture, killed, trapped, rebased>>
user == <<wants, accepted>>
vars == <<files, next, pc, mem, user, book, owedWait, owedGap, crashes>>

None == [policy |-> "none", before |-> "none"]
Nobody == <<"none", "none">>
APEX == 0
STALKER == 1
HIBERNATE == 2
Names == DOMAIN Policies

Live == files[Len(files)]
InForce == Live.policy
Longest == 2                                              \* waits are counted no further

\* What lets more: more leverage in a posture, a shorter wait.
Looser(p, q) ==
    \/ \E at \in {APEX, STALKER}: Policies[q].leverage[at + 1] > Policies[p].leverage[at + 1]
    \/ Policies[q].wait < Policies[p].wait
    \/ Policies[q].gap < Policies[p].gap
------------------------------------------------------------------------------
(* What a flawed variant replaces *)

Accepted(p, q) == accepted = <<p, q>>                     \* both are named: a change back is another one
SeesWell == posture = APEX /\ ~killed                     \* hence in no trap
GapRuns(p, q) == Policies[q].gap < Policies[p].gap /\ rebased < Policies[p].gap
Made(fresh) == fresh                                      \* not the file that an earlier start left
Written == pc = "replaced"                                \* the policy is in force once the journal says so
BeforeOf == InForce                                       \* the header names the one that was in force
BookAfter == book                                         \* the fold goes on: nothing begins anew

MayChange(p, q) == Accepted(p, q) /\ (Looser(p, q) => SeesWell /\ ~GapRuns(p, q))
------------------------------------------------------------------------------
(* A start *)

Same ==
    /\ pc = "down" /\ wants = InForce
    /\ pc' = "up" /\ mem' = InForce
    /\ UNCHANGED <<files, next, user, book, owedWait, owedGap, crashes>>
Make ==                                                   \* a change that is refused leaves all as it is: no action
    /\ pc = "down" /\ wants # InForce /\ MayChange(InForce, wants) /\ Len(files) < MaxFiles
    /\ next' = Made([policy |-> wants, before |-> BeforeOf])
    /\ pc' = "made"
    /\ UNCHANGED <<files, mem, user, book, owedWait, owedGap, crashes>>
Replace ==                                                \* the moment that decides
    /\ pc = "made"
    /\ files' = Append(files, next) /\ next' = None
    /\ pc' = "replaced"
    /\ posture' = BookAfter[1] /\ killed' = BookAfter[2] /\ trapped' = BookAfter[3] /\ rebased' = BookAfter[4]
    /\ UNCHANGED <<mem, user, owedWait, owedGap, crashes>>
Begin ==
    /\ pc \in {"made", "replaced"} /\ Written
    /\ pc' = "up" /\ mem' = wants
    /\ UNCHANGED <<files, next, user, book, owedWait, owedGap, crashes>>
Ends ==
    /\ pc # "down" /\ crashes < MaxCrashes
    /\ pc' = "down" /\ mem' = "none" /\ crashes' = crashes + 1
    /\ UNCHANGED <<files, next, user, book, owedWait, owedGap>>
Edit ==
    /\ pc = "down"
    /\ wants' \in Names /\ accepted' \in (Names \X Names) \union {Nobody}
    /\ UNCHANGED <<files, next, pc, mem, book, owedWait, owedGap, crashes>>
------------------------------------------------------------------------------
(* What happens to the book *)

Up == pc = "up"
Least(a, b) == IF a < b THEN a ELSE b
Less(a) == IF a > 0 THEN a - 1 ELSE 0
Fall ==
    /\ Up /\ posture < HIBERNATE /\ posture' = posture + 1
    /\ UNCHANGED <<files, next, pc, mem, user, killed, trapped, rebased, owedWait, owedGap, crashes>>
Rise ==
    /\ Up /\ ~killed /\ trapped < 0 /\ posture > APEX /\ posture' = posture - 1
    /\ UNCHANGED <<files, next, pc, mem, user, killed, trapped, rebased, owedWait, owedGap, crashes>>
Kill ==
    /\ Up /\ ~killed /\ killed' = TRUE /\ posture' = HIBERNATE
    /\ UNCHANGED <<files, next, pc, mem, user, trapped, rebased, owedWait, owedGap, crashes>>
Rearm ==
    /\ Up /\ killed /\ killed' = FALSE
    /\ UNCHANGED <<files, next, pc, mem, user, posture, trapped, rebased, owedWait, owedGap, crashes>>
Trap ==
    /\ Up /\ trapped < 0 /\ posture # APEX /\ trapped' = 0 /\ owedWait' = Policies[mem].wait
    /\ UNCHANGED <<files, next, pc, mem, user, posture, killed, rebased, owedGap, crashes>>
Rebase ==
    /\ Up /\ trapped >= Policies[mem].wait /\ rebased >= Policies[mem].gap
    /\ trapped' = -1 /\ rebased' = 0 /\ owedGap' = Policies[mem].gap
    /\ UNCHANGED <<files, next, pc, mem, user, posture, killed, owedWait, crashes>>
Tick ==                                                   \* time passes for the journal while something is written
    /\ Up
    /\ trapped' = IF trapped < 0 THEN trapped ELSE Least(trapped + 1, Longest)
    /\ rebased' = Least(rebased + 1, Longest)
    /\ owedWait' = Less(owedWait) /\ owedGap' = Less(owedGap)
    /\ UNCHANGED <<files, next, pc, mem, user, posture, killed, crashes>>
------------------------------------------------------------------------------
Init ==
    /\ files = <<[policy |-> FirstPolicy, before |-> "none"]>> /\ next = None
    /\ pc = "up" /\ mem = FirstPolicy /\ wants = FirstPolicy /\ accepted = Nobody
    /\ posture = APEX /\ killed = FALSE /\ trapped = -1 /\ rebased = Longest
    /\ owedWait = 0 /\ owedGap = 0 /\ crashes = 0

Next ==
    \/ Same \/ Make \/ Replace \/ Begin \/ Ends \/ Edit
    \/ Fall \/ Rise \/ Kill \/ Rearm \/ Trap \/ Rebase \/ Tick
==============================================================================
