"""A scenario's timeline as text, before a run: the load, the faults, and the measured time.

A cell is a share of the run. Fixed times are drawn exactly; random or conditional times are dotted over the range in
which they may occur. A fault has its mean duration, and at least one cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, inf, isfinite
from typing import Any

import numpy as np

from scenarios import Scenario
from scenarios.faults import Group
from scenarios.fields.csv_columns import Numbers
from scenarios.schema import ScenarioFields
from scenarios.sections.arrivals import Burst, Closed, Diurnal, Interval, Poisson, Trace
from scenarios.task_views import any_task, views
from sim.presentation.formatting import UNICODE, Signs, count, duration

CELLS = 48
PARTS = 4
"""Number of intervals between the ticks of the axis."""
LONGEST_LABEL = 24


@dataclass(frozen=True)
class Marks:
    """The characters of a timeline."""

    instant: str = "▼"
    lasting: str = "█"
    anytime: str = "·"
    axis: str = "─"
    tick: str = "┬"
    levels: str = "▁▂▃▄▅▆▇█"


PLAIN = Marks("v", "#", ".", "-", "+", "_-=#")
Row = tuple[str, list[str]]


def sketch(scenario: Scenario, style: Signs = UNICODE) -> list[str]:
    """The timeline as lines of at most 76 characters: an axis, and a row for each activity."""
    marks = Marks() if style == UNICODE else PLAIN
    rows: dict[str, list[str]] = {}
    for name, cells in _rows(scenario, marks):
        label = name if len(name) <= LONGEST_LABEL else name[: LONGEST_LABEL - 1] + style.dash
        drawn = rows.setdefault(label, [" "] * CELLS)
        rows[label] = [new if new != " " else old for old, new in zip(drawn, cells, strict=True)]
    width = max(map(len, rows))
    lines = [f"{label:<{width}}  {''.join(cells)}".rstrip() for label, cells in rows.items()]
    margin = " " * (width + 2)
    return [(margin + _numbers(scenario.duration)).rstrip(), margin + _axis(marks), *lines]


def _axis(marks: Marks) -> str:
    part = CELLS // PARTS
    return (marks.tick + marks.axis * (part - 1)) * PARTS + marks.tick


def _numbers(end: float) -> str:
    """The times at the ticks, each written from its tick on, the last one before it."""
    part = CELLS // PARTS
    texts = [_rounded(end * place / PARTS) for place in range(PARTS)]
    line = "".join(f"{text:<{part}}" for text in texts)
    last = _rounded(end)
    return f"{line[: CELLS + 1 - len(last)]:<{CELLS + 1 - len(last)}}{last}"


def _rounded(seconds: float) -> str:
    return duration(round(seconds, 1) if seconds < 600 else round(seconds))


# ------------------------------------------------------------------------------------------------------- rows
def _rows(scenario: Scenario, marks: Marks) -> Iterator[Row]:
    end = scenario.duration
    for name, view in views(scenario):
        label, bar = _load(view, marks)
        yield (f"{name}, {label.removeprefix('load, ')}" if name else label), bar
    for fault in scenario.faults:
        for each in fault.faults if isinstance(fault, Group) else (fault,):
            yield each.kind.replace("_", " "), _fault(fault, each.lasts(), end, marks)
    agents = scenario.agents
    for happens, label in (
        (any(each.failure_probability for each in any_task(scenario)), "attempts fail"),
        (agents.mtbf is not None, "agents crash"),
        (scenario.queue.loss or scenario.queue.ack_loss or scenario.network.loss, "messages are lost"),
        (scenario.queue.duplication, "deliveries arrive twice"),
        (scenario.storage.failure, "checkpoints fail"),
    ):
        if happens:
            yield label, [marks.anytime] * CELLS
    yield "measured", _bar(scenario.warmup, end, end, marks.lasting)


def _load(scenario: ScenarioFields, marks: Marks) -> Row:
    end, number = scenario.duration, scenario.tasks.count
    match scenario.tasks.arrivals:
        case Poisson(rate=rate):
            until = end if number is None else number / rate
            return f"load, {rate:g}/s", _bar(0.0, until, end, marks.lasting)
        case Interval(every=every):
            until = end if number is None else number * every
            return f"load, every {duration(every)}", _bar(0.0, until, end, marks.lasting)
        case Burst(size=size, at=at):
            return f"load, {count(size, 'task')}", _at(at, end, marks.instant)
        case Closed(clients=clients):
            return f"load, {count(clients, 'client')}", _bar(0.0, end, end, marks.lasting)
        case Diurnal() as diurnal:
            rates = [diurnal.rate_at(end * (cell + 0.5) / CELLS) for cell in range(CELLS)]
            return f"load, {diurnal.rate:g}/s", _levels(rates, marks)
        case Trace() as trace:
            return f"load, {count(len(trace.values), 'arrival')}", _levels(_each_cell(trace.values, end), marks)


def _each_cell(times: Numbers, end: float) -> list[float]:
    """Number of these times in each cell."""
    counts, _ = np.histogram(times[times < end], bins=CELLS, range=(0.0, end))
    return [float(number) for number in counts]


def _levels(heights: Sequence[float], marks: Marks) -> list[str]:
    """A character for each value, with its height relative to the maximum; none for zero."""
    highest, steps = max(heights), len(marks.levels)
    return [marks.levels[min(steps - 1, int(height / highest * steps))] if height else " " for height in heights]


def _fault(fault: Any, lasts: bool, end: float, marks: Marks) -> list[str]:
    """The fault, or the group to which it belongs."""
    lasting = getattr(fault, "for_", None)
    length = None if not lasts else inf if lasting is None else lasting.mean
    if fault.at is not None:
        return _once(fault.at, length, end, marks)
    if fault.when is not None:
        return [marks.anytime] * CELLS
    between = fault.every.constant
    if between is None or end / between > CELLS:
        return [marks.anytime] * CELLS
    cells = [" "] * CELLS
    for number in range(1, ceil(end / between) + 1):
        drawn = _once(number * between, length, end, marks)
        cells = [new if new != " " else old for old, new in zip(cells, drawn, strict=True)]
    return cells


def _once(begin: float, length: float | None, end: float, marks: Marks) -> list[str]:
    if length is None:
        return _at(begin, end, marks.instant)
    return _bar(begin, begin + length, end, marks.lasting)


def _at(instant: float, end: float, mark: str) -> list[str]:
    return _bar(instant, instant, end, mark)


def _bar(begin: float, until: float, end: float, mark: str) -> list[str]:
    """Cells from the one of `begin` to the one in which `until` is reached; none after the end."""
    if begin >= end:
        return [" "] * CELLS
    first = int(begin / end * CELLS)
    last = ceil(until / end * CELLS) if isfinite(until) else CELLS
    return [mark if first <= cell < max(last, first + 1) else " " for cell in range(CELLS)]
