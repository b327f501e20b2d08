"""Load: who submits tasks, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf
from typing import Any

import simpy
from simpy.events import Event as SimpyEvent

from scenarios.arrivals import Burst, Closed, Interval, Poisson
from scenarios.distributions import Constant, Exponential
from scenarios.schema import TaskSettings
from sim.randomness import Streams
from sim.world.clock import after

Submit = Callable[[int], None]


class Load:
    """Numbers tasks from 0 and submits them as the scenario's arrivals say.

    Closed clients wait for the end of their task, think, and submit the next.
    """

    def __init__(self, env: simpy.Environment, streams: Streams, settings: TaskSettings, submit: Submit) -> None:
        self._env = env
        self._streams = streams
        self._arrivals = settings.arrivals
        self._count: float = inf if settings.count is None else settings.count
        self._submitted = 0
        self._submit = submit
        self._clients: dict[int, int] = {}
        self._think: list[Callable[[], float]] = []

    def start(self) -> None:
        """Begin to submit."""
        arrivals = self._arrivals
        if isinstance(arrivals, Closed):
            self._think = [
                self._streams.sequence(f"client.{client}.think", arrivals.think) for client in range(arrivals.clients)
            ]
            for client in range(arrivals.clients):
                self._think_then_submit(client)
        elif isinstance(arrivals, Burst):
            after(self._env, arrivals.at, lambda _: [self._next() for _ in range(arrivals.size)])
        elif isinstance(arrivals, Poisson):
            self._env.process(self._open(Exponential(mean=1 / arrivals.rate)))
        elif isinstance(arrivals, Interval):
            self._env.process(self._open(Constant(value=arrivals.every)))

    def _open(self, gap: Any) -> Iterator[SimpyEvent]:
        draw = self._streams.sequence("tasks.arrivals", gap)
        timeout = self._env.timeout
        while self._submitted < self._count:
            yield timeout(draw())
            self._next()

    def _next(self, client: int | None = None) -> None:
        number = self._submitted
        if number < self._count:
            self._submitted += 1
            if client is not None:
                self._clients[number] = client
            self._submit(number)

    # ---------------------------------------------------------------------- closed clients
    def _think_then_submit(self, client: int) -> None:
        after(self._env, self._think[client](), lambda _: self._next(client))

    def ended(self, number: int) -> None:
        """A task has ended, one way or another: the client that waited for it goes on."""
        client = self._clients.pop(number, None)
        if client is not None:
            self._think_then_submit(client)
