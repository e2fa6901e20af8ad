"""When a venue's refusals say that it holds nothing of what Nautilus shows. With real positions of a real engine.

On a venue that refuses so itself: tests/live/test_node.py.
"""

import pytest
from nautilus_trader.model.events import OrderCanceled

from tests.nautilus.rig import Rig, Scripted, quotes
from tests.nautilus.test_fate import INS, MARGIN, ended
from tests.nautilus.test_gates import BUY, SELL, X1, limit, market

NOTHING = "{'code': -2022, 'msg': 'ReduceOnly Order is rejected.'}"


class Opposed:
    """One strategy long, the other short; then what a test says, with the position of each. `found`: what is said."""

    def __init__(self, path, *acts, short=SELL):
        self.found, self.told = [], []
        one = Scripted(INS, {1: market(BUY, 2 * X1)} | dict(enumerate([self.act(act) for act in acts], 4)))
        other = Scripted(INS, {2: market(short, X1)}, name="002")
        self.rig = Rig(path, INS).add(one).add(other)
        self.rig.run(quotes(INS, [65_000] * 16))
        assert self.rig.guard.failures == []

    def act(self, act):
        def do(s):
            parts = self.rig.guard.parts
            self.refusals = parts.own._refusals
            self.refusals._tell = lambda what, text: self.told.append(text)
            self.groups = sorted(parts.book.held(), key=lambda group: group.key)
            act(self, s)

        return do


def refused(*numbers, reason=NOTHING, kind=None):
    """Own orders of these positions came to such an end."""

    def act(run, s):
        for number in numbers:
            order = s.cache.orders()[0]
            event = ended(order, kind) if kind else ended(order, reason=reason)
            run.refusals.heard(event, run.groups[number])

    return act


def ask(run, s):
    run.found.append(run.refusals.flat(run.groups[0], 0))


def act(what):
    return lambda run, s: what(s)


@pytest.mark.req("DOL-KILL-003")
def test_both_sides_refused_is_flat_and_told_once(tmp_path):
    run = Opposed(tmp_path, refused(0), ask, refused(1), ask, ask)
    assert run.found == [False, True, True]
    assert len(run.told) == 1
    assert [r.data["positions"] for r in run.rig.records("NOTE") if r.data.get("what") == "flat at the venue"] == [
        {f"{INS.id}-S-001-001": 2 * X1, f"{INS.id}-S-002-002": -X1}
    ]


@pytest.mark.parametrize(
    "ends",
    [{"reason": MARGIN}, {"reason": "timed out"}, {"kind": OrderCanceled}],
    ids=["for another reason", "by nobody", "canceled"],
)
def test_only_a_refusal_to_reduce_says_so(tmp_path, ends):
    assert Opposed(tmp_path, refused(0, 1, **ends), ask).found == [False]


def test_what_was_refused_before_something_changed_says_nothing(tmp_path):
    run = Opposed(
        tmp_path, refused(0, 1), ask, act(market(SELL, X1)), ask, refused(0), ask, refused(1), ask,
    )  # fmt: skip
    assert run.found == [True, False, False, True]


def test_on_one_side_alone_the_venue_may_still_hold_what_it_did_not_show(tmp_path):
    assert Opposed(tmp_path, refused(0, 1), ask, short=BUY).found == [False]


def test_while_another_order_works_there_a_refusal_says_nothing(tmp_path):
    """A venue may take what is held for spoken for, by reduce-only orders that rest."""
    cancel = act(lambda s: s.cancel_order(s.last))
    run = Opposed(tmp_path, act(limit(SELL, X1, 66_000)), refused(0, 1), ask, cancel, ask)
    assert run.found == [False, True]
