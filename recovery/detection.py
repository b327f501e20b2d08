"""Failure detectors: who believes when that an agent is down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import ceil
from typing import NoReturn, Protocol

Notice = Callable[[str], None]


class Detector(Protocol):
    """Notices that agents are down, and up again."""

    def watch(self, agent_id: str) -> None:
        """Begin to watch an agent; counts as a beat."""

    def beat(self, agent_id: str) -> None:
        """The agent gave a sign of life: a heartbeat, or the answer to a probe."""

    def down(self, agent_id: str) -> None:
        """Something that knows at once says that the agent has died."""

    def suspects(self, agent_id: str) -> bool:
        """Whether the agent is believed to be down."""

    def stop(self) -> None:
        """Watch nobody any more."""


class NoDetector:
    """Stands for a detector while nobody detects: before the start and after the stop."""

    def watch(self, agent_id: str) -> NoReturn:
        """Nobody would."""
        raise RuntimeError("the supervisor does not run: start() it first")

    down = watch

    def beat(self, agent_id: str) -> None:
        """A beat may have been on its way when everybody stopped."""

    def suspects(self, agent_id: str) -> bool:
        """Nobody is suspected."""
        return False

    def stop(self) -> None:
        """There is nothing to stop."""


class HeartbeatDetector:
    """Suspects an agent whose last beat is `missed` intervals old.

    A beat that arrives at the very instant of the deadline is in time. One timer an agent is kept, and set anew only
    when it fires: a beat costs no more than noting its time. With `poll`, the detector looks at multiples of `poll`
    seconds after its start only.
    """

    def __init__(
        self,
        interval: float,
        missed: int,
        on_suspect: Notice,
        on_clear: Notice,
        loop: asyncio.AbstractEventLoop,
        poll: float | None = None,
    ) -> None:
        self._patience = interval * missed
        self._on_suspect = on_suspect
        self._on_clear = on_clear
        self._loop = loop
        self._poll = poll
        self._started = loop.time()
        self._last: dict[str, float] = {}
        self._suspected: dict[str, None] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def watch(self, agent_id: str) -> None:
        """Begin to watch an agent; counts as a beat."""
        self.beat(agent_id)
        if agent_id not in self._timers:
            self._arm(agent_id)

    def beat(self, agent_id: str) -> None:
        """A beat arrived."""
        self._last[agent_id] = self._loop.time()
        if agent_id in self._suspected:
            del self._suspected[agent_id]
            self._arm(agent_id)
            self._on_clear(agent_id)

    def down(self, agent_id: str) -> None:
        """Heartbeats are all that this detector goes by."""

    def suspects(self, agent_id: str) -> bool:
        """Whether the agent is believed to be down."""
        return agent_id in self._suspected

    def stop(self) -> None:
        """Watch nobody any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._suspected.clear()

    def _arm(self, agent_id: str) -> None:
        deadline = self._deadline(agent_id)
        self._timers[agent_id] = self._loop.call_at(deadline, self._look, agent_id, deadline)

    def _deadline(self, agent_id: str) -> float:
        deadline = self._last[agent_id] + self._patience
        if self._poll is None:
            return deadline
        return self._started + ceil(round((deadline - self._started) / self._poll, 9)) * self._poll

    def _look(self, agent_id: str, deadline: float) -> None:
        """Let everything that is due at this instant go first: a beat may be among it."""
        self._timers[agent_id] = self._loop.call_at(deadline, self._judge, agent_id, deadline)

    def _judge(self, agent_id: str, deadline: float) -> None:
        # Deadlines are compared, not the clock: rounded to a poll, one may lie a hair before last beat + patience.
        if self._deadline(agent_id) > deadline:
            self._arm(agent_id)
            return
        del self._timers[agent_id]
        self._suspected[agent_id] = None
        self._on_suspect(agent_id)


class PerfectDetector:
    """Is told of every death at its instant, and never errs: what detection could be at best."""

    def __init__(self, on_suspect: Notice, on_clear: Notice) -> None:
        self._on_suspect = on_suspect
        self._on_clear = on_clear
        self._suspected: dict[str, None] = {}

    def watch(self, agent_id: str) -> None:
        """Nothing to do: it knows."""

    def beat(self, agent_id: str) -> None:
        """The agent lives."""
        if agent_id in self._suspected:
            del self._suspected[agent_id]
            self._on_clear(agent_id)

    def down(self, agent_id: str) -> None:
        """The agent has died."""
        if agent_id not in self._suspected:
            self._suspected[agent_id] = None
            self._on_suspect(agent_id)

    def suspects(self, agent_id: str) -> bool:
        """Whether the agent is down."""
        return agent_id in self._suspected

    def stop(self) -> None:
        """Nothing to stop."""
