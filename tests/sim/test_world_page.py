"""The page about the world names only what there is."""

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

PAGE = (Path(sim.__file__).parent / "README.md").read_text(encoding="utf-8")
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
        or ("@" in word and str(Trajectory.parse(word)) == word)
        or (Path(sim.__file__).parents[1] / word).exists()
    )


@pytest.mark.parametrize("word", sorted(set(re.findall(r"`([^`]+)`", PAGE))))
def test_what_is_named_is_there(word):
    assert known(word)


def test_a_word_that_is_not_there_would_be_noticed():
    assert not known("queue.ack_timeouts")
    assert not known("agent_sleepy")


def test_its_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert (Path(sim.__file__).parent / link).exists()


def test_the_page_has_every_level_with_the_metrics_that_it_leads_to_by_itself():
    rows = {row.split("|")[1].strip(" `"): row for row in PAGE.splitlines() if row.startswith("| `")}
    for level in LEVELS.values():
        _, _, meaning, about, _ = rows[level.name].split("|")
        assert meaning.strip() == level.meaning
        assert {
            text.strip(" `").removesuffix(" otherwise").strip("`").replace("*", "") for text in about.split(",")
        } == set(level.about)
