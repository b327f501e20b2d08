"""The part of a page about a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

from sim.experiments.comparison.compare import CORE
from sim.presentation.formatting import count
from sim.reports.page.judgements import known, meaning, written
from sim.reports.page.scales import Linear
from sim.reports.page.settings import IntervalRow, facts, joined, placed, setting, value_text
from sim.reports.stored.shapes import EstimateShape, PointShape, SweepShape

MOST_SWEPT = 16
"""Metrics of a sweep that are shown at most."""


@dataclass(frozen=True)
class HeatCell:
    """A cell of a map: text, and how far the mean is between the lowest and the highest, in percent."""

    text: str
    shade: float | None


@dataclass(frozen=True)
class SweptMetric:
    """A metric over the points of a sweep: intervals by point, and a map if two paths vary."""

    name: str
    meaning: str
    rows: list[IntervalRow]
    ticks: list[tuple[float, str]]
    columns: list[str]
    lines: list[tuple[str, list[HeatCell]]]


@dataclass(frozen=True)
class SweepView:
    """What the template of a sweep shows."""

    template: str = field(default="sweep.html.jinja", init=False)
    title: str
    subtitle: str
    headline: str
    holds: bool | None
    notes: list[str]
    paths: list[str]
    metrics: list[SweptMetric]
    command: str
    facts: list[tuple[str, str]]


def sweep_view(data: SweepShape) -> SweepView:
    """The view of a sweep: a picture for each of the most important metrics."""
    paths = list(data.points[0].values)
    points = _sorted(data.points)
    observed = dict.fromkeys(name for point in data.points for name in point.metrics)
    expected = [each.expression.partition(" ")[0] for point in data.points[:1] for each in point.expectations]
    wanted = dict.fromkeys(("recovery.time.mean", *expected, *CORE))
    names = [name for name in wanted if name in observed][:MOST_SWEPT] or list(observed)[:MOST_SWEPT]
    failing = [point for point in data.points if any(not each.holds for each in point.expectations)]
    said = "The scenario states no expectations"
    if data.points[0].expectations:
        held = len(data.points) - len(failing)
        said = f"What the scenario expects holds at {held} of {count(len(data.points), 'point')}"
    grid = {path: list(dict.fromkeys(value_text(point.values[path]) for point in points)) for path in paths}
    words = [
        "recovery-bench",
        "sweep",
        data.scenario,
        "--seed",
        str(data.seed),
        "--replications",
        str(data.replications),
    ]
    words += [part for path, values in grid.items() for part in ("--grid", f"{path}={','.join(values)}")]
    return SweepView(
        title=f"{data.scenario}: sweep of {count(len(data.points), 'point')}",
        subtitle=f"seed {data.seed}, {count(data.replications, 'replication')} each; varies {', '.join(paths)}",
        headline=said,
        holds=None if failing or not data.points[0].expectations else True,
        notes=["The sweep was interrupted: some runs are missing."] if data.interrupted else [],
        paths=paths,
        metrics=[_swept(name, points, paths, grid) for name in names],
        command=joined([*words, "--out", "sweep"]),
        facts=facts(data.scenario, data.version, data.seed),
    )


def _sorted(points: Sequence[PointShape]) -> list[PointShape]:
    """The points by their values if all are numbers, as those of a random design are; else in their order."""
    if all(isinstance(value, int | float) for point in points for value in point.values.values()):
        return sorted(points, key=lambda point: tuple(point.values.values()))
    return list(points)


def _swept(name: str, points: Sequence[PointShape], paths: list[str], grid: Mapping[str, list[str]]) -> SweptMetric:
    found = [point.metrics.get(name) for point in points]
    metric = known(name)
    unit = next((each.unit for each in found if each is not None and each.unit), "" if metric is None else metric.unit)
    scale = Linear.over([end for each in found if each is not None for end in (each.mean, *(each.ci95 or ()))], unit)
    rows = []
    for point, each in zip(points, found, strict=True):
        failed = [one.expression for one in point.expectations if not one.holds]
        status, kind = (f"{len(failed)} not met", "bad") if failed else ("", "none")
        rows.append(
            IntervalRow(
                setting(point.values), written(each, name), status, kind, *placed(each, scale), note="; ".join(failed)
            )
        )
    columns: list[str] = []
    lines: list[tuple[str, list[HeatCell]]] = []
    if len(paths) == 2 and all(len(values) > 1 for values in grid.values()):
        columns = grid[paths[1]]
        at = {
            tuple(value_text(point.values[path]) for path in paths): each
            for point, each in zip(points, found, strict=True)
        }
        means = Linear.over([each.mean for each in found if each is not None])
        lines = [(row, [_cell(at.get((row, column)), name, means) for column in columns]) for row in grid[paths[0]]]
    return SweptMetric(name, meaning(name), rows, scale.ticks(), columns, lines)


def _cell(found: EstimateShape | None, name: str, scale: Linear) -> HeatCell:
    if found is None:
        return HeatCell("not observed", None)
    return HeatCell(written(found, name), scale.at(found.mean) if isfinite(found.mean) else None)
