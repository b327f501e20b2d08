"""Pictures of a crash sweep: where cuts fail along the program, and how often effects happen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.presentation.axes import NoPicture, axes_for, grid, titled
from sim.presentation.figure_style import BLUE, INK, PALE, VERMILION, styled
from sim.presentation.formatting import count
from sim.presentation.visible_text import visible
from sim.programs.crash_sweep.points import Point
from sim.programs.crash_sweep.trials import Trial

WIDTH: Final = 9.0
"""Inches."""
ROW: Final = 0.26
MOST_ROWS: Final = 30
"""Awaits of the source text that have a row of their own."""
MOST_LETTERS: Final = 58
_HEAD: Final = 1.2
_SHADES: Final = ("#E5E7EB", "#8FBFE0", BLUE, "#00507D", INK)
OVER: Final = ("steps", "time")
Place = tuple[str, int, str]


class PlottedSweep(Protocol):
    """What the pictures need of a report."""

    @property
    def program(self) -> str:
        """The name of the program."""

    @property
    def points(self) -> Sequence[Point]:
        """The awaits of the program without a cut."""

    @property
    def trials(self) -> Sequence[Trial]:
        """What was tried."""

    @property
    def failures(self) -> Sequence[Trial]:
        """The trials that fail."""

    @property
    def effects(self) -> Mapping[str, Mapping[int, int]]:
        """By effect, in how many trials it happened so many times."""

    def title(self) -> str:
        """A one-line summary."""


@dataclass(frozen=True)
class CrashSweepPictures:
    """`report.plot`."""

    report: PlottedSweep

    def figure(self) -> Figure:
        """The cuts and, below them, the effects."""
        names = len(self.report.effects)
        heights = [_cuts_height(len(self._rows()[0])), *([_effects_height(names)] if names else [])]
        with styled():
            figure = Figure(figsize=(WIDTH, sum(heights)), dpi=120, layout="constrained")
            if not names:
                self.cuts(figure.add_subplot())
                return figure
            upper, lower = figure.subplots(2, 1, height_ratios=heights)
            self.cuts(upper)
            self.effects(lower, with_title=False)
        return figure

    def cuts(self, ax: Axes | None = None, *, over: str = "steps") -> Axes:
        """The awaits of the program from its start to its end, a row for each await of the source text.

        `over` is `"steps"`, the number of the await, or `"time"`, virtual seconds. A row with a failing cut is marked.
        An await is marked as failing if any trial with its first cut there fails. Raises NoPicture for another `over`.
        """
        if over not in OVER:
            raise NoPicture(f"over={over!r}: is unknown; valid: {', '.join(map(repr, OVER))}")
        report = self.report
        rows, left_out = self._rows()
        tried = {trial.points[0].number for trial in report.trials if trial.points}
        failed = {trial.points[0].number for trial in report.failures if trial.points}
        place_of = {place: row for row, place in enumerate(rows)}
        last = len(rows)
        with axes_for(ax, WIDTH, _cuts_height(len(rows) + bool(left_out))) as axes:
            uncut, unharmed = {*range(1, len(report.points) + 1)} - tried, tried - failed
            for numbers, marker, color, size, name in (
                (uncut, ".", PALE, 3, "not cut"),
                (unharmed, "|", BLUE, 8, "recovers"),
                (failed, "X", VERMILION, 7, "fails"),
            ):
                chosen = [point for point in report.points if point.number in numbers]
                if chosen:
                    xs = [point.time if over == "time" else point.number for point in chosen]
                    ys = [place_of.get(_place(point), last) for point in chosen]
                    axes.plot(xs, ys, marker, color=color, markersize=size, label=name, linestyle="none")
            names = [_name(place) for place in rows] + ([f"{count(left_out, 'other await')}"] if left_out else [])
            axes.set_yticks(range(len(names)), names)
            red = {_place(report.points[number - 1]) for number in failed}
            for text, place in zip(axes.get_yticklabels(), [*rows, None], strict=False):
                text.set_fontfamily("DejaVu Sans Mono")
                text.set_fontsize(7)
                if place in red:
                    text.set_color(VERMILION)
            axes.tick_params(axis="y", length=0)
            axes.set_ylim(len(names) - 0.4, -0.6)
            axes.set_xlabel("virtual time (s)" if over == "time" else "await of the program, in the order of the run")
            grid(axes)
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=8, borderaxespad=0.1)
            axes.set_title(visible(report.title()).replace(": ", "\n", 1), loc="left", pad=22)
        return axes

    def effects(self, ax: Axes | None = None, *, with_title: bool = True) -> Axes:
        """A bar for each effect: in how many trials it happened never, once, twice, and more often.

        Raises NoPicture for a program without effects.
        """
        report = self.report
        if not report.effects:
            raise NoPicture(f"{report.program}: has no effects; valid: .cuts()")
        with axes_for(ax, WIDTH, _effects_height(len(report.effects))) as axes:
            seen: set[int] = set()
            for row, times in enumerate(report.effects.values()):
                begin = 0
                for often, trials in times.items():
                    shade = _SHADES[min(often, len(_SHADES) - 1)]
                    axes.barh(row, trials, left=begin, color=shade, edgecolor="white", height=0.7)
                    if trials >= 0.03 * len(report.trials):
                        color = INK if min(often, 4) < 2 else "white"
                        axes.text(begin + trials / 2, row, f"{trials:,}", color=color, size=8, ha="center", va="center")
                    begin += trials
                    seen.add(min(often, len(_SHADES) - 1))
            axes.set_yticks(range(len(report.effects)), [visible(name) for name in report.effects])
            axes.tick_params(axis="y", length=0)
            axes.set_ylim(len(report.effects) - 0.5, -0.5)
            axes.set_xlabel("trials")
            grid(axes, "x")
            for often in sorted(seen):
                axes.barh(0, 0, color=_SHADES[often], label=_often(often))
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=5, frameon=False, fontsize=8, borderaxespad=0.1)
            if with_title:
                titled(axes, f"{visible(report.program)}: effects by how often they happen", "")
        return axes

    def _rows(self) -> tuple[list[Place], int]:
        """The awaits of the source text in the order of their first run, those with failures first if there are too
        many; and how many have no row.
        """
        failed = {trial.points[0].number for trial in self.report.failures if trial.points}
        places = [*dict.fromkeys(map(_place, self.report.points))]
        if len(places) <= MOST_ROWS:
            return places, 0
        failing = dict.fromkeys(_place(point) for point in self.report.points if point.number in failed)
        kept = {*[*failing, *(place for place in places if place not in failing)][: MOST_ROWS - 1]}
        return [place for place in places if place in kept], len(places) - len(kept)


def _place(point: Point) -> Place:
    return point.file, point.line, point.awaited


def _name(place: Place) -> str:
    file, line, awaited = place
    where, awaited = visible(f"{Path(file).name}:{line}"), visible(awaited)
    most = max(MOST_LETTERS - len(where) - 2, 20)
    return f"{awaited if len(awaited) <= most else f'{awaited[: most - 1]}…'}  {where}"


def _cuts_height(rows: int) -> float:
    return _HEAD + ROW * max(min(rows, MOST_ROWS), 3)


def _effects_height(names: int) -> float:
    return _HEAD + 0.4 * names


def _often(times: int) -> str:
    return ("never", "once", "twice", "3 times", "4 times or more")[times]
