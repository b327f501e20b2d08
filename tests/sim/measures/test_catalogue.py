"""Every metric of the catalogue is measured from any history."""

from __future__ import annotations

from math import isnan

from scenarios.fields.metric_rows import INVARIANTS
from scenarios.fields.metrics import catalogue
from sim.history import Event, History
from sim.invariants import CHECKERS, Violation, check_all
from sim.measures import measure


def test_measured_metrics_are_exactly_those_of_the_catalogue() -> None:
    """No metric under another name, none left out, pools included."""
    measured = measure(History.of([], {"resources": {"gpu": 4, "cpu": 2}}))
    assert set(measured) == {metric.name for metric in catalogue(["gpu", "cpu"])}
    assert list(CHECKERS) == list(INVARIANTS)


def test_an_empty_history_has_only_counts() -> None:
    """Counts are 0, averages and fractions without observations are None."""
    measured = measure(History.of([]))
    units = {metric.name: metric.unit for metric in catalogue()}
    assert {measured[name] for name in ("tasks.submitted", "recovery.count", "run.events")} == {0}
    averages = [name for name, unit in units.items() if unit in {"s", "1/s", "fraction", "ratio", "agent-s"}]
    assert {measured[name] for name in averages if name in measured and name != "run.virtual_seconds"} == {None}


def test_metrics_are_json_numbers() -> None:
    """Floats that JSON can write, and no NaN, from a history that has hardly any values."""
    measured = measure(
        History.of(
            [
                {"time": 0.0, "event": Event.TASK_SUBMITTED, "task": 0},
                {"time": 1.0, "event": Event.ATTEMPT_STARTED, "task": 0, "epoch": 1},
                {"time": 2.0, "event": Event.RETRY_GRANTED, "task": 0},
                {"time": 3.0, "event": Event.TASK_COMPLETED, "task": 0, "epoch": 1},
            ],
            {"end": 4.0},
        )
    )
    assert {type(value) for value in measured.values()} == {float, type(None)}
    assert not any(isnan(value) for value in measured.values() if value is not None)
    assert measured["retries.delay.mean"] is None
    assert measured["run.events"] == 4
    assert measured["run.virtual_seconds"] == 4.0


def test_consistency_counts_the_given_violations() -> None:
    """The given violations; without a check there is no observation."""
    history = History.of([{"time": 0.0, "event": Event.TASK_COMPLETED, "task": 0, "epoch": 1}], {"end": 1.0})
    found = measure(history, check_all(history))
    assert found["consistency.legal_transitions"] == found["consistency.violations"] == 1
    assert {measure(history)[name] for name in found if name.startswith("consistency.")} == {None}
    handed_over = measure(history, {"fencing": [Violation("fencing", 0.0, "task.0", "", 0)] * 2, "retry_bound": []})
    assert handed_over["consistency.violations"] == handed_over["consistency.fencing"] == 2


def test_a_longer_history_is_measured_again() -> None:
    """Values computed for a shorter history are not reused."""
    history = History.of([{"time": 0.0, "event": Event.TASK_SUBMITTED, "task": 0}], {"end": 1.0})
    assert measure(history)["tasks.submitted"] == 1
    history.record(Event.TASK_SUBMITTED, 1)
    assert measure(history)["tasks.submitted"] == 2
    history.meta["warmup"] = 0.5
    assert measure(history)["tasks.submitted"] == 0
