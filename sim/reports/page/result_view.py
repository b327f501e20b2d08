"""The part of a page about a result of runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

import scenarios
from recovery.model import FailureKind
from sim.history import History
from sim.measures.metrics.recovery_time import PHASES
from sim.measures.tables.event_table import Tracks
from sim.measures.tables.recoveries import Incidents
from sim.presentation.formatting import count, duration, estimated, percent, quantity
from sim.presentation.visible_text import visible
from sim.reports.failures.replay import Replay
from sim.reports.page.incidents import incident_rows
from sim.reports.page.judgements import (
    PHASE_MEANINGS,
    Checked,
    Verdict,
    findings,
    headline,
    invariants,
    known,
    meaning,
    verdicts,
    written,
)
from sim.reports.page.settings import facts
from sim.reports.page.timeline_series import series
from sim.reports.stored.reading import Stored, StoredResultError, scenario_of
from sim.reports.stored.shapes import ResultShape
from sim.reports.stored.shown_run import ShownRun
from sim.reports.stored.window import Window

FAILURE_KINDS = frozenset(str(kind) for kind in FailureKind)
"""Metrics of recoveries also have kinds of tasks in this place of their names."""


@dataclass(frozen=True)
class Figure:
    """A key figure."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class PhaseRow:
    """A phase of recovery: mean, 95th percentile, and its place in the mean recovery in percent."""

    name: str
    mean: str
    p95: str
    left: float
    width: float
    meaning: str


@dataclass(frozen=True)
class ResultView:
    """What the template of a result shows. `chart` is the data of its script, as JSON; empty without a history."""

    template: str = field(default="result.html.jinja", init=False)
    title: str
    subtitle: str
    description: str
    holds: bool
    headline: str
    verdicts: list[Verdict]
    findings: list[str]
    notes: list[str]
    figures: list[Figure]
    phases: list[PhaseRow]
    kinds: list[tuple[str, str, str, str]]
    task_kinds: list[tuple[str, str, str, str, str]]
    invariants: list[Checked]
    errors: list[str]
    diagnosis: tuple[list[str], list[tuple[str, list[tuple[int, bool]]]]]
    metrics: list[tuple[str, list[tuple[str, str, str]]]]
    runs: list[tuple[str, str, str, str]]
    shown_seed: str
    chart: dict[str, Any] | None
    missing: str
    command: str
    yaml: str
    facts: list[tuple[str, str]]


def result_view(stored: Stored, shown: ShownRun, window: Window | None = None, how: Replay | None = None) -> ResultView:
    """The view of a result of runs, with the timeline and the recoveries of the shown replication."""
    data = stored.data
    assert isinstance(data, ResultShape)
    replications = count(len(data.runs), "replication")
    seed = f"seed {data.seed}, {replications}" if len(data.runs) > 1 else f"seed {data.runs[0].seed}"
    virtual = duration(round(data.runs[0].virtual_seconds, 3))
    each = " each" if len(data.runs) > 1 else ""
    history = shown.history
    return ResultView(
        title=data.scenario,
        subtitle=f"{seed}, {virtual} of virtual time{each}",
        description=" ".join(str(data.scenario_resolved.get("description") or "").split()),
        holds=data.holds,
        headline=headline(data),
        verdicts=verdicts(data),
        findings=list(findings(data)),
        notes=list(_notes(data, shown)),
        figures=list(_figures(data)),
        phases=_phases(data),
        kinds=list(_kinds(data)),
        task_kinds=list(_task_kinds(data)),
        invariants=invariants(data),
        errors=[f"{error.seed}: at {error.time:g} s in {error.where}: {error.text}" for error in data.errors[:20]],
        diagnosis=_matrix(data),
        metrics=_metrics(data),
        runs=_runs(data),
        shown_seed=shown.seed,
        chart=None if history is None else chart_data(history, window),
        missing="" if history is not None else shown.note,
        command=_command(stored, how),
        yaml=_yaml(data.scenario_resolved),
        facts=[*facts(data.scenario, data.version, data.seed), ("replications", str(len(data.runs)))],
    )


