"""The offered load of a scenario against closed forms."""

from math import exp, expm1, inf

import pytest

import scenarios
from scenarios.offered_load import offered_load

QUEUE = """\
name: queue
duration: 10m
tasks: {arrivals: {poisson: {rate: 4/s}}, work: {exponential: {mean: 1s}}}
agents: {count: 2}
recovery: {detection: {detector: perfect}, conditions: {task_failure: {max_retries: 3, retry_delay: 10s}}}
"""
CRASHES = {"agents.mtbf": "20s", "agents.restart_time": "5s"}
FAILURES = {"tasks.failure_probability": 0.5}
ATTEMPTS = 1 + 0.5 + 0.25 + 0.125
GPU = {"gpu": {"units": 2}}
WRITES = {"every": "1s", "cost": "200ms", "restore": "50ms"}


def load_of(values):
    return offered_load(scenarios.loads(QUEUE).with_values(values))


@pytest.mark.parametrize(
    ("values", "load"),
    [
        ({}, 4 * 1 / 2),
        ({"agents.count": 4, "agents.slots": 2}, 4 / 8),
        ({"tasks.arrivals": {"interval": {"every": "1s"}}}, 1 / 2),
        ({"tasks.arrivals": {"diurnal": {"rate": "1/s", "period": "1m"}}}, 1 / 2),
        (FAILURES, 2 * ATTEMPTS),
        ({**FAILURES, "tasks.failure_at": "uniform"}, 2 * ATTEMPTS * (0.5 + 0.5 / 2)),
        ({**FAILURES, "recovery.conditions.task_failure.max_retries": "null"}, 2 * 2),
        ({**FAILURES, "recovery.conditions.task_failure": "null"}, 2 * 2),
        ({**FAILURES, "recovery.conditions.task_failure.by_error": {"execution_error": {"max_retries": 0}}}, 2),
        ({**FAILURES, "recovery.conditions.task_failure.deadline": "1m"}, 2),
        ({**FAILURES, "tasks.retry_holds_agent": True}, 2 * (ATTEMPTS + 10 * (ATTEMPTS - 1))),
        (
            {**FAILURES, "tasks.retry_holds_resources": True, "tasks.needs": {"gpu": 1}, "resources": GPU},
            4 * (ATTEMPTS + 10 * (ATTEMPTS - 1)) / 2,
        ),
        ({"tasks.failure_probability": 1, "recovery.conditions.task_failure.max_retries": "null"}, inf),
        (
            {**FAILURES, "tasks.client": {"max_retries": 1}, "recovery.conditions.task_failure.max_retries": 0},
            2 * 1.5,
        ),
        ({"tasks.work": "3s", "tasks.checkpoint": WRITES}, 2 * (3 + 2 * 0.2)),
        ({"tasks.work": "3s", "tasks.checkpoint": {**WRITES, "final": True}}, 2 * (3 + 3 * 0.2)),
        (
            {"tasks.work": "3s", "tasks.checkpoint": WRITES, **FAILURES},
            2 * (3 + 2 * 0.2 + (ATTEMPTS - 1) * (1 + 0.05)),
        ),
        (CRASHES, 2 / 0.8 / (1 - 1 / 20)),
        ({**CRASHES, "tasks.work": "4s"}, 2 / 0.8 * expm1(4 / 20) * 20),
        ({**CRASHES, "tasks.work": "4s", "tasks.interrupted": "resume"}, 2 / 0.8 * 4),
        ({**CRASHES, "tasks.interrupted": "redraw"}, 2 / 0.8),
        ({**CRASHES, "tasks.work": {"exponential": {"mean": "20s"}}}, inf),
        ({**CRASHES, "recovery.detection": {"detector": "heartbeat"}}, 2 * (20 + 12.5 + 5) / 20 / (1 - 1 / 20)),
        ({"queue.latency": "500ms", "network.latency": "250ms"}, 2 * 1.75),
        ({"tasks.needs": {"gpu": 2}, "resources": {"gpu": {"units": 3}}}, 4),
        ({"tasks.needs": {"gpu": 1}, "resources": {"gpu": {"units": 3}}}, 2),
    ],
)
def test_the_load_matches_its_closed_form(values, load):
    assert load_of(values).load == pytest.approx(load)


