"""Agents that prefetch: who waits for whom, and what crashes, expired leases and duplicates do. Nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest

import scenarios
import sim
from sim.simulation import Run
from sim.world.world import World
from tests.sim.world.stories import recorded, run_with

STORY = """\
name: story
duration: 10m
tasks: {arrivals: {burst: {size: 8, at: 1s}}, work: 2s}
agents: {count: 2, restart_time: 5s}
recovery: {detection: {detector: perfect}}
"""
SLOW = "tasks: [{name: slow, arrivals: {burst: {size: 1, at: 1s}}, work: 1m},\n"
SLOW += "  {name: fast, arrivals: {burst: {size: 7, at: 2s}}, work: 2s}]\n"


def scenario(values: dict[str, Any], more: str = "") -> scenarios.Scenario:
    return scenarios.loads(STORY + more).with_values(values)


def story(values: dict[str, Any], more: str = "") -> Run:
    return sim.run(scenario(values, more))


def starts(run: Run, agent: int) -> list[tuple[float, int]]:
    """Time and task of each start on an agent."""
    return [(time, task) for time, _, task, by, _ in recorded(run, "attempt.started") if by == agent]


def with_a_slow_task(prefetch: int) -> Run:
    """Task 0 takes a minute on agent 0; tasks 1 to 7 come a second later, and take two seconds each."""
    lines = STORY.replace("tasks: {arrivals: {burst: {size: 8, at: 1s}}, work: 2s}\n", SLOW)
    return sim.run(scenarios.loads(lines).with_values({"agents.prefetch": prefetch}))


def test_tasks_behind_a_slow_one_wait_while_the_other_agent_is_idle() -> None:
    """Deliveries go around: agent 0 gets every second one behind task 0, as far as its prefetch goes."""
    assert [task for _, task in starts(with_a_slow_task(0), 0)] == [0]
    one = with_a_slow_task(1)
    assert starts(one, 0) == [(1.0, 0), (61.0, 2)]
    assert [task for _, task in starts(one, 1)] == [1, 3, 4, 5, 6, 7]
    many = with_a_slow_task(100)
    assert starts(many, 0) == [(1.0, 0), (61.0, 2), (63.0, 4), (65.0, 6)]
    assert starts(many, 1) == [(2.0, 1), (4.0, 3), (6.0, 5), (8.0, 7)]
    assert many.metrics["tasks.fast.sojourn.max"] == 65 + 2 - 2
    assert many.metrics["queue.depth.max"] == 0
    assert many.metrics["queue.prefetched.max"] == 6
    assert with_a_slow_task(0).metrics["queue.prefetched.max"] is None


def test_one_agent_alone_is_as_without_prefetch() -> None:
    """It executes all tasks in their order anyway."""
    alone = {"agents.count": 1, "agents.slots": 2}
    assert starts(story({**alone, "agents.prefetch": 3}), 0) == starts(story(alone), 0)


def test_a_pool_has_its_own_prefetch() -> None:
    """Agent 1 takes all that is left when both are busy."""
    run = story({"agents.pools": {"a": {"count": 1, "prefetch": 0}, "b": {"count": 1}}, "agents.prefetch": 9})
    assert [task for _, task in starts(run, 0)] == [0]
    assert [task for _, task in starts(run, 1)] == [1, 2, 3, 4, 5, 6, 7]


def test_what_a_crashed_agent_had_prefetched_is_queued_again() -> None:
    """Agent 0 loses task 0, and tasks 2 and 4 that wait in it; the core queues them, and agent 1 executes them."""
    crash = "faults: [{agent_crash: {targets: [agent.0], at: 2s}}]\n"
    run = story({"agents.prefetch": 2, "agents.restart_time": "5m"}, crash)
    assert [task for *_, task, _, detail in recorded(run, "delivery.taken") if detail == "crashed"] == [2, 4]
    assert [task for _, _, task, _, detail in recorded(run, "queue.entered") if detail == "reassigned"] == [0, 2, 4]
    assert run.metrics["tasks.completed"] == 8
    assert run.violations == ()


def test_the_lease_of_a_prefetched_delivery_begins_with_the_delivery() -> None:
    """Task 3 starts 6 s after its delivery, and would end after 8 s: it is delivered again at 7 s, and ends once."""
    run = story({"agents.count": 1, "agents.prefetch": 9, "tasks.count": 4, "queue.ack_timeout": "7s"})
    assert [(time, task) for time, _, task, _, detail in recorded(run, "queue.entered") if detail == "redelivery"] == [
        (8.0, 3)
    ]
    assert run.metrics["queue.redeliveries"] == 1
    assert run.metrics["consistency.exactly_once_effect"] == 0


def test_a_duplicate_that_waits_in_an_agent_is_dropped_when_the_core_has_queued_its_task() -> None:
    """Both copies of the slow task run, on agents 0 and 1, until 61 s. Task 1 fails on agent 2 at 4 s and at 7 s; its
    duplicate waits in agent 0 and has no third attempt.
    """
    values = {"agents.count": 3, "agents.prefetch": 4, "queue.duplication": 1.0, "tasks.failure_probability": 1.0}
    lines = STORY.replace(
        "tasks: {arrivals: {burst: {size: 8, at: 1s}}, work: 2s}\n", SLOW.replace("size: 7", "size: 1")
    )
    retry = {"recovery.conditions.task_failure": {"max_retries": 1, "retry_delay": "1s"}}
    run = sim.run(scenarios.loads(lines).with_values({**values, **retry}))
    void = [(time, task) for time, _, task, _, detail in recorded(run, "delivery.taken") if detail == "void"]
    assert (61.0, 1) in void
    assert [time for time, _, task, _, _ in recorded(run, "attempt.started") if task == 1] == [2.0, 5.0]
    assert run.violations == ()


def test_a_slot_that_is_kept_for_a_retry_starts_nothing_that_was_prefetched() -> None:
    """Task 0 fails at 3 s and again at 10 s; task 1 waits in the agent for its slot."""
    values = {"agents.count": 1, "agents.prefetch": 9, "tasks.count": 2, "tasks.retry_holds_agent": True}
    policy = {"recovery.conditions.task_failure": {"max_retries": 1, "retry_delay": "5s"}}
    run = story({**values, **policy, "tasks.failure_probability": 1.0})
    assert starts(run, 0) == [(1.0, 0), (8.0, 0), (10.0, 1), (17.0, 1)]


def test_a_restarted_agent_has_nothing_prefetched() -> None:
    """A hung agent is restarted by the core: its tasks are queued again, and start once each."""
    hang = "faults: [{agent_hang: {targets: [agent.0], at: 2s, for: 20s}}]\n"
    run = story({"agents.prefetch": 2}, hang)
    lost = [task for *_, task, _, detail in recorded(run, "delivery.taken") if detail == "crashed"]
    assert lost == [2, 4]
    assert run.metrics["attempts.started"] == 9
    assert run.metrics["tasks.completed"] == 8


HARD = """
tasks: {arrivals: {poisson: {rate: 1.5/s}}, work: {exponential: {mean: 2s}}, failure_probability: 5%, timeout: 20s,
  needs: {gpu: 1}}
