"""The part of a page about a search over settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

from sim.presentation.formatting import count, quantity
from sim.reports.page.comparison_view import DifferenceRow, difference_row, shares_of
from sim.reports.page.judgements import written
from sim.reports.page.scales import Linear, Relative
from sim.reports.page.settings import facts, joined, setting
from sim.reports.stored.shapes import EstimateShape, ObjectiveShape, TuningShape
from sim.stats.differences import NOT_SHOWN


@dataclass(frozen=True)
class Dot:
    """A tried setting in the picture: position in percent, kind, and its text."""

    x: float
    y: float
    kind: str
    text: str


@dataclass(frozen=True)
class TuningView:
    """What the template of a search shows."""

    template: str = field(default="tuning.html.jinja", init=False)
    title: str
    subtitle: str
    headline: str
    holds: bool
    notes: list[str]
    dots: list[Dot]
    x_name: str
    y_name: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    objectives: list[str]
    front: list[tuple[str, str, str, list[str]]]
    changes: list[tuple[str, list[DifferenceRow]]]
    change_ticks: list[tuple[float, str]]
    importance: list[tuple[str, list[tuple[str, float, str]]]]
    command: str
    facts: list[tuple[str, str]]


def tuning_view(data: TuningShape) -> TuningView:
    """The view of a search: what was tried, the front on fresh replications, and what the chosen setting changes."""
    goals = data.objectives
    chosen = next((each for each in data.front if data.chosen is not None and each.values == data.chosen), None)
    aims = " and ".join(f"{'maximize' if each.maximize else 'minimize'} {each.metric}" for each in goals)
    changes = [] if chosen is None else list(zip(data.scenarios, chosen.differences, strict=False))
    shares = [each for _, found in changes for of in found.values() for each in shares_of(of) or () if isfinite(each)]
    scale = Relative(max([20.0, *(abs(each) for each in shares)]))
    dots, x_name, y_name, x_ticks, y_ticks = _dots(data)
    words = ["recovery-bench", "tune", *data.scenarios, "--seed", str(data.seed)]
    words += [part for each in data.vary for part in ("--vary", each)]
    words += [part for each in goals for part in ("--maximize" if each.maximize else "--minimize", each.metric)]
    front = [("now", "", "none", _cells(data.now, goals))]
    for each in data.front:
        mark, kind = ("chosen", "good") if each is chosen else ("", "none") if each.confirmed else ("refused", "bad")
        front.append((setting(each.values), mark, kind, _cells(each.fresh, goals)))
    return TuningView(
        title=f"{', '.join(data.scenarios)}: search of {count(len(data.tried), 'setting')}",
        subtitle=f"seed {data.seed}; {aims}; {count(data.runs, 'run')}, {data.fresh} fresh replications for the front",
        headline=f"{setting(chosen.values)} is proposed" if chosen is not None else "No setting meets the expectations",
        holds=chosen is not None,
        notes=["The search was interrupted."] if data.interrupted else [],
        dots=dots,
        x_name=x_name,
        y_name=y_name,
        x_ticks=x_ticks,
        y_ticks=y_ticks,
        objectives=[each.metric for each in goals],
        front=front,
        changes=[
            (name, [difference_row(metric, of, scale) for metric, of in found.items() if of.verdict != NOT_SHOWN])
            for name, found in changes
        ],
        change_ticks=scale.ticks(),
        importance=[(metric, _ranked(found)) for metric, found in data.importance.items()],
        command=joined(words),
        facts=facts(", ".join(data.scenarios), data.version, data.seed),
    )


def _ranked(shares: Mapping[str, float]) -> list[tuple[str, float, str]]:
    ranked = sorted(shares.items(), key=lambda each: -each[1])
    return [(path, round(100 * share, 1), f"{share:.0%}") for path, share in ranked]


def _cells(results: Sequence[Mapping[str, EstimateShape | None]], goals: Sequence[ObjectiveShape]) -> list[str]:
    return ["; ".join(written(each.get(goal.metric), goal.metric) for each in results) for goal in goals]


def _dots(data: TuningShape) -> tuple[list[Dot], str, str, list[tuple[float, str]], list[tuple[float, str]]]:
    """The tried settings by their first two objectives, or by the order of the trials and the only one."""
    goals = data.objectives
    seen = [(number, each) for number, each in enumerate(data.tried, 1)]
    two = len(goals) > 1
    points = []
    for number, each in seen:
        values = [*each.objectives, None][:2] if two else [float(number), each.objectives[0]]
        if all(value is not None and isfinite(value) for value in values):
            points.append((values, each))
    x = Linear.over([values[0] for values, _ in points], goals[0].unit if two else "")
    y = Linear.over([values[1] for values, _ in points], goals[1].unit if two else goals[0].unit)
    finals = [each.values for each in data.front]
    dots = []
    for values, each in points:
        kind = "stopped" if each.stopped else "refused" if not each.feasible else "tried"
        kind = "chosen" if each.values == data.chosen else "front" if each.values in finals else kind
        told = ", ".join(quantity(value, goal.unit) for value, goal in zip(each.objectives, goals, strict=False))
        assert values[0] is not None
        assert values[1] is not None
        dots.append(Dot(x.at(values[0]), 100 - y.at(values[1]), kind, f"{setting(each.values)}: {told}"))
    dots.sort(key=lambda dot: ("stopped", "refused", "tried", "front", "chosen").index(dot.kind))
    y_ticks = [(100 - place, text) for place, text in y.ticks()]
    return dots, goals[0].metric if two else "trial", goals[1].metric if two else goals[0].metric, x.ticks(), y_ticks
