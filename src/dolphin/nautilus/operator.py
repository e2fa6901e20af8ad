"""Commands of operators and fault scripts: each becomes a kernel event and a COMMAND record with its cause.

What belongs here: verbs, their arguments, and the answers; whether a request is granted is the kernel's. From outside
come the verbs of mailbox.VERBS only; the message bus endpoint takes the verbs of fault scripts too, since who calls it
is code of this process.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from dolphin.journal import encode, writable
from dolphin.kernel.events import (
    Answer,
    Arm,
    Confirm,
    Effect,
    Event,
    Fault,
    Kill,
    RebaseArm,
    RebaseConfirm,
    SensorError,
    Shock,
)
from dolphin.kernel.reasons import Cause
from dolphin.kernel.units import NOTHING
from dolphin.nautilus.feeds import Feeds
from dolphin.nautilus.guard import Guard
from dolphin.nautilus.limiting import Limiting
from dolphin.nautilus.own import LEAVING, TAKEN, Own

SCRIPTED: Final = ("fault", "shock", "sensor-error", "stall")
NONCE_BITS: Final = 53

NUMBER_BITS: Final = 63
TEXT_MAX: Final = 1_000
DEPTH_MAX: Final = 8
"""What a command may hold, so that its record can be written and read: bits of a number besides its sign, characters
of a text, levels of nesting.
"""


class Refused(ValueError):
    """A command that means nothing; the text says what is accepted."""


class Operator:
    """Acts on commands. `seed`: a backtest draws its nonces from it; None draws them from the system."""

    def __init__(
        self, guard: Guard, own: Own, feeds: Feeds, clock: Any, seed: int | None, status: Callable[[], dict[str, Any]],
        holding: Callable[[], int], announce: Callable[[int], None], limiting: Limiting,
        reconcile: Callable[[int], dict[str, Any]],
    ) -> None:  # fmt: skip
        self._guard = guard
        self._own = own
        self._feeds = feeds
        self._clock = clock
        self._status = status
        self._holding = holding
        self._announce = announce
        self._limiting = limiting
        self._reconciled = reconcile
        self._random = None
        if seed is not None:
            self._random = random.Random(seed)
        self._verbs: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "kill": self._kill,
            "arm": self._arm,
            "confirm": self._confirm,
            "rebase-arm": self._rebase_arm,
            "rebase-confirm": self._rebase_confirm,
            "adopt": self._adopt,
            "flatten": self._flatten,
            "status": self._say,
            "fault": self._fault,
            "shock": self._shock,
            "sensor-error": self._sensor_error,
            "stall": self._stall,
            "flow": self._flow,
            "reconcile": self._reconcile,
            "limits-propose": self._propose,
            "limits-confirm": self._confirm_limits,
            "limits-enable": self._enable,
        }

    def act(self, verb: str, args: Mapping[str, Any], cause: str) -> dict[str, Any]:
        """Do what is asked; the answer says `ok`, and `error` or what came of it. Journalled, refusals too."""
        now_ns = self._clock.timestamp_ns()
        answer: dict[str, Any]
        try:
            _legible("verb", verb)
            _legible_all("args", args, 1)
            handler = self._verbs.get(verb)
            if handler is None:
                raise Refused(f"verb {verb!r}; accepted {', '.join(self._verbs)}")
            answer = {"ok": True, "verb": verb, **handler(args)}
        except Refused as error:
            answer = {"ok": False, "verb": _text(verb), "error": str(error)}
        if verb != "status":
            said = {"verb": _text(verb), "args": _plain(args), "cause": _text(cause), "answer": answer}
            self._guard.write(now_ns, "COMMAND", encode(said))
        return answer

    def _emit(self, event: Event) -> tuple[Effect, ...]:
        return self._guard.emit(event)

    def _now_ns(self) -> int:
        ts_ns: int = self._clock.timestamp_ns()
        return ts_ns

    def _nonce(self) -> int:
        if self._random is None:
            return secrets.randbelow(1 << NONCE_BITS)
        return self._random.getrandbits(NONCE_BITS)

    def _answered(self, effects: tuple[Effect, ...], granted: tuple[str, ...]) -> dict[str, Any]:
        for effect in effects:
            if isinstance(effect, Answer):
                name = effect.reason.name
                if name in granted:
                    return {"reason": name, **self._standing()}
                return {"ok": False, "reason": name, "error": f"refused: {name}", **self._standing()}
        raise Refused("the kernel did not answer")

    def _standing(self) -> dict[str, Any]:
        """What stands, and why the latch file does not say so, where it refuses: who asked must see it."""
        state = self._guard.state
        found = {"mode": state.latch.mode.name, "episode": state.latch.episode, "posture": state.filter.posture.name}
        if self._guard.latch_refusal:
            found["unlatched"] = self._guard.latch_refusal
        return found

    def _kill(self, args: Mapping[str, Any]) -> dict[str, Any]:
        _only(args, ())
        self._emit(Kill(self._now_ns()))
        return self._standing()

    def _arm(self, args: Mapping[str, Any]) -> dict[str, Any]:
        _only(args, ("episode", "observed_flat", "accepted"))
        episode = _needed(args, "episode", "the episode that is armed: `status` shows it")
        nonce = self._nonce()
        holding = self._holding()
        flat = 0
        if _whole(args, "observed_flat", 0) == 1:
            flat = int(holding == NOTHING)
        event = Arm(self._now_ns(), episode, nonce, flat, _whole(args, "accepted", 0), holding)
        answer = self._answered(self._emit(event), ("ARMED",))
        if answer["reason"] == "ARMED":
            answer["nonce"] = nonce
        return answer

    def _confirm(self, args: Mapping[str, Any]) -> dict[str, Any]:
        _only(args, ("nonce",))
        nonce = _needed(args, "nonce", "the nonce that `arm` answered")
        return self._answered(self._emit(Confirm(self._now_ns(), nonce, self._holding())), ("CONFIRMED",))

    def _rebase_arm(self, args: Mapping[str, Any]) -> dict[str, Any]:
        _only(args, ())
        nonce = self._nonce()
        answer = self._answered(self._emit(RebaseArm(self._now_ns(), nonce)), ("ARMED",))
        if answer["reason"] == "ARMED":
            answer["nonce"] = nonce
        return answer

    def _rebase_confirm(self, args: Mapping[str, Any]) -> dict[str, Any]:
        _only(args, ("nonce",))
        nonce = _needed(args, "nonce", "the nonce that `rebase-arm` answered")
        return self._answered(self._emit(RebaseConfirm(self._now_ns(), nonce)), ("REBASED",))

    def _adopt(self, args: Mapping[str, Any]) -> dict[str, Any]:
        return self._decided(args, TAKEN)

    def _flatten(self, args: Mapping[str, Any]) -> dict[str, Any]:
        return self._decided(args, LEAVING)

    def _decided(self, args: Mapping[str, Any], standing: int) -> dict[str, Any]:
        """The operator takes over what was found at the start, or wants it gone; `flatten` may name any position."""
        _only(args, ("position",))
        name = args.get("position")
        found = []
        for key in self._held(standing):
            if name in (None, key):
                self._own.adopted[key] = standing
                found.append(key)
        if not found:
            raise Refused(_nothing(name, standing, self._held(standing)))
        self._own.begin()
        return {"positions": found, **self._standing()}

    def _held(self, standing: int) -> list[str]:
        if standing == TAKEN:
            return list(self._own.adopted)
        return self._own.positions()

    def _say(self, args: Mapping[str, Any]) -> dict[str, Any]:
        _only(args, ())
        return {"status": self._status()}

    def _fault(self, args: Mapping[str, Any]) -> dict[str, Any]:
        # `name` where the command's own `cause` says why, to people.
        _only(args, ("cause", "name"))
        name = str(args.get("name", args.get("cause", ""))).upper().replace("-", "_")
        if name not in Cause.__members__:
            raise Refused(f"cause {name!r}; accepted {', '.join(Cause.__members__)}")
        self._emit(Fault(self._now_ns(), Cause[name]))
        return self._standing()

    def _shock(self, args: Mapping[str, Any]) -> dict[str, Any]:
        _only(args, ())
        self._emit(Shock(self._now_ns()))
        return self._standing()

    def _sensor_error(self, args: Mapping[str, Any]) -> dict[str, Any]:
        _only(args, ("category", "error"))
        category = _whole(args, "category", 0)
        if category not in (2, 4):
            raise Refused(f"category {category}; accepted 2, 4")
        self._emit(SensorError(self._now_ns(), category, _whole(args, "error", 1)))
        return self._standing()

    def _stall(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """The rows of a feed (its name, or all) are not heard until then."""
        _only(args, ("feed", "until_ns"))
        until_ns = _whole(args, "until_ns", 0)
        name = args.get("feed")
        found = []
        for line in self._feeds.lines:
            if name in (None, line.spec.name):
                self._feeds.stalled[line.number] = until_ns
                found.append(line.spec.name)
        if not found:
            raise Refused(f"feed {name!r}: no such feed")
        return {"feeds": found}

    def _flow(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """A deposit or withdrawal is coming: by how much the balance will change, in minor units of the base."""
        _only(args, ("amount",))
        amount = _needed(args, "amount", "by how many minor units the balance will change")
        self._announce(amount)
        return {"announced": str(amount)}

    def _reconcile(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """The books side by side, now."""
        _only(args, ())
        return self._reconciled(self._now_ns())

    def _propose(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Other limits: tighter at once, looser after the second step."""
        _only(args, ("limits",))
        limits = args.get("limits")
        if not isinstance(limits, Mapping):
            raise Refused("limits is missing; say the whole of them, as `dolphin limits propose FILE` does")
        return self._limiting.propose(limits, self._nonce())

    def _confirm_limits(self, args: Mapping[str, Any]) -> dict[str, Any]:
        _only(args, ("nonce",))
        return self._limiting.confirm(_needed(args, "nonce", "the nonce that `limits-propose` answered"))

    def _enable(self, args: Mapping[str, Any]) -> dict[str, Any]:
        _only(args, ("strategy",))
        return self._limiting.enable(str(args.get("strategy", "")))


