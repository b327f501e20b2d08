"""Axes of plots, and parts that all plots share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import isfinite, isinf

from matplotlib import axis as mpl_axis
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recovery.errors import RecoveryBenchError
from sim.presentation.figure_style import FAINT, GRID, styled


class NoPicture(RecoveryBenchError, ValueError):
    """A plot is not possible. The message is one line: the reason and the valid alternatives."""


@contextmanager
def axes_for(ax: Axes | None, width: float, height: float) -> Iterator[Axes]:
    """The given axes; without any, those of a new pyplot figure (size in inches), which a notebook shows once.

    The figure is closed when drawing fails.
    """
    if ax is not None:
        with styled():
            yield ax
        return
    from matplotlib import pyplot as plt  # noqa: PLC0415 - not needed with given axes

    with styled():
        figure, own = plt.subplots(figsize=(width, height), layout="constrained")
        try:
            yield own
        except BaseException:
            plt.close(figure)
            raise


def figure_of(draw: Callable[[Axes], object], inches: tuple[float, float]) -> Figure:
    """A figure with one plot, to be saved, without pyplot."""
    with styled():
        figure = Figure(figsize=inches, dpi=120, layout="constrained")
        draw(figure.add_subplot())
    return figure


def titled(ax: Axes, title: str, *below: str) -> None:
    """A title, and smaller lines below it."""
    ax.set_title(title, loc="left", pad=8 + 12 * len(below))
    if below:
        text = "\n".join(below)
        ax.annotate(text, (0, 1), (0, 6), "axes fraction", "offset points", size=8, color=FAINT, va="bottom")


def grid(ax: Axes, axis: str = "both") -> None:
    """Faint grid lines behind the data."""
    ax.grid(axis="x" if axis == "x" else "y" if axis == "y" else "both", color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)


def label_rows(ax: Axes, texts: Sequence[str]) -> None:
    """A text at the right end of each row 0, 1, …; rows go down."""
    right = ax.secondary_yaxis("right")
    right.set_yticks(range(len(texts)), texts)
    right.spines["right"].set_visible(False)
    for side in (ax, right):
        side.tick_params(axis="y", length=0, pad=6)
    ax.set_ylim(max(len(texts), 1) - 0.5, -0.5)


def label(metric: str, unit: str) -> str:
    """The axis label of a metric."""
    return f"{metric} ({unit})" if unit else metric


def height_of_infinity(values: Sequence[float]) -> float | None:
    """The height at which infinite values are drawn, above all others; None without infinite values."""
    if not any(isinf(value) for value in values):
        return None
    finite = [value for value in values if isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    return high + 0.2 * (high - low or abs(high) or 1.0)


def mark_infinity(axis: mpl_axis.Axis, at: float | None) -> None:
    """Add ∞ at its height to the ticks below it."""
    if at is None:
        return
    low, high = sorted(axis.get_view_interval())
    ticks = [tick for tick in axis.get_majorticklocs() if low <= tick < at - 0.05 * (high - low)]
    axis.set_ticks([*ticks, at], [*axis.get_major_formatter().format_ticks(ticks), "∞"])
