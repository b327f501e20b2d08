"""The steady state: conditions on metrics over a window of time that define normal service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from scenarios.errors import instead, invalid
from scenarios.fields.base import Settings
from scenarios.fields.expectations import OPERATORS, Expectation, parse
from scenarios.fields.quantities import PositiveSeconds, Quantity

WINDOWED: Mapping[str, str] = {
    "queue.depth.mean": "over the window",
    "tasks.in_system.mean": "over the window",
    "agents.up.mean": "over the window",
    "agents.availability": "over the window",
    "agents.utilization": "over the window",
    "tasks.throughput": "completions in the window",
    "tasks.sojourn.mean": "of tasks completed in the window",
    "tasks.wait.mean": "of tasks first started in the window",
    "tasks.failed": "in the window",
    "tasks.rejected": "in the window",
    "attempts.failed": "in the window",
    "client.goodput": "answers in the window",
    "client.timeouts": "in the window",
    "client.retries": "in the window",
}
"""The metrics of a window, and how each is computed."""


def _windowed(text: Any) -> Expectation:
    expectation = parse(text)
    if expectation.metric not in WINDOWED:
        valid = instead(expectation.metric, WINDOWED, "valid")
        raise invalid(f"{expectation.metric} is not available for a window; {valid}")
    if expectation.is_scoped:
        raise invalid(
            f"{expectation.expression}: a window is not a run; valid: {expectation.metric}, an operator, a value"
        )
    return expectation


_NAMES = "|".join(name.replace(".", r"\.") for name in WINDOWED)
_SCHEMA = {"type": "string", "pattern": rf"^\s*({_NAMES})\s*({'|'.join(OPERATORS)})\s*\S.*$"}
Windowed = Annotated[
    Expectation,
    PlainValidator(_windowed),
    PlainSerializer(lambda expectation: expectation.expression),
    WithJsonSchema(_SCHEMA),
]


def _some(holds: tuple[Expectation, ...]) -> tuple[Expectation, ...]:
    if not holds:
        raise invalid("is empty; valid: one expectation or more")
    return holds


class SteadyState(Settings):
    """Conditions that hold over every window of normal service."""

    window: PositiveSeconds = Field(default=30.0, description="length of a window")
    holds: Annotated[tuple[Windowed, ...], AfterValidator(_some), Quantity("expectations")] = Field(
        description="conditions over each window", json_schema_extra={"minItems": 1}
    )
