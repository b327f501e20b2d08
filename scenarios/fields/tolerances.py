"""Tolerances of metrics: how much worse than a reference a metric may be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import isfinite
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from scenarios.errors import invalid, shown
from scenarios.fields.expectations import in_unit_of, known_metric
from scenarios.fields.metrics import (
    PARTS,
    TASK_KIND,
    TASK_KIND_GROUPS,
    Metric,
    by_kind,
    by_part,
    by_task_kind,
    catalogue,
)
from scenarios.fields.quantities import Quantity, is_number, percentage

SHAPE = (
    "valid: a percentage of the reference, as 5%, a value in the metric's unit, as 200ms, or {relative: …, absolute: …}"
)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A share of the reference value (0.05 is 5 %), and a value in the metric's unit. The larger one is the margin."""

    relative: float = 0.0
    absolute: float = 0.0

    def margin(self, reference: float) -> float:
        """How far from a reference value a metric may be, in its unit."""
        relative = self.relative * abs(reference) if isfinite(reference) else 0.0
        return max(relative, self.absolute)


def parse(given: Any, metric: Metric | None) -> Tolerance:
    """The tolerance in file notation: `5%`, `200ms`, or a mapping of `relative` and `absolute`.

    `metric`: None for a pattern of several metrics, of which an absolute value is a plain number. Raises a validation
    error.
    """
    if isinstance(given, Tolerance):
        return given
    if isinstance(given, Mapping):
        unknown = [str(key) for key in given if key not in {"relative", "absolute"}]
        if unknown or not given:
            raise invalid(f"{shown(unknown[0] if unknown else '{}')} is not part of a tolerance; {SHAPE}")
        relative = _relative(given["relative"]) if "relative" in given else 0.0
        return Tolerance(relative, _absolute(given["absolute"], metric) if "absolute" in given else 0.0)
    if isinstance(given, str) and given.strip().endswith("%"):
        return Tolerance(_relative(given))
    return Tolerance(0.0, _absolute(given, metric))


def _relative(given: Any) -> float:
    share = percentage(given)
    if share is None or share < 0:
        raise invalid(f"{shown(given)} is not a percentage of 0 or more; {SHAPE}")
    return share


def _absolute(given: Any, metric: Metric | None) -> float:
    if not (is_number(given) or isinstance(given, str)):
        raise invalid(f"{shown(given)} is not a tolerance; {SHAPE}")
    if is_number(given):
        value: float | None = float(given)
    elif metric is None or metric.unit not in {"s", "agent-s", "1/s"}:
        value = percentage(given)
    else:
        value = in_unit_of(metric, given)
    if value is None or value < 0:
        raise invalid(f"{shown(given)} is not a tolerance of 0 or more; {SHAPE}")
    return value


def parse_all(given: Any) -> dict[str, Tolerance]:
    """Tolerances by the name or pattern of a metric. Raises a validation error, also for an unknown metric."""
    if not isinstance(given, Mapping):
        raise invalid(f"{shown(given)} is not a mapping; valid: {{recovery.time.mean: 5%}}")
    found = {}
    for name, each in given.items():
        try:
            found[name] = parse(each, metric_of(name))
        except ValueError as error:  # pydantic's own errors are of this type
            raise invalid(_said(error), name) from None
    return found


def metric_of(name: str, parts: Iterable[str] | None = None) -> Metric | None:
    """The metric of a name; None for a pattern. Raises a validation error for one that is not known.

    `parts` are the pools and the kinds of tasks that exist (`metrics.parts_of`); None accepts those of any name.
    """
    if "*" not in name:
        return known_metric(name, parts)
    kinds = [part.removeprefix(TASK_KIND) for part in parts or () if part.startswith(TASK_KIND)]
    names = (
        *(metric.name for metric in catalogue(parts or ())),
        *by_kind(),
        *by_task_kind(kinds),
        *by_part(parts or ()),
    )
    if (parts is None and name.startswith(tuple(f"{group}." for group in (*PARTS, *TASK_KIND_GROUPS)))) or any(
        fnmatchcase(known, name) for known in names
    ):
        return None
    raise invalid(
        f"no metric has a name like {shown(name)}; valid: a metric of the catalogue, or a pattern, as recovery.*"
    )


def _said(error: ValueError) -> str:
    return str(error.message()) if hasattr(error, "message") else str(error)


def tolerance_of(name: str, given: Mapping[str, Tolerance]) -> Tolerance | None:
    """The tolerance of a metric: of its name, or of the longest pattern that it matches; None if there is none."""
    if name in given:
        return given[name]
    matching = [pattern for pattern in given if "*" in pattern and fnmatchcase(name, pattern)]
    return given[max(matching, key=len)] if matching else None


def _plain(given: Mapping[str, Tolerance]) -> dict[str, dict[str, float]]:
    return {name: {"relative": each.relative, "absolute": each.absolute} for name, each in given.items()}


_VALUE = {
    "anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string"},
        {
            "type": "object",
            "properties": {name: {"type": ["number", "string"]} for name in ("relative", "absolute")},
            "additionalProperties": False,
            "minProperties": 1,
        },
    ]
}

Tolerances = Annotated[
    Mapping[str, Tolerance],
    PlainValidator(parse_all),
    PlainSerializer(_plain),
    WithJsonSchema({"type": "object", "additionalProperties": _VALUE}),
    Quantity("tolerance by metric"),
]
"""`tolerances` of a scenario, and of a file of tolerances."""
