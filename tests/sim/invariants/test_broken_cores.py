"""Recovery cores with one defect each: the checker of the violated invariant detects it first.

Every broken core runs in a scenario in which the correct core violates nothing.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import scenarios
import sim
from recovery import RecoveryEngine, Supervisor, System
from recovery.actions.commands import Command, documented_commands
from recovery.actions.context import RecoveryContext
from recovery.actions.state import CheckpointManager
from recovery.audit import DismissalReason
from recovery.diagnosis.evidence import Evidence
from recovery.journal import NO_JOURNAL
from recovery.stores.memory import MemoryTaskStore
from scenarios import Scenario
from scenarios.fields.metric_rows import INVARIANTS
from sim.core.build import build_core, core_config, priced
from sim.invariants import CHECKERS
from sim.randomness.streams import Streams
from sim.simulation import BuildCore, Run

FAILING = """
name: failing
duration: 10m
tasks:
  arrivals: {poisson: {rate: 1/s}}
  work: {exponential: {mean: 3s}}
  needs: {gpu: 1}
  failure_probability: 10%
  checkpoint: {every: 1s}
agents: {count: 10}
resources: {gpu: {units: 20}}
recovery: {conditions: {task_failure: {max_retries: 1, retry_delay: 5s}}}
"""
CROWDED = """
name: crowded
duration: 10m
tasks:
  arrivals: {burst: {size: 200}}
  work: {constant: {value: 3s}}
  needs: {gpu: 1}
  failure_probability: 5%
  retry_holds_resources: true
agents: {count: 2}
resources: {gpu: {units: 20}}
queue: {ack_timeout: 10s}
"""
HANGING = """
name: hanging
duration: 10m
tasks:
  arrivals: {poisson: {rate: 1/s}}
  work: {exponential: {mean: 10s}}
  failure_probability: 20%
  failure_at: uniform
agents: {count: 30}
queue: {ack_timeout: 15s}
recovery: {conditions: {task_failure: {max_retries: 9, retry_delay: 1s}}}
faults:
  - agent_hang: {targets: 50%, every: 20s, for: 9s}
"""
SLOW = """
name: slow
duration: 10m
tasks: {arrivals: {poisson: {rate: 1/s}}, work: {exponential: {mean: 10s}}}
agents: {count: 30}
queue: {ack_timeout: 15s, ack_loss: 10%}
"""
LOSING = """
name: losing
duration: 10m
tasks: {arrivals: {poisson: {rate: 1/s}}, work: {exponential: {mean: 10s}}, needs: {gpu: 1}}
agents: {count: 20}
resources: {gpu: {units: 30}}
faults:
  - resource_unavailable: {resource: gpu, units: 10, at: 2m, for: 1m}
"""
DAMAGED = FAILING.replace("name: failing", "name: damaged") + (
    "faults:\n  - checkpoint_corrupt: {targets: all, every: 5s}\n"
)
CRASHING = """
name: crashing
duration: 10m
tasks: {arrivals: {poisson: {rate: 2/s}}, work: {exponential: {mean: 3s}}, failure_probability: 20%}
agents: {count: 10, restart_time: 5s}
recovery:
  conditions: {task_failure: {max_retries: 9, retry_delay: 3s}}
  costs: {release_resources: 500ms, restore_checkpoint: 500ms, retry_task: 500ms}
faults:
  - agent_crash: {targets: 2, at: 80s}
  - core_crash: {at: 100s, for: 20s}
  - core_crash: {when: recovery.step == restart_agent, for: 20s}
