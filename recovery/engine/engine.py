"""The recovery engine: analyze, select, prepare, execute, finalize, verify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from recovery.actions.commands import Command, documented_commands
from recovery.actions.context import STANDALONE, RecoveryContext, RecoveryServices
from recovery.actions.resources import ResourceManager
from recovery.actions.state import StateManager
from recovery.actions.tasks import TaskManager
from recovery.audit import AuditEvent, DismissalReason, FailureReason
from recovery.config import RecoveryConfig
from recovery.diagnosis.analyst import Analyst, escalation_cause
from recovery.diagnosis.explanation import DISMISSALS, explain
from recovery.diagnosis.verification import RecoveryVerification
from recovery.engine.plan import Plan, strategy_of
from recovery.engine.resumption import BEGUN, failed_again, first_step, interrupted_plan, next_step
from recovery.errors import error_text
from recovery.model import Analysis, Failure, FailureKind, Incident, OnFailure, Phase, RecoveryStrategy, Step
from recovery.ports import System
from recovery.runbook.catalogue import Runbook, documented
from recovery.runbook.instructions import Instruction


class Outcome(StrEnum):
    """How a try ended."""

    VERIFIED = "verified"
    FAILED = "failed"
    DISMISSED = "dismissed"  # there is nothing to recover
    STUCK = "stuck"  # a step could not be undone: for an operator
    UNKNOWN = "unknown"  # no runbook entry, or more than one, matches: for an operator


class RecoveryEngine:
    """Recovers a failure by the steps of the runbook.

    `config` is a `RecoveryConfig` or a mapping for one. `commands` replaces the registry of commands, `runbook` the
    documented runbook. Every event is recorded in the system's audit trail at its instant, and the progress of a
    recovery is kept in the system's journal.
    """

    def __init__(
        self,
        config: RecoveryConfig | Mapping[str, Any],
        system: System,
        *,
        commands: Mapping[str, Command] | None = None,
        runbook: Runbook | None = None,
    ) -> None:
        self.config = RecoveryConfig.model_validate(config)
        self.system = system
        self.state_manager = StateManager({}, system)
        self.resource_manager = ResourceManager({}, system)
        self.task_manager = TaskManager({}, system)
        self.verification = RecoveryVerification({}, system)
        self._commands = documented_commands() if commands is None else dict(commands)
        self._runbook = documented() if runbook is None else runbook
        self._entries = dict(self._runbook.entries())
        self._analyst = Analyst(system, self._entries)
        self._manual_incidents = -1  # stands for no incident; the numbers below are used
        self._in_step: dict[int, None] = {}  # incidents of which a step was started here, and not by an earlier core

    async def recover_task(self, task_id: str, failure_info: Mapping[str, Any]) -> bool:
        """Recover a task now. True: the recovery was verified.

        `failure_info` may have `kind` (a failure kind; default: `task_failure`), `at` (seconds), `symptoms`, and other
        observations. Raises ValueError for an unknown kind.
        """
        self._manual_incidents -= 1
        incident = _manual_incident(self._manual_incidents, task_id, failure_info)
        outcome = await self.recover(incident)
        if outcome is Outcome.UNKNOWN:
            self._say(incident, AuditEvent.RECOVERY_FAILED, escalation_cause(incident.analysis)[1])
        return outcome is Outcome.VERIFIED

    async def plan(self, task_id: str, failure_info: Mapping[str, Any]) -> Plan:
        """What `recover_task` would do now. Probes the system; changes and records nothing.

        Raises ValueError as `recover_task` does.
        """
        incident = _manual_incident(-1, task_id, failure_info)
        analysis = await self._analyze(RecoveryContext(self.system, incident, STANDALONE))
        if isinstance(analysis, DismissalReason):
            return Plan(task_id, None, None, DISMISSALS[analysis], analysis)
        if analysis.scenario is None:
            cause, reason = escalation_cause(analysis)
            return Plan(task_id, analysis, None, reason, cause)
        return Plan(task_id, analysis, await self._select_recovery_strategy(analysis))

    async def recover(self, incident: Incident, services: RecoveryServices = STANDALONE) -> Outcome:
        """Make one try at a recovery of a task, an agent or a connection. Raises nothing but CancelledError.

        A try that was interrupted by the end of an earlier core continues after its last completed step.
        """
        context = RecoveryContext(self.system, incident, services)
        try:
            strategy = None
            if incident.phase in BEGUN:
                self._in_step.pop(incident.number, None)
                if await failed_again(incident, self.system):
                    incident.under_way = False
                    self._failed(incident, FailureReason.VERIFICATION)
                    return Outcome.FAILED
                strategy = await interrupted_plan(incident, self.system)
            else:
                self._say(incident, AuditEvent.RECOVERY_STARTED)
                self._keep(incident, Phase.STARTED)
            if strategy is None:
                analysis = await self._analyze_failure(context)
                if isinstance(analysis, DismissalReason):
                    self._end(incident, AuditEvent.RECOVERY_DISMISSED, analysis)
                    return Outcome.DISMISSED
                if analysis.scenario is None:
                    return Outcome.UNKNOWN
                strategy = await self._select_recovery_strategy(analysis)
                incident.phase = Phase.STARTED
            if incident.phase is not Phase.EXECUTED and not await self._execute_recovery(context, strategy):
                return Outcome.FAILED if incident.stuck is None else Outcome.STUCK
            if not await self._verify_recovery(incident):
                self._failed(incident, FailureReason.VERIFICATION)
                return Outcome.FAILED
            self._end(incident, AuditEvent.RECOVERY_VERIFIED)
            return Outcome.VERIFIED
        except Exception as error:  # noqa: BLE001 - a command or a port may raise anything
            self.system.defect("recovery engine", error, incident.number)
            await self._handle_recovery_failure(incident, error)
            return Outcome.FAILED

    async def reassign(self, incident: Incident, services: RecoveryServices = STANDALONE) -> None:
        """Reassign the tasks of an agent that could not be recovered."""
        await self._prepare_recovery(incident)
        context = RecoveryContext(self.system, incident, services)
        arguments = {"agent_id": incident.failure.subject, "new_agent_id": None}
        await self._call(context, "reassign_agent_tasks", arguments)

    # ----------------------------------------------------------------------------- analyze
    async def _analyze_failure(self, context: RecoveryContext) -> Analysis | DismissalReason:
        """Analyze the failure and record the result; returns the reason as text if there is nothing to recover."""
        analysis = await self._analyze(context)
        if isinstance(analysis, Analysis):
            context.incident.analysis = analysis
            text = "" if getattr(self.system.audit, "omits_text", False) else explain(analysis)
            self._say(context.incident, AuditEvent.RECOVERY_ANALYZED, analysis.verdict, analysis.confidence, text)
        return analysis

    async def _analyze(self, context: RecoveryContext) -> Analysis | DismissalReason:
        async def diagnose(instruction: Instruction, known: Mapping[str, Any]) -> bool:
            arguments = {name: instruction.values.get(name, known.get(name)) for name in instruction.args}
            return await self._call(context, instruction.command, arguments)

        return await self._analyst.analyze(context.incident, diagnose)

    # ------------------------------------------------------------------------------ select
    async def _select_recovery_strategy(self, analysis: Analysis) -> RecoveryStrategy:
        """The steps of the diagnosed runbook entry, with their arguments."""
        assert analysis.scenario is not None
        return strategy_of(analysis.scenario, self._entries[analysis.scenario].recovery, analysis.arguments)

    # ----------------------------------------------------------------------------- execute
    async def _execute_recovery(self, context: RecoveryContext, strategy: RecoveryStrategy) -> bool:
        incident = context.incident
        try:
            if incident.phase is Phase.EXECUTING:  # continued from an earlier core
                first = next_step(incident)
            else:
                first = await first_step(incident, strategy, self.system)
                incident.strategy, incident.reached, incident.resume_at = strategy, first - 1, first or None
                await self._prepare_recovery(incident, strategy, resumes=first > 0)
                if first > 0:
                    self._say(incident, AuditEvent.RECOVERY_RESUMED, strategy.steps[first].command)
                incident.phase = Phase.EXECUTING  # kept with the first step
            for place, step in enumerate(strategy.steps[first:], first):
                incident.reached, incident.resume_at = place, None
                if not await self._execute_recovery_step(context, step):
                    await self._handle_step_failure(context, step.command)
                    return False
            await self._finalize_recovery(incident)
            return True
        except Exception as error:  # noqa: BLE001 - a command or a port may raise anything
            self.system.defect("recovery engine", error, incident.number)
            await self._handle_step_failure(context, error_text(error))
            return False

    async def _prepare_recovery(
        self, incident: Incident, strategy: RecoveryStrategy | None = None, *, resumes: bool = False
    ) -> None:
        """Fence the failed attempt of a task; of an agent, store its tasks in the facts before it is restarted."""
        failure, facts = incident.failure, incident.facts
        if not resumes:
            facts.new_resources, facts.agent_responded = None, False  # results of an earlier try
        if failure.kind is FailureKind.AGENT:
            await self._store_tasks(incident, failure.subject)
        elif _takes("agent_id", strategy):
            await self._store_tasks(incident, _arguments(incident)["agent_id"])
        elif _takes("task_id", strategy):
            facts.fenced = await self.state_manager.fence(failure.subject, incident.number)
            await self.task_manager.stop(failure.subject)

    async def _store_tasks(self, incident: Incident, agent_id: str) -> None:
        facts = incident.facts
        held = await self.system.tasks.tasks_on(agent_id)
        facts.tasks = tuple(dict.fromkeys((*facts.tasks, *held)))
        for task_id in held:
            if task_id in facts.reassigned:  # the agent started it again, and failed again
                facts.reassigned.remove(task_id)
                facts.counted.pop(task_id, None)

    async def _execute_recovery_step(self, context: RecoveryContext, step: Step) -> bool:
        incident = context.incident
        self._say(incident, AuditEvent.STEP_STARTED, step.command)
        incident.under_way = True
        self._in_step[incident.number] = None
        try:
            self._keep(incident, Phase.EXECUTING)
            await self.system.journal.durable()
            done = await self._execute(context, step)
        except Exception as error:
            self._say(incident, AuditEvent.STEP_FAILED, step.command, text=error_text(error))
            incident.under_way = False
            del self._in_step[incident.number]
            raise
        incident.under_way = False
        del self._in_step[incident.number]
        self._say(incident, AuditEvent.STEP_COMPLETED if done else AuditEvent.STEP_FAILED, step.command)
        return done

    async def _execute(self, context: RecoveryContext, step: Step) -> bool:
        arguments = step.arguments
        if step.awaits:
            facts = context.incident.facts
            arguments = {**arguments, **{name: getattr(facts, name) for name in step.awaits}}
        return await self._call(context, step.command, arguments)

    async def _call(self, context: RecoveryContext, command: str, arguments: Mapping[str, Any]) -> bool:
        """Call a command. Raises TypeError for one that returns None, and what the command raises."""
        try:
            done: bool | None = await self._commands[command](context, **arguments)
            if done is None:
                raise TypeError(f"the command {command} returned None; valid: True, or False when it did not work")
        except Exception as error:
            self.system.defect(f"command {command}", error, context.incident.number)
            raise
        return done

    async def _finalize_recovery(self, incident: Incident) -> None:
        self._say(incident, AuditEvent.RECOVERY_EXECUTED)
        self._keep(incident, Phase.EXECUTED)

    # ------------------------------------------------------------------------------ verify
    async def _verify_recovery(self, incident: Incident) -> bool:
        failure = incident.failure
        if failure.kind is FailureKind.AGENT:
            return await self.verification.verify_agent(failure.subject, incident.facts.tasks)
        if failure.kind is FailureKind.COMMUNICATION:
            arguments = _arguments(incident)
            return await self.verification.verify_link(arguments["endpoints"], arguments["queue_ids"])
        return await self.verification.verify_recovery(failure.subject)

    # ---------------------------------------------------------------------------- failures
    async def cut_off(self, incident: Incident, reason: str, services: RecoveryServices = STANDALONE) -> Outcome:
        """End a try that was cancelled because it exceeded its time limit. The try and its current step have failed."""
        if incident.under_way and incident.strategy is not None:
            incident.under_way = False
            if self._in_step.pop(incident.number, 0) is None:
                self._say(incident, AuditEvent.STEP_FAILED, incident.strategy.steps[incident.reached].command)
            await self._handle_step_failure(RecoveryContext(self.system, incident, services), reason)
        else:
            self._failed(incident, reason)
        return Outcome.FAILED if incident.stuck is None else Outcome.STUCK

    async def _handle_step_failure(self, context: RecoveryContext, reason: str) -> None:
        """A step failed: undo the steps so far, or store where to resume, as the runbook says of that step."""
        incident, strategy = context.incident, context.incident.strategy
        if strategy is not None and incident.reached >= 0:
            match strategy.steps[incident.reached].on_failure:
                case OnFailure.RESUME:
                    incident.resume_at = incident.reached
                case OnFailure.COMPENSATE:
                    await self._compensate(context, strategy.steps[: incident.reached + 1])
        self._failed(incident, reason)

    async def _compensate(self, context: RecoveryContext, steps: Sequence[Step]) -> None:
        """Undo these steps, the last one first. After an error the others are undone all the same."""
        incident = context.incident
        for step in reversed(steps):
            undo = step.undo
            if undo is None:
                continue
            try:
                undone, text = await self._execute(context, undo), ""
            except Exception as error:  # noqa: BLE001 - a command or a port may raise anything
                self.system.defect("recovery engine", error, incident.number)
                undone, text = False, error_text(error)
            self._say(
                incident, AuditEvent.STEP_UNDONE if undone else AuditEvent.STEP_UNDO_FAILED, undo.command, text=text
            )
            if not undone:
                incident.stuck = undo.command

    async def _handle_recovery_failure(self, incident: Incident, error: Exception) -> None:
        self._failed(incident, error_text(error))

    # ------------------------------------------------------------------------------ record
    def _failed(self, incident: Incident, reason: str) -> None:
        self._say(incident, AuditEvent.RECOVERY_FAILED, reason)
        self._keep(incident, Phase.FAILED)

    def _end(self, incident: Incident, event: AuditEvent, detail: str = "") -> None:
        self._say(incident, event, detail)
        self.system.journal.forget(incident.number)

    def _keep(self, incident: Incident, phase: Phase) -> None:
        incident.phase = phase
        self.system.keep(incident)

    def _say(
        self, incident: Incident, event: AuditEvent, detail: str = "", value: float | None = None, text: str = ""
    ) -> None:
        self.system.audit.record(event, incident.number, incident.failure.subject, detail, value, text)


def _manual_incident(number: int, task_id: str, failure_info: Mapping[str, Any]) -> Incident:
    """An incident for a manual call."""
    info = dict(failure_info)
    kind = FailureKind(info.pop("kind", FailureKind.TASK))
    at, symptoms = float(info.pop("at", 0.0)), tuple(info.pop("symptoms", ()))
    return Incident(number, Failure(kind, task_id, at, info, symptoms), at)


def _arguments(incident: Incident) -> Mapping[str, Any]:
    """The values of the runbook's arguments that the analysis of the incident has found."""
    assert incident.analysis is not None  # there is no strategy without one
    return incident.analysis.arguments


def _takes(name: str, strategy: RecoveryStrategy | None) -> bool:
    """Whether a step of the strategy takes this argument."""
    return strategy is not None and any(name in step.arguments for step in strategy.steps)
