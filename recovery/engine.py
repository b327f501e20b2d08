"""The recovery engine: analyze, select, prepare, execute, finalize, verify."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from recovery.commands import TIMEFRAME, Command, documented_commands
from recovery.config import RecoveryConfig
from recovery.evidence import Evidence
from recovery.explanation import explain
from recovery.impact import impact_of
from recovery.instructions import LEAVES, Instruction
from recovery.model import Analysis, Candidate, Failure, FailureKind, Incident, RecoveryStrategy, Step, Symptom
from recovery.ports import System
from recovery.ranking import discriminating, left, rank
from recovery.resources import ResourceManager
from recovery.runbook import Runbook, documented
from recovery.state import StateManager
from recovery.tasks import TaskManager
from recovery.verification import RecoveryVerification

UNDOCUMENTED = "nothing documented looks like this"


class Outcome(StrEnum):
    """How one try at a recovery ended."""

    VERIFIED = "verified"
    FAILED = "failed"
    DISMISSED = "dismissed"  # there is nothing to recover any more
    UNKNOWN = "unknown"  # no documented failure looks like this, or more than one does: an operator has to look


class RecoveryEngine:
    """Recovers one failure at a time, as the runbook says.

    `config` is a `RecoveryConfig` or a mapping for one. `commands` replaces the registry of commands, `runbook` the
    documented runbook. Everything that happens is said in the system's audit trail at the instant it happens.
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
        self._evidence = Evidence(system)
        self._manual_incidents = -1  # which stands for no incident; theirs are the numbers below

    async def recover_task(self, task_id: str, failure_info: Mapping[str, Any]) -> bool:
        """Recover one task now; True when that was verified.

        `failure_info` may have `kind` (a failure kind, `task_failure` when left out), `at` (seconds), `symptoms` and
        whatever else was observed. Raises ValueError for a kind that does not exist.
        """
        info = dict(failure_info)
        kind = FailureKind(info.pop("kind", FailureKind.TASK))
        at, symptoms = float(info.pop("at", 0.0)), tuple(info.pop("symptoms", ()))
        self._manual_incidents -= 1
        incident = Incident(self._manual_incidents, Failure(kind, task_id, at, info, symptoms), at)
        outcome = await self.recover(incident)
        if outcome is Outcome.UNKNOWN:
            self._say(incident, "recovery.failed", undecided(incident))
        return outcome is Outcome.VERIFIED

    async def recover(self, incident: Incident) -> Outcome:
        """One try at recovering a failure of a task, an agent or a connection. Never raises but for cancellation."""
        try:
            self._say(incident, "recovery.started")
            analysis = await self._analyze_failure(incident)
            if isinstance(analysis, str):
                self._say(incident, "recovery.dismissed", analysis)
                return Outcome.DISMISSED
            if analysis.scenario is None:
                return Outcome.UNKNOWN
            strategy = await self._select_recovery_strategy(analysis)
            if not await self._execute_recovery(incident, strategy):
                return Outcome.FAILED
            if not await self._verify_recovery(incident):
                self._say(incident, "recovery.failed", "verification")
                return Outcome.FAILED
            self._say(incident, "recovery.verified")
            return Outcome.VERIFIED
        except Exception as error:  # noqa: BLE001 - whatever a command or a port raises
            await self._handle_recovery_failure(incident, error)
            return Outcome.FAILED

    async def reassign(self, incident: Incident) -> None:
        """What is left to do for a lost agent that could not be recovered: its tasks go on elsewhere."""
        incident.context.update(await self._arguments(incident))
        await self._prepare_recovery(incident)
        await self._commands["reassign_agent_tasks"](
            self.system, incident, agent_id=incident.failure.subject, new_agent_id=None
        )

    # ----------------------------------------------------------------------------- analyze
    async def _analyze_failure(self, incident: Incident) -> Analysis | str:
        """What the evidence says; a text when there is nothing left to recover, and why."""
        failure = incident.failure
        moot = await self._evidence.moot(failure)
        if moot is not None and not incident.context.get("restarted"):  # else its tasks are still to be taken over
            return moot
        observed = await self._evidence.gather(failure)
        arguments = await self._arguments(incident)
        incident.context.update(arguments)
        candidates, diagnosis = await self._diagnose(incident, observed)
        chosen = tuple(each.scenario for each in left(candidates))
        impact = await impact_of(failure, self.system)
        incident.context["impact"] = impact
        incident.analysis = analysis = Analysis(
            failure,
            chosen[0] if len(chosen) == 1 else None,
            candidates[0].confidence if candidates else 0.0,
            observed,
            impact,
            diagnosis,
            arguments,
            candidates,
            ambiguous=chosen if len(chosen) > 1 else (),
        )
        self._say(incident, "recovery.analyzed", analysis.verdict, analysis.confidence, explain(analysis))
        return analysis

    async def _diagnose(
        self, incident: Incident, observed: tuple[Symptom, ...]
    ) -> tuple[tuple[Candidate, ...], dict[str, bool]]:
        """The candidates, likeliest first, and what the diagnoses said that had to be made to tell them apart.

        A diagnosis is made when it discriminates between the candidates that are left, and all that it takes is known.
        """
        candidates = rank(self._entries, observed)
        verdicts: dict[str, dict[str, bool]] = {}
        for scenario, instruction in discriminating(self._entries, left(candidates)):
            if all(instruction.values.get(name, incident.context.get(name)) for name in instruction.args):
                said = await self._command(incident, instruction)
                verdicts.setdefault(scenario, {})[instruction.name] = said
        diagnosis = {name: said for of_entry in verdicts.values() for name, said in of_entry.items()}
        return rank(self._entries, observed, verdicts) if verdicts else candidates, diagnosis

    async def _arguments(self, incident: Incident) -> dict[str, Any]:
        """Values for the names that the runbook's arguments use."""
        failure = incident.failure
        values: dict[str, Any] = {
            "timeframe": TIMEFRAME,
            "resource_ids": tuple(failure.info.get("resource_ids", ())),
            "queue_ids": tuple(failure.info.get("queue_ids", ())),
            "endpoints": tuple(failure.info.get("endpoints", ())),
        }
        if failure.kind is FailureKind.AGENT:
            values["agent_id"] = failure.subject
            values["endpoints"] = ("core", failure.subject)
        elif failure.kind is not FailureKind.COMMUNICATION:
            values["task_id"] = failure.subject
            values["agent_id"] = await self._agent_of(failure)
            if values["agent_id"] is not None and not values["endpoints"]:
                values["endpoints"] = ("core", values["agent_id"])
            values["requirements"] = requirements = await self.resource_manager.requirements(failure.subject)
            values["resource_ids"] = values["resource_ids"] or tuple(requirements)
            values["retry_count"] = self.system.store.retries(failure.subject, failure.kind)
        return values

    async def _agent_of(self, failure: Failure) -> str | None:
        """The agent that a failed task was on: as reported, else as it can be seen."""
        if "agent_id" in failure.info:
            reported: str | None = failure.info["agent_id"]
            return reported
        view = await self.system.tasks.inspect(failure.subject)
        return None if view is None else view.agent

    # ------------------------------------------------------------------------------ select
    async def _select_recovery_strategy(self, analysis: Analysis) -> RecoveryStrategy:
        """The documented steps of the entry that was diagnosed, with their arguments."""
        assert analysis.scenario is not None
        steps: list[Step] = []
        provided: tuple[str, ...] = ()
        for instruction in self._entries[analysis.scenario].recovery:
            awaits = tuple(name for name in instruction.args if name in provided)
            arguments = {
                name: instruction.values.get(name, analysis.arguments.get(name))
                for name in instruction.args
                if name not in provided
            }
            steps.append(Step(instruction.name, instruction.command, arguments, awaits))
            provided += LEAVES.get(instruction.command, ())
        return RecoveryStrategy(analysis.scenario, tuple(steps))

    # ----------------------------------------------------------------------------- execute
    async def _execute_recovery(self, incident: Incident, strategy: RecoveryStrategy) -> bool:
        try:
            await self._prepare_recovery(incident, strategy)
            for step in strategy.steps:
                if not await self._execute_recovery_step(incident, step):
                    self._say(incident, "recovery.failed", step.command)
                    return False
            await self._finalize_recovery(incident)
            return True
        except Exception as error:  # noqa: BLE001 - whatever a command or a port raises
            await self._handle_step_failure(incident, error)
            return False

    async def _prepare_recovery(self, incident: Incident, strategy: RecoveryStrategy | None = None) -> None:
        """Nothing of the failed attempt may act any more; what a failed agent held is noted before it is restarted."""
        failure = incident.failure
        for name in (*(name for names in LEAVES.values() for name in names), "left_in_peace"):
            incident.context.pop(name, None)  # of an earlier try
        if failure.kind is FailureKind.AGENT or _acts_on("agent_id", strategy):
            await self._note_held(incident, incident.context["agent_id"])
        elif _acts_on("task_id", strategy):
            incident.context["fenced"] = self.state_manager.fence(failure.subject, incident.number)
            await self.task_manager.stop(failure.subject)

    async def _note_held(self, incident: Incident, agent_id: str) -> None:
        known = incident.context.get("tasks", ())
        held = await self.system.tasks.tasks_on(agent_id)
        incident.context["tasks"] = tuple(dict.fromkeys((*known, *held)))
        for task_id in held:  # by an agent that failed again after it got them anew
            incident.context.get("reassigned", {}).pop(task_id, None)

    async def _execute_recovery_step(self, incident: Incident, step: Step) -> bool:
        self._say(incident, "step.started", step.command)
        awaited = {name: incident.context.get(name) for name in step.awaits}
        incident.context["step"] = step.command  # what is interrupted when the try takes too long
        try:
            done = await self._commands[step.command](self.system, incident, **step.arguments, **awaited)
        except Exception as error:
            self._say(incident, "step.failed", incident.context.pop("step"), text=f"{type(error).__name__}: {error}")
            raise
        del incident.context["step"]
        self._say(incident, "step.completed" if done else "step.failed", step.command)
        return done

    async def _command(self, incident: Incident, instruction: Instruction) -> bool:
        arguments = {name: instruction.values.get(name, incident.context.get(name)) for name in instruction.args}
        return await self._commands[instruction.command](self.system, incident, **arguments)

    async def _finalize_recovery(self, incident: Incident) -> None:
        self._say(incident, "recovery.executed")

    # ------------------------------------------------------------------------------ verify
    async def _verify_recovery(self, incident: Incident) -> bool:
        failure = incident.failure
        if failure.kind is FailureKind.AGENT:
            return await self.verification.verify_agent(failure.subject, incident.context.get("tasks", ()))
        if failure.kind is FailureKind.COMMUNICATION:
            return await self.verification.verify_link(incident.context["endpoints"], incident.context["queue_ids"])
        return await self.verification.verify_recovery(failure.subject)

    # ---------------------------------------------------------------------------- failures
    async def _handle_step_failure(self, incident: Incident, error: Exception) -> None:
        self._say(incident, "recovery.failed", f"{type(error).__name__}: {error}")

    async def _handle_recovery_failure(self, incident: Incident, error: Exception) -> None:
        self._say(incident, "recovery.failed", f"{type(error).__name__}: {error}")

    def _say(
        self, incident: Incident, event: str, detail: str = "", value: float | None = None, text: str = ""
    ) -> None:
        self.system.audit.record(event, incident.number, incident.failure.subject, detail, value, text)


def undecided(incident: Incident) -> str:
    """Why an operator has to look at an incident of which the outcome is unknown."""
    analysis = incident.analysis
    return UNDOCUMENTED if analysis is None or not analysis.ambiguous else analysis.verdict


def _acts_on(name: str, strategy: RecoveryStrategy | None) -> bool:
    """Whether a step of the strategy is about the task, or the agent, that this argument names."""
    return strategy is not None and any(name in step.arguments for step in strategy.steps)