def chart_data(history: History, window: Window | None = None) -> dict[str, Any]:
    """The data of the timeline and of the recoveries of a run."""
    tracks = Tracks.of(history)
    incidents = Incidents.of(tracks)
    return {
        **series(tracks, incidents),
        "window": list(window) if window is not None else None,
        "incidents": incident_rows(tracks, incidents, window),
    }


def _runs(data: ResultShape) -> list[tuple[str, str, str, str]]:
    return [
        (run.seed, f"{run.events:,}", _run_status(len(run.violations), len(run.errors)), run.history_sha256)
        for run in data.runs
    ]


def _run_status(violations: int, errors: int) -> str:
    parts = [count(violations, "violation")] if violations else []
    parts += [count(errors, "error")] if errors else []
    return ", ".join(parts) or "no violation"


def _notes(data: ResultShape, shown: ShownRun) -> Iterator[str]:
    if data.interrupted:
        yield "The runs were interrupted: there are fewer replications than requested."
    if data.replaced is not None:
        yield f"The recovery core was replaced: {data.replaced}."
    if shown.history is not None and shown.note:
        yield f"Timeline and recoveries: {shown.note}."


def _figures(data: ResultShape) -> Iterator[Figure]:
    def text(name: str) -> str:
        return written(data.metrics.get(name), name)

    def number(name: str) -> str:
        return quantity(data.mean(name))

    if data.mean("recovery.time.mean") is not None:
        yield Figure("mean recovery time", text("recovery.time.mean"), f"95th percentile {text('recovery.time.p95')}")
    if data.mean("recovery.count"):
        yield Figure("recoveries", number("recovery.count"), f"{number('recovery.succeeded')} verified")
    submitted, completed = data.mean("tasks.submitted"), data.mean("tasks.completed")
    if submitted and completed is not None:
        note = f"of {quantity(submitted)}; {number('tasks.lost')} lost"
        yield Figure("tasks completed", percent(round(completed / submitted, 4)), note)
    if data.mean("tasks.sojourn.mean") is not None:
        yield Figure("mean time of a task", text("tasks.sojourn.mean"), f"95th percentile {text('tasks.sojourn.p95')}")
    if data.mean("retries.count") is not None:
        exhausted = "failure" if data.mean("retries.exhausted") == 1 else "failures"
        note = f"{number('retries.exhausted')} {exhausted} without a retry left"
        yield Figure("retries granted", number("retries.count"), note)
    if data.mean("agents.availability") is not None:
        steady = data.mean("service.availability")
        note = "" if steady is None else f"service in steady state {text('service.availability')}"
        yield Figure("agents available", text("agents.availability"), note)


def _phases(data: ResultShape) -> list[PhaseRow]:
    means = {phase: data.mean(f"recovery.{phase}.mean") or 0.0 for phase in PHASES}
    whole = sum(means.values())
    if not data.mean("recovery.count") or not 0 < whole < float("inf"):
        return []
    rows, before = [], 0.0
    for phase in PHASES:
        mean, p95 = (data.metrics.get(f"recovery.{phase}.{which}") for which in ("mean", "p95"))
        left, width = 100 * before / whole, 100 * means[phase] / whole
        name = f"recovery.{phase}.mean"
        place = round(left, 2), round(width, 2)
        rows.append(PhaseRow(phase, written(mean, name), written(p95, name), *place, PHASE_MEANINGS[phase]))
        before += means[phase]
    return rows


