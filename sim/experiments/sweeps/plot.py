"""Plots of a sweep: a line with its band for one path; a heat map or colored dots for two."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, isinf, nan
from statistics import median
from typing import Any, Literal, Protocol

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from scenarios import Scenario
from scenarios.fields.metrics import lookup
from sim.experiments.sweeps.best import Best
from sim.experiments.sweeps.designs import Point, number, shown, unit_of
from sim.experiments.sweeps.folder import key
from sim.presentation.axes import NoPicture, axes_for, grid, height_of_infinity, label, mark_infinity
from sim.presentation.figure_style import BLUE, FAINT, INK, PALE, VERMILION
from sim.presentation.formatting import count, estimated, quantity
from sim.stats.estimates import Estimate

INCHES = 7.5, 4.65
"""Size of a new figure."""
MOST_CELLS_WITH_NUMBERS = 200
MOST_CELLS_WITH_INTERVALS = 48
MOST_NAMED = 8
"""Points without a value that are named below the axis."""
WIDE = 20
"""Minimum ratio of the highest to the lowest value for a logarithmic axis."""


class PlottedSweep(Protocol):
    """What the plots need of a sweep."""

    @property
    def scenario(self) -> Scenario:
        """The scenario."""

    @property
    def points(self) -> Sequence[Point]:
        """The points, in order."""

    @property
    def paths(self) -> Sequence[str]:
        """Paths of the values that are swept."""

    @property
    def replications(self) -> int:
        """Replications at each point."""

    def estimates(self, metric: str) -> dict[str, Estimate]:
        """Mean and 95 % interval of a metric at each point that observed it, by the key of the point."""

    def best(self, metric: str) -> Best | None:
        """The best point of a metric, and those that are as good as far as the replications show."""


@dataclass(frozen=True)
class SweepPictures:
    """`sweep.plot`."""

    sweep: PlottedSweep

    def metric(self, name: str, ax: Axes | None = None) -> Axes:
        """A metric over one path, as a line with its 95 % intervals, or over two, as a heat map.

        A map frames the best point, and hatches those that no difference from it is shown of: their colors are noise.

        Points that are not on a grid of two paths are drawn as dots whose color is the metric.

        It is drawn on `ax`, or in a new figure. Raises UnknownMetric, and NoPicture, a ValueError, for more paths, or
        for a metric that was observed at no point.
        """
        found = self.sweep
        estimates = found.estimates(name)
        if not estimates:
            raise NoPicture(f"{name}: was observed at no point; valid: another metric")
        if len(found.paths) > 2:
            raise NoPicture(f"{len(found.paths)} paths are too many for a picture; valid: one or two")
        with axes_for(ax, *INCHES) as axes:
            if len(found.paths) == 1:
                _line(axes, found, name, estimates)
            elif _is_spread(found):
                _dots(axes, found, name, estimates)
            else:
                _heat(axes, found, name, estimates)
            axes.set_title(f"{found.scenario.name}: {name}, {count(found.replications, 'replication')}", loc="left")
        return axes


def _line(axes: Axes, found: PlottedSweep, metric: str, estimates: dict[str, Estimate]) -> None:
    (path,) = found.paths
    points = [point for point in found.points if key(point) in estimates]
    places = _places(points, path)
    points = [point for _, point in sorted(zip(places, points, strict=True), key=lambda pair: pair[0])]
    at = sorted(places)
    of = [estimates[key(point)] for point in points]
    infinity = height_of_infinity([each.mean for each in of])
    means = [infinity if infinity is not None and isinf(each.mean) else each.mean for each in of]
    bands = [each.ci95 or (mean, mean) for each, mean in zip(of, means, strict=True)]
    axes.fill_between(at, [low for low, _ in bands], [high for _, high in bands], color=BLUE, alpha=0.18, linewidth=0)
    axes.plot(at, means, "o-", color=BLUE, markersize=4)
    if any(number(point[path]) is None for point in points):
        axes.set_xticks(at, [shown(point[path]) for point in points])
    else:
        _scaled(axes, "x", at)
    axes.set_xlabel(label(path, unit_of(found.scenario, found.points[0], path)))
    axes.set_ylabel(label(metric, _unit(found, metric)))
    grid(axes)
    mark_infinity(axes.yaxis, infinity)
    if left_out := [shown(point[path]) for point in found.points if key(point) not in estimates]:
        more = f" and {len(left_out) - MOST_NAMED} more" if len(left_out) > MOST_NAMED else ""
        axes.set_xlabel(f"{axes.get_xlabel()}\nnot observed at {', '.join(left_out[:MOST_NAMED])}{more}")


def _scaled(axes: Axes, which: Literal["x", "y"], values: list[float]) -> None:
    """A logarithmic axis if the values cover orders of magnitude and their median is near the geometric mean."""
    low, middle, high = min(values), median(values), max(values)
    if low <= 0 or high / low < WIDE or middle**2 >= 4 * low * high:
        return
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_locator(NullLocator())


def _places(points: list[Point], path: str) -> list[float]:
    """Positions of the values: the values themselves if all are numbers, else their order."""
    numbers = [number(point[path]) for point in points]
    if all(each is not None for each in numbers):
        return [each for each in numbers if each is not None]
    order = list(dict.fromkeys(point[path] for point in points))
    return [float(order.index(point[path])) for point in points]


def _heat(axes: Axes, found: PlottedSweep, metric: str, estimates: dict[str, Estimate]) -> None:
    across, up = found.paths
    columns, rows = _values(found, across), _values(found, up)
    means = [[nan] * len(columns) for _ in rows]
    for point in found.points:
        if key(point) in estimates:
            means[rows.index(point[up])][columns.index(point[across])] = estimates[key(point)].mean
    cells = [[mean if isfinite(mean) else nan for mean in row] for row in means]
    image = axes.imshow(cells, origin="lower", aspect="auto", cmap=mpl.colormaps["cividis"].with_extremes(bad=PALE))
    axes.set_xticks(range(len(columns)), [shown(each) for each in columns])
    axes.set_yticks(range(len(rows)), [shown(each) for each in rows])
    _labeled(axes, found, across, up)
    unit = _unit(found, metric)
    axes.figure.colorbar(image, ax=axes, label=label(metric, unit))
    number_of_cells = len(columns) * len(rows)
    known = [value for row in cells for value in row if isfinite(value)]
    bright = min(known) + 0.6 * (max(known) - min(known)) if known else -inf
    best = found.best(metric)
    for point in found.points:
        estimate = estimates.get(key(point))
        column, row = columns.index(point[across]), rows.index(point[up])
        ink = "white" if estimate is not None and estimate.mean < bright else "black"
        if number_of_cells <= MOST_CELLS_WITH_NUMBERS:
            text = _written(estimate, unit, with_interval=number_of_cells <= MOST_CELLS_WITH_INTERVALS)
            axes.text(column, row, text, ha="center", va="center", color=ink, size=8)
        if best is not None and key(point) in best.alike:
            axes.add_patch(_cell(column, row, hatch="///", edgecolor=ink, alpha=0.3, linewidth=0.0))
        elif best is not None and key(point) == best.point:
            axes.add_patch(_cell(column, row, edgecolor=VERMILION, linewidth=2.5))
    if best is not None:
        said = "framed: the best point" + ("; hatched: no difference from it is shown" if best.alike else "")
        axes.annotate(said, (0, 0), (0, -34), "axes fraction", "offset points", size=8, color=FAINT, va="top")


def _cell(column: int, row: int, **style: Any) -> Rectangle:
    return Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, clip_on=False, **style)


def _written(estimate: Estimate | None, unit: str, *, with_interval: bool) -> str:
    """The text of a cell: the mean, and below it the half-width of its interval, or the interval."""
    if estimate is None:
        return "not\nobserved"
    if not with_interval or not isfinite(estimate.mean):
        return quantity(estimate.mean, unit)
    return re.sub(r" (?=± |\[)", "\n", estimated(estimate), count=1)


def _labeled(axes: Axes, found: PlottedSweep, across: str, up: str) -> None:
    """The paths of two axes, with their units."""
    axes.set_xlabel(label(across, unit_of(found.scenario, found.points[0], across)))
    axes.set_ylabel(label(up, unit_of(found.scenario, found.points[0], up)))


def _is_spread(found: PlottedSweep) -> bool:
    """Whether the points are not on a grid: all are numbers, and most combinations of their values are missing."""
    crossings = 1
    for path in found.paths:
        if any(number(point[path]) is None for point in found.points):
            return False
        crossings *= len(_values(found, path))
    return 2 * len(found.points) < crossings


def _dots(axes: Axes, found: PlottedSweep, metric: str, estimates: dict[str, Estimate]) -> None:
    across, up = found.paths
    points = [point for point in found.points if key(point) in estimates]
    means = [estimates[key(point)].mean for point in points]
    xs, ys = _places(points, across), _places(points, up)
    infinite = [place for place, mean in enumerate(means) if isinf(mean)]
    if infinite:
        where = [xs[place] for place in infinite], [ys[place] for place in infinite]
        axes.scatter(*where, marker="x", color=INK, label="infinite")
    finite = [place for place, mean in enumerate(means) if isfinite(mean)]
    dots = axes.scatter(
        [xs[place] for place in finite],
        [ys[place] for place in finite],
        c=[means[place] for place in finite],
        cmap="cividis",
        s=70,
        edgecolors=INK,
        linewidths=0.6,
    )
    if left_out := [point for point in found.points if key(point) not in estimates]:
        where = _places(left_out, across), _places(left_out, up)
        axes.scatter(*where, marker="+", color=FAINT, label="not observed")
    best = found.best(metric)
    alike = [place for place in finite if best is not None and key(points[place]) in best.alike]
    if alike:
        where = [xs[place] for place in alike], [ys[place] for place in alike]
        axes.scatter(
            *where, marker=".", s=30, color="white", edgecolors=INK, linewidths=0.5, label="no difference from it shown"
        )
    if best is not None:
        ((x, y),) = [(xs[place], ys[place]) for place in range(len(points)) if key(points[place]) == best.point]
        axes.scatter(x, y, s=130, facecolors="none", edgecolors=VERMILION, linewidths=2.0, label="best")
    if infinite or left_out or best is not None:
        axes.legend(ncols=4, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
    if finite:
        axes.figure.colorbar(dots, ax=axes, label=label(metric, _unit(found, metric)))
    _labeled(axes, found, across, up)
    _scaled(axes, "x", xs)
    _scaled(axes, "y", ys)


def _values(found: PlottedSweep, path: str) -> list[str]:
    """The values of a path: sorted if they are numbers, else in the given order."""
    values = list(dict.fromkeys(point[path] for point in found.points))
    numbers = [number(each) for each in values]
    if any(each is None for each in numbers):
        return values
    return [value for _, value in sorted(zip(numbers, values, strict=True), key=lambda pair: pair[0] or 0.0)]


def _unit(found: PlottedSweep, metric: str) -> str:
    return lookup(metric, found.scenario.parts).unit
