"""A fit as text of 80 columns: what was found, its interval, how near it is to the log, and what is not known."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sim.experiments.fitting.entries import errors_text
from sim.experiments.fitting.result import Entry, Figure, Fit
from sim.presentation.formatting import UNICODE, Signs, percent, quantity, rate, span

_NAMED = {"recovery.conditions.task_failure": "retries", "recovery.detection": "detection"}


def fitting(found: Fit, style: Signs = UNICODE) -> Group:
    """The figures with their intervals, how near the distributions are, notes, and what the log does not show."""
    headline = Text(found.name, "bold")
    headline.append(f"  fitted to {found.tasks:,} tasks, {found.attempts:,} attempts of {found.source}", "not bold")
    parts: list[Any] = [headline, Text(), _figures(found, style), Text()]
    parts += [Text(f"{_label(entry.path)}: {text}", "dim") for entry in found.entries if (text := _near(entry, found))]
    if found.errors:
        parts.append(Text(f"failures by error: {errors_text(dict(found.errors))}"))
    for note in found.notes:
        parts.append(Text(f"note: {note}", "yellow"))
    parts += [Text(), Text("not known")]
    parts += [Text(f"  {style.dash} {text}") for text in found.unknown]
    return Group(*parts)


def _label(path: str) -> str:
    return _NAMED.get(path, path.rpartition(".")[2])


def _figures(found: Fit, style: Signs) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("found", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("95 % interval", no_wrap=True)
    for entry in found.entries:
        if entry.path == "duration":
            continue
        for name, row in zip((_label(entry.path), *[""] * len(entry.figures)), _rows(entry, style), strict=False):
            table.add_row(name, *row)
    return table


def _rows(entry: Entry, style: Signs) -> Iterator[tuple[str, str, str]]:
    if not entry.figures:
        yield "", _short(entry.written), ""
    family = ""
    for figure in entry.figures:
        below = figure.path.removeprefix(entry.path).strip(".")
        name = "" if not below or (below == family) else below.replace(".", " ", 1)
        yield name, _value(figure, figure.value, style), _interval(figure, style)


def _short(text: str) -> str:
    return text if len(text) <= 34 else text[:33] + "…"


def _value(of: Figure, value: float, style: Signs) -> str:
    if of.unit == "s" and abs(value) >= 600:
        return span(value)
    return rate(value) if of.unit == "1/s" else quantity(value, of.unit, style)


def _interval(of: Figure, style: Signs) -> str:
    if of.low is None or of.high is None:
        return ""
    if of.low == of.high:
        return "given"
    high = _value(of, of.high, style) if isfinite(of.high) else style.infinite
    return f"{_value(of, of.low, style)} to {high}"


def _near(entry: Entry, found: Fit) -> str:
    if entry.path == "tasks.work" and found.work.candidates:
        work = found.work
        ranked = ", ".join(f"{each.family} {percent(each.distance)}" for each in work.candidates[:4])
        verdict = "no further than chance" if work.is_supported else "further than chance, but near"
        if work.family == "empirical":
            verdict = "none is near"
        return f"distance to the log (Kolmogorov-Smirnov): {ranked}; {verdict}"
    if entry.path == "tasks.arrivals":
        return entry.quality.partition(". 95 % intervals")[0]
    return ""
