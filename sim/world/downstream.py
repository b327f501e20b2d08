"""Downstream dependencies: a rate limit, a capacity with a queue, and a latency."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import nan, prod

import simpy

from scenarios.sections.downstream import DownstreamSettings
from sim.history import Event, History
from sim.loop.callbacks import Timer, after, disarm
from sim.randomness.streams import Repeated, Streams
from sim.world.entities import Call

DOWN = "dependency_down"
"""Error code of a call to a dependency that is down."""
ROUNDING = 1e-9
"""Share of a token that counts as none: tokens are sums of floats."""


class Dependency:
    """One dependency. A call that is served ends in its own time, even if its attempt has ended before."""

    def __init__(
        self, env: simpy.Environment, history: History, streams: Streams, name: str, settings: DownstreamSettings
    ) -> None:
        self._env = env
        self._history = history
        self._name = name
        self._settings = settings
        self._latency = Repeated(streams, f"downstream.{name}.latency", settings.latency)
        self._served: dict[Call, tuple[Timer, float]] = {}  # with the instant at which each ends
        self._downs = 0
        self._factors: list[float] = []
        self._waiting: deque[Call] = deque()
        self._tokens = 0.0 if settings.rate_limit is None else float(settings.rate_limit.burst)
        self._refilled = 0.0

    def begin(self, call: Call) -> None:
        """Makes a call, which may be answered at once."""
        self._record(Event.CALL_MADE, call)
        if self._downs:
            self._reject(call, DOWN, None)
            return
        missing = self._missing_tokens()
        settings = self._settings
        if missing > 0 and settings.rate_limit is not None:
            wait = missing / settings.rate_limit.rate if settings.rate_limit.retry_after else None
            self._reject(call, "rate_limited", wait)
        elif settings.capacity is None or len(self._served) < settings.capacity:
            self._serve(call)
        elif settings.waiting is not None and len(self._waiting) >= settings.waiting:
            self._reject(call, "overloaded", None)
        else:
            self._waiting.append(call)

    def _missing_tokens(self) -> float:
        """Takes a token; returns what is missing of one, 0 if there was one."""
        limit = self._settings.rate_limit
        if limit is None:
            return 0.0
        now = self._env.now
        self._tokens = min(float(limit.burst), self._tokens + (now - self._refilled) * limit.rate)
        self._refilled = now
        if self._tokens < 1 - ROUNDING:
            return 1 - self._tokens
        self._tokens -= 1
        return 0.0

    def _reject(self, call: Call, reason: str, retry_after: float | None) -> None:
        self._record(Event.CALL_REJECTED, call, nan if retry_after is None else retry_after, reason)
        call.answer(call, reason, retry_after)

    def _serve(self, call: Call) -> None:
        attempt = call.attempt
        self._record(Event.CALL_SERVED, call, self._env.now - call.since)
        seconds = self._latency.draw(attempt.task.number, attempt.epoch) * self.slowness
        if seconds > 0:
            self._last(call, seconds)
        else:
            self._end(call)

    def _last(self, call: Call, seconds: float) -> None:
        self._served[call] = after(self._env, seconds, self._elapsed, call), self._env.now + seconds

    def _elapsed(self, timer: Timer) -> None:
        del self._served[timer._value]
        self._end(timer._value)

    def _end(self, call: Call) -> None:
        self._record(Event.CALL_ANSWERED, call, self._env.now - call.since)
        if self._waiting:
            self._serve(self._waiting.popleft())
        if call.is_wanted:
            call.answer(call, None, None)

    # ------------------------------------------------------------------- faults
    @property
    def is_down(self) -> bool:
        """Whether it refuses every call."""
        return self._downs > 0

    @property
    def slowness(self) -> float:
        """By which factor latencies are longer."""
        return prod(self._factors)

    def take_down(self) -> Callable[[], None]:
        """Fails every call, also those that are served or wait; returns the function that ends it."""
        self._downs += 1
        served, waiting = list(self._served), list(self._waiting)
        for timer, _ in self._served.values():
            disarm(timer)
        self._served.clear()
        self._waiting.clear()
        for call in served:
            self._record(Event.CALL_FAILED, call, detail=DOWN)
            if call.is_wanted:
                call.answer(call, DOWN, None)
        for call in waiting:
            if call.is_wanted:
                self._reject(call, DOWN, None)

        def end() -> None:
            self._downs -= 1

        return end

    def slow_down(self, factor: float) -> Callable[[], None]:
        """Multiplies the rest of all latencies; returns the function that ends it."""
        self._factors.append(factor)
        self._stretch(factor)

        def end() -> None:
            self._factors.remove(factor)
            self._stretch(1 / factor)

        return end

    def _stretch(self, factor: float) -> None:
        for call, (timer, ends) in list(self._served.items()):
            disarm(timer)
            self._last(call, (ends - self._env.now) * factor)

    def drop(self, call: Call) -> None:
        """The attempt of a call has ended: it waits no longer, or is not answered."""
        call.is_wanted = False
        if call in self._waiting:
            self._waiting.remove(call)
            self._record(Event.CALL_DROPPED, call)

    def _record(self, event: Event, call: Call, value: float = nan, detail: str = "") -> None:
        attempt = call.attempt
        self._history.record(
            event, attempt.task.number, attempt.agent.number, attempt.epoch, value, detail, about=self._name
        )
