"""The part of a page about power cuts of a program."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sim.presentation.formatting import count
from sim.reports.stored.shapes import AwaitShape, CrashSweepShape, TrialShape

MOST_ROWS, MOST_FAILURES = 200, 50
"""Awaits, and failing trials, that are listed."""
Mark = tuple[float, float, str]


@dataclass(frozen=True)
class CrashSweepView:
    """What the template of a crash sweep shows. `awaits`: name, place, marks of cuts in percent, and how many fail."""

    template: str = field(default="crash_sweep.html.jinja", init=False)
    title: str
    subtitle: str
    headline: str
    holds: bool | None
    notes: list[str]
    awaits: list[tuple[str, str, list[Mark], int]]
    failures: list[tuple[str, str, str, str]]
    effects: list[tuple[str, str, float, str]]
    command: str
    facts: list[tuple[str, str]]


def crash_sweep_view(data: CrashSweepShape) -> CrashSweepView:
    """The view of a crash sweep: the program's awaits, the cuts that fail, and effects by how often they happen."""
    failed = sorted(
        (trial for trial in data.trials if trial.verdict != "holds"),
        key=lambda trial: (len(trial.points), [point.number for point in trial.points]),
    )
    awaits, failures = _awaits(data), [_failure(trial) for trial in failed]
    notes = []
    if len(awaits) > MOST_ROWS:
        notes.append(f"{count(len(awaits) - MOST_ROWS, 'await')} without a row: those with failures are shown first.")
        awaits.sort(key=lambda row: not row[3])
    if len(failures) > MOST_FAILURES:
        notes.append(f"{count(len(failures) - MOST_FAILURES, 'failing trial')} not listed.")
    covered = f"{data.covered} of {count(len(data.points), 'await')}"
    again = failed[0].token if failed else data.cuts
    return CrashSweepView(
        title=f"{data.program}: power cuts",
        subtitle=f"power cut at {covered}, {count(len(data.trials), 'trial')}, seed {data.seed}",
        headline=f"{count(len(failed), 'trial')} fail" if failed else "The program recovers from every cut",
        holds=not failed,
        notes=notes,
        awaits=awaits[:MOST_ROWS],
        failures=failures[:MOST_FAILURES],
        effects=[
            (name, _times(int(often)), round(100 * trials / max(len(data.trials), 1), 2), f"{trials:,}")
            for name, times in data.effects.items()
            for often, trials in times.items()
        ],
        command=f'sim.crash_sweep(setup, start, resume, check, cuts="{again}")',
        facts=[("program", data.program), ("version", data.version), ("seed", str(data.seed))],
    )


def _awaits(data: CrashSweepShape) -> list[tuple[str, str, list[Mark], int]]:
    tried = {trial.points[0].number for trial in data.trials if trial.points}
    wrong = {trial.points[0].number for trial in data.trials if trial.points and trial.verdict != "holds"}
    width = 100 / max(len(data.points), 1)
    rows: dict[tuple[str, int, str], list[AwaitShape]] = {}
    for point in data.points:
        rows.setdefault((point.file, point.line, point.awaited), []).append(point)
    return [
        (
            awaited,
            f"{Path(file).name}:{line}",
            [
                (round((point.number - 1) * width, 3), round(width, 3), "bad" if point.number in wrong else "")
                for point in points
                if point.number in tried
            ],
            sum(point.number in wrong for point in points),
        )
        for (file, line, awaited), points in rows.items()
    ]


def _failure(trial: TrialShape) -> tuple[str, str, str, str]:
    cuts = " then ".join(trial.cuts) or "none"
    where = " then ".join(f"{point.awaited} ({Path(point.file).name}:{point.line})" for point in trial.points)
    return cuts, where, f"{trial.verdict}: {trial.message}" if trial.message else trial.verdict, trial.token


def _times(often: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(often, f"{often} times")
