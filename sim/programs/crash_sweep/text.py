"""The report of a crash sweep as text, and as HTML for notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Final

from sim.presentation.formatting import count
from sim.programs.crash_sweep.trials import Trial

if TYPE_CHECKING:
    from sim.programs.crash_sweep.report import CrashSweepReport

SHOWN: Final = 10
"""Failing cuts that are listed."""


def text(report: CrashSweepReport, again: str | None = None) -> str:
    """The smallest failing cut and how to run it again, then the other failing ones, and the effects."""
    again = again or f'sim.crash_sweep(setup, start, resume, check, cuts="{report.token}")'
    return "\n".join([title(report), *_smallest(report, again), *_others(report), *effect_lines(report)])


def title(report: CrashSweepReport) -> str:
    """One line: the program, how much was covered, and how much of it fails."""
    cut = sum(bool(trial.points) for trial in report.trials)
    trials = f", {count(cut, 'trial')}" if cut != report.covered else ""
    failed = f"{len(report.failures)} fail" if report.failures else "all hold"
    return f"{report.program}: power cut at {report.covered} of {count(len(report.points), 'await')}{trials}: {failed}"


def _smallest(report: CrashSweepReport, again: str) -> Iterator[str]:
    trial = report.smallest
    if trial is None:
        return
    yield f"✗ {where(trial)}"
    for line in (f"{trial.verdict}: {trial.message}" if trial.message else str(trial.verdict)).splitlines():
        yield f"    {line}"
    yield f"    again: {again}"


def where(trial: Trial) -> str:
    """The cuts of a trial: `cut 3: program.py:12 await store.put("a", 1)`."""
    if not trial.points:
        return "without a power cut"
    parts = []
    for point, survives in zip(trial.points, trial.survives, strict=True):
        unsynced = "" if survives is None else f", unsynced writes {survives}"
        parts.append(f"cut {point.number}{unsynced}: {point.where} {point.awaited} ({point.task}, {point.time:g} s)")
    return "; then ".join(parts)


def _others(report: CrashSweepReport) -> Iterator[str]:
    others = report.failures[1:]
    for trial in others[: SHOWN - 1]:
        same = (trial.verdict, trial.message) == (report.failures[0].verdict, report.failures[0].message)
        message = "" if same else trial.message.partition("\n")[0]
        yield f"✗ {where(trial)}: {trial.verdict}{', as above' if same else ''}{f': {message}' if message else ''}"
    if len(others) >= SHOWN:
        yield f"  and {len(others) - SHOWN + 1} more"


def effect_lines(report: CrashSweepReport) -> Iterator[str]:
    """A line for each effect: how often it happened, in how many trials."""
    for name, times in report.effects.items():
        told = ", ".join(f"{_times(often)} in {count(trials, 'trial')}" for often, trials in times.items())
        yield f"effect {name}: {told}"


def _times(often: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(often, f"{often} times")


def html(report: CrashSweepReport) -> str:
    """A table of the failing cuts, or of all if none fails."""
    shown = (report.failures or report.trials)[:SHOWN]
    heads = ("cut", "where", "awaited", "verdict", "message", "token")
    rows = [
        (
            " then ".join(map(str, trial.cuts)) or "none",
            " then ".join(point.where for point in trial.points),
            " then ".join(point.awaited for point in trial.points),
            str(trial.verdict),
            trial.message,
            report.token_of(trial),
        )
        for trial in shown
    ]
    left = len(report.failures or report.trials) - len(shown)
    return "".join(
        [
            f"<p>{escape(title(report))}</p>",
            "<table><thead><tr>",
            *(f"<th>{head}</th>" for head in heads),
            "</tr></thead><tbody>",
            *(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows),
            "</tbody></table>",
            f"<p>and {left} more</p>" if left > 0 else "",
            *(f"<p>{escape(line)}</p>" for line in effect_lines(report)),
        ]
    )
