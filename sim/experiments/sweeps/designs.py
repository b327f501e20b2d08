"""Points of a sweep: every combination of some values, or points spread over a space.

Values are compared as the scenario parses them, so `5s` and `5` are equal. A point has a value for each path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from recovery.errors import RecoveryBenchError
from scenarios import Scenario
from scenarios.documents.overrides import value_of
from scenarios.errors import ScenarioError

Method = Literal["lhs", "sobol", "random"]
Point = Mapping[str, str]
"""The parsed value at each path, as JSON."""
MOST_POINTS = 100_000


class DesignError(RecoveryBenchError, ValueError):
    """An invalid design. One line: what is wrong, and what would be valid."""


@dataclass(frozen=True)
class Range:
    """A range between two values at a path; `log`: uniform on a logarithmic scale."""

    path: str
    low: Any
    high: Any
    log: bool = False


def canonical(scenario: Scenario, path: str, value: Any) -> str:
    """The parsed value at a path, as JSON. Raises ScenarioError."""
    return json.dumps(value_of(scenario.with_values({path: value}), path), sort_keys=True, ensure_ascii=False)


def grid(scenario: Scenario, axes: Mapping[str, Sequence[Any]]) -> list[Point]:
    """Every combination, with the last path's values changing fastest. Raises ScenarioError, DesignError."""
    values: dict[str, list[str]] = {}
    for path, given in axes.items():
        if not given:
            raise DesignError(f"{path}: has no value; valid: path=v1,v2")
        values[path] = [canonical(scenario, path, value) for value in given]
        twice = next((text for text in values[path] if values[path].count(text) > 1), None)
        if twice is not None:
            raise DesignError(f"{path}: has {twice} twice; valid: each value once")
    count = 1
    for of_path in values.values():
        count *= len(of_path)
    if count > MOST_POINTS:
        raise DesignError(f"{count:,} points are too many; valid: up to {MOST_POINTS:,}")
    return [dict(zip(values, point, strict=True)) for point in product(*values.values())]


def points_of(scenario: Scenario, points: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]) -> list[Point]:
    """Points from values as in a file: every combination of the values by path, or a list of values by path.

    Points of `grid` and `spread` are not changed. Raises ScenarioError, DesignError.
    """
    if isinstance(points, Mapping):
        return grid(scenario, points)
    known: dict[tuple[str, str], str] = {}

    def read(path: str, value: Any) -> str:
        name = path, repr(value)
        if name not in known:
            known[name] = canonical(scenario, path, value)
        return known[name]

    found = [{path: read(path, value) for path, value in point.items()} for point in points]
    if any(set(point) != set(found[0]) for point in found):
        raise DesignError("points set different paths; valid: a value for each path at every point")
    if len({json.dumps(point, sort_keys=True) for point in found}) < len(found):
        twice = next(point for place, point in enumerate(found) if point in found[:place])
        raise DesignError(f"{named(twice)}: is there twice; valid: each point once")
    return list(found)


def spread(scenario: Scenario, ranges: Sequence[Range], count: int, method: Method, seed: int) -> list[Point]:
    """Points in a space by Latin hypercube, Sobol sequence or random numbers. Duplicates are removed, so there may be
    fewer if only whole numbers are valid.

    With a Sobol sequence and random numbers, a larger number of points begins with the same points. Raises
    ScenarioError, DesignError.
    """
    if not 1 <= count <= MOST_POINTS:
        raise DesignError(f"{count:,} points; valid: 1 to {MOST_POINTS:,}")
    from scipy.stats import qmc  # noqa: PLC0415 - takes half a second, which a grid need not wait for

    ends = [bounds(scenario, each) for each in ranges]
    dimensions = len(ranges)
    if method == "lhs":
        units = qmc.LatinHypercube(dimensions, rng=seed).random(count)
    elif method == "sobol":
        power = max(0, (count - 1).bit_length())
        units = qmc.Sobol(dimensions, rng=seed).random_base2(power)[:count]
    else:
        import numpy as np  # noqa: PLC0415 - for this alone

        units = np.random.default_rng(seed).random((count, dimensions))
    points: list[Point] = []
    for row in units.tolist():
        values = [_between(each, *both, u) for each, both, u in zip(ranges, ends, row, strict=True)]
        points.append(
            {each.path: canonical(scenario, each.path, value) for each, value in zip(ranges, values, strict=True)}
        )
    return list({json.dumps(point): point for point in points}.values())