def _nothing(name: object, standing: int, held: list[str]) -> str:
    """Why no position was decided on."""
    if held:
        return f"position {name!r}: nothing of that name waits or is held; there are: {', '.join(held)}"
    if standing == TAKEN:
        return "no position waits for a decision: there is nothing to adopt"
    return "no position is held: there is nothing to flatten"


def _only(args: Mapping[str, Any], accepted: tuple[str, ...]) -> None:
    for name in args:
        if name not in accepted:
            raise Refused(f"argument {name!r}; accepted: {', '.join(accepted)}")


def _whole(args: Mapping[str, Any], name: str, default: int) -> int:
    """A whole number: a bool, an int, or a decimal string."""
    value = args.get(name, default)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        if value.removeprefix("-").isdecimal():
            number = int(value)
            _legible(name, number)
            return number
    raise Refused(f"{name} {value!r}; accepted a whole number")


def _needed(args: Mapping[str, Any], name: str, which: str) -> int:
    """A whole number that must be said: who confirms has seen what he confirms."""
    if name not in args:
        raise Refused(f"{name} is missing; say {which}")
    return _whole(args, name, 0)


def _legible(field: str, value: Any, depth: int = 1) -> None:
    """Refused where the journal could not write this, or could not be read for it; nothing has been done then."""
    if isinstance(value, int):
        if value.bit_length() > NUMBER_BITS:
            raise Refused(f"{field}: a number of {value.bit_length()} bits; accepted at most {NUMBER_BITS}")
        return
    if isinstance(value, str):
        if len(value) > TEXT_MAX:
            raise Refused(f"{field}: {len(value)} characters; accepted at most {TEXT_MAX}")
        if _text(value) != value:
            raise Refused(f"{field} {value!r}: a lone surrogate; accepted text that UTF-8 can write")
        return
    _legible_all(field, value, depth)


