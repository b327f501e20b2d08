"""Infrastructure: the queue, resource pools, the network and checkpoint storage."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from scenarios.errors import invalid, shown
from scenarios.fields.base import Settings
from scenarios.fields.distributions import ZERO, Distribution
from scenarios.fields.quantities import Count, PositiveCount, PositiveSeconds, Probability, Seconds
from scenarios.sections.presets import QUEUES, with_preset

MOST_UNITS = 10_000_000


class QueueSettings(Settings):
    """The at-least-once task queue. Queued tasks count against its capacity, tasks in service do not.

    A preset sets the keys that are not given.
    """

    preset: (
        Literal["celery", "celery-redis", "celery-sqs", "rabbitmq", "sqs", "pubsub", "azure-service-bus", "temporal"]
        | None
    ) = Field(default=None, description="a broker whose defaults apply to keys that are not given; null: none")
    capacity: Count | None = Field(default=None, description="queued tasks; further tasks are rejected; null: no limit")
    latency: Distribution = Field(default=ZERO, description="latency of a delivery")
    loss: Probability = Field(default=0.0, description="probability that a delivery is lost")
    ack_loss: Probability = Field(default=0.0, description="probability that an acknowledgement is lost")
    duplication: Probability = Field(default=0.0, description="probability that a delivery arrives twice")
    ack_timeout: PositiveSeconds | None = Field(
        default=None, description="time without acknowledgement after which a task is delivered again; null: never"
    )
    max_deliveries: PositiveCount | None = Field(
        default=None,
        description="deliveries, duplicates included, after which a task is not queued again, but becomes a dead "
        "letter; null: no limit",
    )

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, data: Any) -> Any:
        return with_preset(data, QUEUES)


def _countable(units: int) -> int:
    if units > MOST_UNITS:
        raise invalid(f"{shown(units)} is too many units; valid: a whole number, 1 to {MOST_UNITS:,}")
    return units


Units = Annotated[
    PositiveCount,
    AfterValidator(_countable),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST_UNITS}),
]
"""The size of a pool. A fault draws the units that it strikes from all of them."""


class ResourceSettings(Settings):
    """One pool of resources."""

    units: Units = Field(description="size of the pool")


class NetworkSettings(Settings):
    """The network between agents, queue and core."""

    latency: Distribution = Field(default=ZERO, description="latency of a message")
    loss: Probability = Field(default=0.0, description="probability that a message is lost")


class StorageSettings(Settings):
    """The checkpoint storage."""

    write: Seconds = Field(default=0.0, description="latency of a write")
    read: Seconds = Field(default=0.0, description="latency of a read")
    failure: Probability = Field(
        default=0.0, description="probability that a write fails; the attempt continues without the checkpoint"
    )
