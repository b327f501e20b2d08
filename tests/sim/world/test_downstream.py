"""Calls of attempts to downstream dependencies: latency, capacity, rate limit, Retry-After."""

from __future__ import annotations

import pytest

import scenarios
import sim
from sim.simulation import Run
from tests.scenarios.refusals import message

STORY = """\
name: calls
duration: 1m
tasks: {{arrivals: {{burst: {{size: 3}}}}, work: 1s, calls: [llm]{tasks}}}
downstream: {{llm: {llm}}}
agents: {{count: 3}}
"""


def story(llm: str, tasks: str = "", more: str = "") -> Run:
    """Three tasks at once, each of which calls llm and then works for 1 s."""
    return sim.run(scenarios.loads(STORY.format(llm=llm, tasks=tasks) + more))


def times(run: Run, event: str) -> list[tuple[float, int, str]]:
    """Time, task and detail of these events."""
    rows = run.history[run.history["event"] == event]
    return [(round(float(t), 9), int(n), d) for t, n, d in zip(rows["time"], rows["task"], rows["detail"], strict=True)]


def test_a_call_takes_its_latency_before_the_work() -> None:
    """All are served at once."""
    run = story("{latency: 2s}")
    assert [time for time, *_ in times(run, "task.completed")] == [3.0, 3.0, 3.0]
    assert run.metrics["downstream.llm.response.mean"] == 2
    assert run.holds


def test_calls_beyond_the_capacity_wait_in_order() -> None:
    """One at a time: served at 0, 2 and 4 s."""
    run = story("{latency: 2s, capacity: 1}")
    assert [(time, task) for time, task, _ in times(run, "task.completed")] == [(3.0, 0), (5.0, 1), (7.0, 2)]
    assert [run.metrics[f"downstream.llm.{name}"] for name in ("wait.mean", "wait.max", "waiting.mean")] == [2, 4, 0.1]


def test_calls_that_may_not_wait_are_rejected() -> None:
    """One is served, one waits, the third attempt fails with the error code."""
    run = story("{latency: 2s, capacity: 1, waiting: 1}")
    assert times(run, "attempt.failed")[0] == (0.0, 2, "overloaded")
    assert run.metrics["downstream.llm.overloaded"] == 1


HONORED = "recovery: {conditions: {task_failure: {max_retries: 5, retry_delay: 0.4s, honor_retry_after: true}}}\n"
IGNORED = HONORED.replace("true", "false")


def test_a_retry_waits_at_least_for_retry_after() -> None:
    """A token a second: both are told to wait for 1 s, and the second one again."""
    run = story("{rate_limit: 1/s}", more=HONORED)
    assert [time for time, *_ in times(run, "call.rejected")] == [0.0, 0.0, 1.0]
    assert [time for time, *_ in times(run, "task.completed")] == [1.0, 2.0, 3.0]
    assert run.metrics["retries.delay.mean"] == 1


@pytest.mark.parametrize("llm", ["{rate_limit: 1/s}", "{rate_limit: {rate: 1/s, retry_after: false}}"])
def test_without_it_the_delay_is_that_of_the_policy(llm: str) -> None:
    """Retries every 0.4 s: one is served after 1.2 s, and the other one has none left after 2 s."""
    run = story(llm, more=IGNORED if "false" not in llm else HONORED)
    assert run.metrics["retries.delay.max"] == 0.4
    assert run.metrics["downstream.llm.rate_limited"] == 9


def test_a_burst_is_admitted_at_once() -> None:
    """Two tokens, and the third after a second."""
    run = story("{rate_limit: {rate: 1/s, burst: 2}}", more=HONORED)
    assert [time for time, *_ in times(run, "task.completed")] == [1.0, 1.0, 2.0]


def test_a_timeout_ends_a_call_that_waits() -> None:
    """The third gives up after 3 s, and waits no longer; the others hold the capacity."""
    waits = story("{latency: 9s, capacity: 2}", tasks=", timeout: 3s")
    assert [(time, task) for time, task, _ in times(waits, "call.dropped")][:1] == [(3.0, 2)]


def test_an_agent_that_hangs_sees_the_answer_when_it_wakes_up() -> None:
    """The answer comes at 2 s, all agents hang from 1 s to 5 s."""
    run = story("{latency: 2s}", more="faults: [{agent_hang: {targets: all, at: 1s, for: 4s}}]\n")
    assert [time for time, *_ in times(run, "task.completed")] == [6.0, 6.0, 6.0]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("calls: [llm]", "calls: [lm]", "3: tasks.calls[0]: unknown dependency 'lm'; valid: llm (nearest: 'llm')"),
        (
            "{capacity: 1}",
            "{capacity: 0}",
            "4: downstream.llm.capacity: 0 is not valid; valid: a whole number, 1 or more",
        ),
        (
            "{capacity: 1}",
            "{rate_limit: 0/s}",
            "4: downstream.llm.rate_limit.rate: 0/s is not valid; valid: more than 0",
        ),
        ("calls: [llm]", "calls: []", "4: downstream.llm: no task calls it; valid: as one of the calls of tasks"),
    ],
)
def test_an_invalid_dependency_is_rejected(before: str, after: str, said: str) -> None:
    """With the line and the key."""
    text = STORY.format(llm="{capacity: 1}", tasks="")
    assert before in text
    assert message(text.replace(before, after)) == f"story.yaml:{said}"


def test_calls_fail_while_the_dependency_is_down() -> None:
    """Two are served and one waits when it goes down at 1 s; the retries after it are served."""
    more = "faults: [{dependency_down: {dependency: llm, at: 1s, for: 4s}}]\n"
    run = story("{latency: 2s, capacity: 2}", more=more + HONORED.replace("0.4s", "5s"))
    assert times(run, "attempt.failed") == [(1.0, task, "dependency_down") for task in (0, 1, 2)]
    assert [time for time, *_ in times(run, "task.completed")] == [9.0, 9.0, 11.0]
    assert run.metrics["downstream.llm.failed"] == 3
    assert run.metrics["downstream.llm.in_service.mean"] == pytest.approx((2 + 3 * 2) / 60)
    assert run.holds


def test_a_slow_dependency_stretches_what_is_left() -> None:
    """Half of 2 s is left at 1 s, and takes 3 s; from 3 s on, the last third takes 1/3 s."""
    run = story("{latency: 2s}", more="faults: [{dependency_slow: {dependency: llm, factor: 3, at: 1s, for: 2s}}]\n")
    assert run.metrics["downstream.llm.response.mean"] == pytest.approx(3 + 1 / 3)
