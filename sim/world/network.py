"""The network between named endpoints: latency, loss, and connections that a partition breaks.

Endpoints are `queue`, `core` and `agent.0`, `agent.1`, …; the group `agents` stands for all agents. A partition breaks
the connections that it covers. A send over a broken connection fails at once and the sender is informed; a lost message
is not reported. Connections with the core are re-established when the partition ends. Those between the queue and
agents stay broken until they are reset, and unsent messages wait in an outbox for a replay: the commands
`reset_connections` and `replay_messages` do this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import inf

import simpy

from sim.history import Event, History
from sim.loop.callbacks import after
from sim.randomness.delays import drawn_delays
from sim.randomness.streams import STANDARD_UNIFORM, Samplable, Streams
from sim.world.links import Link, covers
from sim.world.listeners import Connection, NetworkListener, TransportListener

Delivery = Callable[[], None]


@dataclass(frozen=True)
class Unsent:
    """A message that could not be sent at an instant and waits for a replay; `link` is the broken connection."""

    at: float
    source: str
    target: str
    deliver: Delivery
    link: Link


class Disturbance:
    """A disturbance of messages: with a probability, a message is late, or lost (infinitely late).

    `between` are two endpoints or groups, with `one_way` only in this direction; None: all. Each kind of message of
    each sender draws from a stream of its own below `name`.
    """

    def __init__(
        self,
        streams: Streams,
        name: str,
        probability: float,
        delay: Samplable | None,
        between: tuple[str, str] | None = None,
        one_way: bool = False,
    ) -> None:
        self._streams = streams
        self._name = name
        self._probability = probability
        self._delay = delay
        self._between = between
        self._one_way = one_way
        self._draws: dict[str, Callable[[], float]] = {}
        self._delays: dict[str, Callable[[], float]] = {}

    def strikes(self, message: str, source: str, target: str) -> float:
        """Delay of this message in seconds; infinite when it is lost."""
        if self._between is not None and not self._concerns(source, target):
            return 0.0
        name = f"{self._name}.{message}.{source}"
        if name not in self._draws:
            self._draws[name] = self._streams.sequence(f"{name}.luck", STANDARD_UNIFORM)
            if self._delay is not None:
                self._delays[name] = self._streams.sequence(f"{name}.delay", self._delay)
        if self._draws[name]() >= self._probability:
            return 0.0
        return inf if self._delay is None else self._delays[name]()

    def _concerns(self, source: str, target: str) -> bool:
        assert self._between is not None
        one, other = self._between
        there = covers(one, source) and covers(other, target)
        return there or (not self._one_way and covers(one, target) and covers(other, source))


class Network:
    """Sends messages, breaks connections and restores them."""

    listener: Connection[NetworkListener]

    def __init__(
        self, env: simpy.Environment, history: History, streams: Streams, latency: Samplable, loss: float
    ) -> None:
        self._env = env
        self._history = history
        self._streams = streams
        self._latency = latency
        self._wait = drawn_delays(env, streams, "network.latency", latency)
        self._loss = loss
        self._draws: dict[str, Callable[[], float]] = {}
        self._broken: dict[str, Link] = {}
        self._broken_between: dict[tuple[str, str], Link | None] = {}  # of the endpoints that were asked about
        self._perfect = loss == 0 and latency.constant == 0
        self._disturbances: list[Disturbance] = []
        self.transparent = self._perfect
        self.transport_listener: TransportListener | None = None
        """Whether every message arrives at once: then senders need not call `send`."""
        self.outbox: list[Unsent] = []

    # ------------------------------------------------------------------ messages
    def _changed(self) -> None:
        self._broken_between.clear()
        self.transparent = self._perfect and not self._broken and not self._disturbances
        if self.transport_listener is not None:
            self.transport_listener.transport_changed()

    def is_immediate(self, source: str, target: str) -> bool:
        """Whether every message arrives at the instant at which it is sent."""
        if self.transparent:
            return True
        return self._perfect and not self._disturbances and self.broken_link(source, target) is None

    def disturb(self, disturbance: Disturbance) -> Callable[[], None]:
        """Applies a disturbance to messages from now on; returns the function that ends it."""
        self._disturbances.append(disturbance)
        self._changed()

        def end() -> None:
            self._disturbances.remove(disturbance)
            self._changed()

        return end

    def broken_link(self, source: str, target: str) -> Link | None:
        """The broken connection between two endpoints, None when they are connected."""
        if not self._broken:
            return None
        between, endpoints = self._broken_between, (source, target)
        if endpoints not in between:
            joining = (link for link in self._broken.values() if link.joins(source, target))
            between[endpoints] = next(joining, None)
        return between[endpoints]

    def send(
        self,
        message: str,
        source: str,
        target: str,
        deliver: Delivery,
        lost: Callable[[Link | None], None] | None = None,
    ) -> None:
        """Sends a message; `deliver` is called when it arrives.

        If it does not arrive, `lost` is called: with the broken link, or with None when the message was lost on the
        way. Without `lost`, a message over a broken connection waits in the outbox for a replay. `message` names its
        kind and, with `source`, the streams of its latency and loss.
        """
        if self._loss > 0 and self._draw("loss", message, source, STANDARD_UNIFORM) < self._loss:
            self._history.record(Event.MESSAGE_LOST, detail=message, about=source)
            if lost is not None:
                lost(None)
            return

        def arrive(_: object = None) -> None:
            link = self.broken_link(source, target)
            if link is None:
                deliver()
                return
            self._history.record(Event.SEND_FAILED, detail=message, about=link.name)
            self.listener.send_failed(link)
            if lost is None:  # sent earlier, perhaps before the partition
                self.outbox.append(Unsent(self._env.now, source, target, deliver, link))
            else:
                lost(link)

        latency = delay = self._draw("latency", message, source, self._latency)
        for disturbance in self._disturbances:
            late = disturbance.strikes(message, source, target)
            if late == inf:
                self._history.record(Event.MESSAGE_LOST, detail=message, about=source)
                if lost is not None:
                    lost(None)
                return
            delay += late
        if delay > 0 and self.broken_link(source, target) is None:
            if delay == latency:
                self._wait(latency, arrive)
            else:  # a sum of draws is not redrawn
                after(self._env, delay, arrive)
        else:
            arrive()

    def drop_unsent(self, source: str) -> None:
        """Drops the unsent messages of a sender that has crashed."""
        self.outbox = [unsent for unsent in self.outbox if unsent.source != source]

    def _draw(self, purpose: str, message: str, source: str, distribution: Samplable) -> float:
        if distribution.constant is not None:
            return distribution.constant
        name = f"network.{purpose}.{message}.{source}"
        if name not in self._draws:
            self._draws[name] = self._streams.sequence(name, distribution)
        return self._draws[name]()

    def replay(self, since: float = 0.0) -> int:
        """Sends the messages again that have waited since an instant and are connected now; returns their number.

        A message whose connection works again, but which another broken connection stops, waits for a replay of that
        one, which is reported.
        """
        due, kept, stopped = [], [], []
        for unsent in self.outbox:
            link = self.broken_link(unsent.source, unsent.target)
            if link is None and unsent.at >= since:
                due.append(unsent)
            elif link is None or self._broken.get(unsent.link.name) is unsent.link:
                kept.append(unsent)
            else:
                kept.append(replace(unsent, at=self._env.now, link=link))
                stopped.append(link)
        self.outbox = kept
        for link in dict.fromkeys(stopped):
            self._history.record(Event.SEND_FAILED, detail="replay", about=link.name)
            self.listener.send_failed(link)
        for unsent in due:
            unsent.deliver()
        return len(due)

    # ---------------------------------------------------------------- partitions
    def cut(self, one: str, other: str) -> str:
        """Break the connections between two groups; returns the link's name."""
        sides = (min(one, other), max(one, other))
        name = "|".join(sides)
        link = self._broken.get(name)
        if link is None:
            link = self._broken[name] = Link(sides, self._env.event())
            self._changed()
        elif link.cuts == 0:  # cut again before it was reconnected
            link.healed = self._env.event()
        link.cuts += 1
        if link.cuts == 1:
            self._history.record(Event.LINK_CUT, about=name)
        return name

    def heal(self, name: str) -> None:
        """Ends one partition of a link; the path works when all partitions that overlap have ended."""
        link = self._broken[name]
        link.cuts -= 1
        if link.cuts > 0:
            return
        self._history.record(Event.LINK_HEALED, about=name)
        link.healed.succeed()
        if link.reconnects:
            self.reconnect(link)
            self.replay()
        self.listener.healed()

    def broken_among(self, endpoints: Sequence[str]) -> list[Link]:
        """Broken links between two of these endpoints or groups; all broken links when none is named.

        A link of one agent is not one of the group `agents`: the others are connected, and it is recovered by itself.
        """
        pairs = list(combinations(endpoints, 2))
        return [
            link
            for link in self._broken.values()
            if not endpoints or any(link.joins(one, other) for one, other in pairs)
        ]

    def reconnect(self, link: Link) -> bool:
        """Re-establishes a connection. False while its path is cut."""
        if link.cuts > 0:
            return False
        if self._broken.pop(link.name, None) is not None:
            self._changed()
            self.listener.reconnected(link)
        return True
