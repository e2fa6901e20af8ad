"""The actor that users name in a Nautilus configuration: the plug-in with Dolphin's own sensors.

What belongs here: wiring only. `actor_path = "dolphin.app.actor:DolphinGuard"`,
`config_path = "dolphin.app.actor:DolphinGuardConfig"` (docs/guide/plug-in.md).
"""

from __future__ import annotations

import tempfile
from typing import Any

from dolphin.app.errors import UserError
from dolphin.app.limits_file import made_limiter
from dolphin.app.third_book import made_book
from dolphin.kernel.units import NS_PER_MS
from dolphin.nautilus import mailbox
from dolphin.nautilus.config import ConfigError, PlugConfig
from dolphin.nautilus.intervals import SYNC
from dolphin.nautilus.plug import Plug
from dolphin.nautilus.ports import BookOfRecord, Limiter, SensorSource
from dolphin.sensors.source import build


class DolphinGuardConfig(PlugConfig, frozen=True, kw_only=True):  # type: ignore[call-arg]
    """See `PlugConfig`; `sensors` is handed to `dolphin.sensors.source.build`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            build(self.sensors)
        except ValueError as error:
            raise ConfigError(f"sensors: {error}") from error
        try:
            limits = made_limiter(self.limits)
        except UserError as error:
            raise ConfigError(f"limits: {error}") from error
        said_ns = limits.interval_ns(SYNC)
        if said_ns and self.position_sync_ms is not None and said_ns != self.position_sync_ms * NS_PER_MS:
            here = f"position_sync_ms: {self.position_sync_ms} ms here, and {said_ns / NS_PER_MS:g} ms as {SYNC}"
            raise ConfigError(f"{here} in [book] of {self.limits}; accepted: one of the two, or both the same")


class DolphinGuard(Plug):
    """Guards one account of a node or backtest engine, without a change to its strategies."""

    def sensor_source(self, settings: dict[str, Any]) -> SensorSource:
        """Dolphin's own sensors."""
        return build(settings)

    def limiter(self, path: str) -> Limiter:
        """Dolphin's own limits."""
        return made_limiter(path)

    def third_book(self, path: str) -> BookOfRecord | None:
        """One in a file."""
        return made_book(path)

    def register_base(self, portfolio: Any, msgbus: Any, cache: Any, clock: Any) -> None:
        """Called when a node or an engine takes the guard in. ConfigError: no journal could be written there.

        At the start it would be too late: Nautilus runs on without an actor that fails there, and all is denied.
        """
        try:
            mailbox.make(self.settings.state_dir)
            with tempfile.TemporaryFile(dir=self.settings.state_dir):
                pass
        except OSError as error:
            what = f"state_dir: {self.settings.state_dir!r} cannot be made or written ({error.strerror})"
            raise ConfigError(f"{what}; accepted: a directory of this user's") from error
        super().register_base(portfolio, msgbus, cache, clock)
