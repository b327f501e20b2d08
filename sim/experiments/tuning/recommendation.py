"""A recommendation: the best setting by the first objective that costs least, with no change that has no effect.

Differences below `TOLERANCE` of the present value are not worth a change: of the tasks that are not within their time,
and of the other objectives. Everything is decided on the replications of the search; the fresh ones verify it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor, inf, log10

from scenarios import Scenario
from scenarios.errors import ScenarioError
from sim.experiments.comparison.compare import Comparison
from sim.experiments.runs.replications import Result
from sim.experiments.sweeps.designs import Point, as_values, canonical
from sim.experiments.sweeps.folder import key
from sim.experiments.tuning.finalist import Finalist
from sim.experiments.tuning.objectives import Objective
from sim.experiments.tuning.race import Judged, Race
from sim.experiments.tuning.space import Dimension, current
from sim.stats.differences import BETTER, WORSE

TOLERANCE = 0.02
STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0)
"""Mantissas of the delays that are proposed."""


def tolerances(now: Judged, objectives: Sequence[Objective]) -> list[float]:
    """The differences of each objective that are not worth a change. A share that is maximized is compared by what is
    missing to 1.
    """
    found = []
    for objective, value in zip(objectives, now.values, strict=True):
        at_present = 0.0 if value is None else value
        is_share = objective.unit == "fraction" and objective.maximize
        found.append(TOLERANCE * (1 - at_present if is_share else abs(at_present)))
    return found


def in_order(judged: Sequence[Judged], objectives: Sequence[Objective], tolerance: Sequence[float]) -> list[Judged]:
    """Settings in the order in which they are recommended: those as good as the best by the first objective, the best
    by the other ones first; then the rest by the first objective.
    """
    losses = {key(each.point): _losses(each, objectives) for each in judged}
    best = min((loss[0] for loss in losses.values()), default=inf)

    def place(each: Judged) -> tuple[bool, list[float], str]:
        loss = losses[key(each.point)]
        is_best = loss[0] <= best + tolerance[0]
        return not is_best, [*loss[1:], loss[0]] if is_best else loss, key(each.point)

    return sorted(judged, key=place)


def simplified(
    race: Race,
    scenarios: Sequence[Scenario],
    space: Sequence[Dimension],
    objectives: Sequence[Objective],
    best: Judged,
    replications: int,
    tolerance: Sequence[float],
) -> Judged:
    """The setting without the changes that have no effect, and with round numbers where those do as well."""
    for dimension in space:
        for text in _plainer(scenarios, dimension, space, best.point):
            point = {**best.point, dimension.path: text}
            try:
                race.take([point], range(replications))
            except ScenarioError:  # a value that is valid only together with another one
                continue
            found = race.judge(point, replications, {}, is_stopped=False)
            if found.is_feasible and _is_as_good(found, best, objectives, tolerance):
                best = found
                break
    return best


def _plainer(
    scenarios: Sequence[Scenario], dimension: Dimension, space: Sequence[Dimension], point: Point
) -> Iterator[str]:
    """The present value, then the nearest round number."""
    first, *others = [current(each, space).get(dimension.path) for each in scenarios]
    at_present = first if all(each == first for each in others) else None
    value = point[dimension.path]
    if value == at_present:
        return
    if at_present is not None:
        yield at_present
    if not dimension.choices and not dimension.whole:
        exact = json.loads(value)
        exact = exact["constant"]["value"] if isinstance(exact, dict) else exact
        nearest = round_number(exact)
        if nearest != exact and dimension.low <= nearest <= dimension.high:
            yield canonical(scenarios[0], dimension.path, nearest)


def round_number(value: float) -> float:
    """The nearest of 1, 1.5, 2, 3, 5, 7.5 and 10 times a power of ten."""
    if value <= 0:
        return value
    power = 10.0 ** floor(log10(value))
    return float(f"{min((step * power for step in STEPS), key=lambda each: abs(each - value)):.3g}")


def _is_as_good(one: Judged, other: Judged, objectives: Sequence[Objective], tolerance: Sequence[float]) -> bool:
    pairs = zip(_losses(one, objectives), _losses(other, objectives), tolerance, strict=True)
    return all(a <= b + most / 2 for a, b, most in pairs)


def _losses(judged: Judged, objectives: Sequence[Objective]) -> list[float]:
    return [
        inf if value is None else objective.loss(value)
        for objective, value in zip(objectives, judged.values, strict=True)
    ]


# ---------------------------------------------------------------------------------------- what is recommended
@dataclass(frozen=True)
class Change:
    """A value that is recommended at a path, and that of each scenario now, as JSON; None: not set."""

    path: str
    now: tuple[str | None, ...]
    then: str


def changes(now: Sequence[Result], space: Sequence[Dimension], of: Finalist) -> list[Change]:
    """What a setting changes, in the order of the paths."""
    own = [current(result.scenario, space) for result in now]
    each = [Change(path, tuple(one.get(path) for one in own), text) for path, text in of.point.items()]
    return [change for change in each if any(value != change.then for value in change.now)]


def gain(now: Result, of: Finalist, place: int, objectives: Sequence[Objective]) -> Comparison:
    """The objectives of a setting against now, on the fresh replications, in pairs."""
    return Comparison(now, of.fresh[place], {}, as_values(of.point), chosen=tuple(each.metric for each in objectives))


def is_worth_it(
    now: Sequence[Result], space: Sequence[Dimension], objectives: Sequence[Objective], of: Finalist
) -> bool:
    """Whether a setting changes something and is shown to be better: by some objective in some scenario, and by the
    first one worse in none. Also if now does not meet the expectations and the setting does.
    """
    if not of.is_confirmed or not changes(now, space, of):
        return False
    verdicts = []
    for place, result in enumerate(now):
        differences = gain(result, of, place, objectives).differences
        verdicts.append([differences[each.metric].verdict for each in objectives if each.metric in differences])
    if any(each[:1] == [WORSE] for each in verdicts):
        return False
    disqualified = any(outcome.disqualifies for result in now for outcome in result.expectations)
    return disqualified or any(BETTER in each for each in verdicts)
