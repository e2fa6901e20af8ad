"""An independent reading of DESIGN.md section 2, in its own words, to make traces with: floats nowhere, kernel nowhere.

Confidence in ms; levels as shares of 6,000,000, so that a wrong constant in spec/ or kernel/ is not copied here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from dolphin.audit.trace_tla import TraceRecord

FULL = 6_000_000
FALL = [FULL * 85 // 100, FULL * 33 // 100, FULL * 10 // 100]
RISE = [FULL * 92 // 100, FULL * 40 // 100, FULL * 17 // 100]
MINUTE, DAY = 60 * 10**9, 86_400 * 10**9
RUNNING, KILLED, PENDING = range(3)


class Book:
    """One book under readings that somebody else chooses."""

    def __init__(self) -> None:
        self.c, self.p, self.held, self.flat, self.r = FULL, 0, 10_000, 1, [10_000] * 4
        self.mode, self.episode, self.now = RUNNING, 0, 0
        self.armed, self.nonce, self.kept = 0, -1, 0
        self.trapped, self.rebased, self.request, self.asked = -1, -31 * DAY, -1, 0

    def _level(self) -> None:
        while self.p < 3 and self.c <= FALL[self.p]:
            self.p += 1
        while self.p > 0 and self.c >= RISE[self.p - 1]:
            self.p -= 1

    def step(self, action: int = 0, *, credit: int = 0, ns: int = 0, missed: int = 0, r: list[int] | None = None,
             flat: int | None = None, nonce: int = -1, episode: int = 0, clear: int = 0,
             green: int = 0, holding: int = 0) -> TraceRecord:  # fmt: skip
        was_trapped = self.flat == 1 and self.r[3] < 9_200 and self.p > 0
        elapsed = 0 if action == 1 else ns
        self.now += elapsed
        self.c = min(600 * self.held, self.c + credit)
        self._level()
        if action == 1:
            missed = int(ns > 10**9)
        if missed and self.mode != KILLED:
            self.mode, self.episode, self.nonce = KILLED, self.episode + 1, -1
        self.r = r or self.r
        self.flat = self.flat if flat is None else flat
        if action == 2 and self.mode != RUNNING and episode == self.episode and clear and green:
            self.mode, self.nonce, self.armed, self.kept = PENDING, nonce, self.now, holding
        elif action == 3 and self.mode == PENDING and nonce == self.nonce and green:
            if MINUTE <= self.now - self.armed < DAY and (holding == 0 or holding == self.kept > 0):
                self.mode, self.nonce = RUNNING, -1
        elif action == 4 and was_trapped:
            self.request, self.asked = nonce, self.now
        elif action == 5 and self.request != -1 and nonce == self.request and was_trapped and clear:
            if self.now - self.trapped >= DAY > self.now - self.asked and self.now - self.rebased >= 30 * DAY:
                self.r, self.rebased, self.request = [*self.r[:3], 10_000], self.now, -1
        total = 10_000
        for value in self.r:
            total = total * value // 10_000
        self.held = total if self.mode == RUNNING else 0
        self.c = min(self.c, 600 * self.held)
        self._level()
        if not (self.flat == 1 and self.r[3] < 9_200 and self.p > 0):
            self.trapped = self.request = -1
        elif self.trapped < 0:
            self.trapped = self.now
        row = (action, credit, ns, *self.r, self.flat, missed, nonce, episode, clear, green, holding)
        return TraceRecord._make((*row, self.c, self.p, self.mode, self.held, self.episode))


def trace(count: int, seed: int = 1) -> Iterator[TraceRecord]:
    """A life of `count` records: mostly good seconds, with losses, blindness, shocks, kills, re-arms and re-bases."""
    dice, book = random.Random(seed), Book()
    for _ in range(count):
        chance = dice.random()
        if chance < 0.84:
            ms = dice.choice((1, 250, 1_000, 60_000, 420_000))
            late = dice.random() < 0.1
            yield book.step(credit=0 if late else ms, ns=ms * 10**6 + dice.randrange(-500_000, 999_999))
        elif chance < 0.89:
            good = dice.random() < 0.8
            r = [10_000 if good else dice.choice((10_000, 9_935, 8_573, 3_001, 0)) for _ in range(3)]
            r5 = book.r[3] if book.flat else dice.choice((10_000, 10_000, 9_787, 9_200, 9_199, 8_647, 4_086, 1_130))
            yield book.step(r=[*r, r5], flat=dice.choice((0, 0, 1)))
        elif chance < 0.893:
            yield book.step(missed=1)
        elif chance < 0.90:
            yield book.step(1, ns=dice.choice((1, 10**6, 10**9, 10**9 + 1, 2 * 10**9)))
        elif chance < 0.92:
            named = book.episode + (dice.random() < 0.1)
            bits = [int(dice.random() < 0.9) for _ in range(2)]
            held = dice.choice((-1, 0, 0, 1 << 40, 77))
            nonce = dice.randrange(1 << 40)
            yield book.step(2, nonce=nonce, episode=named, clear=bits[0], green=bits[1], holding=held)
        elif chance < 0.94:
            nonce = book.nonce if dice.random() < 0.9 else 7
            held = dice.choice((-1, 0, 0, 0, 1 << 40, 77))
            yield book.step(3, nonce=nonce, green=int(dice.random() < 0.9), holding=held)
        elif chance < 0.955:
            yield book.step(4, nonce=dice.randrange(1 << 40))
        elif chance < 0.98:
            yield book.step(5, nonce=book.request if dice.random() < 0.9 else 7, clear=int(dice.random() < 0.9))
        else:
            yield book.step(ns=dice.choice((DAY // 2, DAY, 40 * DAY)))
