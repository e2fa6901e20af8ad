"""Policy and run files: what is right becomes a policy, what is wrong is named by file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from dolphin.app.config import POLICY_KEYS, ConfigErrors, load_policy, load_run
from dolphin.app.errors import UserError
from dolphin.kernel.policy import DAILY, DAY_NS, INTRADAY, Hibernate, Policy, Profile


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    return path


def test_every_field_of_the_policy_has_a_key() -> None:
    assert tuple(key.name for key in POLICY_KEYS) == Policy._fields


def test_a_profile_alone_is_that_profile(tmp_path: Path) -> None:
    assert load_policy(write(tmp_path, '[policy]\nprofile = "daily"\n')) == DAILY
    assert load_policy(write(tmp_path, '[policy]\nprofile = "intraday"\n')) == INTRADAY


def test_human_units_become_integers(tmp_path: Path) -> None:
    policy = load_policy(
        write(
            tmp_path,
            '[policy]\nprofile = "daily"\nhibernate = "glide"\ntrim = "off"\napex_entry_bp = "4.5x"\n'
            'trim_band_bp = "12.5 %"\nrebase_gap_ns = "730 d"\nstalker_entry_bp = 15_000\n',
        )
    )
    assert policy == DAILY._replace(
        hibernate=Hibernate.GLIDE, trim=0, apex_entry_bp=45_000, trim_band_bp=1_250, rebase_gap_ns=730 * DAY_NS,
        stalker_entry_bp=15_000,
    )  # fmt: skip
    assert policy.profile is Profile.DAILY


@pytest.mark.parametrize(
    ("body", "line", "said"),
    [
        ("[policy]\ntrims = 1\n", 2, "unknown key; did you mean 'trim'? accepted keys of [policy]: profile, trim"),
        ("[policy]\n\nprofile = 3\n", 3, 'expected "intraday" or "daily", found 3'),
        ('[policy]\nprofile = "hourly"\n', 2, 'expected "intraday" or "daily"'),
        ("[policy]\ntrim = 1\n", 2, '"on" or "off"'),
        ("[policy]\napex_entry_bp = 6.0\n", 2, "basis points"),
        ("[policy]\napex_entry_bp = true\n", 2, "basis points"),
        ('[policy]\napex_entry_bp = "6.00001x"\n', 2, "whole basis points"),
        ('[policy]\napex_entry_bp = "NaN x"\n', 2, "basis points"),
        ('[policy]\nrebase_gap_ns = "a year"\n', 2, "duration"),
        ("[policy]\nkappa_bp = -1\n", 2, "negative"),
        ("[policy]\nkappa_bp = 20000\n", 2, "more than full Kelly"),
        ('[policy]\nprofile = "daily"\napex_entry_bp = 70000\n', 3, "above the ceiling"),
        ("[policy]\nstalker_entry_bp = 60000\n", 2, "above stalker_held_bp"),
        ("[policy]\nstalker_held_bp = 10000\n", 2, "above stalker_held_bp"),
        ("[policie]\n", 1, "unknown table 'policie'"),
        ("profile = 'daily'\n", 1, "unknown key at the top"),
        ("policy = 3\n", 1, "is no table"),
        ("[policy\n", 1, "no TOML"),
        ("", None, "no table [policy]"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, body: str, line: int | None, said: str) -> None:
    path = write(tmp_path, body)
    with pytest.raises(UserError) as caught:
        load_policy(path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{path}:" + (f"{line}:" if line else ""))


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, "[policy]\ntrims = 1\nkappa_bp = 20000\nstalker_held_bp = 10000\n")
    with pytest.raises(ConfigErrors) as caught:
        load_policy(path)
    lines = str(caught.value).splitlines()
    assert [f":{n}:" in line for n, line in zip((2, 3), lines, strict=False)] == [True, True]
    assert "stalker_entry_bp: above stalker_held_bp" in str(caught.value)
    assert "turtle_held_bp: above stalker_held_bp" in str(caught.value)


@pytest.mark.parametrize("what", ["missing", "folder", "binary"])
def test_what_is_no_readable_file_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "x.toml"
    if what == "folder":
        path.mkdir()
    if what == "binary":
        path.write_bytes(b"PAR1\xff\xfe\x00")
    with pytest.raises(UserError) as caught:
        load_policy(path)
    assert str(path) in str(caught.value)


def test_a_run_file_gives_run_policy_and_strategy(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[run]\nbars = "data/x.csv"\nmode = "report"\n[policy]\nprofile = "daily"\n[strategy]\nfast = 10\n',
    )
    found = load_run(path)
    assert found.policy == DAILY
    assert found.near("bars") == tmp_path / "data/x.csv"
    assert found.near("catalog") is None
    assert found.strategy == {"fast": 10}
    assert found.run["mode"] == "report"


@pytest.mark.parametrize(
    ("body", "line", "said"),
    [
        ("[run]\ncurency = 'EUR'\n", 2, "unknown key; did you mean 'currency'? accepted keys of [run]: strategy, bars"),
        ("[run]\ncurrency = 7\n", 2, "currency: wrong value: expected a string in quotes, found 7"),
        (
            "[sensors]\nshocks = 'none'\nmax_silence = 3\n",
            3,
            "unknown key; did you mean 'max_silence_s'? accepted keys of [sensors]: sessions, weekly, late_s",
        ),
        ("[sensors]\nmax_silence_s = -1\n", 2, "sensors.max_silence_s: found -1; accepted: a whole number, not neg"),
        ("[sensors]\nmax_silence_s = nan\n", 2, "sensors.max_silence_s: found nan; accepted: a whole number"),
        ("[sensors]\nsessions = 'moon'\n", 2, "accepted: 24/7, fx, or a calendar of exchange_calendars"),
        ("[sensors]\n[sensors.vix]\nbar = 'x'\n", 2, "sensors.vix.bar: found 'bar'; accepted: bar_type, sessions"),
        ("[sensors]\nweekly = 3\n", None, "sensors: a value of another form than its key has"),
        ("[sensor]\n", 1, "accepted tables: [run], [policy], [strategy], [sensors]; did you mean 'sensors'?"),
    ],
)
def test_a_mistake_in_a_run_file_is_named_with_its_line(tmp_path: Path, body: str, line: int | None, said: str) -> None:
    path = write(tmp_path, body)
    with pytest.raises(UserError) as caught:
        load_run(path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{path}:" + (f"{line}:" if line else ""))


def test_sensors_of_a_run_file(tmp_path: Path) -> None:
    path = write(tmp_path, "[sensors]\nmax_silence_s = 30\n[sensors.sessions]\ndefault = '24/7'\n")
    assert load_run(path).sensors == {"max_silence_s": 30, "sessions": {"default": "24/7"}}


def test_two_sources_of_data_contradict(tmp_path: Path) -> None:
    path = write(tmp_path, '[run]\nbars = "a.csv"\ncatalog = "b"\n')
    with pytest.raises(UserError, match=r"policy\.toml:3: catalog: contradicts bars"):
        load_run(path)
