"""Failure detectors: who believes when that an agent is down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import ceil
from typing import Protocol

from recovery.detection.phi_accrual import Arrivals, patience

Notice = Callable[[str], None]


class Detector(Protocol):
    """Notices that agents are down, and up again."""

    def watch(self, agent_id: str) -> None:
        """Begin to watch an agent; counts as a beat."""

    def beat(self, agent_id: str) -> None:
        """The agent gave a sign of life by itself."""

    def answered(self, agent_id: str) -> None:
        """The agent answered a probe: as good as a beat, but not part of its rhythm."""

    def suspected_before(self, agent_id: str) -> None:
        """An earlier detector suspected the agent: nobody is told of it again, and it is cleared as ever."""

    def down(self, agent_id: str) -> None:
        """Something that knows at once says that the agent has died."""

    def suspects(self, agent_id: str) -> bool:
        """Whether the agent is believed to be down."""

    def stop(self) -> None:
        """Watch nobody any more."""


class Patience(Protocol):
    """How long a silence may last."""

    def of(self, agent_id: str) -> float:
        """Seconds after its last beat at which an agent is suspected."""

    def heard(self, agent_id: str, now: float) -> bool:
        """A beat came. Whether that may have made the patience shorter."""

    def lost(self, agent_id: str) -> None:
        """The agent is suspected: its silence is no gap between beats."""


class FixedPatience:
    """Always as long: so many intervals."""

    def __init__(self, interval: float, missed: int) -> None:
        self._seconds = interval * missed

    def of(self, agent_id: str) -> float:
        """The same for every agent."""
        return self._seconds

    def heard(self, agent_id: str, now: float) -> bool:
        """Whatever the agent does."""
        return False

    def lost(self, agent_id: str) -> None:
        """Nothing to forget."""


class PhiAccrualPatience:
    """As long as it takes until the suspicion reaches a threshold, by how each agent has been beating.

    No deviation is taken for less than `min_deviation` seconds, or a single late beat of a regular agent would be an
    alarm; `acceptable_pause` seconds of silence are borne beyond the mean.
    """

    def __init__(
        self, interval: float, threshold: float, window: int, min_deviation: float, acceptable_pause: float
    ) -> None:
        self._interval = interval
        self._threshold = threshold
        self._window = window
        self._min_deviation = min_deviation
        self._pause = acceptable_pause
        self._arrivals: dict[str, Arrivals] = {}
        self._last: dict[str, float] = {}

    def of(self, agent_id: str) -> float:
        """By the agent's own beats."""
        arrivals = self._arrivals_of(agent_id)
        deviation = max(self._min_deviation, arrivals.deviation)
        return patience(self._threshold, arrivals.mean + self._pause, deviation)

    def heard(self, agent_id: str, now: float) -> bool:
        """Another gap to judge the next by."""
        last = self._last.get(agent_id)
        self._last[agent_id] = now
        if last is None:
            return False
        self._arrivals_of(agent_id).add(now - last)
        return True

    def lost(self, agent_id: str) -> None:
        """The next gap begins with the next beat."""
        self._last.pop(agent_id, None)

    def _arrivals_of(self, agent_id: str) -> Arrivals:
        if agent_id not in self._arrivals:
            self._arrivals[agent_id] = Arrivals(self._window, self._interval)
        return self._arrivals[agent_id]


class DeadlineDetector:
    """Suspects an agent that has been silent for longer than `patience` bears.

    A beat that arrives at the very instant of the deadline is in time. One timer an agent is kept, and as a rule set
    anew only when it fires: a beat costs little more than noting its time. With `poll`, the detector looks at multiples
    of `poll` seconds after its start only. A silence that was suspected is not held against the agent afterwards.
    """

    def __init__(
        self,
        patience: Patience,
        on_suspect: Notice,
        on_clear: Notice,
        loop: asyncio.AbstractEventLoop,
        poll: float | None = None,
    ) -> None:
        self._patience = patience
        self._on_suspect = on_suspect
        self._on_clear = on_clear
        self._loop = loop
        self._poll = poll
        self._started = loop.time()
        self._last: dict[str, float] = {}
        self._suspected: dict[str, None] = {}
        self._suspected_before: dict[str, None] = {}  # and not watched since
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def watch(self, agent_id: str) -> None:
        """Begin to watch an agent; counts as a beat, but for the first time of one that was suspected before."""
        if agent_id in self._suspected_before:
            del self._suspected_before[agent_id]
        else:
            self.answered(agent_id)

    def answered(self, agent_id: str) -> None:
        """An agent has shown that it lives in another way than by a beat."""
        self._note(agent_id)
        if agent_id not in self._timers:
            self._arm(agent_id)

    def suspected_before(self, agent_id: str) -> None:
        """An agent was suspected when an earlier detector ended; nobody is told of it again."""
        self._suspected[agent_id] = self._suspected_before[agent_id] = None

    def beat(self, agent_id: str) -> None:
        """A beat arrived."""
        self._suspected_before.pop(agent_id, None)
        shorter = self._patience.heard(agent_id, self._loop.time())
        self._note(agent_id)
        if shorter and (timer := self._timers.get(agent_id)) and self._deadline(agent_id) < timer.when():
            timer.cancel()
            self._arm(agent_id)

    def _note(self, agent_id: str) -> None:
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
        deadline = self._last[agent_id] + self._patience.of(agent_id)
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
        self._patience.lost(agent_id)
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

    def suspected_before(self, agent_id: str) -> None:
        """An agent was down when an earlier detector ended."""
        self._suspected[agent_id] = None

    def beat(self, agent_id: str) -> None:
        """The agent lives."""
        if agent_id in self._suspected:
            del self._suspected[agent_id]
            self._on_clear(agent_id)

    answered = beat

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
