"""The manual procedures of the runbook on one task of a store, step by step, as an operator takes them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from recovery.audit import AuditEvent
from recovery.checkpoints import is_intact
from recovery.detection.orphaned_tasks import seen
from recovery.diagnosis.explanation import explain_findings
from recovery.engine.engine import RecoveryEngine
from recovery.engine.plan import Plan
from recovery.errors import RecoveryBenchError
from recovery.local import resource_pools, task_queue
from recovery.local.config import LocalConfig
from recovery.local.ports import local_ports
from recovery.local.stored_config import config_of
from recovery.manual import operator_commands
from recovery.manual.plan_file import PlanFile, steps_of
from recovery.manual.pre_escalation_view import as_it_was
from recovery.model import FINISHED, HALTED, TASK_KINDS, Checkpoint, Escalation, Failure, Incident, TaskStatus
from recovery.ports import System
from recovery.runbook.catalogue import Runbook, documented
from recovery.stores.database import Database
from recovery.stores.sql_tasks import SqlTaskStore, reopened
from recovery.stores.tables import RETRIES, TASKS
from recovery.supervision.escalation_queue import EscalationQueue

BY_HAND = -2
"""The number of an incident that an operator recovers, on record: it is none of the core's."""


class NotPossible(RecoveryBenchError):
    """What an operator asks for cannot be done with this task, as it stands. One line; nothing has changed."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is known of a task: where it stands, what the core has made of it, and what would be done about it."""

    task_id: str
    state: dict[str, Any]
    plan: Plan
    escalation: Escalation | None


