"""Expectations: `metric operator value`, with a value in the metric's unit."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from scenarios.errors import instead, invalid, shown
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
SHAPE = "valid: metric operator value, as in tasks.lost == 0 or recovery.time.p95 <= 90s"


@dataclass(frozen=True, slots=True)
class Expectation:
    """An expected relation of a metric. `value` is in the metric's unit: seconds, per second, fraction, or count."""

    expression: str
    metric: str
    operator: str
    value: float

    def holds(self, observed: float | None) -> bool:
        """Whether the observed value satisfies the expectation; always False for None and NaN (no observation).

        Values that differ by less than a billionth (relative or absolute) are equal.
        """
        if observed is None or math.isnan(observed):
            return False
        if math.isclose(observed, self.value, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            return self.operator in {"==", "<=", ">="}
        return OPERATORS[self.operator](observed, self.value)


def parse(text: Any) -> Expectation:
    """Parse an expectation. Raises a validation error.

    Whether the pool of a `resources.NAME.*` metric exists is checked later, against the whole scenario.
    """
    if isinstance(text, Expectation):
        return text
    match = (
        re.fullmatch(r"\s*([A-Za-z_][\w.-]*)\s*(==|!=|<=|>=|=<|=>|<|>|=)\s*(\S.*?)\s*", text)
        if isinstance(text, str)
        else None
    )
    if match is None:
        raise invalid(f"{shown(text)} is not an expectation; {SHAPE}")
    name, sign, value = match.groups()
    if sign not in OPERATORS:
        meant = {"=": "==", "=<": "<=", "=>": ">="}[sign]
        raise invalid(f"unknown operator '{sign}'; valid: {', '.join(OPERATORS)} (nearest: '{meant}')")
    metric = known_metric(name)
    return Expectation(f"{name} {sign} {value}", name, sign, in_unit_of(metric, value))


def known_metric(name: str, resources: Mapping[str, Any] | None = None) -> Metric:
    """The metric of an expectation. Raises a validation error for an unknown metric."""
    try:
        metric = lookup(name, resources)
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
    WithJsonSchema({"type": "string", "pattern": r"^\s*[\w.-]+\s*(==|!=|<=|>=|<|>)\s*\S"}),
    Quantity("`metric operator value`"),
]
"""One entry of `expect`."""
