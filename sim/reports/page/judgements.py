"""What a page says first: which expectations hold, what each of them means, and what the figures say in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isinf, isnan

from pydantic_core import PydanticCustomError

from recovery.audit import RecoveryPhase
from scenarios.fields.expectations import Expectation, parse
from scenarios.fields.metric_rows import INVARIANTS
from scenarios.fields.metrics import Metric, UnknownMetric, lookup
from sim.measures.metrics.recovery_time import PHASES
from sim.presentation.formatting import count, estimated, percent, quantity, restriction
from sim.reports.stored.shapes import EstimateShape, ExpectationShape, ResultShape

PHASE_MEANINGS: Mapping[str, str] = {
    RecoveryPhase.DETECT: "from the fault until the detector opens a recovery; heartbeats and probes decide it",
    RecoveryPhase.WAIT: "the delay of the retry policy, and waiting for a free recovery slot",
    RecoveryPhase.ANALYZE: "gathering evidence and naming the failure",
    RecoveryPhase.EXECUTE: "the commands of the runbook",
    RecoveryPhase.VERIFY: "checking that the recovery was successful",
}


@dataclass(frozen=True)
class Verdict:
    """An expectation in words: whether it holds, what was observed, and what the metric is."""

    holds: bool
    expression: str
    observed: str
    meaning: str
    note: str = ""


def known(name: str) -> Metric | None:
    """The metric with this name; None for one that this version does not have."""
    try:
        return lookup(name)
    except UnknownMetric:
        return None


def meaning(name: str) -> str:
    """What a metric is, in words; empty for an unknown one."""
    metric = known(name)
    return "" if metric is None else metric.meaning


def written(found: EstimateShape | None, name: str = "") -> str:
    """An estimate with its interval and unit."""
    if found is None:
        return "not observed"
    metric = known(name)
    return estimated(found.estimate("" if metric is None else metric.unit))


def parsed(expression: str) -> Expectation | None:
    """The expectation of a text; None if this version does not understand it."""
    try:
        return parse(expression)
    except PydanticCustomError:
        return None


def verdicts(data: ResultShape) -> list[Verdict]:
    """The expectations, those that do not hold first."""
    return sorted((_verdict(each, data) for each in data.expectations), key=lambda each: each.holds)


def _verdict(of: ExpectationShape, data: ResultShape) -> Verdict:
    expectation = parsed(of.expression)
    if expectation is None:
        return Verdict(of.holds, of.expression, quantity(of.observed), "")
    metric = known(expectation.metric)
    unit = "" if metric is None else metric.unit
    seen = "not observed" if of.observed is None else quantity(of.observed, unit)
    if of.observed is not None and isinf(of.observed):
        seen = "beyond the horizon"
    elif expectation.in_runs is None and data.metrics.get(expectation.metric) is not None:
        seen = written(data.metrics[expectation.metric], expectation.metric)
    return Verdict(of.holds, of.expression, seen, meaning(expectation.metric), _note(of, expectation, unit))


def _note(of: ExpectationShape, expectation: Expectation, unit: str) -> str:
    notes = []
    if not of.holds and of.observed is not None and not isinf(of.observed) and not isnan(of.observed):
        apart = of.observed - expectation.value
        side = "above" if apart > 0 else "below"
        if apart:
            text = quantity(abs(apart), unit)
            text = text.removesuffix("%") + "percentage points" if unit == "fraction" else text
            notes.append(f"{text} {side} the limit")
    if of.runs > 1 and of.failing:
        notes.append(f"{of.failing} of {of.runs} replications are by themselves not as expected")
    return "; ".join(notes)


def headline(data: ResultShape) -> str:
    """The verdict in one sentence."""
    if data.errors:
        return "Not valid: the recovery core raised an exception"
    failed = sum(not each.holds for each in data.expectations)
    broken = len({said.partition(" at ")[0] for _, said in data.violations})
    if failed or broken:
        parts = []
        if failed:
            parts.append(f"{failed} of {count(len(data.expectations), 'expectation')} {_do(failed)} not hold")
        if broken:
            parts.append(f"{count(broken, 'invariant is', 'invariants are')} violated")
        return " and ".join(parts)
    if not data.expectations:
        return "No invariant is violated; the scenario states no expectations"
    return "Everything that the scenario expects holds"


def _do(number: int) -> str:
    return "does" if number == 1 else "do"


def findings(data: ResultShape) -> Iterator[str]:
    """The figures in sentences: recoveries and their longest phase, tasks, detection, restrictions."""
    opened, succeeded = data.mean("recovery.count"), data.mean("recovery.succeeded")
    if opened and succeeded is not None:
        each = " in each replication on average" if len(data.runs) > 1 else ""
        yield f"{quantity(succeeded)} of {quantity(opened)} recoveries succeed{each}{_others(data)}."
    whole = data.mean("recovery.time.mean")
    lengths = {phase: data.mean(f"recovery.{phase}.mean") or 0.0 for phase in PHASES}
    if whole and not isinf(whole):
        longest = max(lengths, key=lambda phase: lengths[phase])
        share = percent(round(lengths[longest] / whole, 2))
        said = written(data.metrics["recovery.time.mean"], "recovery.time.mean")
        yield f"A recovery takes {said} on average; {share} of it is the phase {longest}: {PHASE_MEANINGS[longest]}."
    submitted, completed = data.mean("tasks.submitted"), data.mean("tasks.completed")
    if submitted and completed is not None:
        lost = data.mean("tasks.lost")
        told = "" if lost is None else ("; none is lost" if not lost else f"; {quantity(lost)} are lost")
        yield f"{percent(round(completed / submitted, 4))} of the submitted tasks are completed{told}."
    false, missed = data.mean("detection.false_positives"), data.mean("detection.missed")
    if false or missed:
        yield f"The detectors raise {quantity(false or 0)} false alarms and miss {quantity(missed or 0)} faults."
    for name in ("recovery.time.mean", "tasks.wait.mean", "tasks.sojourn.mean"):
        found = data.metrics.get(name)
        yield from (f"{said}." for said in restriction(name, None if found is None else found.estimate()))


def _others(data: ResultShape) -> str:
    told = [
        f"{quantity(number)} {one if number == 1 else several}"
        for name, one, several in (
            ("escalated", "is escalated to an operator", "are escalated to an operator"),
            ("dismissed", "has nothing left to do", "have nothing left to do"),
            ("censored", "is open at the end", "are open at the end"),
        )
        if (number := data.mean(f"recovery.{name}"))
    ]
    return f"; {', '.join(told)}" if told else ""


@dataclass(frozen=True)
class Checked:
    """An invariant: its name, what it guarantees, and how often it was violated (None: not checked)."""

    name: str
    guarantee: str
    violations: int | None
    examples: tuple[tuple[str, str], ...]


def invariants(data: ResultShape) -> list[Checked]:
    """The consistency of all replications together."""
    found = []
    for name, guarantee in INVARIANTS.items():
        numbers = [run.metrics.get(f"consistency.{name}") for run in data.runs]
        seen = [number for number in numbers if number is not None]
        examples = tuple((seed, said) for seed, said in data.violations if said.partition(" at ")[0] == name)
        found.append(Checked(name, guarantee, int(sum(seen)) if seen else None, examples))
    return found