def test_a_time_limit_cuts_work_off():
    """Work above 1 s, a share 1/e, fails in four attempts of 1 s; E[W; W <= 1] = 1 - 2/e."""
    assert load_of({"tasks.timeout": "1s"}).load == pytest.approx(2 * (1 - 2 * exp(-1) + 4 * exp(-1)), rel=0.02)
    endless = {"tasks.timeout": "1s", "recovery.conditions.task_failure.max_retries": "null"}
    assert load_of(endless).load == inf
    redrawn = load_of({**endless, "tasks.retried": "redraw"})
    assert redrawn.attempts == pytest.approx(1 / (1 - exp(-1)), rel=0.02)
    assert redrawn.load == pytest.approx(2 * (1 - exp(-1)) / (1 - exp(-1)), rel=0.02)


def test_redrawn_work_has_a_mean_of_completion_by_its_transform():
    """Work 0 or 8 s: (1 / E[exp(-W / 20)] - 1) * 20."""
    uniform = {"uniform": {"low": "0s", "high": "8s"}}
    transform = -expm1(-0.4) / 0.4
    found = load_of({**CRASHES, "tasks.work": uniform, "tasks.interrupted": "redraw"})
    assert found.load == pytest.approx(2 / 0.8 * (1 / transform - 1) * 20, rel=0.01)


@pytest.mark.parametrize("arrivals", [{"burst": {"size": 3}}, {"closed": {"clients": 3}}])
def test_arrivals_without_a_rate_have_no_load(arrivals):
    assert load_of({"tasks.arrivals": arrivals}) is None


@pytest.mark.parametrize(
    ("values", "limits"),
    [
        ({}, ()),
        ({"queue.capacity": 5}, ("queue.capacity",)),
        ({"tasks.count": 5}, ("tasks.count",)),
        ({"tasks.client": {"timeout": "1s", "cancel": True}}, ("tasks.client.cancel",)),
        ({"tasks.client": {"timeout": "1s"}}, ()),
    ],
)
def test_limits_of_the_queue_are_named(values, limits):
    found = load_of(values)
    assert found.limits == limits
    assert found.is_overloaded
    assert found.grows is not bool(limits)


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ({}, "agents.count=5"),
        ({"agents.slots": 3}, "agents.count=2"),
        ({"tasks.needs": {"gpu": 2}, "resources": {"gpu": {"units": 3}}, "agents.count": 9}, "resources.gpu.units=10"),
        ({**CRASHES, "tasks.work": {"exponential": {"mean": "20s"}}}, None),
    ],
)
def test_the_remedy_is_the_smallest_bottleneck_that_keeps_up(values, remedy):
    found = load_of(values)
    assert found.remedy == remedy
    if remedy is not None:
        path, size = remedy.split("=")
        assert load_of({**values, path: size}).load < 1
        smaller = int(size) - found.bottleneck.step
        assert load_of({**values, path: smaller}).load >= 1


def test_the_calculation_in_words():
    assert load_of(FAILURES).in_words() == (
        "4 tasks/s × 1.88 s (1.88 attempts per task) on 2 slots of agents: a load of 375 %"
    )
    assert load_of(CRASHES).in_words() == (
        "4 tasks/s × 1.05 s on 2 slots of agents, up 80 % of the time: a load of 263.2 %"
    )
    assert load_of({"tasks.needs": {"gpu": 1}, "resources": {"gpu": {"units": 1}}}).in_words() == (
        "4 tasks/s × 1 s on resources.gpu, which serves 1 task at once: a load of 400 %"
    )
