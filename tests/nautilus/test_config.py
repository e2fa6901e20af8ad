"""Configuration: every mistake is named before anything trades."""

import json

import msgspec
import pytest

from dolphin.app.actor import DolphinGuardConfig
from dolphin.kernel.policy import Hibernate, Profile
from dolphin.nautilus.config import ConfigError
from tests.nautilus.rig import Rig


def test_defaults():
    policy = DolphinGuardConfig(state_dir="s").made_policy()
    assert policy.profile == Profile.INTRADAY
    assert DolphinGuardConfig(state_dir="s", profile="daily").made_policy().profile == Profile.DAILY


def test_overrides():
    config = DolphinGuardConfig(state_dir="s", policy={"apex_entry_bp": "30000", "hibernate": "glide", "trim": False})
    policy = config.made_policy()
    assert (policy.apex_entry_bp, policy.hibernate, policy.trim) == (30_000, Hibernate.GLIDE, 0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"profile": "weekly"}, "profile: found 'weekly'; accepted: intraday, daily"),
        ({"mode": "off"}, "mode: found 'off'; accepted: guard, report"),
        ({"durability": "x"}, "durability"),
        ({"resume": "x"}, "resume"),
        ({"state_dir": ""}, "state_dir: empty"),
        ({"run_id": "a b"}, "run_id"),
        ({"run_id": ""}, "run_id"),
        ({"run_id": "x" * 33}, "run_id"),
        ({"policy": {"apex": 1}}, "policy.apex: unknown; accepted: trim"),
        ({"policy": {"profile": 1}}, "policy.profile: unknown"),
        ({"policy": {"apex_entry_bp": 1.5}}, "policy.apex_entry_bp: found 1.5"),
        ({"policy": {"apex_entry_bp": 70_000}}, "above the ceiling"),
        ({"policy": {"stalker_entry_bp": 60_000}}, "would be trimmed at once"),
        ({"policy": {"hibernate": "sleep"}}, "policy.hibernate: found 'sleep'; accepted: flatten, glide, hold"),
    ],
)
def test_mistakes_are_named(settings, said):
    with pytest.raises(ConfigError, match=said.split(";", maxsplit=1)[0].replace(".", r"\.")) as caught:
        DolphinGuardConfig(**{"state_dir": "s", **settings})
    assert said in str(caught.value)


def test_an_unknown_key_names_the_accepted_ones():
    raw = json.dumps({"state_dir": "s", "modus": "guard"})
    with pytest.raises(ConfigError, match=r"unknown key 'modus'; accepted: .*state_dir.*sensors"):
        DolphinGuardConfig.parse(raw)
    assert DolphinGuardConfig.parse(json.dumps({"state_dir": "s"})).mode == "guard"


def test_it_survives_a_configuration_file():
    config = DolphinGuardConfig(state_dir="s", policy={"trim": 0}, sensors={"sessions": "fx"})
    assert DolphinGuardConfig.parse(config.json()) == config
    assert msgspec.json.decode(config.json())["sensors"] == {"sessions": "fx"}


def test_sensors_are_checked_before_anything_runs():
    with pytest.raises(ConfigError, match=r"sensors: .*foo"):
        DolphinGuardConfig(state_dir="s", sensors={"foo": 1})


@pytest.mark.parametrize("where", ["/proc/x", "file/x"])
def test_a_state_dir_that_cannot_be_written_is_refused_when_the_engine_takes_the_guard(tmp_path, where):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"state_dir: .*cannot be made or written"):
        Rig(tmp_path / where)
