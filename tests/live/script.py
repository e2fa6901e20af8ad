"""A live scenario as data: TOML in, `Script` out, and nothing that the format does not know.

docs/design/loopback.md has the format. A file is a list of steps, done in order by a node on the loopback exchange; a
step `do = "SIGKILL"` ends one process, and the next step is done by another one on the same exchange and state
directory. What must come of it is in `[expect]`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STEPS: dict[str, tuple[str, ...]] = {
    "send": ("name", "side", "size", "price", "trigger", "reduce_only", "post_only", "instrument"),
    "cancel": ("name",),
    "fault": ("kind", "on", "event", "skip_first", "count", "every", "percent", "seed", "for_ms", "status", "code",
              "text", "done", "ms"),
    "mend": (),
    "venue": ("act", "told", "symbol", "bid", "ask", "bid_size", "ask_size", "by_ms", "stream", "every_ms", "side",
              "quantity", "price", "sizes", "symbols", "slow", "name"),
    "command": ("verb", "cause", "args"),
    "guard_clock": ("by_ms",),
    "wait": ("until", "within"),
    "see": ("that",),
    "sleep": ("seconds",),
    "SIGKILL": (),
}  # fmt: skip
NODE = ("confidence", "oms", "settings", "engine", "client", "quotes_every_ms")
EXPECT = (
    "verdict",
    "fills",
    "own",
    "own_at_most",
    "denied",
    "rejected",
    "trips",
    "net",
    "net_about",
    "works",
    "mode",
    "posture",
    "agree",
)
TOP = ("id", "name", "title", "source", "node", "step", "expect")


@dataclass(frozen=True)
class Script:
    path: Path
    id: str
    name: str
    title: str
    node: dict[str, Any]
    lives: list[list[dict[str, Any]]]
    expect: dict[str, Any]


def _known(path: Path, where: str, given: dict[str, Any], keys: tuple[str, ...]) -> None:
    for key in given:
        if key not in keys:
            raise ValueError(f"{path.name}: {where}: unknown key {key!r}; accepted: {', '.join(keys)}")


def read(path: Path) -> Script:
    """ValueError names the file, the step and what is accepted."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    _known(path, "top", tables, TOP)
    for needed in TOP:
        if needed not in tables and needed != "node":
            raise ValueError(f"{path.name}: {needed} is missing")
    node, expect = tables.get("node", {}), tables["expect"]
    _known(path, "[node]", node, NODE)
    _known(path, "[expect]", expect, EXPECT)
    lives: list[list[dict[str, Any]]] = [[]]
    for number, step in enumerate(tables["step"], 1):
        what = step.get("do")
        if what not in STEPS:
            raise ValueError(f"{path.name}: step {number}: do = {what!r}; accepted: {', '.join(STEPS)}")
        _known(path, f"step {number} ({what})", step, ("do", *STEPS[what]))
        lives[-1].append({**step, "number": number})
        if what == "SIGKILL":
            lives.append([])
    return Script(path, tables["id"], tables["name"], tables["title"], node, lives, expect)
