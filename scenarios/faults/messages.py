"""Faults of the network and of the queue."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from scenarios.faults.base import ENDPOINTS, SIDES, Duration, Endpoints, Fault, Sides
from scenarios.fields.distributions import Distribution
from scenarios.fields.quantities import Quantity, Share, Truth


class Partition(Fault):
    """No message passes between two endpoints, in either direction."""

    kind: ClassVar[str] = "partition"
    unites: ClassVar[str] = (
        "the endpoints are disconnected in the union of all intervals, also of different pairs that cover the "
        "same endpoints (`agents` and `agent.0`)"
    )
    between: Sides = Field(description=f"two of {SIDES}")
    for_: Duration = Field(default=None, alias="for", description="duration; null: to the end")


class MessageLoss(Fault):
    """The network drops messages silently."""

    kind: ClassVar[str] = "message_loss"
    unites: ClassVar[str] = "1 − (1 − p)(1 − q): each loses messages independently"
    probability: Share = Field(description="fraction of the messages")
    between: Endpoints | None = Field(default=None, description=f"two of {ENDPOINTS}; null: all messages")
    one_way: Truth = Field(default=False, description="only those from the first endpoint to the second")
    for_: Duration = Field(default=None, alias="for", description="duration; null: to the end")


class MessageDelay(Fault):
    """Messages take longer. With a probability below 1 only some do, and others overtake them."""

    kind: ClassVar[str] = "message_delay"
    unites: ClassVar[str] = "delays add up"
    delay: Distribution = Field(description="additional latency")
    probability: Share = Field(default=1.0, description="fraction of the messages")
    between: Endpoints | None = Field(default=None, description=f"two of {ENDPOINTS}; null: all messages")
    one_way: Truth = Field(default=False, description="only those from the first endpoint to the second")
    for_: Duration = Field(default=None, alias="for", description="duration; null: to the end")


class MessageReorder(Fault):
    """Some messages are held back, so that later ones overtake them."""

    kind: ClassVar[str] = "message_reorder"
    unites: ClassVar[str] = "delays add up"
    delay: Distribution = Field(description="delay of the held messages")
    probability: Share = Field(default=0.5, description="fraction of the messages")
    for_: Duration = Field(default=None, alias="for", description="duration; null: to the end")


class MessageDuplicate(Fault):
    """Deliveries of the queue arrive twice."""

    kind: ClassVar[str] = "message_duplicate"
    unites: ClassVar[str] = "1 − (1 − p)(1 − q), also with `queue.duplication`; a delivery arrives twice at most"
    probability: Share = Field(description="fraction of the deliveries")
    for_: Duration = Field(default=None, alias="for", description="duration; null: to the end")


class QueueBlocked(Fault):
    """The queue accepts tasks and delivers none."""

    kind: ClassVar[str] = "queue_blocked"
    unites: ClassVar[str] = "the queue is blocked in the union of all intervals"
    queue: Annotated[str, Quantity("queue")] | None = Field(
        default=None, description="one of `queues`; null: all of them"
    )
    for_: Duration = Field(default=None, alias="for", description="duration; null: to the end")
