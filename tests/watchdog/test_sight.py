"""What beats say, to the millisecond; no process, file or clock."""

import pytest

from dolphin.journal.beat import LONGER_MS, Beat, BeatState, Identity
from dolphin.watchdog.sight import Eye, State, run_of

MS = 1_000_000
HERE = Identity("b" * 32, 1, 1)
WHO = Identity("b" * 32, 77, 88)
T = 1_000_000 * MS


def beat(at_ms=0, seq=1, who=WHO, state=BeatState.BEATS, period_ms=100, instance="i"):
    at_ns = T + at_ms * MS
    return Beat(state, who, instance, period_ms, seq, False, at_ns, at_ns, at_ns)


def eye_at(newest, until_ms, missed=3, step_ms=5, here=HERE):
    """An eye that has looked every 5 ms from 0 until then, at one beat."""
    eye = Eye(here, missed)
    for at_ms in range(0, until_ms, step_ms):
        eye.look(newest, T + at_ms * MS, False)
    return eye


@pytest.mark.req("DOL-WATCH-001", "DOL-WATCH-002")
@pytest.mark.parametrize(
    ("missed", "period_ms", "silent_ms", "state"),
    [
        (3, 100, 0, State.BEATS),
        (3, 100, 299, State.BEATS),
        (3, 100, 300, State.GONE),
        (1, 100, 99, State.BEATS),
        (1, 100, 100, State.GONE),
        (3, 50, 149, State.BEATS),
        (3, 50, 150, State.GONE),
        (20, 100, 1_999, State.BEATS),
        (20, 100, 2_000, State.GONE),
    ],
)
def test_three_beats(missed, period_ms, silent_ms, state):
    newest = beat(period_ms=period_ms)
    eye = eye_at(newest, silent_ms, missed)
    seen = eye.look(newest, T + silent_ms * MS, False)
    assert (seen.state, seen.silent_ns, seen.run) == (state, silent_ms * MS, run_of(newest))


@pytest.mark.req("DOL-WATCH-002")
def test_who_did_not_look_gives_one_beat_more():
    newest = beat()
    eye = eye_at(newest, 100)
    late = [eye.look(newest, T + at_ms * MS, False).state for at_ms in (5_000, 5_050, 5_099, 5_100)]
    assert late == [State.LATE, State.LATE, State.LATE, State.GONE]
    eye = eye_at(newest, 100)
    assert eye.look(newest, T + 5_000 * MS, False).state == State.LATE
    assert eye.look(beat(5_010, 2), T + 5_011 * MS, False).state == State.BEATS


@pytest.mark.req("DOL-WATCH-002")
def test_who_is_always_late_to_look_sees_a_hang_all_the_same():
    newest = beat()
    eye = eye_at(newest, 100)
    seen = [eye.look(newest, T + at_ms * MS, False).state for at_ms in range(500, 1_500, 110)]
    assert seen[:4] == [State.LATE] * 4  # and the first look at it was one more
    assert seen[4:] == [State.GONE] * 6
    newest = beat(1_600, 2)
    assert eye.look(newest, T + 1_601 * MS, False).state == State.BEATS
    assert eye.look(newest, T + 3_000 * MS, False).state == State.LATE


@pytest.mark.req("DOL-WATCH-002")
@pytest.mark.parametrize("later_ms", [(), (305, 310), (700, 1_400, 60_000, 60_200, 60_310, 60_420, 60_530)])
def test_one_that_is_gone_stays_gone_however_late_the_looks_come(later_ms):
    """A pass at a slow venue comes between two looks. LATE would say that it may have run, and it has not."""
    newest = beat()
    eye = eye_at(newest, 300)
    seen = [eye.look(newest, T + at_ms * MS, False).state for at_ms in (300, *later_ms)]
    assert seen == [State.GONE] * (1 + len(later_ms))
    # Once it has beaten, who comes late gives a beat more again.
    newest = beat(61_000, 2)
    assert eye.look(newest, T + 61_001 * MS, False).state == State.BEATS
    assert eye.look(newest, T + 62_000 * MS, False).state == State.LATE


@pytest.mark.req("DOL-WATCH-002")
def test_the_first_look_is_one_of_somebody_who_did_not_look():
    eye = Eye(HERE)
    assert eye.look(beat(-10_000), T, False).state == State.LATE
    assert eye.look(beat(-10_000), T + 100 * MS, False).state == State.GONE


def test_nobody_and_ended():
    eye = Eye(HERE)
    assert eye.look(None, T, False).state == State.NOBODY
    assert eye.look(None, T, True).state == State.NOBODY
    assert eye.beat is None
    assert eye.look(beat(state=BeatState.ENDED), T + 10_000 * MS, True).state == State.ENDED


@pytest.mark.req("DOL-WATCH-001")
def test_a_dead_one_is_gone_at_once_and_so_is_one_of_before_the_boot():
    assert Eye(HERE).look(beat(), T, True).state == State.GONE
    assert Eye(HERE).look(beat(state=BeatState.ENDING), T, True).state == State.GONE
    other = beat(who=Identity("c" * 32, 77, 88))
    assert Eye(HERE).look(other, T, False).state == State.GONE
    for here, who in ((Identity("", 1, 1), other.who), (HERE, Identity("", 77, 88))):
        assert Eye(here).look(beat(who=who), T, False).state == State.BEATS


def test_one_that_ends_in_good_order_may_be_silent_for_half_a_minute():
    newest = beat(state=BeatState.ENDING)
    eye = eye_at(newest, 29_999)
    assert eye.look(newest, T + 29_999 * MS, False).state == State.BEATS
    assert eye.look(newest, T + 30_000 * MS, False).state == State.GONE
    eye = eye_at(newest, 50_000, missed=500)
    assert eye.look(newest, T + 50_000 * MS, False).state == State.GONE


