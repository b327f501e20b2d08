"""In Python, runs that could never end are refused before they start, unless they are forced."""

import json

import pytest

import scenarios
import sim
from scenarios import expected_events
from scenarios.expected_events import TooManyEvents
from sim.stats.precision import Asked

HUGE = {"agents.count": 10**20}
IN_A_RUN = r"agents\.count: about .* events are expected in a run; valid: up to 1e\+09, or force=True"
METRIC = "tasks.sojourn.mean"
PAIR = [{"agents.count": 5}, {"agents.count": 6}]
TINY = {
    "name": "tiny",
    "duration": "10s",
    "tasks": {"arrivals": {"interval": {"every": "1s"}}, "work": {"exponential": {"mean": "1s"}}},
    "agents": {"count": 5},
}


@pytest.fixture(scope="module")
def tiny():
    return scenarios.loads(json.dumps(TINY))


def several(argument):
    return rf"tiny: {argument}: about .* events are expected in \S+ runs; valid: up to 1e\+09, or force=True"


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (lambda tiny: sim.run(tiny.with_values(HUGE)), IN_A_RUN),
        (lambda tiny: sim.replicate(tiny.with_values(HUGE)), IN_A_RUN),
        (lambda tiny: sim.replicate(tiny.with_values(HUGE), precision=0.05), IN_A_RUN),
        (lambda tiny: sim.replicate(tiny, replications=10**20), several("replications")),
        (lambda tiny: sim.compare(tiny, {}, HUGE), IN_A_RUN),
        (lambda tiny: sim.compare(tiny, {}, {"agents.count": 6}, replications=10**20), several("replications")),
        (lambda tiny: sim.sweep(tiny, {"agents.count": [5, 10**20]}), IN_A_RUN),
        (lambda tiny: sim.sweep(tiny, {"agents.count": [5]}, replications=10**20), several("replications")),
        (lambda tiny: sim.select(tiny, [{"agents.count": 5}, HUGE], METRIC, "1s"), IN_A_RUN),
        (lambda tiny: sim.select(tiny, PAIR, METRIC, 1, first=10**20, most=10**21), several("first")),
        (lambda tiny: sim.select(tiny, PAIR, METRIC, 1, judged=10**20), several("judged")),
        (lambda tiny: sim.rare(tiny, "recovery.time > 600", particles=10**20), several("particles")),
        (lambda tiny: sim.rare(tiny, "recovery.time > 600", replications=10**20), several("replications")),
        (lambda tiny: sim.rare(tiny, "tasks.lost > 0", level=None, replications=10**20), several("replications")),
        (
            lambda tiny: sim.find_warmup(tiny, replications=10**20),
            several("replications"),
        ),
    ],
)
def test_what_cannot_end_is_refused(tiny, refused, message):
    with pytest.raises(TooManyEvents, match=message):
        refused(tiny)


def test_what_is_forced_is_run(tiny, monkeypatch):
    monkeypatch.setattr(expected_events, "MOST_EVENTS", 10.0)
    for run in (sim.run, sim.replicate):
        with pytest.raises(TooManyEvents):
            run(tiny)
    assert sim.run(tiny, force=True).metrics["tasks.submitted"] == 9
    assert len(sim.replicate(tiny, replications=2, force=True).runs) == 2
    assert sim.compare(tiny, *PAIR, replications=2, force=True).replications == 2
    assert sim.sweep(tiny, {"agents.count": [5]}, force=True).replications == 1
    assert len(sim.select(tiny, PAIR, METRIC, "100s", judged=2, force=True).ranked) == 2
    assert sim.rare(tiny, "tasks.lost > 0", replications=1, level=None, force=True).runs == 1


def test_a_precision_takes_as_many_replications_as_their_events_allow(tiny, monkeypatch):
    in_a_run = expected_events.expected_events(tiny).events
    monkeypatch.setattr(expected_events, "MOST_EVENTS", 12.5 * in_a_run)
    found = sim.replicate(tiny, precision=Asked(1e-6, (METRIC,), 20))
    assert (len(found.runs), found.asked.most) == (12, 12)
    assert len(sim.replicate(tiny, precision=Asked(1e-6, (METRIC,), 13), force=True).runs) == 13


def test_a_selection_takes_as_many_replications_as_their_events_allow(tiny, monkeypatch):
    in_a_run = expected_events.expected_events(tiny).events
    monkeypatch.setattr(expected_events, "MOST_EVENTS", 2 * 30.5 * in_a_run)
    assert sim.select(tiny, PAIR, METRIC, 1e-9, most=1000, judged=2).most in range(20, 31)
