----------------------------- MODULE MCRestore -----------------------------
(* The theorems about Restore.tla, each named as a sentence, what is interesting and so reachable, and the flaws. *)
EXTENDS Restore

Spec == Init /\ [][Next]_vars
------------------------------------------------------------------------------
(* Safety: DOL-JOURNAL-014 *)

WhatAHostWroteHasAName == \A file \in wrote : file = name \/ file \in aside
WhatARunningHostWritesHasTheName == host = "up" => name = on
ANameIsNeverFreedAgain == [][name # "none" => name' # "none"]_vars
ANewerBookIsNotReplaced == [][(name' = "copy" /\ name # "copy") => name \notin wrote]_vars
WhatARestoreLeavesComesUpKilled == [][(host = "down" /\ host' = "up" /\ name = "copy") => latch]_vars
------------------------------------------------------------------------------
(* Interesting, so reachable *)

NeverRestoredOverAJournal == ~(restore = "done" /\ "old" \in aside)
NeverRestoredWhereNoneWas == ~(restore = "done" /\ aside = {})
NeverRefused == restore # "refused"
NeverStartedAfterACrash == ~(restore = "dead" /\ host = "up" /\ name = "copy")
------------------------------------------------------------------------------
(* Flaws *)

FreesTheName == "none"                                    \* renames the old journal before the copy has the name
ClaimsNothing == "none"                                   \* a free name stays free until the copy is there
ComparedBefore(file) == TRUE                              \* and not again under the lock
KillsLater == TRUE
==============================================================================
