"""The actor that users name in a Nautilus configuration: the plug-in with Dolphin's own sensors.

What belongs here: wiring only. `actor_path = "dolphin.app.actor:DolphinGuard"`,
`config_path = "dolphin.app.actor:DolphinGuardConfig"` (docs/guide/plug-in.md).
"""

from __future__ import annotations

from typing import Any

from dolphin.nautilus.config import PlugConfig
from dolphin.nautilus.plug import Plug
from dolphin.nautilus.ports import SensorSource
from dolphin.sensors.source import build


class DolphinGuardConfig(PlugConfig, frozen=True, kw_only=True):  # type: ignore[call-arg]
    """See `PlugConfig`; `sensors` is handed to `dolphin.sensors.source.build`."""


class DolphinGuard(Plug):
    """Guards one account of a node or backtest engine, without a change to its strategies."""

    def sensor_source(self, settings: dict[str, Any]) -> SensorSource:
        """Dolphin's own sensors."""
        return build(settings)
