"""The defects. Each function builds a core for `sim.run(core=…)` and `recovery-bench search --core`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from recovery import Failure, RecoveryEngine, Supervisor, System
from recovery.actions.commands import Command, documented_commands
from recovery.actions.context import RecoveryContext
from recovery.actions.resources import ResourceManager, ResourceRecovery
from recovery.actions.state import CheckpointManager, StateManager
from recovery.actions.tasks import TaskManager
from recovery.audit import EscalationReason
from recovery.engine.engine import Outcome
from recovery.model import FINISHED, TASK_KINDS, Checkpoint, Incident
from recovery.policies.breaker import BreakerState, CircuitBreaker
from scenarios import Scenario
from sim.core.build import build_core, core_config, jitter, priced
from sim.randomness.streams import Streams


def with_commands(
    scenario: Scenario, system: System, streams: Streams, **changed: Command
) -> Supervisor:
    """A core in which some commands are others."""
    commands = {**documented_commands(), **changed}
    config = core_config(scenario)
    engine = RecoveryEngine(config, system, commands=priced(commands, scenario.recovery.costs))
    return Supervisor(config, system, engine, jitter=jitter(streams))


# ------------------------------------------------------------------------------- order of steps
def releases_before_commit(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """The task is queued again before its earlier attempt is fenced: the fence hits the next attempt."""

    async def reassign(context: RecoveryContext, *, agent_id: str, new_agent_id: str | None = None) -> bool:
        for task_id in context.incident.facts.tasks:
            if await context.system.store.status(task_id) not in FINISHED:
                await TaskManager({}, context.system).stop(task_id)
                await ResourceManager({}, context.system).release(task_id)
                await TaskManager({}, context.system).requeue(task_id, "reassigned")
                await asyncio.sleep(0.01)
                await StateManager({}, context.system).fence(task_id, context.incident.number)
        return True

    return with_commands(scenario, system, streams, reassign_agent_tasks=reassign)


def forgets_before_verification(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """The journal forgets a recovery when its steps are done, before it is verified."""
    core = build_core(scenario, system, streams)

    class Hasty(RecoveryEngine):
        async def _finalize_recovery(self, incident: Incident) -> None:
            await super()._finalize_recovery(incident)
            self.system.journal.forget(incident.number)
            await asyncio.sleep(1)

    core.engine.__class__ = Hasty
    return core


# --------------------------------------------------------------------------------------- stores
def fences_no_checkpoint(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """The store checks the fence on a commit, and not on a checkpoint."""
    store = plain_store(system)

    def is_current(task_id: str, epoch: int) -> bool:
        return store.status(task_id) not in FINISHED

    store.is_current = is_current
    return build_core(scenario, system, streams)


def resets_retries_on_migration(scenario: Scenario, system: System, streams: Streams) -> Supervisor:
    """A migrated task counts its retries from 1 again."""
    commands = documented_commands()

    async def migrate_task(context: RecoveryContext, **arguments: Any) -> bool:
        done = await commands["migrate_task"](context, **arguments)
        record = plain_store(context.system)._records[context.incident.failure.subject]
        record.retries = None
        return done

    return with_commands(scenario, system, streams, migrate_task=migrate_task)


def plain_store(system: System) -> Any:
    """The memory store behind the port."""
    found: Any = system.store
    while not hasattr(found, "_records"):
        found = next(value for value in vars(found).values() if hasattr(value, "begin") or hasattr(value, "fence"))
    return found
