"""Failure analysis: matches evidence with the runbook, and makes only those diagnoses that discriminate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple

from recovery.audit import DismissalReason, EscalationReason
from recovery.diagnosis.evidence import Evidence
from recovery.diagnosis.impact import impact_of
from recovery.diagnosis.ranking import Pair, discriminating, rank, remaining
from recovery.model import Analysis, Candidate, Failure, FailureKind, Incident, Symptom
from recovery.ports import System
from recovery.runbook.catalogue import Entry
from recovery.runbook.instructions import TIMEFRAME, Instruction

CACHED_RANKINGS = 256
"""The number of cached rankings, by evidence. There are few combinations of symptoms, and most recur."""
Diagnose = Callable[[Instruction, Mapping[str, Any]], Awaitable[bool]]
"""Executes the command of a diagnosis with these arguments, as far as it takes them; returns the verdict."""


class _FirstRanking(NamedTuple):
    """The candidates before any diagnosis, the entries that remain, and the diagnoses that discriminate."""

    candidates: tuple[Candidate, ...]
    remaining: tuple[str, ...]
    to_make: tuple[tuple[str, Instruction], ...]


def _rankings(entries: Mapping[str, Entry]) -> Callable[[tuple[Pair, ...]], _FirstRanking]:
    """The first ranking by evidence, cached for analysts with equal entries that follow each other."""
    global _latest  # noqa: PLW0603 - one value: the runs of a search or a replication have the same runbook
    latest, in_order = _latest, tuple(entries.items())
    if latest is None or latest[0] != in_order:
        latest = _latest = in_order, lru_cache(CACHED_RANKINGS)(partial(_first_ranking, dict(in_order)))
    return latest[1]


_latest: tuple[tuple[tuple[str, Entry], ...], Callable[[tuple[Pair, ...]], _FirstRanking]] | None = None
"""The entries of the latest analyst in their order, which decides ties, and their rankings."""


def _first_ranking(entries: Mapping[str, Entry], observed: tuple[Pair, ...]) -> _FirstRanking:
    """The ranking before any diagnosis. Independent of the subject."""
    candidates = rank(entries, [Symptom(name, value, "") for name, value in observed])
    left = remaining(candidates)
    return _FirstRanking(candidates, tuple(each.scenario for each in left), tuple(discriminating(entries, left)))


class Analyst:
    """Finds the runbook entry of a failure. `entries` are the runbook's, by their full names."""

    def __init__(self, system: System, entries: Mapping[str, Entry]) -> None:
        self._system = system
        self._entries = entries
        self._evidence = Evidence(system)
        self._ranking = _rankings(entries)

    async def analyze(self, incident: Incident, diagnose: Diagnose) -> Analysis | DismissalReason:
        """The analysis of the evidence, or the reason that there is nothing to recover. Probes change nothing."""
        failure = incident.failure
        dismissal = await self._evidence.dismissal(failure)
        if dismissal is not None and not incident.facts.restarted:  # else its tasks are not reassigned
            return dismissal
        observed = await self._evidence.gather(failure)
        arguments = await self.arguments(incident)
        candidates, chosen, diagnosis = await self._diagnose(observed, arguments, diagnose)
        return Analysis(
            failure,
            chosen[0] if len(chosen) == 1 else None,
            candidates[0].confidence if candidates else 0.0,
            observed,
            await impact_of(failure, self._system),
            diagnosis,
            arguments,
            candidates,
            ambiguous=chosen if len(chosen) > 1 else (),
        )

    async def _diagnose(
        self, observed: tuple[Symptom, ...], arguments: Mapping[str, Any], diagnose: Diagnose
    ) -> tuple[tuple[Candidate, ...], tuple[str, ...], dict[str, bool]]:
        """The candidates, the most likely first, those that remain, and the verdicts of the diagnoses that were made.

        A diagnosis is made if it discriminates between the remaining candidates and all of its arguments are known.
        """
        first = self._ranking(tuple([(symptom.name, symptom.value) for symptom in observed]))
        verdicts: dict[str, dict[str, bool]] = {}
        for scenario, instruction in first.to_make:
            if all(instruction.values.get(name, arguments.get(name)) for name in instruction.args):
                verdict = await diagnose(instruction, arguments)
                verdicts.setdefault(scenario, {})[instruction.name] = verdict
        if not verdicts:
            return first.candidates, first.remaining, {}
        candidates = rank(self._entries, observed, verdicts)
        diagnosis = {name: verdict for by_name in verdicts.values() for name, verdict in by_name.items()}
        return candidates, tuple(each.scenario for each in remaining(candidates)), diagnosis

    async def arguments(self, incident: Incident) -> dict[str, Any]:
        """The values of the runbook's arguments that are known before the first step."""
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
            values["requirements"] = requirements = await self._system.resources.requirements(failure.subject)
            values["resource_ids"] = values["resource_ids"] or tuple(requirements)
            values["retry_count"] = await self._system.store.retries(failure.subject, failure.kind)
        return values

    async def _agent_of(self, failure: Failure) -> str | None:
        """The agent of a failed task: as reported, else as observed."""
        if "agent_id" in failure.info:
            reported: str | None = failure.info["agent_id"]
            return reported
        view = await self._system.tasks.inspect(failure.subject)
        return None if view is None else view.agent


def escalation_cause(analysis: Analysis | None) -> tuple[EscalationReason, str]:
    """Why an analysis without a scenario needs an operator, and the text for people."""
    if analysis is None or not analysis.ambiguous:
        return EscalationReason.UNDOCUMENTED, EscalationReason.UNDOCUMENTED.value
    return EscalationReason.AMBIGUOUS, analysis.verdict
