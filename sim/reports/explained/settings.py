"""The keys of a scenario with other values than the default that its explanation does not describe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic.fields import FieldInfo

from scenarios import Scenario
from scenarios.fields.base import Form, Settings
from scenarios.fields.quantities import Quantity
from sim.presentation.formatting import duration
from sim.presentation.phrases import spread

SAID = frozenset(
    {
        *("name", "description", "extends", "documents", "duration", "warmup", "faults", "expect"),
        *("tasks.arrivals", "tasks.work", "tasks.needs", "tasks.timeout", "tasks.calls", "tasks.checkpoint.every"),
        *("tasks.failure_probability", "agents.count", "agents.slots", "agents.mtbf", "agents.restart_time"),
        *("queue.loss", "queue.ack_loss", "queue.duplication", "network.loss", "storage.failure"),
        *("recovery.runbook", "recovery.load.rate", "recovery.load.burst", "recovery.detection.detector"),
        *("recovery.detection.stalled_after", "recovery.detection.resource_probe"),
        *("recovery.detection.failed_deliveries", "tasks.client.timeout", "steady_state.window", "steady_state.holds"),
        *("recovery.stale_reads.max_retries", "queue.preset", "recovery.detection.preset"),
    }
)
"""Keys that the explanation describes whenever they differ from the default."""
SAID_OF_DETECTORS = {
    "heartbeat": ("recovery.detection.heartbeat_interval", "recovery.detection.missed_heartbeats"),
    "phi_accrual": ("recovery.detection.heartbeat_interval", "recovery.detection.phi_threshold"),
    "perfect": (),
}
SAID_OF_CONDITIONS = frozenset(
    {
        "preset",
        "max_retries",
        "retry_delay",
        "backoff",
        "multiplier",
        "max_delay",
        "jitter",
        "deadline",
        "budget.tokens",
    }
)
CONDITIONS = "recovery.conditions."
SAID_OF_KINDS = frozenset({"share", "priority", "queue"})
KINDS = "tasks.kinds."
SAID_OF_DEPENDENCIES = frozenset({"latency", "capacity", "rate_limit.rate", "rate_limit.burst"})


def also_set(scenario: Scenario) -> list[str]:
    """`queue.capacity: 100`, for every key that differs from its default and that the explanation does not describe."""
    said = SAID.union(SAID_OF_DETECTORS[scenario.recovery.detection.detector])
    given = [(key, value, field) for key, value, field in _given(scenario, "") if not _is_said(key, said)]
    return [f"{key}: {text_of(value, field)}" for key, value, field in given]


def _is_said(key: str, said: frozenset[str]) -> bool:
    if key.startswith(CONDITIONS):
        return key.removeprefix(CONDITIONS).partition(".")[2] in SAID_OF_CONDITIONS
    if key.startswith(KINDS):
        of_kind = key.removeprefix(KINDS).partition(".")[2]
        if of_kind.startswith("retry."):
            return of_kind.removeprefix("retry.") in SAID_OF_CONDITIONS
        return of_kind in SAID_OF_KINDS or f"tasks.{of_kind}" in said
    if key.startswith("agents.pools."):
        return True
    if key.startswith("downstream."):
        return key.split(".", 2)[2] in SAID_OF_DEPENDENCIES
    return key in said


def _given(settings: Settings, path: str) -> Iterator[tuple[str, Any, FieldInfo]]:
    """Keys of a mapping with other values than the default, and their values."""
    for name, field in type(settings).model_fields.items():
        value, key = getattr(settings, name), path + (field.alias or name)
        if not field.is_required() and value == field.default:
            continue
        if isinstance(value, Settings) and not isinstance(value, Form):
            below = list(_given(value, f"{key}."))
            yield from below or [(key, {}, field)]
        elif isinstance(value, Mapping) and value and all(isinstance(item, Settings) for item in value.values()):
            for each, item in value.items():
                yield from _given(item, f"{key}.{each}.")
        else:
            yield key, value, field


def text_of(value: Any, field: FieldInfo) -> str:
    """The value as written in a file."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Form):
        return spread(value)
    quantities = [mark.name for mark in _marks(field) if isinstance(mark, Quantity)]
    is_duration = any("duration" in name for name in quantities)
    if isinstance(value, Mapping):
        items = ((name, duration(item) if is_duration else item) for name, item in value.items())
        return f"{{{', '.join(f'{name}: {item}' for name, item in items)}}}"
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        return f"[{', '.join(value)}]"
    if isinstance(value, float):
        return duration(value) if is_duration else f"{value:g}"
    return str(value)


def _marks(field: FieldInfo) -> Iterator[Any]:
    """Annotations of a field; of one that may be null, those of its type."""
    yield from field.metadata
    for part in getattr(field.annotation, "__args__", ()):
        yield from getattr(part, "__metadata__", ())
