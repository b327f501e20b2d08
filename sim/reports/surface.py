"""The picture of a sweep: a line with its band over one path, a heat map over two."""

from __future__ import annotations

from math import isnan

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scenarios.metrics import lookup
from sim.experiments.designs import Point, number, shown
from sim.experiments.sweep import Sweep
from sim.experiments.sweep_folder import key
from sim.reports.drawing import styled
from sim.reports.numbers import quantity
from sim.statistics import Estimate

LINE = "#0072B2"
MOST_CELLS_WITH_NUMBERS = 200


class NoPicture(ValueError):
    """A sweep that cannot be drawn. One line: why, and what would be valid."""


def surface(found: Sweep, metric: str, *, width: float = 7.5) -> Figure:
    """A metric over one or two paths. Raises NoPicture for more, or for a metric that was nowhere observed."""
    estimates = found.estimates(metric)
    if not estimates:
        raise NoPicture(f"{metric}: was observed at no point; valid: another metric")
    if len(found.paths) > 2:
        raise NoPicture(f"{len(found.paths)} paths are too many for a picture; valid: one or two")
    with styled():
        figure = Figure(figsize=(width, 0.62 * width), dpi=120, layout="constrained")
        axes = figure.add_subplot()
        if len(found.paths) == 1:
            _line(axes, found, metric, estimates)
        else:
            _heat(figure, axes, found, metric, estimates)
        axes.set_title(f"{found.scenario.name}: {metric}, {found.replications} replications", loc="left")
    return figure


def _line(axes: Axes, found: Sweep, metric: str, estimates: dict[str, Estimate]) -> None:
    (path,) = found.paths
    points = [point for point in found.points if key(point) in estimates]
    places = _places(points, path)
    points = [point for _, point in sorted(zip(places, points, strict=True), key=lambda pair: pair[0])]
    at = sorted(places)
    of = [estimates[key(point)] for point in points]
    bands = [each.ci95 or (each.mean, each.mean) for each in of]
    axes.fill_between(at, [low for low, _ in bands], [high for _, high in bands], color=LINE, alpha=0.18, linewidth=0)
    axes.plot(at, [each.mean for each in of], "o-", color=LINE, markersize=4)
    if any(number(point[path]) is None for point in points):
        axes.set_xticks(at, [shown(point[path]) for point in points])
    axes.set_xlabel(path)
    axes.set_ylabel(_unit(found, metric))
    axes.grid(color="#E5E7EB", linewidth=0.8)
    axes.set_axisbelow(True)


def _places(points: list[Point], path: str) -> list[float]:
    """Where each value stands: at itself where all are numbers, else in the order in which they were given."""
    numbers = [number(point[path]) for point in points]
    if all(each is not None for each in numbers):
        return [each for each in numbers if each is not None]
    order = list(dict.fromkeys(point[path] for point in points))
    return [float(order.index(point[path])) for point in points]


def _heat(figure: Figure, axes: Axes, found: Sweep, metric: str, estimates: dict[str, Estimate]) -> None:
    across, up = found.paths
    columns, rows = _values(found, across), _values(found, up)
    cells: list[list[float]] = [[float("nan")] * len(columns) for _ in rows]
    for point in found.points:
        if key(point) in estimates:
            cells[rows.index(point[up])][columns.index(point[across])] = estimates[key(point)].mean
    image = axes.imshow(cells, origin="lower", aspect="auto", cmap="cividis")
    axes.set_xticks(range(len(columns)), [shown(each) for each in columns])
    axes.set_yticks(range(len(rows)), [shown(each) for each in rows])
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    figure.colorbar(image, ax=axes, label=_unit(found, metric))
    if len(columns) * len(rows) <= MOST_CELLS_WITH_NUMBERS:
        unit = lookup(metric, tuple(found.scenario.resources)).unit
        low, high = (edge(value for row in cells for value in row if not isnan(value)) for edge in (min, max))
        for row, values in enumerate(cells):
            for column, value in enumerate(values):
                if not isnan(value):
                    color = "white" if value - low < 0.6 * (high - low) else "black"
                    axes.text(column, row, quantity(value, unit), ha="center", va="center", color=color, size=8)


def _values(found: Sweep, path: str) -> list[str]:
    """The values of a path: in order of number where they are, else as they were given."""
    values = list(dict.fromkeys(point[path] for point in found.points))
    numbers = [number(each) for each in values]
    if any(each is None for each in numbers):
        return values
    return [value for _, value in sorted(zip(numbers, values, strict=True), key=lambda pair: pair[0] or 0.0)]


def _unit(found: Sweep, metric: str) -> str:
    unit = lookup(metric, tuple(found.scenario.resources)).unit
    return f"{metric} ({unit})"
