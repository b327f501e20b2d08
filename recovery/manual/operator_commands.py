"""The commands that an operator gives: analysis, plan, execution and its verification; backup, restore and its check.

Each takes the engine that does the work, the incident and its arguments by the runbook's names, and says whether it
worked. What later steps need of it (`analysis`, `plan`, `checkpoint_id`) it leaves in the incident's context.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from recovery.actions.commands import Command
from recovery.actions.state import CheckpointManager, StateManager, StateRecovery
from recovery.checkpoints import is_intact
from recovery.engine.engine import RecoveryEngine
from recovery.model import Analysis, Checkpoint, Incident, RecoveryStrategy
from recovery.runbook.instructions import Instruction


async def analyze_task_failure(engine: RecoveryEngine, incident: Incident, *, task_id: str) -> bool:
    """Look at what can be observed and leave the `analysis`. False: nothing to recover, or nothing documented."""
    analysis = await engine._analyze_failure(incident)
    if isinstance(analysis, str) or analysis.scenario is None:
        return False
    incident.context["analysis"] = analysis
    return True


async def create_recovery_plan(engine: RecoveryEngine, incident: Incident, *, task_id: str, analysis: Analysis) -> bool:
    """Leave the `plan`: the documented steps for what the analysis found, to be read before they are taken."""
    incident.context["plan"] = await engine._select_recovery_strategy(analysis)
    return True


async def execute_recovery_plan(
    engine: RecoveryEngine, incident: Incident, *, task_id: str, plan: RecoveryStrategy
) -> bool:
    """Void and stop what is left of the failed attempt and take the plan's steps, up to the first that fails."""
    return await engine._execute_recovery(incident, plan)


async def verify_task_state(engine: RecoveryEngine, incident: Incident, *, task_id: str) -> bool:
    """Whether state, resources and the ability to execute say that the task is recovered."""
    return await engine.verification.verify_recovery(task_id)


async def present_state(engine: RecoveryEngine, task_id: str, incident: int) -> Checkpoint | None:
    """Where the next attempt would start: the restore point, else the latest valid checkpoint, else the beginning."""
    chosen = await engine.system.store.restore_point(task_id)
    if chosen is not None and is_intact(chosen):
        return chosen
    checkpoints = CheckpointManager({"stale_reads": engine.config.stale_reads}, engine.system)
    return await checkpoints.find_latest_valid(task_id, incident)


async def backup_state(engine: RecoveryEngine, incident: Incident, *, task_id: str) -> bool:
    """Store the task's present state as another checkpoint, and leave its number as `checkpoint_id`.

    False: the store takes no checkpoint of the task, because it is finished or its attempt is void.
    """
    store = engine.system.store
    if await StateManager({}, engine.system).is_finished(task_id):
        return False
    now = await present_state(engine, task_id, incident.number)
    epoch = await store.epoch(task_id)
    saved = await store.save_checkpoint(task_id, epoch, *((0.0,) if now is None else (now.progress, now.state)))
    if saved is None:
        return False
    incident.context.setdefault("checkpoint_id", saved.sequence)  # unless the operator has chosen one
    return True


async def restore_checkpoint(
    engine: RecoveryEngine, incident: Incident, *, task_id: str, checkpoint_id: int | str
) -> bool:
    """Let the next attempt start from the checkpoint of this number. False: there is none, or it is damaged."""
    return await StateRecovery({}, engine.system).recover_state(task_id, incident.number, int(checkpoint_id))


async def verify_state(engine: RecoveryEngine, incident: Incident, *, task_id: str) -> bool:
    """Whether the next attempt would start from something that is stored for this task, and is what was written."""
    store = engine.system.store
    if await store.status(task_id) is None:
        return False
    chosen = await store.restore_point(task_id)
    return chosen is None or (
        chosen in await store.checkpoints(task_id) and CheckpointManager({}, engine.system).is_valid(chosen)
    )


def manual_commands(engine: RecoveryEngine) -> Mapping[str, Command]:
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
    """Take the steps of a manual procedure in order, on record, up to the first that does not work.

    Their arguments are in the incident's context, `task_id` is its subject. Raises KeyError, before any step is taken,
    for a command that is no manual one.
    """
    known = manual_commands(engine)
    commands = [known[step.command] for step in steps]
    incident.context.setdefault("task_id", incident.failure.subject)
    audit, subject = engine.system.audit, incident.failure.subject
    for step, command in zip(steps, commands, strict=True):
        audit.record("step.started", incident.number, subject, step.command)
        done = await command(incident, **{name: incident.context.get(name) for name in step.args})
        audit.record("step.completed" if done else "step.failed", incident.number, subject, step.command)
        if not done:
            return False
    return True
