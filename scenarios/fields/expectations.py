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
"""Relative and absolute. Virtual instants are sums of floats: 30 s after 0.1 + 0.2 s is not 30.3 s to the last bit."""

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
    """What a metric should be. `value` is in the metric's unit: seconds, per second, a fraction, or a count."""

    expression: str
    metric: str
    operator: str
    value: float

    def holds(self, observed: float | None) -> bool:
        """Whether the observed value is as expected; None or NaN, no observation, never is.

        What differs by less than a billionth (of the value, or in absolute terms) counts as equal.
        """
        if observed is None or math.isnan(observed):
            return False
        if math.isclose(observed, self.value, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            return self.operator in {"==", "<=", ">="}
        return OPERATORS[self.operator](observed, self.value)


def parse(text: Any) -> Expectation:
    """Read an expectation. Raises a validation error that says what is wrong with it.

    Whether the pool of a `resources.NAME.*` metric exists is not known here.
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
    """The metric of an expectation; raises a validation error when it is unknown or not measured yet."""
    try:
        metric = lookup(name, resources)
    except UnknownMetric as error:
        valid = f"; {instead(name, [error.near], 'valid')}" if error.near else "; valid: a metric of the catalogue"
        raise invalid(f"unknown metric '{name}'{valid}") from None
    return metric


def in_unit_of(metric: Metric, text: str) -> float:
    """A value of a metric as people write it, `90s`, `2/s`, `5%` or a number, in the metric's unit.

    Raises a validation error that says what is wrong with it.
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
