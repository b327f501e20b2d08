"""Random combinations of faults keep slots, units and invariants consistent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scenarios
import sim
from sim.simulation import Run
from sim.world.world import World
from tests.examples import examples
from tests.sim.world.stories import run_with


def one_of(*choices: Any) -> st.SearchStrategy[Any]:
    """One of a few values."""
    return st.sampled_from(choices)


PLACES = st.one_of(
    st.fixed_dictionaries({"at": one_of("0s", "3s", "10s", "20s")}),
    st.fixed_dictionaries({"every": one_of("7s", "10s", {"exponential": {"mean": "15s"}})}),
)
LASTS = st.fixed_dictionaries({"for": one_of("2s", "6s", {"exponential": {"mean": "5s"}})})
AGENTS = st.fixed_dictionaries({"targets": one_of(1, "all", "50%", ["agent.0"])})
TASKS = st.fixed_dictionaries({"targets": one_of(1, "all", "50%", ["task.3", "task.4"])})
UNITS = st.fixed_dictionaries({"resource": st.just("gpu"), "units": st.integers(1, 3)})
SIDES = st.fixed_dictionaries(
    {"between": one_of(["agents", "queue"], ["agent.0", "queue"], ["agents", "core"], ["queue", "core"])}
)
FACTOR = st.fixed_dictionaries({"factor": one_of(1.5, 3)})
SHARE = st.fixed_dictionaries({"probability": one_of(0.3, 1)})
DELAY = st.fixed_dictionaries({"delay": one_of("1s", {"exponential": {"mean": "3s"}})})


def fault(kind: str, *parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """A fault, put together from the parts of its description."""
    return st.tuples(PLACES, *parts).map(lambda found: {kind: {key: part[key] for part in found for key in part}})


FAULTS = st.one_of(
    fault("agent_crash", AGENTS),
    fault("agent_hang", AGENTS, LASTS),
    fault("execution_failure", TASKS),
    fault("checkpoint_corrupt", TASKS),
    fault("resource_unavailable", UNITS, LASTS),
    fault("partition", SIDES, LASTS),
    fault("agent_slow", AGENTS, FACTOR, LASTS),
    fault("agent_flap", AGENTS, st.fixed_dictionaries({"down": one_of("1s", "6s"), "up": one_of("2s", "9s")}), LASTS),
    fault("poison_task", TASKS),
    fault("load_surge", FACTOR, LASTS),
    fault("resource_degraded", st.just({"resource": "gpu"}), FACTOR, LASTS),
    fault("resource_leak", UNITS, LASTS),
    fault("message_loss", SHARE, SIDES, st.fixed_dictionaries({"one_way": st.booleans()}), LASTS),
    fault("message_delay", SHARE, DELAY, SIDES, LASTS),
    fault("message_reorder", SHARE, DELAY, LASTS),
    fault("message_duplicate", SHARE, LASTS),
    fault("queue_blocked", LASTS),
    fault("checkpoint_torn", TASKS),
    fault("storage_failure", SHARE, LASTS),
    fault("checkpoint_stale", st.fixed_dictionaries({"lag": one_of("500ms", "5s", "2m")}), LASTS),
    fault("storage_slow", FACTOR, LASTS),
    fault("core_crash", LASTS),
    fault("core_hang", LASTS),
    fault("partition", st.fixed_dictionaries({"between": one_of(["core.0", "store"], ["store", "core"])}), LASTS),
    fault("core_slow", DELAY, LASTS),
    fault("clock_skew", st.fixed_dictionaries({"targets": one_of("queue", 1, "all"), "rate": one_of(0.4, 3)}), LASTS),
    fault(
        "clock_skew",
        st.fixed_dictionaries({"targets": one_of("core", "core.0"), "drift": one_of("1%", -0.6, 2)}),
        LASTS,
    ),
    fault("clock_skew", st.fixed_dictionaries({"targets": st.just("core.0"), "offset": one_of("9s", "-9s")}), LASTS),
    fault("clock_skew", st.fixed_dictionaries({"targets": st.just("queue"), "offset": one_of("9s", "-9s")}), LASTS),
)
CLIENT = st.fixed_dictionaries(
    {
        "timeout": one_of("2s", "6s"),
        "max_retries": st.integers(0, 2),
        "cancel": st.booleans(),
        "late_answer": one_of("drop", "accept"),
    }
)
VALUES = st.fixed_dictionaries(
    {
        "tasks.arrivals": one_of(
            {"interval": {"every": "2s"}},
            {"poisson": {"rate": "0.7/s"}},
            {"closed": {"clients": 5, "think": "1s"}},
            {"burst": {"size": 20}},
        ),
        "tasks.work": one_of("3s", "500ms", "10s", {"exponential": {"mean": "3s"}}),
        "tasks.failure_probability": one_of(0, 0.2),
        "tasks.failure_at": one_of("end", "uniform"),
        "tasks.timeout": one_of(None, "4s"),
        "tasks.interrupted": one_of("restart", "resume", "redraw"),
        "tasks.requeue": one_of("head", "tail"),
        "storage.failure": one_of(0, 0.3),
        "tasks.retry_holds_agent": st.booleans(),
        "tasks.retry_holds_resources": st.booleans(),
        "tasks.retried": one_of("repeat", "redraw"),
        "tasks.checkpoint.final": st.booleans(),
        "tasks.needs": one_of({}, {"gpu": 1}, {"gpu": 2}),
        "tasks.client": st.one_of(st.just({}), CLIENT),
        "agents.count": st.integers(1, 4),
        "agents.slots": st.integers(1, 3),
        "agents.mtbf": one_of(None, "50s"),
        "agents.failure_clock": one_of("always", "busy"),
        "agents.restart_time": one_of("0s", "5s"),
        "agents.restart_slots": one_of(None, 1),
        "recovery.cores.count": one_of(1, 2, 3),
        "recovery.cores.lease": one_of(
            {"duration": "5s", "renew_every": "1s"}, {"duration": "9s", "renew_every": "3s"}
        ),
        "queue.capacity": one_of(None, 0, 3),
        "queue.latency": one_of("0s", {"exponential": {"mean": "200ms"}}),
        "queue.loss": one_of(0, 0.2),
        "queue.ack_loss": one_of(0, 0.2),
        "queue.duplication": one_of(0, 0.3),
        "queue.ack_timeout": one_of(None, "5s", "15s"),
        "queue.max_deliveries": one_of(None, 1, 3),
        "network.latency": one_of("0s", "300ms", {"exponential": {"mean": "500ms"}}),
        "network.loss": one_of(0, 0.1),
        "recovery.detection.detector": one_of("perfect", "heartbeat", "phi_accrual"),
        "recovery.detection.failed_deliveries": one_of(1, 3),
        "recovery.detection.resource_probe": one_of(None, "4s"),
        "recovery.stale_reads.max_retries": one_of(0, 2),
        "recovery.load": one_of(None, {"rate": "1/s"}),
        "recovery.conditions.task_failure.max_retries": one_of(0, 2),
        "recovery.conditions.task_failure.retry_delay": one_of("0s", "3s"),
        "recovery.conditions.agent_failure": one_of(
            None, {"max_retries": 2, "retry_delay": "1s"}, {"max_retries": 2, "retry_delay": "0s", "try_timeout": "4s"}
        ),
        "recovery.costs": one_of({}, {"retry_task": "1s", "reassign_agent_tasks": "1s", "migrate_task": "1s"}),
        "recovery.parallel": one_of(None, 1),
    }
)
WORLD = """
name: everything
duration: 80s
tasks: {arrivals: {interval: {every: 2s}}, work: 3s, checkpoint: {every: 1s, cost: 100ms, restore: 200ms}}
agents: {count: 4}
resources: {gpu: {units: 4}}
recovery: {detection: {heartbeat_interval: 2s, missed_heartbeats: 2}, conditions: {resource_failure: {retry_delay: 2s}}}
"""


NOT_THE_WORLDS = {"recovery_terminates"}
"""What the core owes and not the world: an end where partitions follow each other."""


def unbalanced(world: World) -> list[str]:
    """What does not add up."""
    found = []
    for agent in world.agents.all:
        if not 0 <= agent.free_slots <= agent.slots:
            found.append(f"{agent.name} has {agent.free_slots} of {agent.slots} slots free")
        if agent.up and len(agent.attempts) > agent.slots - agent.free_slots:
            found.append(f"{agent.name} works on {len(agent.attempts)} tasks with {agent.free_slots} slots free")
    for name, pool in world.pools.pools.items():
        allocations = [each for task in world.pools.holders for each in world.pools.allocations(task)]
        held = sum(allocation.units.get(name, 0) for allocation in allocations)
        if pool.free < 0 or pool.free + held + pool.unavailable + pool.leaked != pool.units:
            found.append(f"{name}: {pool.free} + {held} + {pool.unavailable} + {pool.leaked} of {pool.units}")
    return found


def clock_in_use(skew: dict[str, Any], values: dict[str, Any]) -> bool:
    """Whether the clock is used; otherwise a skew is rejected."""
    if skew["targets"] == "queue":
        return values["queue.ack_timeout"] is not None
    return values["recovery.detection.detector"] != "perfect" or values["tasks.timeout"] is not None


def flow(run: Run) -> float:
    """What became of the tasks: everything that goes in comes out, or is still there."""
    return sum(run.metrics[f"tasks.{fate}"] or 0 for fate in ("completed", "failed", "rejected", "unfinished"))


def in_system(run: Run) -> float:
    """The average number of tasks over time, counted event by event; Little's law has it from each task's time.

    J. D. C. Little, Operations Research 9 (1961); S. Stidham, Operations Research 22 (1974): for every single run.
    """
    inside: dict[int, None] = {}
    area, before = 0.0, 0.0
    for time, event, task in run.history[["time", "event", "task"]].itertuples(index=False):
        area, before = area + len(inside) * (time - before), time
        if event == "task.submitted":
            inside[task] = None
        elif event in {"task.completed", "task.failed", "task.rejected"}:
            inside.pop(task, None)
    return (area + len(inside) * (run.virtual_seconds - before)) / run.virtual_seconds


@pytest.mark.long
@settings(max_examples=examples(60))
@given(VALUES, st.lists(FAULTS, max_size=4), st.integers(0, 99))
def test_random_faults_keep_slots_units_and_invariants(
    values: dict[str, Any], faults: list[dict[str, Any]], seed: int
) -> None:
    """After each single event, slots and units add up; in the end, no invariant of the world is broken."""
    if "burst" in values["tasks.arrivals"]:
        faults = [each for each in faults if "load_surge" not in each]  # refused: a burst comes at one instant
    faults = [each for each in faults if "clock_skew" not in each or clock_in_use(each["clock_skew"], values)]
    made = scenarios.loads(WORLD).with_values({**values, "faults": faults})
    found: list[str] = []

    def look(world: World) -> None:
        env, step = world.env, world.env.step

        def checked() -> None:
            step()
            if not found:
                found.extend(f"{problem}, at {env.now:g} s" for problem in unbalanced(world))

        env.step = checked  # type: ignore[method-assign]

    run = run_with(look, made, seed)
    assert found == []
    assert [violation for violation in run.violations if violation.invariant not in NOT_THE_WORLDS] == []
    assert flow(run) == run.metrics["tasks.submitted"]
    delivered = run.history["value"][run.history["event"] == "queue.delivered"]
    assert values["queue.max_deliveries"] is None or (delivered <= values["queue.max_deliveries"]).all()
    assert run.metrics["tasks.in_system.mean"] == pytest.approx(in_system(run), rel=1e-9, abs=1e-12)
    again = sim.run(made.with_values({"history": "summary"}), seed)
    assert again.history_sha256 == run.history_sha256
    assert again.metrics == run.metrics
    assert again.violations == run.violations
