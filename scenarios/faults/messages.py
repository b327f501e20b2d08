"""Faults of the network and of the queue."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from scenarios.faults.base import ENDPOINTS, SIDES, Duration, Endpoints, Fault, Sides
from scenarios.fields.distributions import Distribution
from scenarios.fields.quantities import Share, Truth


class Partition(Fault):
    """Nothing passes between two endpoints, in either direction."""

    kind: ClassVar[str] = "partition"
    between: Sides = Field(description=f"two of {SIDES}")
    for_: Duration = Field(default=None, alias="for", description="how long; null: to the end")


class MessageLoss(Fault):
    """The network swallows messages, and nobody notices at once."""

    kind: ClassVar[str] = "message_loss"
    probability: Share = Field(description="share of the messages")
    between: Endpoints | None = Field(default=None, description=f"two of {ENDPOINTS}; null: all messages")
    one_way: Truth = Field(default=False, description="only those from the first endpoint to the second")
    for_: Duration = Field(default=None, alias="for", description="how long; null: to the end")


class MessageDelay(Fault):
    """Messages take longer. With a probability below 1 some do, and those that do not overtake them."""

    kind: ClassVar[str] = "message_delay"
    delay: Distribution = Field(description="beyond what they take otherwise")
    probability: Share = Field(default=1.0, description="share of the messages")
    between: Endpoints | None = Field(default=None, description=f"two of {ENDPOINTS}; null: all messages")
    one_way: Truth = Field(default=False, description="only those from the first endpoint to the second")
    for_: Duration = Field(default=None, alias="for", description="how long; null: to the end")


class MessageReorder(Fault):
    """Some messages are held back, so that later ones overtake them."""

    kind: ClassVar[str] = "message_reorder"
    delay: Distribution = Field(description="for how long they are held back")
    probability: Share = Field(default=0.5, description="share of the messages")
    for_: Duration = Field(default=None, alias="for", description="how long; null: to the end")


class MessageDuplicate(Fault):
    """Deliveries of the queue arrive twice."""

    kind: ClassVar[str] = "message_duplicate"
    probability: Share = Field(description="share of the deliveries")
    for_: Duration = Field(default=None, alias="for", description="how long; null: to the end")


class QueueBlocked(Fault):
    """The queue takes tasks in and delivers none."""

    kind: ClassVar[str] = "queue_blocked"
    for_: Duration = Field(default=None, alias="for", description="how long; null: to the end")
