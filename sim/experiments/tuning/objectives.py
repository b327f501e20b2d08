"""What a search optimizes: metrics with a direction, over one scenario or the worst or mean of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from scenarios import Scenario
from scenarios.fields.metrics import Metric, UnknownMetric, lookup
from sim.experiments.tuning.space import TuneError

Across = Literal["worst", "mean"]


@dataclass(frozen=True)
class Objective:
    """A metric, its unit, and whether more of it is wanted (`maximize`)."""

    metric: str
    unit: str
    maximize: bool

    def loss(self, value: float) -> float:
        """The value as something that is minimized."""
        return -value if self.maximize else value

    def text(self) -> str:
        """`minimize recovery.time.p95`."""
        return f"{'maximize' if self.maximize else 'minimize'} {self.metric}"


def objectives_of(
    scenarios: Sequence[Scenario], minimize: Sequence[str], maximize: Sequence[str]
) -> tuple[Objective, ...]:
    """The objectives, in the order of the arguments. Raises TuneError."""
    names = [*((name, False) for name in minimize), *((name, True) for name in maximize)]
    if not names:
        raise TuneError("there is no objective; valid: one metric or more to minimize or maximize")
    found: list[Objective] = []
    for name, wants_more in names:
        if any(each.metric == name for each in found):
            raise TuneError(f"{name}: is an objective twice; valid: once")
        metrics = [_metric(name, scenario) for scenario in scenarios]
        better = metrics[0].direction
        if better is not None and (better == "higher") != wants_more:
            other = "maximize" if better == "higher" else "minimize"
            raise TuneError(f"{name}: {better} values are better; valid: to {other} it")
        found.append(Objective(name, metrics[0].unit, wants_more))
    return tuple(found)


def _metric(name: str, scenario: Scenario) -> Metric:
    try:
        return lookup(name, scenario.parts)
    except UnknownMetric as error:
        raise TuneError(f"{name}: {error}") from None


def overall(values: Sequence[float], now: Sequence[float], objective: Objective, across: Across) -> float:
    """The value of an objective over several scenarios: its loss relative to that of the scenarios as they are now.

    0 is as good as now, and negative values are better; with one scenario it is the value itself. A change is relative
    to the size of the present value, or absolute if that is 0.
    """
    if len(values) == 1:
        return values[0]
    changes = [
        (objective.loss(value) - objective.loss(at_present)) / (abs(at_present) or 1.0)
        for value, at_present in zip(values, now, strict=True)
    ]
    whole = max(changes) if across == "worst" else sum(changes) / len(changes)
    return objective.loss(whole)


def dominates(one: Sequence[float], other: Sequence[float], objectives: Sequence[Objective]) -> bool:
    """Whether one is nowhere worse than the other, and somewhere better (Pareto). Values that are not finite lose."""
    pairs = [(objective.loss(a), objective.loss(b)) for a, b, objective in zip(one, other, objectives, strict=True)]
    if not all(isfinite(a) for a, _ in pairs):
        return False
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