class ByHand:
    """Manual recovery against a store. Every method raises NotPossible, and StoreError.

    An automatic core may be at work meanwhile: what it has an open recovery for is left to it.
    """

    def __init__(self, database: Database, runbook: Runbook | None = None) -> None:
        self._database = database
        self._config: LocalConfig = config_of(database)
        self._runbook = documented() if runbook is None else runbook
        self.system, _ = local_ports(database, _no_agents, self._config)

    # ------------------------------------------------------------------------------------------ a task's recovery
    async def analyze(self, task_id: str) -> Assessment:
        """Look, and change nothing."""
        state = self._state(task_id)
        escalation = self._escalation(task_id)
        lens, failure = await self._failure(task_id, escalation)
        info = {"kind": failure.kind, "at": failure.at, "symptoms": failure.symptoms, **failure.info}
        plan = await self._engine(lens).plan(task_id, info)
        return Assessment(task_id, state, plan, escalation)

    async def plan(self, task_id: str, operator: str, checkpoint: int | None = None) -> PlanFile:
        """What would be done now, to be read by others before it is; from another `checkpoint` than the latest."""
        if checkpoint is not None:
            stored = {each.sequence: intact for each, intact in self.checkpoints(task_id)}
            if not stored.get(checkpoint, False):
                why = "is damaged" if checkpoint in stored else "is not there"
                valid = ", ".join(str(number) for number, intact in stored.items() if intact) or "none"
                raise NotPossible(f"{task_id}: checkpoint {checkpoint} {why}; valid: {valid}")
        return self._written(await self.analyze(task_id), operator, checkpoint)

    def _written(self, found: Assessment, operator: str, checkpoint: int | None) -> PlanFile:
        strategy, analysis = found.plan.strategy, found.plan.analysis
        if strategy is None or analysis is None:
            raise NotPossible(f"{found.task_id}: there is nothing to plan: {found.plan.reason}")
        return PlanFile(
            task=found.task_id,
            made_by=operator,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),  # noqa: TID251 - operators live by the machine's clock
            store=self._database.place,
            runbook=hashlib.sha256(json.dumps(self._runbook.as_dict(), sort_keys=True).encode()).hexdigest(),
            verdict=analysis.verdict,
            because=explain_findings(analysis),
            state=found.state,
            checkpoint=checkpoint,
            steps=steps_of(strategy),
        )

    async def check(self, plan: PlanFile) -> Assessment:
        """That a plan is what would be done now."""
        if plan.store != self._database.place:
            raise NotPossible(f"the plan is for {plan.store}, and not for {self._database.place}")
        _check_state(plan, self._state(plan.task))
        found = await self.analyze(plan.task)
        fresh = self._written(found, plan.made_by, plan.checkpoint)
        if (difference := plan.differs(fresh)) is not None:
            raise NotPossible(f"{plan.task}: the plan is not what would be done now: {difference}; valid: another plan")
        return found

    async def execute(self, plan: PlanFile) -> bool:
        """Take its steps. False: one has failed, and a task that was an operator's is so again."""
        found = await self.check(plan)
        strategy, analysis, task_id = found.plan.strategy, found.plan.analysis, plan.task
        assert strategy is not None
        assert analysis is not None
        incident = self._incident(analysis.failure)
        was_escalated = self._database.write(lambda connection: self._take_up(connection, plan))
        incident.analysis, incident.facts.checkpoint_id = analysis, plan.checkpoint
        engine = self._engine(self.system)
        done = await self._on_record(
            incident,
            "execute_recovery_plan",
            lambda: operator_commands.execute_recovery_plan(engine, incident, task_id=task_id, plan=strategy),
        )
        if not done and was_escalated:
            await self.system.store.escalate(task_id, "recovery by hand has failed")
            await self.system.tasks.give_up(task_id, "recovery by hand has failed")
        return done

    def _take_up(self, connection: Connection, plan: PlanFile) -> bool:
        """Make a task one that can be recovered, if its state is still the plan's. Returns whether it was escalated."""
        _check_state(plan, _state(connection, plan.task))
        return reopened(connection, plan.task)

    async def verify(self, task_id: str, operator: str) -> bool:
        """Whether it is recovered; its escalation is resolved then."""
        self._known(task_id)
        incident = self._incident(Failure(TASK_KINDS[0], task_id, _now()))
        engine = self._engine(self.system)
        verified = await self._on_record(
            incident,
            "verify_task_state",
            lambda: operator_commands.verify_task_state(engine, incident, task_id=task_id),
        )
        escalation = self._escalation(task_id)
        if verified and escalation is not None:
            EscalationQueue(journal=self.system.journal).resolve(escalation.incident, operator, "recovered by hand")
            self.system.audit.record(AuditEvent.ESCALATION_RESOLVED, escalation.incident, task_id, operator)
            await self.system.journal.durable()
        return verified

    # ------------------------------------------------------------------------------------------ a task's state
    async def backup(self, task_id: str) -> tuple[Checkpoint | None, bool]:
        """Where the next attempt would start (None: at the beginning), and whether that was saved once more.

        An escalated task takes no checkpoints any more: it has what it has.
        """
        status = self._known(task_id)
        if status is TaskStatus.COMPLETED:
            raise NotPossible(f"{task_id}: is completed, and has no state any more")
        incident = self._incident(Failure(TASK_KINDS[0], task_id, _now()))
        engine = self._engine(self.system)
        if status not in FINISHED:
            saved = await self._on_record(
                incident, "backup_state", lambda: operator_commands.backup_state(engine, incident, task_id=task_id)
            )
            if saved:
                return (await self.system.store.checkpoints(task_id))[-1], True
        return await operator_commands.present_state(engine, task_id, BY_HAND), False

    async def restore(self, task_id: str, sequence: int) -> bool:
        """Let the next attempt start from the checkpoint of this number. False: there is none, or it is damaged."""
        self._known(task_id)
        self._nobody_else(task_id)
        incident = self._incident(Failure(TASK_KINDS[0], task_id, _now()))
        engine = self._engine(self.system)
        return await self._on_record(
            incident,
            "restore_checkpoint",
            lambda: operator_commands.restore_checkpoint(engine, incident, task_id=task_id, checkpoint_id=sequence),
        )

    async def verify_state(self, task_id: str) -> bool:
        """Whether the next attempt would start from something that is what was written."""
        if self._known(task_id) is TaskStatus.COMPLETED:
            raise NotPossible(f"{task_id}: is completed, and has no state any more")
        incident = self._incident(Failure(TASK_KINDS[0], task_id, _now()))
        engine = self._engine(self.system)
        return await self._on_record(
            incident, "verify_state", lambda: operator_commands.verify_state(engine, incident, task_id=task_id)
        )

    def status(self, task_id: str) -> TaskStatus:
        """Where the task stands."""
        return self._known(task_id)

    def checkpoints(self, task_id: str) -> list[tuple[Checkpoint, bool]]:
        """What is stored of a task, oldest first, each with whether it is what was written."""
        self._known(task_id)
        return [(each, is_intact(each)) for each in SqlTaskStore(self._database).checkpoints(task_id)]

    # ------------------------------------------------------------------------------------------------- what is known
    def _known(self, task_id: str) -> TaskStatus:
        status = SqlTaskStore(self._database).status(task_id)
        if status is None:
            raise NotPossible(f"{task_id}: there is no task of this name in {self._database.place}")
        return status

    def _nobody_else(self, task_id: str) -> None:
        open_ = [each.number for each in self.system.journal.unfinished() if each.failure.subject == task_id]
        if open_:
            raise NotPossible(f"{task_id}: automatic recovery {open_[0]} is at it; valid: when that is over")

    def _state(self, task_id: str) -> dict[str, Any]:
        self._known(task_id)
        self._nobody_else(task_id)
        return self._database.read(lambda connection: _state(connection, task_id))

    def _escalation(self, task_id: str) -> Escalation | None:
        """The one that waits for an operator."""
        waiting = [each for each in EscalationQueue(journal=self.system.journal) if each.failure.subject == task_id]
        return waiting[-1] if waiting else None

    async def _failure(self, task_id: str, escalation: Escalation | None) -> tuple[System, Failure]:
        """What there is to recover, and through what to look at it."""
        view = await self.system.tasks.inspect(task_id)
        if view is None:
            raise NotPossible(f"{task_id}: the queue does not know it")
        if view.status is not TaskStatus.ESCALATED:
            return self.system, replace(seen(view, _now()), at=_now())
        before = TaskStatus.FAILED if escalation is None or escalation.status is None else escalation.status
        if before not in HALTED:
            before = TaskStatus.FAILED
        failure = seen(replace(view, status=before), _now()) if escalation is None else escalation.failure
        return as_it_was(self.system, task_id, before), failure

    def _engine(self, system: System) -> RecoveryEngine:
        return RecoveryEngine(self._config.recovery, system, runbook=self._runbook)

    def _incident(self, failure: Failure) -> Incident:
        return Incident(BY_HAND, failure, _now())

    async def _on_record(self, incident: Incident, command: str, step: Callable[[], Awaitable[bool]]) -> bool:
        audit, subject = self.system.audit, incident.failure.subject
        audit.record(AuditEvent.STEP_STARTED, incident.number, subject, command)
        done = await step()
        audit.record(AuditEvent.STEP_COMPLETED if done else AuditEvent.STEP_FAILED, incident.number, subject, command)
        return done


