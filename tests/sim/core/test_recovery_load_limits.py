"""The load of recovery: round-robin service, rate limits, and compensation."""

from functools import partial
from pathlib import Path

import scenarios
import sim
from recovery import Supervisor
from recovery.actions.commands import documented_commands
from recovery.runbook import catalogue
from recovery.runbook.catalogue import documented
from sim.core.build import build_core
from tests.sim.world.stories import recorded, values

TEXT = Path(catalogue.__file__).with_name("runbook.yaml").read_text(encoding="utf-8")
CROWDED = """
name: crowded
duration: 10m
tasks: {arrivals: {burst: {size: 40}}, work: 60s}
agents: {count: 2, slots: 40, restart_time: 10s}
faults:
  - agent_crash: {targets: [agent.0], at: 30s}
"""
"""Half of 40 tasks are lost at once with their agent, 30 s before they would have been done."""


def back_in_line(run: sim.Run) -> list[float]:
    return [time for time, _, _, _, detail in recorded(run, "queue.entered") if detail in {"retry", "reassigned"}]


def most_within(times: list[float], seconds: float) -> int:
    return max(sum(at <= other <= at + seconds for other in times) for at in times)


def test_without_a_limit_a_mass_failure_returns_as_a_storm():
    run = sim.run(scenarios.loads(CROWDED), seed=1)
    assert most_within(back_in_line(run), 0.0) == 20


def test_a_limit_bounds_every_window_and_loses_no_task():
    capped = scenarios.loads(CROWDED).with_values({"recovery.load": "{rate: 2/s, burst: 4}"})
    run = sim.run(capped, seed=1)
    times = back_in_line(run)
    assert len(times) == 20
    for seconds in (0.0, 1.0, 2.0, 5.0):
        assert most_within(times, seconds) <= 4 + 2 * seconds + 1e-6
    assert times[-1] - times[0] == (20 - 4) / 2
    assert run.metrics["tasks.completed"] == 40
    assert run.metrics["consistency.violations"] == 0
    assert run.metrics["recovery.paced.max"] == 8.0


def test_the_limit_applies_to_tasks_delayed_by_busy_slots():
    held_up = """
name: held-up
duration: 10m
tasks: {arrivals: {burst: {size: 20}}, work: 100s}
agents: {count: 21, restart_time: 60s}
recovery:
  parallel: 1
  detection: {detector: perfect}
  conditions: {task_failure: {max_retries: 1, retry_delay: 0s}}
  load: {rate: 0.5/s, burst: 2}
faults:
  - agent_crash: {targets: [agent.20], at: 49s}
  - execution_failure: {targets: all, at: 50s}
"""
    run = sim.run(scenarios.loads(held_up), seed=1)
    times = back_in_line(run)
    assert times == [109.0, 109.0, *(109.0 + 2 * late for late in range(1, 19))]
    assert run.metrics["tasks.completed"] == 20
    assert run.metrics["consistency.violations"] == 0


def test_limiter_waits_count_as_wait_for_tasks_and_execute_for_agents():
    failing = """
name: failing
duration: 100s
tasks: {arrivals: {burst: {size: 3}}, work: 10s}
agents: {count: 3}
faults:
  - execution_failure: {targets: all, at: 5s}
recovery: {conditions: {task_failure: {max_retries: 1, retry_delay: 0s}}, load: {rate: 0.5/s}}
"""
    run = sim.run(scenarios.loads(failing), seed=1)
    assert values(run, "recovery.paced") == [(5.0, 2.0), (5.0, 4.0)]
    assert run.metrics["recovery.wait.mean"] == 2.0
    assert run.metrics["recovery.execute.max"] == 0.0


def test_an_agent_is_restarted_before_waiting_tasks():
    busy = """
name: busy
duration: 10m
tasks: {arrivals: {burst: {size: 30}}, work: 100s}
agents: {count: 31, restart_time: 5s}
recovery:
  parallel: 1
  detection: {detector: perfect}
  conditions: {task_failure: {max_retries: 1, retry_delay: 0s}}
  costs: {release_resources: 10s}
faults:
  - execution_failure: {targets: all, at: 50s}
  - agent_crash: {targets: [agent.30], at: 55s}
"""
    run = sim.run(scenarios.loads(busy), seed=1)
    started = [(time, agent) for time, _, _, agent, _ in recorded(run, "recovery.started") if agent >= 0]
    assert started == [(60.0, 30)]
    assert run.metrics["consistency.violations"] == 0


# ---------------------------------------------------------------------------------- compensation
LOSING = """
name: losing
duration: 200s
tasks: {arrivals: {burst: {size: 1}}, work: 50s, needs: {gpu: 2}}
agents: {count: 1}
resources: {gpu: {units: 3}}
recovery: {runbook: %s, conditions: {resource_failure: {max_retries: 2, retry_delay: 30s}}}
faults:
  - resource_unavailable: {resource: gpu, units: 3, at: 10s, for: 20s}
"""
"""The task loses its units at 10 s, gets new ones at 40 s, and what comes next then fails once."""


def failing_once(command: str, scenario: scenarios.Scenario, system, streams) -> Supervisor:
    supervisor = build_core(scenario, system, streams)
    given = documented_commands()[command]
    left = ["fails once"]

    async def give(context, **arguments):
        if left:
            left.pop()
            return False
        return await given(context, **arguments)

    supervisor.engine._commands[command] = give
    return supervisor


def losing(tmp_path, undo: str, on_failure: str) -> sim.Run:
    book = tmp_path / "guide.yaml"
    allocate, migrate = "args: [task_id, requirements]", "args: [task_id, new_resources]"
    book.write_text(TEXT.replace(allocate, allocate + undo).replace(migrate, migrate + on_failure), encoding="utf-8")
    return sim.run(scenarios.loads(LOSING % book), seed=1, core=partial(failing_once, "migrate_task"))


def held_at(run: sim.Run, instant: float) -> float:
    rows = run.history[run.history["time"] <= instant]
    got = rows[rows["event"] == "resource.allocated"]["value"].sum()
    return got - rows[rows["event"] == "resource.released"]["value"].sum()


def test_after_compensation_no_units_are_held_until_the_next_try(tmp_path):
    undo = ", undo: {command: release_resources, args: [task_id]}"
    restarted, compensated = losing(tmp_path, "", ""), losing(tmp_path, undo, ", on_failure: compensate")
    assert (held_at(restarted, 50), held_at(compensated, 50)) == (2, 0)
    for run in (restarted, compensated):
        assert run.metrics["tasks.completed"] == 1
        assert run.metrics["consistency.violations"] == 0
    assert [detail for *_, detail in recorded(compensated, "step.undone")] == ["release_resources"]


def test_a_resumed_recovery_continues_at_the_failed_step(tmp_path):
    resumed = losing(tmp_path, "", ", on_failure: resume")
    assert [detail for *_, detail in recorded(resumed, "step.started")] == [
        "allocate_new_resources",
        "migrate_task",
        "migrate_task",
    ]
    assert [(time, detail) for time, *_, detail in recorded(resumed, "recovery.resumed")] == [(70.0, "migrate_task")]
    assert resumed.metrics["consistency.violations"] == 0
    assert resumed.metrics["tasks.completed"] == 1


def test_the_documented_runbook_has_no_compensation():
    assert all(step.undo is None for _, entry in documented().entries() for step in entry.recovery)
