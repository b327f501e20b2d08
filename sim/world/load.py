"""The load: when tasks are submitted."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan, prod

import simpy

from scenarios.errors import ScenarioError
from scenarios.fields.distributions import Exponential
from scenarios.sections.arrivals import Burst, Closed, Diurnal, Interval, Poisson, Trace
from scenarios.sections.tasks import TaskSettings
from sim.loop.callbacks import Timer, after, disarm
from sim.randomness.delays import Wait, drawn_delays
from sim.randomness.streams import Residual, Streams

Submit = Callable[[int], None]
REJECTIONS_MAX = 100
"""Rejections of each closed client's tasks at one instant after which no virtual time can pass."""


class Load:
    """Numbers tasks from 0 and submits them as the scenario's arrivals specify.

    `stream` is what the names of its random streams begin with. Closed clients wait for the end of their task, think,
    and submit the next.
    """

    def __init__(
        self,
        env: simpy.Environment,
        streams: Streams,
        settings: TaskSettings,
        submit: Submit,
        stream: str = "",
    ) -> None:
        self._stream = stream
        self._env = env
        self._streams = streams
        self._arrivals = settings.arrivals
        self._count: float = inf if settings.count is None else settings.count
        self._submitted = 0
        self._submit = submit
        self._clients: dict[int, int] = {}
        self._think: list[Callable[[], float]] = []
        self._wait: Wait | None = None
        self._gap: Callable[[], float] = lambda: inf
        self._rejections = 0
        self._rejected_at = nan
        self._surges: list[float] = []
        self._factor = 1.0  # current factor of the arrival rate
        self._ahead = 0.0  # how far the load's own time is ahead of the clock
        self._since = 0.0  # time of the last change of the factor
        self._next_arrival: tuple[float, Timer] | None = None

    def start(self) -> None:
        """Starts to submit tasks."""
        arrivals = self._arrivals
        if isinstance(arrivals, Closed):
            self._think = [
                self._streams.sequence(f"{self._stream}client.{client}.think", arrivals.think)
                for client in range(arrivals.clients)
            ]
            self._wait = drawn_delays(self._env, self._streams, f"{self._stream}client.think", arrivals.think)
            for client in range(arrivals.clients):
                self._think_then_submit(client)
        elif isinstance(arrivals, Burst):
            after(self._env, arrivals.at, lambda _: self._burst(arrivals.size))
        elif isinstance(arrivals, Poisson):
            self._gap = self._streams.sequence(f"{self._stream}tasks.arrivals", Exponential(mean=1 / arrivals.rate))
            self._streams.on_branch(self._redraw)
            self._await_arrival()
        elif isinstance(arrivals, Interval):
            every = arrivals.every
            self._gap = lambda: (self._submitted + 1) * every - self._own_time()  # a sum of gaps would drift
            self._await_arrival()
        elif isinstance(arrivals, Diurnal):
            expected = self._streams.sequence(f"{self._stream}tasks.arrivals", Exponential(mean=1.0))
            self._gap = lambda: self._seconds_until(arrivals, expected())
            self._streams.on_branch(self._redraw)
            self._await_arrival()
        elif isinstance(arrivals, Trace):
            times = arrivals.values
            self._count = min(self._count, len(times))
            self._gap = lambda: max(0.0, float(times[self._submitted]) - self._own_time())
            self._await_arrival()

    def _seconds_until(self, arrivals: Diurnal, more: float) -> float:
        """Seconds until this many more arrivals are expected: unit exponentials then give a Poisson process.

        E. Cinlar, "Introduction to Stochastic Processes" (1975), ch. 4: the time change of a Poisson process.
        """
        from scipy.optimize import brentq  # noqa: PLC0415 - a quarter of a second to import, and few scenarios need it

        now = self._own_time()
        goal = arrivals.expected(now) + more
        latest = now + arrivals.period * (more / (arrivals.rate * arrivals.period) + 1)
        return float(brentq(lambda time: arrivals.expected(time) - goal, now, latest, xtol=1e-9)) - now

    def stop(self) -> None:
        """Submits nothing more."""
        self._count = self._submitted

    def _burst(self, size: int) -> None:
        for _ in range(size):
            self._next()

    def _await_arrival(self) -> None:
        if self._submitted < self._count:
            delay = self._gap() / self._factor
            self._next_arrival = self._env.now + delay, after(self._env, delay, self._arrive)

    def _arrive(self, _: object) -> None:
        self._next()
        self._await_arrival()

    def _redraw(self, _: Residual) -> None:
        """Draws the time of the next arrival again: the time until then is memoryless."""
        if self._next_arrival is not None and self._next_arrival[1].callbacks:
            disarm(self._next_arrival[1])
            self._await_arrival()

    def _own_time(self) -> float:
        """The load's own time, which passes faster during a surge."""
        now = self._env.now
        return now + self._ahead + (self._factor - 1) * (now - self._since)

    def surge(self, factor: float) -> Callable[[], None]:
        """Multiplies the arrival rate from now on; returns the function that ends it."""
        self._surges.append(factor)
        self._change_pace()

        def end() -> None:
            self._surges.remove(factor)
            self._change_pace()

        return end

    def _change_pace(self) -> None:
        now, before, factor = self._env.now, self._factor, prod(self._surges)
        self._ahead, self._since, self._factor = self._own_time() - now, now, factor
        if self._next_arrival is not None and self._next_arrival[1].callbacks:
            due, timer = self._next_arrival
            disarm(timer)
            due = now + (due - now) * before / factor
            self._next_arrival = due, after(self._env, due - now, self._arrive)

    def _next(self, client: int | None = None) -> None:
        number = self._submitted
        if number < self._count:
            self._submitted += 1
            if client is not None:
                self._clients[number] = client
            self._submit(number)

    # ---------------------------------------------------------------------- closed clients
    def _think_then_submit(self, client: int) -> None:
        assert self._wait is not None
        self._wait(self._think[client](), lambda _: self._next(client), scale=1 / self._factor)

    def ended(self, number: int) -> None:
        """A task has ended: its closed client continues."""
        client = self._clients.pop(number, None)
        if client is not None:
            self._think_then_submit(client)

    def rejected(self, number: int) -> None:
        """A task did not fit into the queue: its closed client continues.

        Raises ScenarioError when clients without think time are rejected repeatedly at one instant.
        """
        if isinstance(self._arrivals, Closed):
            now = self._env.now
            self._rejections = self._rejections + 1 if now == self._rejected_at else 1
            self._rejected_at = now
            if self._rejections > REJECTIONS_MAX * self._arrivals.clients:
                raise ScenarioError(
                    f"no time passes at {now:g}s: clients without think time submit again as soon as they are "
                    "rejected; valid: a think time above 0, or a queue.capacity that holds the tasks of all clients",
                    path="tasks.arrivals.closed.think",
                )
        self.ended(number)
