"""Levels of rare events match the history."""

import pytest

import scenarios
from sim.experiments.rare_events.levels import LEVELS, Climber, natural_level
from sim.simulation import simulate

SCENARIO = scenarios.loads("""
name: busy
duration: 300s
tasks: {arrivals: {poisson: {rate: 2/s}}, work: {exponential: {mean: 2s}}, failure_probability: 0.1}
agents: {count: 5, mtbf: 100s, restart_time: {exponential: {mean: 10s}}}
queue: {capacity: 30}
""")
COMES = {
    "queue.depth": ["queue.entered"],
    "tasks.in_system": ["task.submitted"],
    "agents.down": ["agent.crashed"],
    "recovery.open": ["recovery.opened"],
}
GOES = {
    "queue.depth": ["queue.delivered", "queue.withdrawn"],
    "tasks.in_system": ["task.completed", "task.failed", "task.rejected"],
    "agents.down": ["agent.restarted"],
    "recovery.open": ["recovery.verified", "recovery.escalated", "recovery.dismissed"],
}
AGES = {
    "tasks.age": ("task", "task.submitted", GOES["tasks.in_system"]),
    "recovery.age": ("incident", "recovery.opened", GOES["recovery.open"]),
}


def climbed(level):
    climbers = []
    history = simulate(SCENARIO, "7/0", follow=lambda seen, env: climbers.append(Climber(LEVELS[level], seen, env)))
    return climbers[0].climb, history.frame()


@pytest.mark.parametrize("level", COMES)
def test_a_count_level_is_arrivals_minus_departures(level):
    climb, history = climbed(level)
    steps = history["event"].isin(COMES[level]).astype(int) - history["event"].isin(GOES[level]).astype(int)
    number = steps.cumsum()
    if level in ("tasks.in_system", "recovery.open"):  # an ending item still counts when its end is recorded
        number = number.where(steps >= 0, number + 1)
    assert climb[-1][0] == number.max() > 1
    for height, events in climb:
        assert number.iloc[events - 1] == height
        assert max(number.iloc[: events - 1], default=0) < height


@pytest.mark.parametrize("level", AGES)
def test_an_age_level_is_that_of_the_oldest(level):
    climb, history = climbed(level)
    column, begins, ends = AGES[level]
    began, oldest = {}, 0.0
    for time, event, who in zip(history["time"], history["event"], history[column], strict=True):
        if event == begins:
            began[who] = time
        oldest = max(oldest, time - min(began.values(), default=time))
        if event in ends:
            began.pop(who, None)
    assert climb[-1][0] == pytest.approx(oldest, abs=1e-5)
    assert climb[-1][0] > 10


def test_an_attempts_level_is_the_maximum_over_tasks():
    climb, history = climbed("tasks.attempts")
    most = history[history["event"] == "attempt.started"]["task"].value_counts().max()
    assert climb[-1][0] == most >= 3


@pytest.mark.parametrize("level", LEVELS)
def test_maximum_levels_never_decrease(level):
    climb, _ = climbed(level)
    assert list(climb) == sorted(climb)
    assert len({height for height, _ in climb}) == len(climb)


@pytest.mark.parametrize(
    ("metric", "level"),
    [
        ("recovery.time.max", "recovery.age"),
        ("recovery.escalated", "recovery.open"),
        ("queue.depth.max", "queue.depth"),
        ("tasks.sojourn.p99", "tasks.age"),
        ("agents.availability", "agents.down"),
        ("tasks.failed", "tasks.attempts"),
        ("work.wasted", None),
    ],
)
def test_a_metric_may_have_its_own_level(metric, level):
    found = natural_level(metric)
    assert (None if found is None else found.name) == level