def bounds(scenario: Scenario, each: Range) -> tuple[float, float, bool]:
    """Both ends as numbers, and whether only whole numbers are valid."""
    ends = [number(canonical(scenario, each.path, value)) for value in (each.low, each.high)]
    low, high = ends
    if low is None or high is None:
        raise DesignError(f"{each.path}: {each.low}..{each.high} are no numbers; valid: numbers, durations or rates")
    if low >= high:
        raise DesignError(f"{each.path}: {each.low} is not below {each.high}; valid: low..high")
    if each.log and low <= 0:
        raise DesignError(f"{each.path}: {each.low} has no logarithm; valid: above 0 with :log")
    whole = all(isinstance(json.loads(canonical(scenario, each.path, value)), int) for value in (each.low, each.high))
    return low, high, whole


def _between(each: Range, low: float, high: float, whole: bool, u: float) -> Any:
    if whole:
        return min(int(high), int(low) + int(u * (high - low + 1)))
    return low * (high / low) ** u if each.log else low + u * (high - low)


def number(text: str) -> float | None:
    """A value as a number: itself, or that of a constant; None for anything else."""
    value = json.loads(text)
    if isinstance(value, dict) and set(value) == {"constant"}:
        value = value["constant"]["value"]
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


UNIT_OF_SUFFIX = {"s": "s", "/s": "1/s"}
"""The suffixes of durations and rates in files, and the units of their values."""


def unit_of(scenario: Scenario, point: Point, path: str) -> str:
    """The unit of the value at a path: `s`, `1/s`, or none. It is the one that the scenario accepts as a suffix."""
    found = number(point[path])
    if found is None:
        return ""
    at = as_values(point)
    for suffix, unit in UNIT_OF_SUFFIX.items():
        written = f"{found!r}{suffix}"
        try:
            with_unit = canonical(scenario.with_values(at), path, written)
        except ScenarioError:
            continue
        if number(with_unit) == found:
            return unit
    return ""


def shown(text: str) -> str:
    """A value for display: a number, a text, or JSON."""
    found = number(text)
    if found is not None:
        return f"{found:g}"
    value = json.loads(text)
    return value if isinstance(value, str) else "null" if value is None else text


def as_values(point: Point) -> dict[str, Any]:
    """The values of a point for `with_values`."""
    return {path: json.loads(text) for path, text in point.items()}


def named(point: Point) -> str:
    """A point for display: `agents.count=5, agents.restart_time=20`."""
    return ", ".join(f"{path}={shown(text)}" for path, text in point.items())


def column(points: Sequence[Point], path: str) -> list[float] | list[str]:
    """The values of points at a path: numbers if all of them are, else for display."""
    numbers = [number(point[path]) for point in points]
    found = [each for each in numbers if each is not None]
    return found if len(found) == len(points) else [shown(point[path]) for point in points]


def axis(text: str) -> tuple[str, list[str]]:
    """`path=v1,v2` as a path and its values; commas inside brackets do not separate. Raises DesignError."""
    path, sign, values = text.partition("=")
    if not sign or not path.strip():
        raise DesignError(f"{text}: not a list of values; valid: path=v1,v2, as in agents.count=5,10,20")
    found = [""]
    depth = 0
    for letter in values:
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    if not all(value.strip() for value in found):
        raise DesignError(f"{text}: has an empty value; valid: path=v1,v2")
    return path.strip(), [value.strip() for value in found]


def space(text: str) -> Range:
    """`path=low..high`, or with `:log`, as a range. Raises DesignError."""
    match = re.fullmatch(r"\s*([^=\s]+)\s*=\s*(.+?)\s*\.\.\s*(.+?)\s*?(:log)?\s*", text)
    if match is None:
        raise DesignError(f"{text}: not a range; valid: path=low..high, as in agents.count=5..20")
    path, low, high, log = match.groups()
    return Range(path, low, high, log is not None)
