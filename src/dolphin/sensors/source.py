"""From a mapping of settings to the feeds of a run: `build(config) -> SensorSource`. No setting is needed.

What belongs here: settings with their defaults, what an instrument's id tells of its market, and the wiring of sensors
and sessions. Settings are plain JSON (a TOML table, a Nautilus actor's configuration):

    sessions      one name for all, or {"<instrument or feed>": name, "default": name}. Names: "24/7", "fx" (Sunday
                  17:00 to Friday 17:00 New York), a calendar of exchange_calendars (XNYS), or a name of `weekly`
    weekly        {"<name>": {"open": "Sunday 18:00", "close": "Friday 17:00", "zone": "America/New_York"}}
    late_s        seconds by which a feed's rows may follow the market's clock; one number or a mapping like `sessions`
    max_silence_s silence between two ticks that is no stall; one number or a mapping. Default 10, spot FX 300
    interval_s    interval of a feed before its first bar has said it; one number or a mapping. Default 0: not known
    shocks        "1-DAY" (default): bars of a day and longer are looked at for returns beyond 4 sigma. "1-MINUTE",
                  "1-HOUR": from that length on. "none"
    spread_floor_bp  spreads below this share of the price are never stress. Default 1
    vix           {"bar_type": "VIX.XCBF-1-DAY-LAST-EXTERNAL", "sessions": "XNYS", "late_s": 900}
    spans         {"<instrument or feed>": [first_ns, last_ns]}: absent before its first and after its last row

Sessions that are not named: an instrument whose venue is an exchange calendar (SPY.XNYS) has that calendar, one whose
symbol is a pair of national currencies (GBP/USD.SIM) the FX week, any other 24/7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from dolphin.kernel.state import FeedKind
from dolphin.kernel.units import NS_PER_MS, NS_PER_S
from dolphin.nautilus.ports import FeedSpec, Sensor, SensorSource, Sessions
from dolphin.sensors import sessions as times
from dolphin.sensors.feed import FeedSensor, Habits

ACCEPTED = (
    "sessions",
    "weekly",
    "late_s",
    "max_silence_s",
    "interval_s",
    "shocks",
    "spread_floor_bp",
    "vix",
    "spans",
)
_VIX = ("bar_type", "sessions", "late_s", "interval_s")
_WEEK = ("open", "close", "zone")
ALWAYS, FX = "24/7", "fx"
VIX = "VIX"
TICK_SILENCE_S, FX_SILENCE_S = 10, 300
UNITS_S = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400, "WEEK": 604_800}
_CURRENCIES = (
    "AUD BRL CAD CHF CLP CNH CNY COP CZK DKK EUR GBP HKD HUF IDR ILS INR JPY KRW MXN MYR NOK NZD PEN PHP PLN RON RUB "
    "SAR SEK SGD THB TRY TWD USD ZAR"
)
CURRENCIES = frozenset(_CURRENCIES.split(" "))


class SettingError(ValueError):
    """A setting that means nothing; the text names the key, what was found and what is accepted."""


def _refuse(key: str, found: object, accepted: str) -> NoReturn:
    raise SettingError(f"sensors.{key}: found {found!r}; accepted: {accepted}")


def _known(mapping: Mapping[str, Any], accepted: Sequence[str], prefix: str) -> None:
    for key in mapping:
        if key not in accepted:
            _refuse(f"{prefix}{key}", key, ", ".join(accepted))


def _whole(value: object, key: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        _refuse(key, value, "a whole number")
    if value < 0:
        _refuse(key, value, "a whole number, not negative")
    return value


def interval_ns(bar_type: str) -> int:
    """The interval that a bar type's text declares (`SPX.XNYS-1-DAY-LAST-EXTERNAL`); 0 where it is not of time."""
    parts = bar_type.rsplit("-", 4)
    if len(parts) < 5:
        return 0
    _, step, unit, _, _ = parts
    if not step.isdigit():
        return 0
    if unit == "MILLISECOND":
        return int(step) * NS_PER_MS
    return int(step) * UNITS_S.get(unit, 0) * NS_PER_S