"""


# ------------------------------------------------------------------------------ broken cores
def commanded(**changes: Callable[[Command], Command]) -> BuildCore:
    """A core in which some commands are others."""

    def build(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
        commands = priced(documented_commands(), scenario.recovery.costs)
        commands |= {name: change(commands[name]) for name, change in changes.items()}
        config = core_config(scenario)
        return Supervisor(config, system, RecoveryEngine(config, system, commands=commands))

    return build


def does_nothing(_: Command) -> Command:
    """A command that does nothing and reports success."""

    async def run(*_: Any, **__: Any) -> bool:
        return True

    return run


def never_returns(_: Command) -> Command:
    """A command that waits for ever."""

    async def run(*_: Any, **__: Any) -> bool:
        return bool(await asyncio.get_running_loop().create_future())

    return run


def twice(command: Command) -> Command:
    """A command that gives back nothing of the first time when it is done a second time."""

    async def run(context: RecoveryContext, *, task_id: str, requirements: Any) -> bool:
        done = await command(context, task_id=task_id, requirements=requirements)
        return done and await context.system.resources.allocate(task_id, requirements) is not None

    return run


def dismissing(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """A core that finds that every failure has passed by itself."""
    supervisor = build_core(scenario, system, streams)

    class Dismissing(Evidence):
        async def dismissal(self, failure: Any) -> DismissalReason | None:
            return DismissalReason.TASK_FINISHED

    supervisor.engine._analyst._evidence = Dismissing(system)
    return supervisor


def accepting_every_checkpoint(patch: pytest.MonkeyPatch) -> None:
    """Treat every checkpoint as intact."""
    patch.setattr(CheckpointManager, "is_valid", lambda self, checkpoint: True)


def without_a_journal(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """A core without the journal of the earlier core."""
    return build_core(scenario, replace(system, journal=NO_JOURNAL), streams)


def repeating_steps(patch: pytest.MonkeyPatch) -> None:
    """Continue a plan from its first step, regardless of completed steps."""
    patch.setattr("recovery.engine.engine.next_step", lambda incident: 0)


def without_event(event: str) -> BuildCore:
    """A core whose audit trail misses one kind of entry."""

    def build(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
        class Trail:
            def record(self, entry: str, *others: Any, **more: Any) -> None:
                if entry != event:
                    system.audit.record(entry, *others, **more)

        return build_core(scenario, replace(system, audit=Trail()), streams)

    return build


# ----------------------------------------------------------------------------- broken stores
class AcceptsEveryCommit(MemoryTaskStore):
    """Fences epochs, but accepts a second effect."""

    def commit(self, task_id: str, epoch: int) -> bool:
        return super().commit(task_id, epoch) or epoch > self._records[task_id].fence


class NeverFences(MemoryTaskStore):
    """Reports epochs as fenced, but accepts their actions."""

    def fence(self, task_id: str) -> int:
        return self.epoch(task_id)


class CountsNoRetry(MemoryTaskStore):
    """Reports that no task was retried yet."""

    def count_retry(self, task_id: str, kind: str, retry: int) -> None:
        pass


class StartsFinishedTasks(MemoryTaskStore):
    """Hands out epochs for tasks that have their effect already."""

    def begin(self, task_id: str, agent_id: str) -> int | None:
        record = self._records[task_id]
        status = record.status
        epoch = super().begin(task_id, agent_id)
        if epoch is None:
            record.epoch += 1
            epoch = record.epoch
            record.status = status
        return epoch


# ------------------------------------------------------------------------------------- table
@dataclass(frozen=True)
class Broken:
    """A defect, the scenario that shows it, and the invariant that it breaks."""

    invariant: str
    defect: str
    scenario: str
    core: BuildCore = build_core
    store: type[MemoryTaskStore] = MemoryTaskStore
    patch: Callable[[pytest.MonkeyPatch], None] = lambda patch: None  # of what no constructor takes


BROKEN = (
    Broken("no_lost_task", "failures are dismissed", FAILING, dismissing),
    Broken("exactly_once_effect", "a second effect is accepted", SLOW, store=AcceptsEveryCommit),
    Broken("no_leaked_resource", "a release is omitted", CROWDED, commanded(release_resources=does_nothing)),
    Broken("no_double_allocation", "resources are allocated twice", LOSING, commanded(allocate_new_resources=twice)),
    Broken("legal_transitions", "a completed task is started again", SLOW, store=StartsFinishedTasks),
    Broken("checkpoint_integrity", "checkpoints are not validated", DAMAGED, patch=accepting_every_checkpoint),
    Broken("fencing", "the store does not fence", HANGING, store=NeverFences),
    Broken("retry_bound", "retries are not counted", FAILING, store=CountsNoRetry),
    Broken("audit_complete", "the analysis is not recorded", FAILING, without_event("recovery.analyzed")),
    Broken("audit_complete", "the outcome of a step is not recorded", FAILING, without_event("step.completed")),
    Broken("audit_complete", "a restarted core has no journal", CRASHING, without_a_journal),
    Broken("audit_complete", "a restarted core repeats its steps", CRASHING, patch=repeating_steps),
    Broken("recovery_terminates", "a command never returns", FAILING, commanded(retry_task=never_returns)),
)


@pytest.mark.parametrize(
    "text", [FAILING, CROWDED, HANGING, SLOW, LOSING, DAMAGED, CRASHING], ids=lambda text: text.split()[1]
)
def test_the_correct_core_violates_nothing(text: str) -> None:
    """Precondition of the other tests: no violations, although there are recoveries."""
    found = sim.run(scenarios.loads(text), seed=7)
    assert found.violations == ()
    assert found.metrics["attempts.started"] != found.metrics["attempts.succeeded"]


def run(broken: Broken, **values: Any) -> Run:
    """A run with the defect."""
    scenario = scenarios.loads(broken.scenario).with_values(values)
    with pytest.MonkeyPatch.context() as patch:
        broken.patch(patch)
        return sim.run(scenario, seed=7, core=broken.core, store=broken.store)


@cache
def run_of(defect: str) -> Run:
    """The run of each defect, which the test of the defect and the test of the page share."""
    return run(next(broken for broken in BROKEN if broken.defect == defect))


@pytest.mark.parametrize("defect", BROKEN, ids=lambda broken: broken.defect.replace(" ", "-"))
def test_a_broken_core_is_first_detected_by_its_checker(defect: Broken) -> None:
    """The first violation of all, in the order of the history, is of the invariant that the defect breaks."""
    found = run_of(defect.defect)
    assert found.violations
    first = min(found.violations, key=lambda violation: (violation.time, violation.row))
    assert first.invariant == defect.invariant
    assert found.metrics[f"consistency.{defect.invariant}"]
    assert run(defect, history="summary").violations == found.violations


PAGE = Path(sim.__file__).parent / "invariants" / "README.md"
TOP = """\
# Invariants and the defects that they detect

