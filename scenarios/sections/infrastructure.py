"""What tasks and agents stand on: the queue, resource pools, the network and checkpoint storage."""

from __future__ import annotations

from pydantic import Field

from scenarios.fields.base import Settings
from scenarios.fields.distributions import ZERO, Distribution
from scenarios.fields.quantities import Count, PositiveCount, PositiveSeconds, Probability, Seconds


class QueueSettings(Settings):
    """The at-least-once task queue. Waiting tasks count against its capacity, those in service do not."""

    capacity: Count | None = Field(default=None, description="waiting tasks; what does not fit is rejected; null: any")
    latency: Distribution = Field(default=ZERO, description="of a delivery")
    loss: Probability = Field(default=0.0, description="a delivery is lost")
    ack_loss: Probability = Field(default=0.0, description="an acknowledgement is lost")
    duplication: Probability = Field(default=0.0, description="a delivery arrives twice")
    ack_timeout: PositiveSeconds | None = Field(
        default=None, description="a delivery not acknowledged by then is made again; null: never"
    )
    max_deliveries: PositiveCount | None = Field(
        default=None, description="after so many a task becomes a dead letter; null: any number"
    )


class ResourceSettings(Settings):
    """One pool of resources."""

    units: PositiveCount = Field(description="size of the pool")


class NetworkSettings(Settings):
    """The network between agents, queue and core."""

    latency: Distribution = Field(default=ZERO, description="of a message")
    loss: Probability = Field(default=0.0, description="a message is lost")


class StorageSettings(Settings):
    """Where checkpoints are kept."""

    write: Seconds = Field(default=0.0, description="latency of a write")
    read: Seconds = Field(default=0.0, description="latency of a read")
    failure: Probability = Field(default=0.0, description="a write fails, and the attempt goes on without")
