"""Pictures of an exploration: a failing order with a lane for each task, and the runs with their verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sim.presentation.axes import NoPicture, axes_for, figure_of, grid, titled
from sim.presentation.figure_style import BLUE, FAINT, INK, PALE, VERMILION
from sim.presentation.formatting import count
from sim.presentation.visible_text import visible
from sim.programs.exploration.interleaving import window
from sim.programs.exploration.steps import Step

MOST_STEPS: Final = 40
"""Steps of an interleaving that are drawn."""
MOST_LETTERS: Final = 44
_WIDTH: Final = 10.0
_STEP: Final = 0.24
"""Inches of a row."""
_COLORS: Final = {
    "holds": BLUE,
    "check": VERMILION,
    "exception": "#CC79A7",
    "deadlock": INK,
    "endless": "#E69F00",
    "background": "#8B5E3C",
}


class PlottedRun(Protocol):
    """What the pictures need of a run."""

    @property
    def run(self) -> int:
        """Its number."""

    @property
    def deviations(self) -> int:
        """Deviations from first in, first out."""

    @property
    def verdict(self) -> str:
        """Whether it holds."""


class PlottedFailure(Protocol):
    """What the pictures need of a failing order."""

    @property
    def run(self) -> int:
        """The first run that failed so."""

    @property
    def message(self) -> str:
        """Why."""

    @property
    def steps(self) -> Sequence[Step]:
        """Who ran when."""

    def summary(self) -> list[str]:
        """How the order differs from asyncio's own."""


class PlottedExploration(Protocol):
    """What the pictures need of a report."""

    @property
    def name(self) -> str:
        """The name of main."""

    @property
    def failures(self) -> Sequence[PlottedFailure]:
        """The orders that fail."""

    @property
    def rows(self) -> Sequence[PlottedRun]:
        """The runs."""

    @property
    def verdicts(self) -> Mapping[str, int]:
        """How many runs have each verdict."""

    @property
    def scope(self) -> str:
        """What was covered."""

    def title(self) -> str:
        """A one-line summary."""


@dataclass(frozen=True)
class ExplorationPictures:
    """`report.plot`."""

    report: PlottedExploration

    def figure(self) -> Figure:
        """The interleaving of the first failure; without one, the runs."""
        if not self.report.failures:
            return figure_of(self.runs, (_WIDTH, 3.2))
        steps = window(self.report.failures[0].steps, MOST_STEPS).steps
        return figure_of(self.interleaving, (_WIDTH, _height(len(steps))))

    def interleaving(self, ax: Axes | None = None, *, failure: int = 0) -> Axes:
        """A failing order from top to bottom: a lane for each task, and in it the await at which each step stopped.

        `failure` is the number of the failure in `report.failures`. Steps that ran before others that were ready first
        are marked. Raises NoPicture if there is no such failure.
        """
        failures = self.report.failures
        if not 0 <= failure < len(failures):
            valid = f"0 to {len(failures) - 1}" if failures else ".runs(), because all runs hold"
            raise NoPicture(f"failure={failure}: there is no such failure; valid: {valid}")
        shown = window(failures[failure].steps, MOST_STEPS)
        names = [*dict.fromkeys(step.who for step in shown.steps)]
        with axes_for(ax, _WIDTH, _height(len(shown.steps))) as axes:
            self._lanes(axes, shown.steps, names)
            for lane, name in enumerate(names):
                axes.text(lane, -1, _cut(visible(name), 120 // len(names)), size=8, weight="bold", va="center")
            axes.set_xticks([])
            axes.set_xlim(-0.05, max(len(names), 2) - 0.05)
            axes.set_ylim(len(shown.steps) - 0.3, -1.5)
            axes.set_yticks(range(len(shown.steps)), _clocks(shown.steps))
            axes.tick_params(axis="both", length=0)
            for side in ("bottom", "left"):
                axes.spines[side].set_visible(False)
            title = visible(f"{self.report.name}: {_verdict(failures[failure])}")
            if any(map(_is_marked, shown.steps)):
                sign = Line2D([], [], marker="D", color=VERMILION, linestyle="", markersize=6)
                axes.legend(
                    [sign],
                    ["ran before what was ready first, or is canceled"],
                    loc="upper right",
                    frameon=False,
                    bbox_to_anchor=(1, 0),
                    borderaxespad=0.2,
                )
            titled(axes, title, *_below(failures[failure], shown.left_out))
        return axes

    def _lanes(self, axes: Axes, steps: list[Step], names: list[str]) -> None:
        last: dict[str, int] = {}
        for row, step in enumerate(steps):
            lane = names.index(step.who)
            if step.who in last:
                axes.plot([lane, lane], [last[step.who], row], color=PALE, linewidth=1.2, zorder=1)
            last[step.who] = row
        letters = min(MOST_LETTERS, 130 // len(names)) if names else MOST_LETTERS
        for row, step in enumerate(steps):
            lane = names.index(step.who)
            is_marked = _is_marked(step)
            color = VERMILION if is_marked else BLUE
            axes.plot(lane, row, "D" if is_marked else "o", color=color, markersize=6, zorder=3)
            axes.text(
                lane + 0.04,
                row,
                _cut(visible(_label(step)), letters),
                size=7.5,
                va="center",
                color=VERMILION if is_marked else INK,
                fontfamily="DejaVu Sans Mono",
                zorder=4,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85},
            )

    def runs(self, ax: Axes | None = None) -> Axes:
        """Each run with its deviations from first in, first out, and its verdict."""
        report = self.report
        with axes_for(ax, _WIDTH, 3.2) as axes:
            for verdict, many in report.verdicts.items():
                rows = [row for row in report.rows if row.verdict == verdict]
                axes.plot(
                    [row.run for row in rows],
                    [row.deviations for row in rows],
                    "." if verdict == "holds" else "X",
                    color=_COLORS.get(verdict, FAINT),
                    markersize=4 if verdict == "holds" else 7,
                    label=f"{verdict}: {many:,}",
                )
            axes.set_xlabel("run")
            axes.set_ylabel("deviations from first in, first out")
            axes.set_ylim(bottom=-0.5)
            grid(axes)
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
            titled(axes, report.title(), visible(report.scope))
        return axes


def _height(steps: int) -> float:
    return 1.3 + _STEP * max(steps, 4)


def _verdict(failure: PlottedFailure) -> str:
    return _cut(f"run {failure.run}: {failure.message}".partition("\n")[0].rstrip(":"), 110)


def _below(failure: PlottedFailure, left_out: int) -> list[str]:
    more = [f"{count(left_out, 'other step')} not shown."] if left_out else []
    return [_cut(line, 140) for line in [*failure.summary(), *more]][:3]


def _is_marked(step: Step) -> bool:
    return bool(step.ahead_of) or step.canceled


def _label(step: Step) -> str:
    if step.canceled:
        return f"canceled at {step.position.line}: {step.position.source}" if step.position is not None else "canceled"
    if step.position is None:
        return step.ending or "runs"
    return f"{step.position.line}: {step.position.source}"


def _clocks(steps: list[Step]) -> list[str]:
    """The virtual time of each step, where it changes."""
    before: float | None = None
    texts = []
    for step in steps:
        texts.append("" if step.time == before else f"{step.time:.6g} s")
        before = step.time
    return texts


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
