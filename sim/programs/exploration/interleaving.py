"""A run as text: a column for each task, or a line for each step if there are many tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sim.presentation.visible_text import visible
from sim.programs.exploration.steps import KEPT, Position, Step

WIDTH: Final = 120
_MOST_COLUMNS: Final = 3
"""Tasks that have a column each even if their texts are cut."""
_ROWS: Final = 60
MARK: Final = "*"


def interleaving(steps: Sequence[Step], limit: int = _ROWS) -> str:
    """Who ran, one step a line, with virtual time, and the await where the step stopped.

    `*` marks a deviation: the step ran before others that were ready first.
    """
    shown = window(steps, limit)
    if not shown.steps:
        return "no task ran"
    head, rows = _table(shown.steps)
    before = [f"  ({shown.before} steps before)"] if shown.before else []
    after = [f"  ({shown.after} steps after)"] if shown.after else []
    return visible("\n".join(line.rstrip() for line in [*head, *before, *rows, *after]))


@dataclass(frozen=True, slots=True)
class Window:
    """The steps of a run that are shown, and how many are left out before and after them."""

    steps: list[Step]
    before: int
    after: int

    @property
    def left_out(self) -> int:
        """Steps that are not shown."""
        return self.before + self.after


def window(steps: Sequence[Step], limit: int) -> Window:
    """At most so many steps: those around the first deviation, or the last ones without any."""
    shown = [step for step in steps if step.shown]
    left_out = max(len(shown) - limit, 0)
    deviations = [number for number, step in enumerate(shown) if step.ahead_of or step.canceled]
    first = left_out if len(steps) < KEPT else 0  # the end counts, if it is there
    if deviations:
        first = min(max(deviations[0] - limit // 3, 0), left_out)
    return Window(shown[first : first + limit], first, left_out - first)


def _table(steps: Sequence[Step]) -> tuple[list[str], list[str]]:
    """Headings and rows."""
    names = [*dict.fromkeys(step.who for step in steps)]
    files = dict.fromkeys(step.position.path for step in steps if step.position is not None)
    only = next(iter(files)) if len(files) == 1 else None
    cells = [(_clock(step.time), step, _cell(step, only)) for step in steps]
    head = [] if only is None else [f"file {only}"]
    wide = max(len(clock) for clock, _, _ in cells)
    notes = [_note(step) for step in steps]
    wanted = [max([len(name), *(len(cell) for _, step, cell in cells if step.who == name)]) for name in names]
    if len(names) > _MOST_COLUMNS and sum(wanted) + 2 * len(names) + wide + 4 > WIDTH:
        who = max(map(len, names))
        rows = [
            f"{clock:>{wide}}  {MARK if step.ahead_of else ' '} {step.who:<{who}}  {cell}{note}"
            for (clock, step, cell), note in zip(cells, notes, strict=True)
        ]
        return head, rows
    widths = _widths(wanted, wide)
    title = f"{'time':>{wide}}    " + "  ".join(f"{name:<{width}}" for name, width in zip(names, widths, strict=True))
    rows = []
    for (clock, step, cell), note in zip(cells, notes, strict=True):
        place = names.index(step.who)
        before = sum(widths[:place]) + 2 * place
        rows.append(f"{clock:>{wide}}  {MARK if step.ahead_of else ' '} {'':{before}}{_cut(cell, widths[place])}{note}")
    return [*head, title], rows


def _widths(wanted: list[int], wide: int) -> list[int]:
    """Widths of columns that fit in a line: what narrow columns leave, wide ones share."""
    left = WIDTH - wide - 4 - 2 * len(wanted)
    widths = [0] * len(wanted)
    for count, place in zip(range(len(wanted), 0, -1), sorted(range(len(wanted)), key=wanted.__getitem__), strict=True):
        widths[place] = min(wanted[place], left // count)
        left -= widths[place]
    return widths


def _cell(step: Step, only: str | None) -> str:
    if step.position is None:
        return step.ending or "runs"
    where = str(step.position.line) if only is not None else _short(step.position)
    return f"{where}: {step.position.source}" if step.position.source else where


def _note(step: Step) -> str:
    canceled = "   canceled here" if step.canceled else ""
    return f"{canceled}   {MARK} ran before {', '.join(step.ahead_of)}" if step.ahead_of else canceled


def _short(position: Position) -> str:
    return f"{Path(position.file).name}:{position.line}"


def _clock(time: float) -> str:
    return f"{time:.6g} s"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
