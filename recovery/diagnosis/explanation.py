"""The explanation of an analysis as a paragraph. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recovery.audit import DismissalReason
from recovery.model import Analysis, Candidate, Impact, Symptom

DISMISSALS: Mapping[DismissalReason, str] = {
    DismissalReason.AGENT_RESPONDS: "the agent responds",
    DismissalReason.TASK_UNKNOWN: "the task is unknown",
    DismissalReason.TASK_FINISHED: "the task is finished",
    DismissalReason.TASK_WAITS: "the task is queued",
    DismissalReason.TASK_RUNS: "the task is running",
}
"""The reasons of dismissals as texts."""
NAMES_SHOWN = 3
"""The maximum number of listed tasks, agents or pools; the others are counted."""


def explain(analysis: Analysis) -> str:
    """The report of the failure, and the findings of its analysis."""
    failure = analysis.failure
    return f"{failure.subject} was reported at {failure.at:g} s as {failure.kind.value}. {explain_findings(analysis)}"


def explain_findings(analysis: Analysis) -> str:
    """The observations, the candidates with their confidence, what decided between them, and the impact."""
    sentences = (
        _observed(analysis.evidence),
        _considered(analysis.candidates),
        _decided(analysis),
        _hits(analysis.impact),
    )
    return " ".join(sentence for sentence in sentences if sentence)


def _observed(evidence: Sequence[Symptom]) -> str:
    if not evidence:
        return "Nothing was observed."
    by_subject: dict[str, list[str]] = {}
    for symptom in evidence:
        by_subject.setdefault(symptom.subject, []).append(f"{symptom.name} {symptom.value}")
    return f"Observed: {'; '.join(f'{_and(seen)} of {subject}' for subject, seen in by_subject.items())}."


def _considered(candidates: Sequence[Candidate]) -> str:
    if not candidates:
        return "No runbook entry matches."
    return f"Considered: {'; '.join(_candidate(each) for each in candidates)}."


def _candidate(candidate: Candidate) -> str:
    reasons = [f"for it {_and(candidate.seen)}"]
    if candidate.against:
        reasons.append(f"against it {_and([f'not {each}' for each in candidate.against])}")
    if candidate.confirmed:
        reasons.append(f"confirmed by {_and(candidate.confirmed)}")
    if candidate.refuted:
        reasons.append(f"refuted by {_and(candidate.refuted)}")
    return f"{candidate.scenario} at {candidate.confidence:.0%} ({', '.join(reasons)})"


def _decided(analysis: Analysis) -> str:
    if not analysis.candidates:
        return "The incident is for an operator."
    made = _and(list(analysis.diagnosis))
    if analysis.ambiguous:
        cause = f"{made} did not discriminate" if made else "no diagnosis that discriminates could be made"
        return f"It is {' or '.join(analysis.ambiguous)}: {cause}. The incident is for an operator."
    if analysis.scenario is None:
        return "The evidence for and against it is equal. The incident is for an operator."
    if made:
        return f"It is {analysis.scenario}, by {made}."
    return f"It is {analysis.scenario}. No other entry is as likely, and no diagnosis was needed."


def _hits(impact: Impact) -> str:
    direct, downstream = _listed(impact), "" if impact.downstream is None else _listed(impact.downstream)
    if not direct:
        return f"It affects, downstream, {downstream}." if downstream else ""
    return f"It affects {direct}; downstream {downstream}." if downstream else f"It affects {direct}."


def _listed(impact: Impact) -> str:
    groups = (("task", impact.tasks), ("agent", impact.agents), ("pool", impact.resources), ("queue", impact.queues))
    return ", ".join(_group(noun, names) for noun, names in groups if names)


def _group(noun: str, names: Sequence[str]) -> str:
    shown = list(names[:NAMES_SHOWN])
    if len(names) > NAMES_SHOWN:
        shown.append(f"{len(names) - NAMES_SHOWN} more")
    return f"{len(names)} {noun}{'s' if len(names) > 1 else ''} ({_and(shown)})"


def _and(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)
