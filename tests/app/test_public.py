"""The public surface: what it is, what it costs to import, and that it answers as the kernel does."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import dolphin
from dolphin import (
    INTRADAY,
    Cause,
    FeedKind,
    Journal,
    KillSwitch,
    Mode,
    Policy,
    Posture,
    Reason,
    RiskGate,
    Sizer,
    Survival,
    api,
    create_journal,
    load_policy,
)

T0 = 1_700_000_000 * 10**9
S = 10**9
PUBLIC = (
    "DAILY", "INTRADAY", "Cause", "Decision", "FeedKind", "Journal", "KillSwitch", "Mode", "Policy", "Posture",
    "Reason", "RiskGate", "RiskMetrics", "Sizer", "Survival", "__version__", "audit", "create_journal", "load_policy",
)  # fmt: skip
NEVER = 1 << 62


def book(**options: object) -> Survival:
    made = Survival(INTRADAY, start_ns=T0, feeds={"BTC": FeedKind.DATA}, **options)  # type: ignore[arg-type]
    made.seen("BTC", T0, NEVER)
    made.equity(T0 + S, 1_000_000, flat=True, stood=True)
    return made


def gate(made: Survival, ts_ns: int, **changes: object) -> dolphin.Decision:
    given = {"feed": "BTC", "side": 1, "lots": 10, "value_u": 10**10, "equity": 1_000_000, "gross": 0}
    return RiskGate(made).validate_order(ts_ns, **(given | changes))  # type: ignore[arg-type]


def test_the_surface_is_this_and_no_more() -> None:
    assert tuple(dolphin.__all__) == PUBLIC
    assert set(api.__all__) | {"__version__", "audit"} == set(PUBLIC)
    assert dir(dolphin) == sorted(PUBLIC)
    for name in PUBLIC:
        assert getattr(dolphin, name) is not None
    with pytest.raises(AttributeError, match="public: DAILY"):
        _ = dolphin.Nothing


def test_everything_public_is_documented() -> None:
    for name in api.__all__:
        found = getattr(dolphin, name)
        assert inspect.getdoc(found), name
        if inspect.isclass(found):
            for method, code in vars(found).items():
                if inspect.isfunction(code) and not method.startswith("_") and name not in ("Policy", "Journal"):
                    assert inspect.getdoc(code), f"{name}.{method}"
                    assert "return" in inspect.get_annotations(code), f"{name}.{method}"


@pytest.mark.parametrize("code", ["import dolphin", "from dolphin import Survival, RiskGate, audit, load_policy"])
def test_importing_costs_no_heavy_package(code: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    ).stdout.split()
    for heavy in ("nautilus_trader", "pandas", "numpy", "pyarrow", "rich", "dolphin.nautilus", "dolphin.sensors"):
        assert heavy not in found
    if code == "import dolphin":
        assert "dolphin.kernel" not in found


def test_confidence_posture_and_allowed_leverage() -> None:
    made = book()
    assert (made.posture, made.confidence_ms, made.allowed_entry_bp()) == (Posture.APEX, 6_000_000, 60_000)
    made.shock(T0 + 2 * S)
    assert made.posture is Posture.TURTLE
    assert made.r_bp == (10_000, 10_000, 10_000, 3_000, 10_000)
    assert made.allowed_entry_bp() == 0
    assert made.allowed_held_bp() == 18_000
    made.tick(T0 + 2 * S + 603 * S)
    assert made.posture is Posture.STALKER


@pytest.mark.req("DOL-ORDER-002", "DOL-EXIT-001")
def test_the_gate_passes_shrinks_and_denies() -> None:
    made = book()
    assert gate(made, T0 + 2 * S).reason is Reason.PASSED
    shrunk = gate(made, T0 + 3 * S, lots=1_000)
    assert (shrunk.lots, shrunk.reason, shrunk.requirement) == (600, Reason.LEVERAGE, "DOL-ORDER-002")
    KillSwitch(made).kill(T0 + 4 * S)
    denied = gate(made, T0 + 5 * S)
    assert (denied.lots, denied.reason) == (0, Reason.KILLED)
    exits = gate(made, T0 + 6 * S, side=-1, position_lots=10)
    assert (exits.lots, exits.exit_lots, exits.reason) == (10, 10, Reason.REDUCING)


def test_limits_and_metrics() -> None:
    made = book()
    risk = RiskGate(made)
    assert risk.check_risk_limits(equity=1_000_000, gross=6_000_000) == ()
    assert risk.check_risk_limits(equity=1_000_000, gross=6_700_000)[0].startswith("held: 6700000, allowed 6000000")
    made.equity_unreadable(T0 + 2 * S)
    assert "DOL-SENSE-002" in risk.check_risk_limits(equity=1_000_000, gross=0)[0]
    made.fault(T0 + 3 * S, Cause.LEDGER_DESYNC)
    assert any(text.startswith("latch: KILLED") for text in risk.check_risk_limits(equity=1, gross=0))
    metrics = risk.get_risk_metrics()
    assert (metrics.posture, metrics.mode, metrics.episode) == (Posture.HIBERNATE, Mode.KILLED, 1)
    assert metrics.equity == metrics.mark == 1_000_000


def test_the_two_steps_of_the_switch() -> None:
    made = book()
    switch = KillSwitch(made)
    switch.kill(T0 + 2 * S)
    assert switch.arm(T0 + 3 * S, episode=1, nonce=7, observed_flat=False) is Reason.NOT_FLAT
    assert switch.arm(T0 + 3 * S, episode=1, nonce=7, observed_flat=True) is Reason.ARMED
    assert switch.mode is Mode.ARM_PENDING
    assert switch.confirm(T0 + 4 * S, nonce=7, holding=0) is Reason.TOO_EARLY
    assert switch.confirm(T0 + 64 * S, nonce=7, holding=3) is Reason.CHANGED
    assert switch.confirm(T0 + 64 * S, nonce=7, holding=0) is Reason.CONFIRMED
    assert (switch.mode, switch.episode, made.confidence_ms) == (Mode.RUNNING, 1, 0)


def test_the_sizer() -> None:
    size = Sizer(book())
    assert size.l_raw_bp(3, 1, samples=100, samples_min=30) == 15_000
    assert size.l_raw_bp(3, 1, samples=10, samples_min=30) == 0
    assert size.target_lots(1_000_000, 10**10) == 600
    assert size.target_lots(1_000_000, 10**10, l_raw_bp=20_000) == 200
    assert size.target_lots(1_000_000, 0) == 0


@pytest.mark.parametrize("value", [1.0, float("nan"), float("inf"), "1", None, True, False])
def test_what_is_no_integer_is_refused(value: object) -> None:
    made = book()
    before = made.state
    with pytest.raises(TypeError, match="integer"):
        made.equity(T0 + 2 * S, value)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="integer"):
        gate(made, T0 + 2 * S, lots=value)
    with pytest.raises(TypeError, match="integer"):
        Sizer(made).target_lots(value, 10**10)  # type: ignore[arg-type]
    assert made.state == before


@pytest.mark.parametrize("value", [0.5, float("nan"), "1", True])
def test_an_estimate_that_is_no_integer_is_refused(value: object) -> None:
    made = book()
    for ask in (made.allowed_entry_bp, made.allowed_held_bp):
        with pytest.raises(TypeError, match=r"l_raw_bp: .* is no integer"):
            ask(value)  # type: ignore[arg-type]


def test_names_and_sides_are_checked() -> None:
    made = book()
    with pytest.raises(KeyError, match="there are BTC"):
        made.seen("ETH", T0, NEVER)
    with pytest.raises(ValueError, match="side"):
        gate(made, T0 + 2 * S, side=0)
    with pytest.raises(ValueError, match="kappa_bp"):
        Survival(Policy(kappa_bp=-1), start_ns=T0)


def test_a_book_with_a_journal_conforms(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    made = Survival(INTRADAY, start_ns=T0, feeds={"BTC": FeedKind.DATA})
    journal = create_journal(path, made)
    assert isinstance(journal, Journal)
    made.seen("BTC", T0, NEVER)
    made.equity(T0 + S, 1_000_000, flat=True, stood=True)
    gate(made, T0 + 2 * S, lots=1_000)
    head = journal.close(T0 + 3 * S)
    report = dolphin.audit(path, anchor=head.anchor)
    assert report.verdict == "conforms"
    text = path.read_text()
    path.write_text(text.replace('"lots":1000', '"lots":1001'))
    assert dolphin.audit(path).verdict == "violates"
    with pytest.raises(ValueError, match="accepted replay, tlc"):
        dolphin.audit(path, engine="guess")


def test_audit_is_still_the_package() -> None:
    import dolphin.audit.replay as by_name

    assert dolphin.audit.replay is by_name  # type: ignore[attr-defined]


def test_a_policy_file(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text('[policy]\nprofile = "daily"\n')
    assert load_policy(path) == dolphin.DAILY


@pytest.mark.req("DOL-POSTURE-003")
def test_close_then_open_through_the_library_is_one_exit_and_one_entry() -> None:
    made = book()
    made.shock(T0 + 2 * S)
    turn = {"side": -1, "lots": 50, "position_lots": 10, "gross": 100_000}
    assert gate(made, T0 + 3 * S, **turn).lots == 10, "the exit passes, the entry does not"
    assert gate(made, T0 + 3 * S, **turn, leaving_lots=10).lots == 0, "the exit is on its way already"
