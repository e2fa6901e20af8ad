"""The two gates: every command that may change exposure becomes an ORDER event, and its verdict an act on the host.

What belongs here: which event a command is, and what each verdict means for it. Deciding is the kernel's, reading is
book's and values', acting is action's.

Theory of operation. Gate 1 stands before the RiskEngine and judges; what it passes carries a token (episode, posture,
quantity) that gate 2, before the ExecEngine, accepts while the latch is the same and the posture no worse. What comes
to gate 2 without one (an emulated release, a command sent straight to the endpoint) is judged there. Cancels and
queries are forwarded before anything else is looked at. Nothing escapes: an exception here denies entries, lets exits
pass by the plainest rule, and is a Category 1 event.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import (
    BatchCancelOrders,
    CancelAllOrders,
    CancelOrder,
    ModifyOrder,
    SubmitOrder,
    SubmitOrderList,
)

from dolphin.journal import text
from dolphin.kernel.events import Verdict
from dolphin.kernel.reasons import Reason
from dolphin.nautilus.action import Host, text_of
from dolphin.nautilus.asking import Asked, Asker, Unscaled
from dolphin.nautilus.book import Book
from dolphin.nautilus.guard import Guard
from dolphin.nautilus.latency import Latency
from dolphin.nautilus.limiting import Judged, Limiting
from dolphin.nautilus.plain import plainly_reduces
from dolphin.nautilus.ports import Left
from dolphin.nautilus.tokens import Tokens, worse
from dolphin.nautilus.translate import quantity_of
from dolphin.nautilus.working import OWN_PREFIX

_CANCELS: Final = (CancelOrder, CancelAllOrders, BatchCancelOrders)
_NAMES: Final = {reason: reason.name for reason in Reason}

type Forward = Callable[[Any], None]
type Failed = Callable[[str, BaseException], None]


class Gates:
    """Both gates of one book."""

    def __init__(
        self, guard: Guard, asker: Asker, book: Book, host: Host, latency: Latency, cache: Any, failed: Failed,
        displace: Callable[[Any, int, frozenset[str]], None], told: Callable[[str, str], None],
        doubtful: Callable[[], bool], limiting: Limiting,
    ) -> None:  # fmt: skip
        self._guard = guard
        self._asker = asker
        self._book = book
        self._host = host
        self._latency = latency
        self._cache = cache
        self._failed = failed
        self._displace = displace
        self._told = told
        self._doubtful = doubtful
        self._limiting = limiting
        self._tokens = Tokens(guard, asker, limiting)
        self._notes: dict[tuple[str, int], str] = {}
        self._later: dict[str, list[tuple[Asked, Verdict]]] = {}

    def at_risk(self, command: Any, forward: Forward) -> None:
        """Gate 1."""
        self._at(command, forward, 1)

    def at_exec(self, command: Any, forward: Forward) -> None:
        """Gate 2."""
        self._at(command, forward, 2)

    def _at(self, command: Any, forward: Forward, gate: int) -> None:
        if isinstance(command, (SubmitOrder, SubmitOrderList)):
            passed = self._wrapped(self._upheld, command, gate)
        elif isinstance(command, ModifyOrder):
            passed = self._wrapped(self._modify, command, gate)
        else:
            passed = [command]
        for each in passed:
            forward(each)
        if gate == 2:  # cancels do not come by the RiskEngine
            if isinstance(command, _CANCELS):
                self._limiting.canceled()

    def _upheld(self, command: Any, gate: int) -> list[Any]:
        """What passes of it. At gate 2 judged again where a strategy answered what was done with a kill or a fall."""
        before = self._guard.state
        judge = self._submit
        if isinstance(command, SubmitOrderList):
            judge = self._submit_list
        passed = judge(command, gate)
        if gate == 1:  # gate 2 finds the token void
            return passed
        if self._guard.report:
            return passed
        if not worse(before.latch.episode, before.filter.posture, self._guard.state):
            return passed
        again = []
        for each in passed:
            again.extend(self._upheld(each, gate))
        return again

    def _reserved(self, name: str) -> bool:
        """Whether a strategy's order bears a name of the guard's: own orders never come to a gate."""
        if not name.startswith(OWN_PREFIX):
            return False
        return not self._guard.report

    def _refuse(self, orders: list[Any]) -> list[Any]:
        for order in orders:
            self._host.deny(order, text_of(Reason.INTERNAL, error=f"ids that begin with {OWN_PREFIX} are the guard's"))
        return []

    def _wrapped(self, judge: Callable[[Any, int], list[Any]], command: Any, gate: int) -> list[Any]:
        """The commands to forward; whatever goes wrong, exits by the plainest rule."""
        try:
            begin_ns = self._latency.begin()
            passed = judge(command, gate)
            self._latency.end(begin_ns)
        except Exception as error:
            return self._fallback(command, error)
        return passed

    def _submit(self, command: Any, gate: int) -> list[Any]:
        order = command.order
        name = order.client_order_id.value
        if name.startswith(OWN_PREFIX):
            if not self._guard.report:
                return self._refuse([order])
        if gate == 2:
            if self._tokens.holds(name, order):
                if self._later:
                    self._displaced(name)
                return [command]
        self._later.pop(name, None)
        position_id = self._position_id(command, order)
        asked = self._asker.submit(order, name, position_id)
        self._book.seen(order, position_id)  # before its verdict: what a kill sends upon that knows it is on its way
        verdict, reason, judged = self._verdict(asked, gate)
        state = self._guard.state  # a strategy may answer what follows with what makes it worse
        counted = self._limiting.left(judged, verdict)
        self._limiting.said([judged], counted)
        if self._guard.report:
            self._tokens.give(name, order, asked.event.ts_ns, counted, state)
            return [command]
        if verdict.lots < asked.event.lots:
            if self._plain_exit(order, command):
                return [command]
        if verdict.lots <= 0:
            self._deny(order, asked, verdict, reason, judged)
            return []
        if verdict.lots < asked.event.lots:
            self._host.shrink(order, quantity_of(verdict.lots, asked.scale))
            self._told("SHRUNK", text_of(reason, order=name, lots=verdict.lots))
        if verdict.cancel_lots > 0:
            self._displacing(name, [(asked, verdict)], gate)
        if gate == 1:
            self._tokens.give(name, order, asked.event.ts_ns, counted, state)
        return [command]

    def _displacing(self, name: str, given: list[tuple[Asked, Verdict]], gate: int) -> None:
        """Resting exits are displaced when the order that outranks them leaves: Nautilus may deny it in between."""
        self._later[name] = given
        if gate == 2:
            self._displaced(name)

    def _displaced(self, name: str) -> None:
        for asked, verdict in self._later.pop(name, ()):
            if verdict.cancel_lots > 0:
                self._displace(asked.group, verdict.cancel_lots, asked.apart)

    def _plain_exit(self, order: Any, command: Any) -> bool:
        """After a failure the book is in doubt: an exit that the cache alone shows to be one passes."""
        if not self._doubtful():
            return False
        return plainly_reduces(self._cache, order, command.position_id)

    def _position_id(self, command: Any, order: Any) -> Any:
        position_id = command.position_id
        if position_id is None:
            position_id = order.position_id
        if position_id is None:
            position_id = self._cache.position_id(order.client_order_id)
        return position_id

    def _verdict(self, asked: Asked, gate: int) -> tuple[Verdict, Reason, Judged]:
        """Ask, and let an entry part that was not acknowledged go no further: only what reduces is left of it.

        The third is the answer of the limits: to be counted and told once the order stands in the book.
        """
        self._tokens.settle()
        asked, note, judged = self._limiting.asked(asked, self._note(asked, gate))
        verdict = self._guard.judge(asked.event, note)
        reason = verdict.reason
        if not self._guard.acknowledged:
            if verdict.lots > verdict.exit_lots:
                reason = Reason.JOURNAL
                lots = verdict.exit_lots
                if asked.event.whole == 1:
                    lots = 0
                verdict = verdict._replace(lots=lots, reason=reason)
        self._guard.count(_NAMES[reason])
        return verdict, reason, judged

    def _note(self, asked: Asked, gate: int) -> str:
        """Whose order it is and which gate asked; all but the order's name is the same again and again."""
        rest = self._notes.get((asked.strategy, gate))
        if rest is None:
            rest = f',"strategy":{text(asked.strategy)},"gate":{gate}}}'
            if self._guard.report:
                rest = f',"strategy":{text(asked.strategy)},"gate":{gate},"mode":"report"}}'
            self._notes[(asked.strategy, gate)] = rest
        return f'{{"id":{text(asked.name)}{rest}'

    def _deny(self, order: Any, asked: Asked, verdict: Verdict, reason: Reason, judged: Judged) -> None:
        said = self._text(asked, verdict, reason, judged)
        self._told("DENIED", f"{order.client_order_id.value} {said}")
        self._host.deny(order, said)

    def _text(self, asked: Asked, verdict: Verdict, reason: Reason, judged: Judged) -> str:
        event = asked.event
        limit = {}
        if reason == Reason.LIMIT:
            limit = {"limit": judged.words}
        return text_of(
            reason, **limit, posture=self._guard.state.filter.posture.name, lots=event.lots,
            position=event.position_lots, allowed_bp=verdict.allowed_bp, gross=event.gross, working=event.working,
            equity=event.equity,
        )  # fmt: skip

    def _submit_list(self, command: Any, gate: int) -> list[Any]:
        """A list, by what all of it comes to where a limit asks for that."""
        outer = self._limiting.basket  # a strategy may answer a denial in one list with another
        try:
            return self._list(command, gate)
        finally:
            self._limiting.basket = outer

    def _list(self, command: Any, gate: int) -> list[Any]:
        orders = command.order_list.orders
        for order in orders:
            if self._reserved(order.client_order_id.value):
                return self._refuse(orders)
        name = orders[0].client_order_id.value
        if gate == 2:
            if self._tokens.hold_all(orders):
                for order in orders:
                    self._displaced(order.client_order_id.value)
                return [command]
        self._later.pop(name, None)
        if not _contingent(orders):
            return self._one_by_one(command, gate)
        given = []
        answers = []
        whole = True
        questions = self._asker.whole(command)
        self._limiting.together(questions)
        for asked in questions:
            verdict, reason, judged = self._verdict(asked, gate)
            answers.append((judged, verdict))
            if verdict.lots < asked.event.lots:
                whole = False
                if not self._guard.report:
                    self._limiting.said([each for each, _ in answers], ())
                    for order in orders:
                        self._deny(order, asked, verdict, reason, judged)
                    return []
            given.append((asked, verdict))
        if self._guard.report:
            given.clear()
        counted: tuple[Left, ...] = ()
        if whole:
            for judged, verdict in answers:
                counted += self._limiting.left(judged, verdict)
        self._displacing(name, given, gate)
        self._passed(orders, command, gate, counted)
        self._limiting.said([each for each, _ in answers], counted)  # all of them are in the book, and have tokens
        return [command]

    def _passed(self, orders: list[Any], command: Any, gate: int, counted: tuple[Left, ...]) -> None:
        """`counted` is of all of them, and goes with the first."""
        for order in orders:
            self._book.seen(order, command.position_id)
            if gate == 1:
                self._tokens.give(order.client_order_id.value, order, self._asker.now_ns(), counted, self._guard.state)
                counted = ()

    def _one_by_one(self, command: Any, gate: int) -> list[Any]:
        """A list without contingencies: each order for itself; the list as it is where all of them pass whole."""
        singles = []
        untouched = True
        self._limiting.listed(lambda: self._asker.whole(command))
        for order in command.order_list.orders:
            single = SubmitOrder(
                command.trader_id, command.strategy_id, order, UUID4(), command.ts_init, command.position_id,
                command.client_id, command.params,
            )  # fmt: skip
            passed = self._submit(single, gate)
            if not passed:
                untouched = False
            singles.extend(passed)
        if untouched:
            return [command]
        return singles

    def _modify(self, command: Any, gate: int) -> list[Any]:
        order = self._cache.order(command.client_order_id)
        if order is None:
            return [command]
        name = f"modify {command.id.value}"
        working = self._book.working.get(order.client_order_id.value)
        if working is not None:
            if not self._tokens.has(name):
                working.asked(command)
        if gate == 2:
            if self._tokens.holds(name, order):
                self._displaced(name)
                return [command]
        self._later.pop(name, None)
        if working is not None:
            lots = self._asker.undone(command, order, working)
            if lots > 0:
                working.becoming(lots)
                if gate == 1:
                    self._tokens.give(name, order, self._asker.now_ns(), (), self._guard.state)
                return [command]
        asked = self._asker.modify(command, order)
        verdict, reason, judged = self._verdict(asked, gate)
        state = self._guard.state
        counted = self._limiting.left(judged, verdict)
        if self._guard.report:
            self._asker.crossing(order, asked.event.taking)
            self._limiting.said([judged], counted)
            self._tokens.give(name, order, self._asker.now_ns(), counted, state)
            return [command]
        if verdict.lots < asked.event.lots:
            self._limiting.said([judged], counted)
            said = self._text(asked, verdict, reason, judged)
            self._told("DENIED", f"modify {order.client_order_id.value} {said}")
            self._host.reject_modify(command, order, said)
            return []
        if working is not None:
            working.becoming(asked.event.lots)
        self._asker.crossing(order, asked.event.taking)  # one that is refused leaves the order as it was
        self._limiting.said([judged], counted)  # what is sent upon it is judged beside what the order becomes
        self._displacing(name, [(asked, verdict)], gate)
        if gate == 1:
            self._tokens.give(name, order, self._asker.now_ns(), counted, state)
        return [command]

    def _fallback(self, command: Any, error: Exception) -> list[Any]:
        """The guard itself failed: entries are denied, exits pass by the plainest rule; nothing escapes."""
        if not isinstance(error, Unscaled):
            self._failed("gate", error)
        if self._guard.report:
            return [command]
        passed = []
        try:
            if isinstance(command, ModifyOrder):
                self._host.reject_modify(command, self._cache.order(command.client_order_id), _internal(error))
            elif isinstance(command, SubmitOrderList):
                passed = self._plain_list(command, error)
            elif plainly_reduces(self._cache, command.order, command.position_id):
                passed = [command]
            else:
                self._host.deny(command.order, _internal(error))
        except Exception as second:
            self._told("FAILED", f"{type(second).__name__} in the fallback")
        return passed

    def _plain_list(self, command: Any, error: Exception) -> list[Any]:
        for order in command.order_list.orders:
            if not plainly_reduces(self._cache, order, command.position_id):
                for each in command.order_list.orders:
                    self._host.deny(each, _internal(error))
                return []
        return [command]


def _internal(error: BaseException) -> str:
    return text_of(Reason.INTERNAL, error=type(error).__name__)


def _contingent(orders: list[Any]) -> bool:
    for order in orders:
        if order.is_contingency:
            return True
    return False
