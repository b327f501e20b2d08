"""An idle world schedules only heartbeats, and zero costs take no time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import sim
from scenarios import Scenario
from sim.world.world import World
from tests.sim.world.stories import recorded, run_with, scenario, values


def steps(of: Scenario, since: float) -> Counter[float]:
    """How many SimPy events there are at each instant after `since`."""
    found: Counter[float] = Counter()

    def look(world: World) -> None:
        env, step = world.env, world.env.step

        def counted() -> None:
            step()
            if since < env.now < of.duration:
                found[env.now] += 1

        env.step = counted  # type: ignore[method-assign]

    run_with(look, of)
    return found


def test_an_idle_world_schedules_only_heartbeats() -> None:
    """Two agents with heartbeats every 5 s: two events at each multiple, and the deadlines of the detector."""
    beats = {"recovery.detection": {"heartbeat_interval": "5s", "missed_heartbeats": 1000, "phase": "aligned"}}
    assert steps(scenario(beats, agents=2, duration="60s"), since=14) == {float(at): 2 for at in range(15, 60, 5)}


def test_an_idle_world_with_a_perfect_detector_schedules_nothing() -> None:
    """A perfect detector, leases that are over, pools, checkpoints, faults that lie in the past: no event at all."""
    perfect = {"recovery.detection.detector": "perfect", "queue.ack_timeout": "5s", "tasks.checkpoint": {"every": "1s"}}
    more = "resources: {gpu: {units: 2}}\nfaults: [{partition: {between: [agents, queue], at: 12s, for: 10s}}]\n"
    assert steps(scenario(perfect | {"tasks.needs": {"gpu": 1}}, more, agents=4, duration="1h"), since=28) == {}


def test_in_a_perfect_world_tasks_take_exactly_their_work() -> None:
    """With everything switched on and every cost at zero, to the last bit."""
    everything: dict[str, Any] = {
        "tasks.work": "3s",
        "tasks.needs": {"gpu": 1},
        "tasks.checkpoint": {"every": "1s", "final": True},
        "tasks.timeout": "1m",
        "queue.ack_timeout": "1m",
        "recovery.detection.phase": "aligned",
    }
    run = sim.run(scenario(everything, "resources: {gpu: {units: 1}}\n", count=9, duration="100s"))
    assert values(run, "task.completed") == [(13.0 + 10 * number, 3.0) for number in range(9)]
    assert [time for time, *_ in recorded(run, "queue.acked")] == [13.0 + 10 * number for number in range(9)]


def test_in_a_perfect_world_recovery_takes_no_time() -> None:
    """Crash, hang or failure at 11 s: the task starts over at that instant."""
    free = {"recovery.detection.detector": "perfect", "tasks.needs": {"gpu": 1}}
    free |= {f"recovery.conditions.{kind}_failure.retry_delay": "0s" for kind in ("task", "resource")}
    for fault in (
        "agent_crash: {at: 11s}",
        "agent_hang: {at: 11s}",
        "execution_failure: {targets: all, at: 11s}",
    ):
        run = sim.run(scenario(free, f"resources: {{gpu: {{units: 1}}}}\nfaults: [{{{fault}}}]\n"))
        starts = [time for time, *_ in recorded(run, "attempt.started")]
        assert (starts, [time for time, *_ in recorded(run, "task.completed")]) == ([10.0, 11.0], [14.0]), fault
        assert run.violations == ()