def _kinds(data: ResultShape) -> Iterator[tuple[str, str, str, str]]:
    """Of each kind of failure: succeeded of opened, mean and 95th percentile of the recovery time."""
    for name in data.metrics:
        parts = name.split(".")
        is_of_a_kind = len(parts) == 3 and (parts[0], parts[2]) == ("recovery", "count") and parts[1] in FAILURE_KINDS
        if is_of_a_kind and data.mean(name):
            of = f"recovery.{parts[1]}"
            opened, succeeded = data.mean(f"{of}.count"), data.mean(f"{of}.succeeded")
            times = [f"{of}.time.{each}" for each in ("mean", "p95")]
            mean, p95 = ("–" if data.mean(each) is None else written(data.metrics[each], each) for each in times)
            yield parts[1].replace("_", " "), f"{quantity(succeeded)} of {quantity(opened)}", mean, p95


def _task_kinds(data: ResultShape) -> Iterator[tuple[str, str, str, str, str]]:
    """Of each kind of tasks: completed of submitted, share that waits, retries, and recoveries that succeeded."""
    tasks = data.scenario_resolved.get("tasks")
    kinds = tasks.get("kinds") if isinstance(tasks, dict) else None
    for kind in kinds if isinstance(kinds, dict) else ():
        waiting = f"tasks.{kind}.wait_probability"

        def ratio(of: str, part: str, whole: str) -> str:
            return f"{quantity(data.mean(f'{of}.{part}'))} of {quantity(data.mean(f'{of}.{whole}'))}"

        yield (
            kind,
            ratio(f"tasks.{kind}", "completed", "submitted"),
            "–" if data.mean(waiting) is None else written(data.metrics[waiting], waiting),
            quantity(data.mean(f"retries.{kind}.count")),
            ratio(f"recovery.{kind}", "succeeded", "count"),
        )


def _matrix(data: ResultShape) -> tuple[list[str], list[tuple[str, list[tuple[int, bool]]]]]:
    """The diagnoses in columns, and a row for each fault: numbers, and whether the diagnosis is correct."""
    columns = sorted({diagnosis for row in data.diagnosis.values() for diagnosis in row})
    columns.sort(key=lambda each: list(data.diagnosis).index(each) if each in data.diagnosis else len(columns))
    rows = [(fault, [(row.get(each, 0), each == fault) for each in columns]) for fault, row in data.diagnosis.items()]
    return columns, rows


def _metrics(data: ResultShape) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """By group: name, estimate and meaning of each metric that was observed."""
    groups: dict[str, list[tuple[str, str, str]]] = {}
    for name, found in data.metrics.items():
        if found is not None:
            metric = known(name)
            text = estimated(found.estimate("" if metric is None else metric.unit))
            groups.setdefault(name.partition(".")[0], []).append((name, text, meaning(name)))
    return list(groups.items())


def _command(stored: Stored, how: Replay | None) -> str:
    """The command that repeats the runs."""
    data = stored.data
    assert isinstance(data, ResultShape)
    if how is None:
        how = _replay(stored, data)
    only = data.runs[0].seed if len(data.runs) == 1 else str(data.seed)
    if how.name is None and how.replaced is None:
        how = Replay(f"{data.scenario}.scenario.yaml", how.changes)
    return visible(how.command(only, len(data.runs)))


def _replay(stored: Stored, data: ResultShape) -> Replay:
    try:
        scenario = scenario_of(stored)
    except StoredResultError:  # made by another version
        return Replay(None, {}, data.replaced)
    if scenario.source is None and scenario.name in scenarios.names():
        scenario = scenario.model_copy()
        scenario._source = str(scenarios.path(scenario.name))
    return Replay.of(scenario, data.replaced)


def _yaml(values: dict[str, Any]) -> str:
    """The scenario as YAML, without the keys that are not set."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 100
    text = StringIO()
    yaml.dump(_set_values(json.loads(json.dumps(values))), text)
    return text.getvalue()


def _set_values(value: Any) -> Any:
    if isinstance(value, dict):
        found = {key: _set_values(each) for key, each in value.items()}
        return {key: each for key, each in found.items() if each is not None and each not in ({}, [])}
    return [_set_values(each) for each in value] if isinstance(value, list) else value