def _legible_all(field: str, value: Any, depth: int) -> None:
    """Refused where a member of this mapping or list is not legible; a member of a mapping goes by its own name."""
    if not isinstance(value, Mapping | list | tuple):
        return
    if depth > DEPTH_MAX:
        raise Refused(f"{field}: nested too deep; accepted at most {DEPTH_MAX} levels")
    if isinstance(value, Mapping):
        for key, member in value.items():
            _legible(f"a name in {field}", str(key))
            _legible(str(key), member, depth + 1)
        return
    for member in value:
        _legible(field, member, depth + 1)


def _text(value: str) -> str:
    """Text that the journal can write: of bounded length, what UTF-8 has no form of by its number."""
    return writable(value[:TEXT_MAX])


def _plain(value: Any, depth: int = 1) -> Any:
    """What the journal can write, of whatever a caller sent: what is not legible is cut, what is no JSON is text."""
    if isinstance(value, bool | None):
        return value
    if isinstance(value, int):
        if value.bit_length() > NUMBER_BITS:
            return _text(hex(value))  # a decimal form is bounded, and takes time with the square of its length
        return value
    if isinstance(value, str):
        return _text(value)
    if depth > DEPTH_MAX:
        return "..."
    if isinstance(value, Mapping):
        return {_text(str(key)): _plain(member, depth + 1) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member, depth + 1) for member in value]
    return _text(repr(value)[:200])
