"""Expectations: `metric operator value`, with a value in the metric's unit."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from scenarios.errors import instead, invalid, shown
from scenarios.fields.metric_rows import Direction
from scenarios.fields.metrics import Metric, UnknownMetric, lookup
from scenarios.fields.quantities import FRACTION_HINT, Quantity, per_second, percentage, seconds

TOLERANCE = 1e-9
"""Relative and absolute. Virtual times are sums of floats: 30 s after 0.1 + 0.2 s is not exactly 30.3 s."""

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
SHAPE = (
    "valid: metric operator value, as in tasks.lost == 0, recovery.time.p95 <= 90s, tasks.failed <= 2 in 95% of runs"
)
METRIC = r"[A-Za-z_][\w.-]*(?:\([^()]*\))?"
SCOPED = re.compile(
    rf"\s*(?:(?P<mean>mean)\(\s*(?P<of>{METRIC})\s*\)|(?P<metric>{METRIC}))"
    r"\s*(?P<operator>==|!=|<=|>=|=<|=>|<|>|=)\s*(?P<value>\S.*?)"
    r"(?:\s+in\s+(?P<runs>all|\d+(?:\.\d+)?\s*%\s+of|\S+)\s+runs)?\s*"
)
ESTIMATED = ("s", "agent-s", "1/s", "fraction", "ratio")
"""Units of metrics that are judged by their estimate over all runs. All others are counts."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """An expected relation of a metric. `value` is in the metric's unit: seconds, per second, fraction, or count.

    `in_runs` is the share of the runs in each of which it has to hold; None: it is the estimate over all runs that has
    to. Without a scope in its text, an expectation on a count, a maximum or a consistency metric has to hold in every
    run, and any other one for the estimate. `is_scoped`: the text says it.
    `direction`: which values of the metric are better.
    """

    expression: str
    metric: str
    operator: str
    value: float
    in_runs: float | None = None
    is_scoped: bool = False
    direction: Direction = None

    def holds(self, observed: float | None) -> bool:
        """Whether the observed value satisfies the expectation; always False for None and NaN (no observation).

        Values that differ by less than a billionth (relative or absolute) are equal.
        """
        if observed is None or math.isnan(observed):
            return False
        if math.isclose(observed, self.value, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            return self.operator in {"==", "<=", ">="}
        return OPERATORS[self.operator](observed, self.value)

    def is_surpassed_by(self, observed: float) -> bool:
        """Whether an observed value that does not satisfy the expectation is on the better side of its value.

        Of a metric without a direction, no side is better.
        """
        if self.operator == "!=":
            return False
        return (
            observed < self.value if self.direction == "lower" else self.direction == "higher" and observed > self.value
        )

    def worst(self, observed: Sequence[float]) -> float | None:
        """The value that is furthest from holding; None without one."""
        if not observed:
            return None
        if self.operator in {"<", "<="}:
            return max(observed)
        if self.operator in {">", ">="}:
            return min(observed)
        apart = max(observed, key=lambda value: abs(value - self.value))
        return apart if self.operator == "==" else min(observed, key=lambda value: abs(value - self.value))


def parse(text: Any) -> Expectation:
    """Parse an expectation. Raises a validation error.

    Whether the pool of a `resources.NAME.*` metric exists is checked later, against the whole scenario.
    """
    if isinstance(text, Expectation):
        return text
    match = SCOPED.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise invalid(f"{shown(text)} is not an expectation; {SHAPE}")
    name, sign, value = match["of"] or match["metric"], match["operator"], match["value"]
    if sign not in OPERATORS:
        meant = {"=": "==", "=<": "<=", "=>": ">="}[sign]
        raise invalid(f"unknown operator '{sign}'; valid: {', '.join(OPERATORS)} (nearest: '{meant}')")
    metric = known_metric(name)
    in_runs = _share_of_runs(text, match, metric)
    left = f"mean({name})" if match["mean"] else name
    scope = f" in {' '.join(match['runs'].split())} runs" if match["runs"] else ""
    is_scoped = bool(match["mean"] or match["runs"])
    return Expectation(
        f"{left} {sign} {value}{scope}", name, sign, in_unit_of(metric, value), in_runs, is_scoped, metric.direction
    )


def _share_of_runs(text: str, match: re.Match[str], metric: Metric) -> float | None:
    """The share of runs in which the expectation has to hold; None: the estimate has to. Raises a validation error."""
    if match["runs"] is None:
        return None if match["mean"] or not is_of_every_run(metric) else 1.0
    if match["mean"]:
        raise invalid(f"{shown(text)}: a mean over all runs does not hold in single runs; valid: one of both")
    if match["runs"] == "all":
        return 1.0
    share = percentage(match["runs"].removesuffix("of").strip())
    if share is None or not 0 < share <= 1 or not match["runs"].endswith("of"):
        raise invalid(f"{shown(text)}: 'in {match['runs']} runs'; valid: in all runs, or in 95% of runs")
    return share


def is_of_every_run(metric: Metric) -> bool:
    """Whether an expectation on this metric has to hold in every run: of counts, maxima and consistency metrics."""
    statistic = metric.name.rpartition(".")[2]
    if statistic == "max":
        return True
    return metric.unit not in ESTIMATED and statistic not in {"mean", "sd"} and not re.fullmatch(r"p[\d.]+", statistic)


def known_metric(name: str, parts: Iterable[str] | None = None) -> Metric:
    """The metric of an expectation. Raises a validation error for an unknown metric."""
    try:
        metric = lookup(name, parts)
    except UnknownMetric as error:
        valid = f"; {instead(name, [error.near], 'valid')}" if error.near else "; valid: a metric of the catalogue"
        raise invalid(f"unknown metric '{name}'{valid}") from None
    return metric


def in_unit_of(metric: Metric, text: str) -> float:
    """Convert a value in file notation (`90s`, `2/s`, `5%` or a number) to the metric's unit.

    Raises a validation error.
    """
    try:
        if metric.unit in {"s", "agent-s"}:
            return seconds(text)
        if metric.unit == "1/s":
            return per_second(text)
    except PydanticCustomError as error:
        raise invalid(f"{metric.name}: {error.message()}") from None
    parsed = percentage(text)
    if metric.unit == "fraction":
        if parsed is None or not 0 <= parsed <= 1:
            raise invalid(f"{metric.name}: {shown(text)} is not a fraction; {FRACTION_HINT}")
    elif parsed is None or "%" in text:
        raise invalid(f"{metric.name}: {shown(text)} is not a number of {metric.unit}; valid: a plain number")
    return parsed


Expected = Annotated[
    Expectation,
    PlainValidator(parse),
    PlainSerializer(lambda expectation: expectation.expression, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\s*[\w.-]+(\(.*\))?\s*(==|!=|<=|>=|<|>)\s*\S"}),
    Quantity("`metric operator value`"),
]
"""One entry of `expect`."""