agents: {count: 4, restart_time: 5s, mtbf: 1m}
resources: {gpu: {units: 5}}
queue: {duplication: 5%}
recovery: {conditions: {task_failure: {max_retries: 3, retry_delay: 3s}}}
faults:
- agent_hang: {targets: 1, every: 20s, for: 10s}
- partition: {between: [core, agents], at: 30s, for: 15s}
- partition: {between: [queue, agent.1], at: 50s, for: 15s}
- core_crash: {at: 70s, for: 10s}
"""


@pytest.mark.parametrize(
    ("prefetch", "slots", "keeps", "latency", "ack_timeout"),
    [(1, 1, True, "0s", "10s"), (3, 2, True, "500ms", "10s"), (100, 3, True, "0s", None), (2, 2, False, "10ms", "40s")],
)
def test_slots_units_and_invariants_are_kept_in_a_hard_world(
    prefetch: int, slots: int, keeps: bool, latency: str, ack_timeout: str | None
) -> None:
    """At no instant has an agent more attempts than slots, or takes more deliveries than it may."""
    wanted = scenarios.loads(f"name: hard\nduration: 90s\ndrain: 10m\n{HARD}").with_values(
        {
            "agents.prefetch": prefetch,
            "agents.slots": slots,
            "tasks.retry_holds_agent": keeps,
            "queue.latency": latency,
            "queue.ack_timeout": ack_timeout,
        }
    )
    seen = []

    def look(world: World) -> None:
        def watch(now: float) -> None:
            for agent in world.agents.all:
                assert len(agent.attempts) + len(agent.reserved) <= slots
                assert len(agent.prefetched) <= prefetch
                assert 0 <= agent.free_slots <= slots + prefetch
                seen.append(len(agent.prefetched))
            world.env.timeout(0.25).callbacks.append(lambda event: watch(world.env.now))

        watch(0.0)

    run = run_with(look, wanted)
    assert max(seen) > 0
    assert run.violations == ()
    assert run.errors == ()
    assert (run.metrics["tasks.lost"], run.metrics["tasks.unfinished"]) == (0, 0)
    assert run.metrics["tasks.completed"] + run.metrics["tasks.failed"] == run.metrics["tasks.submitted"]