def instrument_of(bar_type: str) -> str:
    """The instrument's id in a bar type's text."""
    return bar_type.rsplit("-", 4)[0]


def is_fx(instrument: str) -> bool:
    """Whether the symbol is a pair of national currencies: EUR/USD.SIM, GBPUSD.SIM; BTC/USDT is not."""
    symbol = instrument.rpartition(".")[0].upper()
    base, slash, quote = symbol.partition("/")
    if not slash:
        base, quote = symbol[:3], symbol[3:]
    if base not in CURRENCIES:
        return False
    return quote in CURRENCIES


def _of(setting: object, name: str, fallback: Any) -> Any:
    """A setting's value for one feed: the value for all, or the mapping's for it, or its "default", or `fallback`."""
    if setting is None:
        return fallback
    if not isinstance(setting, Mapping):
        return setting
    if name in setting:
        return setting[name]
    return setting.get("default", fallback)


def _week(name: str, setting: object) -> times.Weekly:
    if not isinstance(setting, Mapping):
        _refuse(f"weekly.{name}", setting, '{"open": "Sunday 17:00", "close": "Friday 17:00", "zone": "..."}')
    _known(setting, _WEEK, f"weekly.{name}.")
    opens = _moment(f"weekly.{name}.open", setting.get("open"))
    closes = _moment(f"weekly.{name}.close", setting.get("close"))
    zone = setting.get("zone", "UTC")
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError, TypeError):
        _refuse(f"weekly.{name}.zone", zone, "a name of the IANA time zone database, for example Europe/London")
    return times.Weekly(*opens, *closes, zone)


def _moment(key: str, text: object) -> tuple[int, int]:
    """`Sunday 17:00` as (6, 1020)."""
    day, _, clock = str(text).partition(" ")
    hour, _, minute = clock.partition(":")
    if day not in times.DAYS or not (hour.isdigit() and minute.isdigit()):
        _refuse(key, text, "a day and a time, for example 'Sunday 17:00'")
    if int(hour) > 23 or int(minute) > 59:
        _refuse(key, text, "a time from 00:00 to 23:59")
    return times.DAYS.index(day), int(hour) * 60 + int(minute)


