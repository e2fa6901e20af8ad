"""A record that the journal does not have yet: what the guard keeps until it can be written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Waiting(NamedTuple):
    """A record that is not in the journal yet. `note`: what no fold needs of `data`; `fields`: what `data` says."""

    ts_ns: int
    kind: str
    data: str
    note: str = ""
    fields: Mapping[str, Any] | None = None

    def bare(self) -> str:
        """The same event without its note."""
        return self.data.removesuffix(f',"x":{self.note}}}') + "}"