def _check_state(plan: PlanFile, state: dict[str, Any]) -> None:
    if (moved := plan.moved(state)) is not None:
        raise NotPossible(f"{plan.task}: its state has moved since the plan was made: {moved}; valid: another plan")


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _no_agents(name: str) -> int:
    raise NotPossible(f"{name}: agents are started by the system that they belong to")


def _state(connection: Connection, task_id: str) -> dict[str, Any]:
    """All of a task that decides what is to be done about it."""
    asked = select(TASKS.c.status, TASKS.c.epoch, TASKS.c.fence, TASKS.c.sequence, TASKS.c.restore)
    row = connection.execute(asked.where(TASKS.c.task_id == task_id)).one()
    retries = select(RETRIES.c.kind, RETRIES.c.count).where(RETRIES.c.task_id == task_id).order_by(RETRIES.c.kind)
    found = task_queue.find(connection, task_id)
    return {
        "status": row.status,
        "epoch": row.epoch,
        "fence": row.fence,
        "last_checkpoint": row.sequence,
        "restore_point": row.restore,
        "retries": {row["kind"]: row["count"] for row in connection.execute(retries).mappings()},
        "waits": found is not None and found.waits,
        "agent": None if found is None else found.agent,
        "error_code": None if found is None else found.error_code,
        "held": resource_pools.held(connection, task_id),
    }
