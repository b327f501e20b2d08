"""The costs of a run at the prices of its scenario."""

import pytest

import scenarios
import sim
from sim.history import Event, History
from sim.measures import measure, measure_one

PRICES = {"agent_second": 0.5, "retry": 2.0, "lost_task": 100.0, "late_task": {"after": 10.0, "cost": 7.0}}
META = {"end": 100.0, "warmup": 20.0, "agents": 3, "cost": PRICES}


def task(number, submitted, ended=None, end=Event.TASK_COMPLETED, retries=0):
    """The events of a task."""
    yield {"time": submitted, "event": Event.TASK_SUBMITTED, "task": number}
    yield {"time": submitted, "event": Event.QUEUE_ENTERED, "task": number}
    for _ in range(retries):
        yield {"time": submitted, "event": Event.RETRY_GRANTED, "task": number, "value": 0.0}
    if ended is not None:
        yield {"time": ended, "event": end, "task": number, "epoch": 1}


def costs(*tasks, **meta):
    events = sorted((event for each in tasks for event in each), key=lambda event: event["time"])
    found = measure(History.of(events, META | meta))
    return {name.removeprefix("cost."): value for name, value in found.items() if name.startswith("cost.")}


def test_agents_cost_for_the_window_whatever_they_do():
    assert costs() == {"agents": 0.5 * 3 * 80, "retries": 0, "lost_tasks": 0, "late_tasks": 0, "total": 120}


def test_a_task_that_takes_exactly_as_long_as_allowed_is_not_late():
    assert costs(task(0, 30.1, 40.1), task(1, 30.0, 40.001))["late_tasks"] == 7


def test_an_unfinished_task_is_late_once_it_is_old_enough():
    assert costs(task(0, 89.9), task(1, 90.0), task(2, 95.0))["late_tasks"] == 7


def test_a_task_that_is_given_up_rejected_or_lost_is_not_late_as_well():
    given_up, rejected = task(0, 30.0, 60.0, Event.TASK_FAILED), task(1, 30.0, 30.0, Event.TASK_REJECTED)
    lost = [event for event in task(2, 30.0) if event["event"] != Event.QUEUE_ENTERED]
    found = costs(given_up, rejected, lost)
    assert (found["lost_tasks"], found["late_tasks"]) == (300, 0)


def test_tasks_of_the_warm_up_cost_nothing():
    before, after = task(0, 10.0, 60.0, retries=3), task(1, 30.0, 60.0, retries=2)
    found = costs(before, after)
    assert (found["retries"], found["late_tasks"], found["total"]) == (4, 7, 131)


def test_without_prices_there_are_no_costs():
    assert set(costs(task(0, 30.0, 60.0), cost=None).values()) == {None}


def test_prices_of_a_scenario_apply_and_can_be_expected():
    priced = (
        scenarios.load("agent-failure")
        .with_values({"cost": {"agent_second": 0.01, "retry": 1, "late_task": {"after": "30s", "cost": 2}}})
        .with_values({"expect": ["cost.total <= 10000", "cost.lost_tasks == 0"]})
    )
    run = sim.run(priced)
    metrics = run.metrics
    assert run.holds
    assert metrics["cost.agents"] == pytest.approx(0.01 * 10 * (priced.duration - priced.warmup))
    assert metrics["cost.retries"] == metrics["retries.count"]
    late = metrics["tasks.submitted"] * (1 - metrics["tasks.within(30s)"])
    assert metrics["cost.late_tasks"] == pytest.approx(2 * late, abs=4)
    assert metrics["cost.total"] == measure_one(run.record, "cost.total") > metrics["cost.agents"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cost": {"retry": -1}}, "cost.retry: -1.0 is not a price; valid: a number from 0 to 1e"),
        ({"cost": {"retries": 1}}, "cost.retries: unknown key; known: agent_second, retry, lost_task, late_task"),
        ({"cost": {"late_task": {"after": "0s", "cost": 1}}}, "cost.late_task.after"),
        ({"expect": ["cost.total <= 5"]}, "cost.total is never observed here; valid: with the prices of `cost`"),
    ],
)
def test_invalid_prices_are_refused(values, message):
    with pytest.raises(scenarios.ScenarioError, match=message):
        scenarios.load("agent-failure").with_values(values)