class Source:
    """The feeds of a run. `build` makes one from checked settings."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        _known(config, ACCEPTED, "")
        self._config = config
        self._weeks = {name: _week(name, value) for name, value in config.get("weekly", {}).items()}
        self._tables: dict[tuple[str, int], Sessions] = {}
        self._vix: Mapping[str, Any] = config.get("vix") or {}
        _known(self._vix, _VIX, "vix.")
        if self._vix:
            if interval_ns(str(self._vix.get("bar_type", ""))) == 0:
                _refuse("vix.bar_type", self._vix.get("bar_type"), "a bar type, as VIX.XCBF-1-DAY-LAST-EXTERNAL")
        self._shock_from_ns = self._shocks(config.get("shocks", "1-DAY"))
        self._floor_bp = _whole(config.get("spread_floor_bp", 1), "spread_floor_bp")
        for name, span in config.get("spans", {}).items():
            if not isinstance(span, Sequence) or len(span) != 2:
                _refuse(f"spans.{name}", span, "[first_ns, last_ns]")
        for key in ("late_s", "max_silence_s", "interval_s"):
            setting = config.get(key)
            for value in setting.values() if isinstance(setting, Mapping) else [setting or 0]:
                _whole(value, key)
        self._check_sessions(config.get("sessions"))

    @staticmethod
    def _shocks(setting: object) -> int:
        if setting == "none":
            return 0
        step, _, unit = str(setting).partition("-")
        if not step.isdigit() or unit not in UNITS_S:
            _refuse("shocks", setting, f'"none", or a number and {", ".join(UNITS_S)}, for example "1-DAY"')
        return int(step) * UNITS_S[unit] * NS_PER_S

    def _check_sessions(self, setting: object) -> None:
        names = setting.values() if isinstance(setting, Mapping) else [setting]
        for name in [*names, self._vix.get("sessions")]:
            if name is not None:
                self._check_name(str(name))

    def _check_name(self, name: str) -> None:
        if name in (ALWAYS, FX) or name in self._weeks:
            return
        if name not in times.calendar_names():
            known = ", ".join([ALWAYS, FX, *self._weeks])
            _refuse(
                "sessions", name, f"{known}, or a calendar of exchange_calendars: XNYS, XNAS, XLON, XTKS, CMES, ..."
            )

    def specs(self, instruments: Sequence[str]) -> tuple[FeedSpec, ...]:
        """One DATA feed for each instrument, in their order, then the VIX where one is configured."""
        bar_type = str(self._vix.get("bar_type", ""))
        skipped = instrument_of(bar_type)
        found = [FeedSpec(name, FeedKind.DATA, name, "", *self._span(name)) for name in instruments if name != skipped]
        if bar_type:
            found.append(FeedSpec(VIX, FeedKind.ENVIRONMENT, skipped, bar_type, *self._span(VIX)))
        return tuple(found)

    def _span(self, name: str) -> tuple[int, int]:
        first_ns, last_ns = self._config.get("spans", {}).get(name, (0, 0))
        return int(first_ns), int(last_ns)

    def silence_ns(self, name: str) -> int:
        """Silence between two ticks of an instrument that is no stall."""
        silence_s: int = _of(self._config.get("max_silence_s"), name, FX_SILENCE_S if is_fx(name) else TICK_SILENCE_S)
        return silence_s * NS_PER_S

    def sensor(self, spec: FeedSpec) -> Sensor:
        """The sensor of one feed."""
        interval_s = _of(self._config.get("interval_s"), spec.name, 0)
        habits = Habits(
            self.silence_ns(spec.name),
            interval_s * NS_PER_S or interval_ns(spec.source),
            self._shock_from_ns,
            self._floor_bp,
        )
        return FeedSensor(spec, self.sessions(spec), habits)

    def sessions(self, spec: FeedSpec) -> Sessions:
        """The sessions of one feed; feeds of one market share one table."""
        if spec.kind == FeedKind.ENVIRONMENT:
            name = self._vix.get("sessions", ALWAYS)
            late_s = self._vix.get("late_s", 0)
        else:
            name = _of(self._config.get("sessions"), spec.name, None) or self._derived(spec.name)
            late_s = _of(self._config.get("late_s"), spec.name, 0)
        return self._table(str(name), late_s * NS_PER_S, spec)

    @staticmethod
    def _derived(instrument: str) -> str:
        if is_fx(instrument):
            return FX
        venue = instrument.rpartition(".")[2]
        if len(venue) == 4 and venue.startswith("X"):
            if venue in times.calendar_names():
                return venue
        return ALWAYS

    def _table(self, name: str, late_ns: int, spec: FeedSpec) -> Sessions:
        key = (name, late_ns)
        found = self._tables.get(key)
        if found is None:
            found = self._made(name, late_ns, spec)
            self._tables[key] = found
        return found

    def _made(self, name: str, late_ns: int, spec: FeedSpec) -> Sessions:
        if name == ALWAYS:
            return times.Always(late_ns)
        if name == FX:
            table = times.weekly(times.SPOT_FX, late_ns)
        elif name in self._weeks:
            table = times.weekly(self._weeks[name], late_ns)
        else:
            table = times.exchange(name, late_ns)
        if spec.first_ns > 0:
            table.prepare(spec.first_ns, max(spec.first_ns, spec.last_ns))
        return table


def build(config: Mapping[str, Any] | None = None) -> SensorSource:
    """The feeds that these settings describe. SettingError names the key, what was found and what is accepted."""
    return Source(config or {})