Every checker is tested with broken cores. Each core has one defect and runs in a scenario in which the correct core
violates nothing. Its row shows the violated invariants: **first** is the first violation in the order of the history,
and *also* marks later violations.

"""


def table() -> str:
    """The page: the invariants that each broken core violates."""
    names = list(CHECKERS)
    lines = [
        "| defect | " + " | ".join(f"`{name}`" for name in names) + " |",
        "| --- |" + " :---: |" * len(names),
    ]
    for broken in BROKEN:
        found = run_of(broken.defect)
        first = min(found.violations, key=lambda violation: (violation.time, violation.row)).invariant
        violated = {violation.invariant for violation in found.violations}
        cells = ["**first**" if name == first else "*also*" if name in violated else "" for name in names]
        lines.append(f"| {broken.defect} | " + " | ".join(cells) + " |")
    promises = [f"- `{name}`: {promise}." for name, promise in INVARIANTS.items()]
    return TOP + "\n".join((*lines, "", "Definitions:", "", *promises)) + "\n"


def test_the_page_lists_the_broken_cores_and_their_checkers() -> None:
    """It is written by `python -m tests.sim.invariants.test_broken_cores > sim/invariants/README.md`."""
    assert PAGE.read_text(encoding="utf-8") == table()


def test_every_checker_detects_a_broken_core() -> None:
    """No invariant is left out."""
    assert {broken.invariant for broken in BROKEN} == set(CHECKERS)


if __name__ == "__main__":
    sys.stdout.write(table())
