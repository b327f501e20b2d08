"""Injectors of the faults of the network and of the queue."""

from __future__ import annotations

from scenarios.faults import MessageDelay, MessageDuplicate, MessageLoss, MessageReorder, Partition, QueueBlocked
from sim.faults.injection import Injection, Injector
from sim.world.network import Disturbance


def cut(injection: Injection) -> None:
    """Break a connection."""
    network, name = injection.site.world.network, "|".join(sorted(injection.fault.between))
    injection.inject(lambda: network.heal(name), name)
    network.cut(*injection.fault.between)


def lose(injection: Injection) -> None:
    """Lose messages."""
    fault = injection.fault
    _disturb(
        injection, Disturbance(injection.site.streams, injection.stream, fault.probability, None, *_link_of(fault))
    )


def delay(injection: Injection) -> None:
    """Delay messages."""
    fault, streams = injection.fault, injection.site.streams
    _disturb(injection, Disturbance(streams, injection.stream, fault.probability, fault.delay, *_link_of(fault)))


def reorder(injection: Injection) -> None:
    """Delay some messages so that others overtake them."""
    fault, streams = injection.fault, injection.site.streams
    _disturb(injection, Disturbance(streams, injection.stream, fault.probability, fault.delay))


def _link_of(fault: MessageLoss | MessageDelay) -> tuple[tuple[str, str] | None, bool]:
    return fault.between, fault.one_way


def _disturb(injection: Injection, disturbance: Disturbance) -> None:
    between = getattr(injection.fault, "between", None)
    injection.inject(injection.site.world.network.disturb(disturbance), "" if between is None else "|".join(between))


def duplicate(injection: Injection) -> None:
    """Duplicate deliveries, each active fault independently of the others."""
    injection.inject(injection.site.duplication.add(injection.fault.probability))


def block(injection: Injection) -> None:
    """Stop the deliveries of the queue."""
    queue = injection.site.world.queue
    name = injection.fault.queue
    end = queue.block(name)
    injection.inject(end, "" if name is None else f"queue.{name}")


INJECTORS: dict[type, Injector] = {
    Partition: cut,
    MessageLoss: lose,
    MessageDelay: delay,
    MessageReorder: reorder,
    MessageDuplicate: duplicate,
    QueueBlocked: block,
}
