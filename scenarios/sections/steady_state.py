"""The steady state: what has to hold over any window of time for the service to be as it should."""

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
"""The metrics that a window has, and what of it."""


def _windowed(text: Any) -> Expectation:
    expectation = parse(text)
    if expectation.metric not in WINDOWED:
        valid = instead(expectation.metric, WINDOWED, "valid")
        raise invalid(f"{expectation.metric} is not known of a window; {valid}")
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
    """What holds over every window while the service is as it should be."""

    window: PositiveSeconds = Field(default=30.0, description="how long a window is")
    holds: Annotated[tuple[Windowed, ...], AfterValidator(_some), Quantity("expectations")] = Field(
        description="what holds over each window", json_schema_extra={"minItems": 1}
    )
