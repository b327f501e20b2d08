"""The commands of the manual procedures: analyze, plan, execute and verify; back up, restore and check a state.

Each takes the engine, the incident, and its arguments by the runbook's names. It returns whether it worked. Results
that later steps use are stored in the incident: `analysis` as its analysis, `plan` as its strategy, and `checkpoint_id`
in its facts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from recovery.actions.context import STANDALONE, RecoveryContext
from recovery.actions.state import CheckpointManager, StateManager, StateRecovery
from recovery.audit import AuditEvent
from recovery.checkpoints import is_intact
from recovery.engine.engine import RecoveryEngine
from recovery.engine.resumption import replan
from recovery.model import Analysis, Checkpoint, Incident, RecoveryStrategy
from recovery.runbook.instructions import Instruction

ManualCommand = Callable[..., Awaitable[bool]]
"""Takes an incident and the runbook's arguments; returns whether it worked."""


async def analyze_task_failure(engine: RecoveryEngine, incident: Incident, *, task_id: str) -> bool:
    """Analyze the failure. False: there is nothing to recover, or no runbook entry matches."""
    analysis = await engine._analyze_failure(RecoveryContext(engine.system, incident, STANDALONE))
    return isinstance(analysis, Analysis) and analysis.scenario is not None


async def create_recovery_plan(engine: RecoveryEngine, incident: Incident, *, task_id: str, analysis: Analysis) -> bool:
    """Make the plan: the documented steps for the analysis. Nothing is executed."""
    replan(incident, await engine._select_recovery_strategy(analysis))
    return True


async def execute_recovery_plan(
    engine: RecoveryEngine, incident: Incident, *, task_id: str, plan: RecoveryStrategy
) -> bool:
    """Fence and stop the failed attempt, and execute the plan's steps up to the first that fails."""
    return await engine._execute_recovery(RecoveryContext(engine.system, incident, STANDALONE), plan)


async def verify_task_state(engine: RecoveryEngine, incident: Incident, *, task_id: str) -> bool:
    """Whether state, resources and the ability to execute say that the task is recovered."""
    return await engine.verification.verify_recovery(task_id)


async def present_state(engine: RecoveryEngine, task_id: str, incident: int) -> Checkpoint | None:
    """The start of the next attempt: the restore point, else the latest valid checkpoint, else None, the beginning."""
    chosen = await engine.system.store.restore_point(task_id)
    if chosen is not None and is_intact(chosen):
        return chosen
    checkpoints = CheckpointManager({"stale_reads": engine.config.stale_reads}, engine.system)
    return await checkpoints.find_latest_valid(task_id, incident)


async def backup_state(engine: RecoveryEngine, incident: Incident, *, task_id: str) -> bool:
    """Save the task's present state as a new checkpoint, and choose it unless the operator has chosen another one.

    False: the store accepts no checkpoint of the task, because it is finished or its attempt is fenced.
    """
    store = engine.system.store
    if await StateManager({}, engine.system).is_finished(task_id):
        return False
    now = await present_state(engine, task_id, incident.number)
    epoch = await store.epoch(task_id)
    saved = await store.save_checkpoint(task_id, epoch, *((0.0,) if now is None else (now.progress, now.state)))
    if saved is None:
        return False
    if incident.facts.checkpoint_id is None:
        incident.facts.checkpoint_id = saved.sequence
    return True


async def restore_checkpoint(
    engine: RecoveryEngine, incident: Incident, *, task_id: str, checkpoint_id: int | str
) -> bool:
    """Let the next attempt start from the checkpoint with this number. False: it does not exist or is damaged."""
    return await StateRecovery({}, engine.system).recover_state(task_id, incident.number, int(checkpoint_id))


async def verify_state(engine: RecoveryEngine, incident: Incident, *, task_id: str) -> bool:
    """Whether the next attempt would start from an intact checkpoint of this task, or from the beginning."""
    store = engine.system.store
    if await store.status(task_id) is None:
        return False
    chosen = await store.restore_point(task_id)
    return chosen is None or (
        chosen in await store.checkpoints(task_id) and CheckpointManager({}, engine.system).is_valid(chosen)
    )


def manual_commands(engine: RecoveryEngine) -> Mapping[str, ManualCommand]:
    """The registry: every command of the manual procedures, by its name."""
    return {
        command.__name__: partial(command, engine)
        for command in (
            analyze_task_failure,
            create_recovery_plan,
            execute_recovery_plan,
            verify_task_state,
            backup_state,
            restore_checkpoint,
            verify_state,
        )
    }


async def follow(engine: RecoveryEngine, steps: Sequence[Instruction], incident: Incident) -> bool:
    """Execute the steps of a manual procedure in order, up to the first that fails, and record each in the audit trail.

    `task_id` is the subject of the incident; other arguments are results of earlier steps. Raises KeyError for a
    command that is not manual, before any step is executed.
    """
    known = manual_commands(engine)
    commands = [known[step.command] for step in steps]
    audit, subject = engine.system.audit, incident.failure.subject
    for step, command in zip(steps, commands, strict=True):
        audit.record(AuditEvent.STEP_STARTED, incident.number, subject, step.command)
        done = await command(incident, **{name: _argument(name, incident) for name in step.args})
        event = AuditEvent.STEP_COMPLETED if done else AuditEvent.STEP_FAILED
        audit.record(event, incident.number, subject, step.command)
        if not done:
            return False
    return True


def _argument(name: str, incident: Incident) -> Any:
    match name:
        case "task_id":
            return incident.failure.subject
        case "analysis":
            return incident.analysis
        case "plan":
            return incident.strategy
        case "checkpoint_id":
            return incident.facts.checkpoint_id
    return None
