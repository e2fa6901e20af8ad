------------------------------- MODULE Restore -------------------------------
(* A backup is put in the place of a book while a host may start, write and die: who holds which lock, what the name        *)
(* journal.jsonl stands for, and what a crash in between leaves. docs/design/journal-years.md says what each step is.       *)
(*                                                                                                                          *)
(* Rules of this file                                                                                                       *)
(*  1. Definitions only; the theorems are in MC/MCRestore.tla. What a backup holds is Segments.tla's.                       *)
(*  2. The copy is made and checked before this begins: it changes nothing. Each action is one call of the system.          *)
(*  3. A file is `old` (the journal that is there), `fresh` (one that a host begins where the name is free), `copy`, or     *)
(*     `claim` (the empty one that a restore puts under a free name: no host takes it up).                                  *)
EXTENDS Naturals

VARIABLES
    name,                                                 \* the file that the name stands for, or "none"
    aside,                                                \* files that have another name
    lock,                                                 \* file -> "nobody", "host", "restore"
    restore,                                              \* where it is
    base,                                                 \* the file that it replaces
    latch,                                                \* the latch file says KILLED, for whatever journal comes
    host, on,                                             \* "down" or "up"; the file that it writes
    wrote                                                 \* files in which a host was told that something is kept

vars == <<name, aside, lock, restore, base, latch, host, on, wrote>>

Files == {"old", "fresh", "copy", "claim"}

TypeOK ==
    /\ name \in Files \cup {"none"} /\ aside \subseteq Files /\ wrote \subseteq Files /\ latch \in BOOLEAN
    /\ lock \in [Files -> {"nobody", "host", "restore"}]
    /\ restore \in {"copied", "locked", "aside", "put", "done", "refused", "dead"}
    /\ base \in Files \cup {"none"} /\ host \in {"down", "up"} /\ on \in Files \cup {"none"}

Init ==
    /\ name \in {"old", "none"} /\ aside = {} /\ lock = [file \in Files |-> "nobody"]
    /\ restore = "copied" /\ base = "none" /\ latch = FALSE
    /\ host = "down" /\ on = "none" /\ wrote = {}

Freed(who) == [file \in Files |-> IF lock[file] = who THEN "nobody" ELSE lock[file]]
------------------------------------------------------------------------------
(* What a flawed variant replaces. *)

ClaimOf == "claim"                                        \* what a free name stands for, from the lock on
MayReplace(file) == file \notin wrote                     \* compared under the lock: not with what has been written since
LatchFirst == latch                                       \* the latch file says KILLED before any name changes
NameMeanwhile == name                                     \* the old journal gets a second name, and keeps the first
------------------------------------------------------------------------------
(* The restore *)

Lock ==
    /\ restore = "copied"
    /\ IF name = "none"
       THEN /\ name' = ClaimOf /\ base' = "claim" /\ restore' = "locked"
            /\ lock' = [lock EXCEPT !["claim"] = "restore"]
       ELSE IF lock[name] = "nobody" /\ MayReplace(name)
       THEN /\ base' = name /\ restore' = "locked" /\ UNCHANGED name
            /\ lock' = [lock EXCEPT ![name] = "restore"]
       ELSE /\ restore' = "refused" /\ UNCHANGED <<name, base, lock>>
    /\ UNCHANGED <<aside, latch, host, on, wrote>>
Kill ==
    /\ restore \in {"locked", "put"} /\ ~latch /\ latch' = TRUE
    /\ UNCHANGED <<name, aside, lock, restore, base, host, on, wrote>>
SetAside ==
    /\ restore = "locked" /\ LatchFirst
    /\ restore' = "aside" /\ aside' = IF base = "claim" THEN aside ELSE aside \cup {base}
    /\ name' = IF base = "claim" THEN name ELSE NameMeanwhile
    /\ UNCHANGED <<lock, base, latch, host, on, wrote>>
Put ==                                                    \* the copy's own lock is held already
    /\ restore = "aside"
    /\ restore' = "put" /\ name' = "copy" /\ lock' = [lock EXCEPT !["copy"] = "restore"]
    /\ UNCHANGED <<aside, base, latch, host, on, wrote>>
Done ==
    /\ restore = "put" /\ latch
    /\ restore' = "done" /\ lock' = Freed("restore")
    /\ UNCHANGED <<name, aside, base, latch, host, on, wrote>>
RestoreDies ==
    /\ restore \in {"locked", "aside", "put"}
    /\ restore' = "dead" /\ lock' = Freed("restore")
    /\ UNCHANGED <<name, aside, base, latch, host, on, wrote>>
Again ==                                                  \* it can be repeated
    /\ restore = "dead" /\ restore' = "copied" /\ base' = "none"
    /\ name # "copy"
    /\ UNCHANGED <<name, aside, lock, latch, host, on, wrote>>
------------------------------------------------------------------------------
(* A host *)

Start ==
    /\ host = "down" /\ name # "claim"
    /\ on' = IF name = "none" THEN "fresh" ELSE name
    /\ lock[on'] = "nobody"
    /\ host' = "up" /\ name' = on' /\ lock' = [lock EXCEPT ![on'] = "host"]
    /\ UNCHANGED <<aside, restore, base, latch, wrote>>
Write ==
    /\ host = "up" /\ wrote' = wrote \cup {on}
    /\ UNCHANGED <<name, aside, lock, restore, base, latch, host, on>>
HostDies ==
    /\ host = "up" /\ host' = "down" /\ lock' = Freed("host") /\ on' = "none"
    /\ UNCHANGED <<name, aside, restore, base, latch, wrote>>
------------------------------------------------------------------------------
Next ==
    \/ Lock \/ Kill \/ SetAside \/ Put \/ Done \/ RestoreDies \/ Again
    \/ Start \/ Write \/ HostDies
==============================================================================
