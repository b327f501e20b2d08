"""Priorities, several queues, and pools of agents that take some kinds of tasks."""

from __future__ import annotations

import pytest

import scenarios
import sim
from sim.simulation import Run
from tests.sim.world.stories import recorded

STORY = """\
name: fleet
duration: 1m
tasks:
- {{name: slow, arrivals: {{burst: {{size: 2, at: 1s}}}}, work: 3s{slow}}}
- {{name: fast, arrivals: {{burst: {{size: 2, at: 2s}}}}, work: 3s{fast}}}
agents: {agents}
"""


def story(slow: str = "", fast: str = "", agents: str = "{count: 1}", more: str = "") -> Run:
    """Tasks 0 and 1 at 1 s, tasks 2 and 3 of another kind at 2 s; each takes 3 s."""
    return sim.run(scenarios.loads(STORY.format(slow=slow, fast=fast, agents=agents) + more))


def starts(run: Run) -> list[tuple[float, int, int]]:
    """Time, task and agent of each start."""
    return [(time, task, agent) for time, _, task, agent, _ in recorded(run, "attempt.started")]


def test_a_submission_has_its_kind() -> None:
    """In the detail of the event."""
    assert [detail for *_, detail in recorded(story(), "task.submitted")] == ["slow", "slow", "fast", "fast"]


def test_a_higher_priority_is_delivered_first_and_interrupts_nothing() -> None:
    """Task 0 runs; of those that wait, the kind with priority 1 is next, each in order."""
    assert [task for _, task, _ in starts(story())] == [0, 1, 2, 3]
    assert starts(story(fast=", priority: 1")) == [(1.0, 0, 0), (4.0, 2, 0), (7.0, 3, 0), (10.0, 1, 0)]


def test_a_pool_takes_its_kinds_only() -> None:
    """Agent 0 executes the slow ones alone, agent 1 both: it takes what has waited longest."""
    run = story(agents="{pools: {one: {count: 1, takes: [slow]}, all: {count: 1}}}")
    assert starts(run) == [(1.0, 0, 0), (1.0, 1, 1), (4.0, 2, 1), (7.0, 3, 1)]


def test_a_blocked_queue_stops_its_own_kinds() -> None:
    """The slow ones wait until 10 s, the fast ones do not."""
    more = "queues: {q: {}}\nfaults: [{queue_blocked: {queue: q, at: 0s, for: 10s}}]\n"
    assert starts(story(slow=", queue: q", more=more)) == [(2.0, 2, 0), (5.0, 3, 0), (10.0, 0, 0), (13.0, 1, 0)]


def test_each_queue_has_its_own_capacity() -> None:
    """The slow ones have no room beside the one in service, the fast ones have."""
    run = story(slow=", queue: q", more="queues: {q: {capacity: 0}}\n")
    assert [task for _, _, task, _, _ in recorded(run, "task.rejected")] == [1]


@pytest.mark.parametrize(("retries", "end"), [(0, [1, 1]), (1, [2, 2])])
def test_a_kind_has_its_own_retry_policy(retries: int, end: list[int]) -> None:
    """Attempts at slow tasks fail; the fast ones have the policy of all tasks, and never fail."""
    run = story(slow=f", failure_probability: 1, retry: {{max_retries: {retries}, retry_delay: 1s}}")
    assert [run.metrics[f"attempts.slow.{name}"] for name in ("started", "failed")] == [2.0 * each for each in end]
    assert (run.metrics["tasks.slow.failed"], run.metrics["tasks.fast.completed"]) == (2, 2)
    assert run.metrics["recovery.slow.escalated"] == 2
    assert run.holds


RETRIES = """\
name: retries
duration: 100s
tasks:
  kinds:
  - {name: held, arrivals: {burst: {size: 2, at: 0s}}, work: 10s, timeout: 4s, %s, retry: {max_retries: 1, retry_delay: 6s}}
  - {name: plain, arrivals: {burst: {size: 2, at: 1s}}, work: 3s, retry: {max_retries: 0}}
agents: {count: 1}
"""  # noqa: E501 - one line for each kind


@pytest.mark.parametrize(
    ("own", "starts"),
    [
        ("requeue: tail", {"held": [0, 4, 14, 18], "plain": [8, 11]}),
        ("requeue: head", {"held": [0, 4, 11, 15], "plain": [8, 19]}),
        ("retry_holds_agent: true", {"held": [0, 10, 14, 24], "plain": [28, 31]}),
    ],
)
def test_a_kind_has_its_own_place_in_the_queue_and_its_own_holds(own, starts):
    """Attempts of `held` time out after 4 s, and are retried 6 s later: at 10 s and at 14 s."""
    history = sim.run(scenarios.loads(RETRIES % own), seed=1).history
    kinds = history[history.event == "task.submitted"].set_index("task").detail
    started = history[history.event == "attempt.started"]
    assert {kind: sorted(started.time[started.task.map(kinds) == kind]) for kind in starts} == starts


INTERRUPTED = """\
name: interrupted
duration: 60s
tasks:
  interrupted: restart
  kinds:
  - {name: own, arrivals: {burst: {size: 1, at: 0s}}, work: 10s, interrupted: redraw}
  - {name: other, arrivals: {burst: {size: 1, at: 0s}}, work: 10s}
agents: {count: 2}
recovery: {detection: {detector: perfect}}
faults: [{agent_crash: {targets: all, at: 4s}}]
"""


@pytest.mark.parametrize(("own", "wasted"), [("restart", 4), ("resume", 0)])
def test_a_kind_has_its_own_work_after_an_interruption(own, wasted):
    """A crash after 4 s of work: the kind `own` repeats them or not, and `other` restarts as all tasks."""
    scenario = scenarios.loads(INTERRUPTED).with_values({"tasks.own.interrupted": own})
    metrics = sim.run(scenario, seed=1).metrics
    assert metrics["work.wasted"] == 4 + wasted
    assert metrics["tasks.own.sojourn.max"] == metrics["tasks.other.sojourn.max"] - (4 - wasted)
