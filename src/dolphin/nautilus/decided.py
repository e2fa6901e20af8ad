"""What the operator decided on positions, over restarts: which wait for him, and which he wants gone.

What belongs here: what a start makes of the standings that the journal's fold gives (journal/aside.py). `own.py` says
what they mean, and acts on them.
"""

from __future__ import annotations

from collections.abc import Callable

from dolphin.journal import encode
from dolphin.journal.aside import WANTED_GONE, Aside
from dolphin.nautilus.book import Book
from dolphin.nautilus.guard import Guard
from dolphin.nautilus.own import LEAVING, Own


def take_up(decided: Aside, own: Own, book: Book, guard: Guard, tell: Callable[[str, str], None], now_ns: int) -> None:
    """At a start: who waited waits, what was to go is still to go. What is not held any more is told, and forgotten.

    A reconciliation may bring the position back under another name (netting: as that of EXTERNAL): it is taken for it
    where its instrument holds exactly the lots that were to go.
    """
    own.adopted.update(decided.standing)
    before = decided.leaving()
    if not before:
        return
    for name in before:
        del own.adopted[name]
    found: dict[str, str] = {}
    for group in book.held():
        if group.key in before:
            found[group.key] = group.key
        else:
            for name in before:
                if name.startswith(f"{group.instrument}-"):
                    if decided.lots.get(name) == group.lots:
                        found.setdefault(name, group.key)
    own.adopted.update(dict.fromkeys(found.values(), LEAVING))
    guard.write(now_ns, "NOTE", encode({"what": WANTED_GONE, "positions": list(found.values())}))
    own.due = True
    for name in before:
        if name not in found:
            tell(
                "FLATTEN", f"{name} was to be flattened and is not held now; if the venue holds it, say `flatten` again"
            )
