"""The page about the world names only existing objects, and the page about experiments lists every level."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

import scenarios
import sim
from scenarios.faults import FORMS
from scenarios.fields.metrics import catalogue
from scenarios.sections.arrivals import FORMS as ARRIVALS
from sim.cli.app import app
from sim.experiments.rare_events.levels import LEVELS
from sim.history import Event
from sim.randomness.branching import Trajectory

SIM = Path(sim.__file__).parent
PAGE = (SIM / "world" / "README.md").read_text(encoding="utf-8")
EXPERIMENTS = (SIM / "experiments" / "README.md").read_text(encoding="utf-8")
OPTIONS = {option for parameter in get_command(app).commands["run"].params for option in parameter.opts}
KEYS = set(scenarios.load("baseline").resolved()) | {
    f"{part}.{key}"
    for part, settings in scenarios.load("baseline").resolved().items()
    if isinstance(settings, dict)
    for key in settings
}
KINDS = {form.kind for form in (*FORMS, *ARRIVALS)}
EVENTS = {event.label for event in Event}
METRICS = {metric.name for metric in catalogue()}


def known(word: str) -> bool:
    if word.endswith(".*"):
        return any(name.startswith(word[:-1]) for name in METRICS)
    return (
        word in OPTIONS | KEYS | KINDS | METRICS | EVENTS | {"queue", "core", "store", "none", *LEVELS}
        or (SIM.parent / word).exists()
    )


@pytest.mark.parametrize("word", sorted(set(re.findall(r"`([^`]+)`", PAGE))))
def test_every_name_on_the_page_exists(word):
    assert known(word)


def test_an_unknown_name_would_be_detected():
    assert not known("queue.ack_timeouts")
    assert not known("agent_sleepy")


def test_every_level_is_listed_with_its_metrics():
    rows = {row.split("|")[1].strip(" `"): row for row in EXPERIMENTS.splitlines() if row.startswith("| `")}
    assert set(rows) == set(LEVELS)
    for level in LEVELS.values():
        _, _, meaning, about, _ = rows[level.name].split("|")
        assert meaning.strip() == level.meaning
        assert {
            text.strip(" `").removesuffix(" otherwise").strip("`").replace("*", "") for text in about.split(",")
        } == set(level.about)


def test_documented_trajectories_can_be_parsed():
    (name,) = re.findall(r"`(\d+/\d+@[\d:@]+)`", EXPERIMENTS)
    assert str(Trajectory.parse(name)) == name
