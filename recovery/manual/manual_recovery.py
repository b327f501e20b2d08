"""The manual procedures of the runbook for one task of a store."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from recovery.audit import AuditEntry, AuditEvent
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
from recovery.manual.pre_escalation_view import pre_escalation_view
from recovery.model import FINISHED, HALTED, TASK_KINDS, Checkpoint, Escalation, Failure, Incident, TaskStatus
from recovery.ports import System
from recovery.runbook.catalogue import Runbook, documented
from recovery.stores.database import Database
from recovery.stores.identity import store_identity
from recovery.stores.sql_audit import SqlAudit
from recovery.stores.sql_tasks import SqlTaskStore, reopened
from recovery.stores.tables import AUDIT, RETRIES, TASKS
from recovery.supervision.escalation_queue import EscalationQueue

FAILED = "manual recovery has failed"
MANUAL_INCIDENT = -2
"""The incident number in the audit entries of a manual recovery; incidents of the core have numbers from 0."""


class NotPossible(RecoveryBenchError):
    """The state of a task forbids what an operator has requested. One line; nothing has changed."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is known of a task: its state, the plan for its recovery, and its escalation."""

    task_id: str
    state: dict[str, Any]
    plan: Plan
    escalation: Escalation | None


class ManualRecovery:
    """Manual recovery of the tasks in a store. Every method may raise NotPossible and StoreError.

    An automatic core may run at the same time: a task with an open recovery of the core is refused.
    """

    def __init__(self, database: Database, runbook: Runbook | None = None) -> None:
        self._database = database
        self._config: LocalConfig = config_of(database)
        self._runbook = documented() if runbook is None else runbook
        without_limit = self._config.model_copy(update={"max_deliveries": None})  # an operator may repeat a dead letter
        self.system, _ = local_ports(database, _no_agents, without_limit)

    # ------------------------------------------------------------------------------------------ a task's recovery
    async def analyze(self, task_id: str) -> Assessment:
        """Analyze the task. Nothing is changed."""
        state = self._state(task_id)
        escalation = self._escalation(task_id)
        view, failure = await self._failure(task_id, escalation)
        info = {"kind": failure.kind, "at": failure.at, "symptoms": failure.symptoms, **failure.info}
        plan = await self._engine(view).plan(task_id, info)
        return Assessment(task_id, state, plan, escalation)

    async def plan(self, task_id: str, operator: str, checkpoint: int | None = None) -> PlanFile:
        """The plan of the recovery; `checkpoint` replaces the latest checkpoint. Only the audit trail is changed.

        The digest of the plan is recorded there: only recorded plans are executed.
        """
        self._check_checkpoint(task_id, checkpoint)
        made = self._written(await self.analyze(task_id), operator, checkpoint)
        audit, now = SqlAudit(self._database, time.time), time.time()  # noqa: TID251 - operators live by the machine's clock
        entry = AuditEntry(now, AuditEvent.OPERATOR_PLANNED, -1, operator, _recorded_as(made), None)
        audit.record_now(lambda _: entry)
        return made

    def _check_checkpoint(self, task_id: str, checkpoint: int | None) -> None:
        if checkpoint is None:
            return
        stored = {each.sequence: intact for each, intact in self.checkpoints(task_id)}
        if not stored.get(checkpoint, False):
            why = "is damaged" if checkpoint in stored else "does not exist"
            valid = ", ".join(str(number) for number, intact in stored.items() if intact) or "none"
            raise NotPossible(f"{task_id}: checkpoint {checkpoint} {why}; valid: {valid}")

    def _written(self, found: Assessment, operator: str, checkpoint: int | None) -> PlanFile:
        strategy, analysis = found.plan.strategy, found.plan.analysis
        if strategy is None or analysis is None:
            raise NotPossible(f"{found.task_id}: there is nothing to plan: {found.plan.reason}")
        return PlanFile(
            task=found.task_id,
            made_by=operator,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),  # noqa: TID251 - operators live by the machine's clock
            store=self._database.place,
            store_identity=self._database.read(store_identity),
            runbook=hashlib.sha256(json.dumps(self._runbook.as_dict(), sort_keys=True).encode()).hexdigest(),
            verdict=analysis.verdict,
            because=explain_findings(analysis),
            state=found.state,
            checkpoint=checkpoint,
            steps=steps_of(strategy),
        ).sealed()

    async def check(self, plan: PlanFile) -> Assessment:
        """Check that a plan is for this store and up to date, and return the current assessment."""
        self.check_store(plan)
        _check_state(plan, self._state(plan.task))
        found = await self.analyze(plan.task)
        fresh = self._written(found, plan.made_by, plan.checkpoint)
        if (difference := plan.differs(fresh)) is not None:
            raise NotPossible(f"{plan.task}: the plan is out of date: {difference}; valid: a new plan")
        if not self._database.read(lambda connection: _is_recorded(connection, plan)):
            raise NotPossible(f"{plan.task}: the plan is not one that recover task plan has made; valid: a new plan")
        self._check_checkpoint(plan.task, plan.checkpoint)
        return found

    def check_store(self, plan: PlanFile) -> None:
        """Check that a plan is for this store. Two stores may have files of the same name."""
        if plan.store != self._database.place:
            raise NotPossible(f"the plan is for {plan.store}, not for {self._database.place}")
        if plan.store_identity != self._database.read(store_identity):
            raise NotPossible(f"the plan is for another store, which is called {plan.store} as well")

    async def execute(self, plan: PlanFile) -> bool:
        """Execute the steps of a plan. False: one has failed, and a task that was escalated is escalated again."""
        found = await self.check(plan)
        strategy, analysis, task_id = found.plan.strategy, found.plan.analysis, plan.task
        assert strategy is not None
        assert analysis is not None
        incident = self._incident(analysis.failure)
        was_escalated = self._database.write(lambda connection: self._take_up(connection, plan))
        incident.analysis, incident.facts.checkpoint_id = analysis, plan.checkpoint
        engine = self._engine(self.system)
        done = await self._recorded(
            incident,
            "execute_recovery_plan",
            lambda: operator_commands.execute_recovery_plan(engine, incident, task_id=task_id, plan=strategy),
        )
        if not done and was_escalated:
            await self.system.store.escalate(task_id, FAILED)
            await self.system.tasks.give_up(task_id, FAILED)
        return done

    def _take_up(self, connection: Connection, plan: PlanFile) -> bool:
        """Reopen an escalated task, if its state is still that of the plan. Returns whether it was escalated."""
        _check_state(plan, _state(connection, plan.task))
        return reopened(connection, plan.task)

    async def verify(self, task_id: str, operator: str) -> bool:
        """Whether the task is recovered; if it is, resolve its escalation."""
        self._known(task_id)
        incident = self._incident(Failure(TASK_KINDS[0], task_id, _now()))
        engine = self._engine(self.system)
        verified = await self._recorded(
            incident,
            "verify_task_state",
            lambda: operator_commands.verify_task_state(engine, incident, task_id=task_id),
        )
        escalation = self._escalation(task_id)
        if verified and escalation is not None:
            EscalationQueue(journal=self.system.journal).resolve(escalation.incident, operator, "recovered manually")
            self.system.audit.record(AuditEvent.ESCALATION_RESOLVED, escalation.incident, task_id, operator)
            await self.system.journal.durable()
        return verified

    # ------------------------------------------------------------------------------------------ a task's state
    async def backup(self, task_id: str) -> tuple[Checkpoint | None, bool]:
        """Save the state from which the next attempt would start as a new checkpoint.

        Returns that checkpoint (None: the beginning of the task), and whether it is new: no checkpoint can be added to
        an escalated task.
        """
        status = self._known(task_id)
        if status is TaskStatus.COMPLETED:
            raise NotPossible(f"{task_id}: is completed and has no state")
        incident = self._incident(Failure(TASK_KINDS[0], task_id, _now()))
        engine = self._engine(self.system)
        if status not in FINISHED:
            saved = await self._recorded(
                incident, "backup_state", lambda: operator_commands.backup_state(engine, incident, task_id=task_id)
            )
            if saved:
                return (await self.system.store.checkpoints(task_id))[-1], True
        return await operator_commands.present_state(engine, task_id, MANUAL_INCIDENT), False

    async def restore(self, task_id: str, sequence: int) -> bool:
        """Let the next attempt start from the checkpoint with this number. False: it does not exist or is damaged."""
        self._known(task_id)
        self._not_being_recovered(task_id)
        incident = self._incident(Failure(TASK_KINDS[0], task_id, _now()))
        engine = self._engine(self.system)
        return await self._recorded(
            incident,
            "restore_checkpoint",
            lambda: operator_commands.restore_checkpoint(engine, incident, task_id=task_id, checkpoint_id=sequence),
        )

    async def verify_state(self, task_id: str) -> bool:
        """Whether the next attempt would start from an intact checkpoint."""
        if self._known(task_id) is TaskStatus.COMPLETED:
            raise NotPossible(f"{task_id}: is completed and has no state")
        incident = self._incident(Failure(TASK_KINDS[0], task_id, _now()))
        engine = self._engine(self.system)
        return await self._recorded(
            incident, "verify_state", lambda: operator_commands.verify_state(engine, incident, task_id=task_id)
        )

    def status(self, task_id: str) -> TaskStatus:
        """The status of the task."""
        return self._known(task_id)

    def checkpoints(self, task_id: str) -> list[tuple[Checkpoint, bool]]:
        """The stored checkpoints of a task, oldest first, each with whether it is intact."""
        self._known(task_id)
        return [(each, is_intact(each)) for each in SqlTaskStore(self._database).checkpoints(task_id)]

    # ------------------------------------------------------------------------------------------------- what is known
    def _known(self, task_id: str) -> TaskStatus:
        status = SqlTaskStore(self._database).status(task_id)
        if status is None:
            raise NotPossible(f"{task_id}: there is no task with this name in {self._database.place}")
        return status

    def _not_being_recovered(self, task_id: str) -> None:
        open_ = [each.number for each in self.system.journal.unfinished() if each.failure.subject == task_id]
        if open_:
            raise NotPossible(f"{task_id}: automatic recovery {open_[0]} is open; valid: after its end")

    def _state(self, task_id: str) -> dict[str, Any]:
        self._known(task_id)
        self._not_being_recovered(task_id)
        return self._database.read(lambda connection: _state(connection, task_id))

    def _escalation(self, task_id: str) -> Escalation | None:
        """The escalation of the task that no operator has resolved."""
        waiting = [each for each in EscalationQueue(journal=self.system.journal) if each.failure.subject == task_id]
        return waiting[-1] if waiting else None

    async def _failure(self, task_id: str, escalation: Escalation | None) -> tuple[System, Failure]:
        """The system through which the engine sees the task, and its failure."""
        view = await self.system.tasks.inspect(task_id)
        if view is None:
            raise NotPossible(f"{task_id}: is not in the queue")
        if view.status is not TaskStatus.ESCALATED:
            return self.system, replace(seen(view, _now()), at=_now())
        before = TaskStatus.FAILED if escalation is None or escalation.status is None else escalation.status
        if before not in HALTED:
            before = TaskStatus.FAILED
        failure = seen(replace(view, status=before), _now()) if escalation is None else escalation.failure
        return pre_escalation_view(self.system, task_id, before), failure

    def _engine(self, system: System) -> RecoveryEngine:
        return RecoveryEngine(self._config.recovery, system, runbook=self._runbook)

    def _incident(self, failure: Failure) -> Incident:
        return Incident(MANUAL_INCIDENT, failure, _now())

    async def _recorded(self, incident: Incident, command: str, step: Callable[[], Awaitable[bool]]) -> bool:
        audit, subject = self.system.audit, incident.failure.subject
        audit.record(AuditEvent.STEP_STARTED, incident.number, subject, command)
        done = await step()
        audit.record(AuditEvent.STEP_COMPLETED if done else AuditEvent.STEP_FAILED, incident.number, subject, command)
        return done


def _recorded_as(plan: PlanFile) -> str:
    """The detail of a plan's line in the audit trail."""
    return f"{plan.sha256} {plan.task}"


def _is_recorded(connection: Connection, plan: PlanFile) -> bool:
    is_line = (AUDIT.c.event == AuditEvent.OPERATOR_PLANNED, AUDIT.c.detail == _recorded_as(plan))
    return connection.execute(select(AUDIT.c.number).where(*is_line).limit(1)).one_or_none() is not None


def _check_state(plan: PlanFile, state: dict[str, Any]) -> None:
    if (change := plan.changed_state(state)) is not None:
        raise NotPossible(f"{plan.task}: its state has changed since the plan was made: {change}; valid: a new plan")


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _no_agents(name: str) -> int:
    raise NotPossible(f"{name}: only the system of an agent can start it")


def _state(connection: Connection, task_id: str) -> dict[str, Any]:
    """Everything in the state of a task that its plan depends on."""
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