def test_a_file_that_says_nothing_any_more_is_a_beat_that_did_not_come():
    eye = eye_at(beat(), 200)
    states = [eye.look(None, T + at_ms * MS, False).state for at_ms in range(200, 305, 5)]
    assert states == [State.BEATS] * 20 + [State.GONE]


@pytest.mark.parametrize("ahead_ms", [1_000_000, -5])
def test_a_clock_with_another_zero_is_replaced_by_ones_own(ahead_ms):
    eye = Eye(HERE)
    for seq in range(10):
        eye.look(beat(seq * 100 + ahead_ms, seq), T + seq * 100 * MS, False)
    seen = eye.look(beat(900 + ahead_ms, 9), T + 950 * MS, False)
    assert seen.state == State.BEATS
    assert seen.silent_ns == (50 if ahead_ms > 0 else 55) * MS


def test_a_clock_that_runs_back_within_a_run_is_not_believed():
    eye = eye_at(beat(), 50)
    assert eye.look(beat(-5_000, 2), T + 60 * MS, False).silent_ns == 0


@pytest.mark.parametrize(
    "other", [{"instance": "j"}, {"who": WHO._replace(pid=1)}, {"who": WHO._replace(start_ticks=1)}]
)
def test_a_new_run_is_another(other):
    assert run_of(beat()) != run_of(beat(**other))
    eye = eye_at(beat(5_000), 5)
    assert eye.look(beat(-1, **other), T + 10 * MS, False).run == run_of(beat(**other))


# --- waits for the disk -----------------------------------------------------------------------------------------------


def waits(newest, seq, waited_ms=0, state=BeatState.WAITS):
    return newest._replace(state=state, seq=seq, waited_ns=waited_ms * MS)


def state_of(eye, newest, at_ms, stopped=False):
    """After looks every 5 ms up to then, so that nothing is given for not having looked."""
    seen = None
    for look_ms in range(eye._looked_ns // MS - T // MS, at_ms + 1, 5):
        seen = eye.look(newest, T + look_ms * MS, False, stopped)
    return eye.look(newest, T + at_ms * MS, False, stopped).state if seen is None else seen.state


@pytest.mark.req("DOL-WATCH-010")
def test_one_that_waits_for_its_disk_may_be_silent_for_longer_and_not_for_ever():
    newest = beat()
    eye = eye_at(newest, 50)
    waiting = waits(newest, 2)
    assert state_of(eye, waiting, 295 + LONGER_MS) == State.BEATS
    assert state_of(eye, waiting, 300 + LONGER_MS) == State.GONE
    assert "waits for its disk and has not beaten for 5300 ms" in eye.look(waiting, T + 5_300 * MS, False).why


@pytest.mark.req("DOL-WATCH-010", "DOL-WATCH-001")
def test_what_was_waited_counts_once_and_the_end_of_a_wait_is_no_beat():
    newest = beat()
    eye = eye_at(newest, 50)
    assert state_of(eye, waits(newest, 2), 1_040) == State.BEATS
    over = waits(newest, 3, waited_ms=1_000, state=BeatState.BEATS)
    assert state_of(eye, over, 1_295) == State.BEATS
    assert state_of(eye, over, 1_300) == State.GONE
    assert state_of(eye, beat(1_301, 4), 1_305) == State.BEATS


@pytest.mark.req("DOL-WATCH-010", "DOL-WATCH-001")
@pytest.mark.parametrize("ahead_ms", [0, 1_000_000])
def test_a_callback_that_waits_again_and_again_and_never_returns_is_a_hang(ahead_ms):
    """Also where the process' clock has another zero, so that its times are not believed."""
    newest = beat(ahead_ms)
    eye = eye_at(newest, 50)
    waited_ms, at_ms, seq = 0, 50, 1
    while at_ms < 20_000:
        if state_of(eye, waits(newest, seq + 1, waited_ms), at_ms + 90) == State.GONE:
            break
        waited_ms = min(waited_ms + 90, LONGER_MS)
        if state_of(eye, waits(newest, seq + 2, waited_ms, BeatState.BEATS), at_ms + 100) == State.GONE:
            break
        at_ms, seq = at_ms + 100, seq + 2
    assert 2_000 < at_ms < 3_000  # a tenth of the time it did not wait: of that, 300 ms


@pytest.mark.req("DOL-WATCH-010", "DOL-WATCH-001")
def test_one_that_was_stopped_while_it_waits_is_gone_with_the_third_beat():
    newest = beat()
    eye = eye_at(newest, 50)
    assert state_of(eye, waits(newest, 2), 295, stopped=True) == State.BEATS
    assert state_of(eye, waits(newest, 2), 300, stopped=True) == State.GONE


@pytest.mark.req("DOL-WATCH-010")
@pytest.mark.parametrize(("waited_ms", "excused_ms"), [(-1_000, 0), (10**9, LONGER_MS)])
def test_what_a_file_says_of_waits_is_bounded(waited_ms, excused_ms):
    newest = waits(beat(), 1, waited_ms, BeatState.BEATS)
    eye = eye_at(newest, 50)
    assert state_of(eye, newest, 295 + excused_ms) == State.BEATS
    assert state_of(eye, newest, 300 + excused_ms) == State.GONE


@pytest.mark.req("DOL-WATCH-002")
def test_a_beat_more_is_given_anew_after_a_beat_and_not_after_a_wait():
    newest = beat()
    eye = eye_at(newest, 100)
    seen = []
    for seq, at_ms in enumerate(range(500, 1_500, 110), 2):
        seen.append(eye.look(waits(newest, seq, 0, BeatState.BEATS), T + at_ms * MS, False).state)
    assert seen[-1] == State.GONE
