"""Failure detectors for agents."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from math import ceil, inf
from typing import Protocol

from recovery.detection.phi_accrual import Arrivals, phi_timeout
from recovery.policies.policy_states import HeartbeatState

Notice = Callable[[str], None]
REREAD_SECONDS = 0.01
"""The seconds after which a detector checks again whether heartbeats up to a deadline were read."""


class Detector(Protocol):
    """Detects that agents are down, and up again."""

    def watch(self, agent_id: str) -> None:
        """Begin to monitor an agent; counts as a heartbeat."""

    def beat(self, agent_id: str) -> None:
        """Record a heartbeat."""

    def answered(self, agent_id: str) -> None:
        """Record a response to a probe. It counts as a heartbeat, but not as an interval between heartbeats."""

    def suspected_before(self, agent_id: str) -> None:
        """Mark an agent as suspected by an earlier detector. It is not reported again until it is cleared."""

    def down(self, agent_id: str) -> None:
        """Record that the agent has failed, for the perfect detector."""

    def extend_timeouts(self, seconds: float = inf) -> None:
        """Extend the timeout of every agent, at most to a new one: heartbeats could not be read for this long."""

    def suspects(self, agent_id: str) -> bool:
        """Whether the agent is believed to be down."""

    def regular(self, agent_id: str, interval: float, latest: Callable[[], float]) -> bool:
        """Heartbeats of the agent arrive every `interval` seconds until `regular_end`, the latest one at `latest()`.

        They are not recorded one by one. False: each one has to be.
        """

    def regular_end(self, agent_id: str) -> None:
        """Heartbeats of the agent are recorded one by one again."""

    def stop(self) -> None:
        """Stop monitoring."""


class HeartbeatTimeout(Protocol):
    """The heartbeat timeout of agents."""

    def of(self, agent_id: str) -> float:
        """The heartbeat timeout of an agent in seconds."""

    def heard(self, agent_id: str, now: float) -> bool:
        """Record a heartbeat. Returns whether the timeout may be shorter now."""

    def lost(self, agent_id: str) -> None:
        """The agent is suspected: the current interval is not part of its statistics."""


class FixedTimeout:
    """A fixed timeout: a number of heartbeat intervals."""

    def __init__(self, interval: float, missed: int) -> None:
        self._seconds = interval * missed

    def of(self, agent_id: str) -> float:
        """The fixed timeout."""
        return self._seconds

    def heard(self, agent_id: str, now: float) -> bool:
        """Always False."""
        return False

    def lost(self, agent_id: str) -> None:
        """Has no effect."""


class PhiAccrualTimeout:
    """The timeout at which the suspicion of phi accrual reaches a threshold, by the heartbeats of each agent.

    The standard deviation is at least `min_deviation` seconds; otherwise a single late heartbeat of a regular agent
    would be an alarm. `acceptable_pause` seconds are added to the mean.
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
        self._new: dict[str, None] = {}  # agents with intervals since the last call of `learnt`

    def learnt(self) -> Iterable[HeartbeatState]:
        """The statistics of the agents with new intervals since the last call."""
        agents, self._new = self._new, {}
        for agent_id in agents:
            arrivals = self._arrivals[agent_id]
            yield HeartbeatState(agent_id, arrivals.count, arrivals.mean, arrivals.deviation)

    def restore(self, state: HeartbeatState) -> None:
        """Continue with the statistics of an agent. The time without a detector is not an interval."""
        self._arrivals_of(state.agent_id).restore(state.count, state.mean, state.deviation)

    def of(self, agent_id: str) -> float:
        """The timeout by the agent's heartbeats."""
        arrivals = self._arrivals_of(agent_id)
        deviation = max(self._min_deviation, arrivals.deviation)
        return phi_timeout(self._threshold, arrivals.mean + self._pause, deviation)

    def heard(self, agent_id: str, now: float) -> bool:
        """Add an interval to the agent's statistics."""
        last = self._last.get(agent_id)
        self._last[agent_id] = now
        if last is None:
            return False
        self._arrivals_of(agent_id).add(now - last)
        self._new[agent_id] = None
        return True

    def lost(self, agent_id: str) -> None:
        """The next interval begins with the next heartbeat."""
        self._last.pop(agent_id, None)

    def _arrivals_of(self, agent_id: str) -> Arrivals:
        if agent_id not in self._arrivals:
            self._arrivals[agent_id] = Arrivals(self._window, self._interval)
        return self._arrivals[agent_id]


class DeadlineDetector:
    """Suspects an agent without a heartbeat for longer than the timeout of `timeout`.

    A heartbeat at the instant of the deadline is in time. Each agent has one timer, which is usually set again only
    when it fires, so that a heartbeat costs little more than storing its time. With `poll`, the detector checks only
    at multiples of `poll` seconds after its start. `observed` returns the instant up to which heartbeats were read,
    where that may be an earlier one: an agent is not suspected before its heartbeats up to the deadline were read.

    The timeout is between arrivals. Where no heartbeat has arrived since the agent is monitored, or has responded to a
    probe, the first one may be `latency` seconds later: it was sent after that instant, and takes this long.
    """

    def __init__(
        self,
        timeout: HeartbeatTimeout,
        on_suspect: Notice,
        on_clear: Notice,
        loop: asyncio.AbstractEventLoop,
        poll: float | None = None,
        observed: Callable[[], float] | None = None,
        latency: float = 0.0,
    ) -> None:
        self._observed = observed
        self._timeout = timeout
        self._latency = latency
        self._awaits_first: dict[str, None] = {}  # no heartbeat since the agent is monitored, or has responded
        self._on_suspect = on_suspect
        self._on_clear = on_clear
        self._loop = loop
        self._poll = poll
        self._started = loop.time()
        self._last: dict[str, float] = {}
        self._suspected: dict[str, None] = {}
        self._suspected_before: dict[str, None] = {}  # and not monitored since
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._regular: dict[str, Callable[[], float]] = {}  # agents that need no timer, with their latest heartbeat

    def watch(self, agent_id: str) -> None:
        """Begin to monitor an agent; counts as a heartbeat, unless an earlier detector suspected the agent."""
        if agent_id in self._suspected_before:
            del self._suspected_before[agent_id]
        else:
            self.answered(agent_id)

    def answered(self, agent_id: str) -> None:
        """Record a response to a probe, which counts as a heartbeat."""
        if self._latency:
            self._awaits_first[agent_id] = None
        self._last[agent_id] = self._loop.time()
        self._cleared(agent_id)
        if agent_id not in self._timers and agent_id not in self._regular:
            self._arm(agent_id)

    def suspected_before(self, agent_id: str) -> None:
        """Mark an agent as suspected by an earlier detector, without a report."""
        self._suspected[agent_id] = self._suspected_before[agent_id] = None

    def beat(self, agent_id: str) -> None:
        """Record a heartbeat."""
        now = self._loop.time()
        if self._suspected_before:
            self._suspected_before.pop(agent_id, None)
        shorter = self._timeout.heard(agent_id, now)
        if self._awaits_first and agent_id in self._awaits_first:
            del self._awaits_first[agent_id]
            shorter = True
        self._last[agent_id] = now
        if self._suspected:
            self._cleared(agent_id)
        if shorter and (timer := self._timers.get(agent_id)) and self._deadline(agent_id) < timer.when():
            timer.cancel()
            self._arm(agent_id)

    def _cleared(self, agent_id: str) -> None:
        if agent_id in self._suspected:
            del self._suspected[agent_id]
            self._arm(agent_id)
            self._on_clear(agent_id)

    def regular(self, agent_id: str, interval: float, latest: Callable[[], float]) -> bool:
        """Heartbeats arrive regularly from now on: the agent needs no timer if the interval is below the timeout.

        False if the timeout depends on the heartbeats, or if the detector checks at certain instants only.
        """
        if type(self._timeout) is not FixedTimeout or self._poll is not None or self._observed is not None:
            return False
        timer = self._timers.get(agent_id)
        if timer is None or agent_id in self._suspected or not interval < self._timeout.of(agent_id):
            return False
        timer.cancel()
        del self._timers[agent_id]
        self._regular[agent_id] = latest
        return True

    def regular_end(self, agent_id: str) -> None:
        """Set the timer of the agent for the end of its timeout, from its latest heartbeat on."""
        latest = self._regular.pop(agent_id, None)
        if latest is not None:
            self._last[agent_id] = max(self._last[agent_id], latest())
            self._arm(agent_id)

    def extend_timeouts(self, seconds: float = inf) -> None:
        """Extend the timeout of every agent. If it begins anew, the present interval is no part of its statistics."""
        now = self._loop.time()
        for agent_id, latest in self._regular.items():
            self._last[agent_id] = min(now, max(self._last[agent_id], latest()) + seconds)
        for agent_id in self._timers:
            if seconds == inf:
                self._timeout.lost(agent_id)
            self._last[agent_id] = min(now, self._last[agent_id] + seconds)

    def down(self, agent_id: str) -> None:
        """Has no effect: this detector uses heartbeats only."""

    def suspects(self, agent_id: str) -> bool:
        """Whether the agent is believed to be down."""
        return agent_id in self._suspected

    def stop(self) -> None:
        """Stop monitoring."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._regular.clear()
        self._suspected.clear()

    def _arm(self, agent_id: str) -> None:
        deadline = self._deadline(agent_id)
        self._timers[agent_id] = self._loop.call_at(deadline, self._look, agent_id, deadline)

    def _deadline(self, agent_id: str) -> float:
        deadline = self._last[agent_id] + self._timeout.of(agent_id)
        if agent_id in self._awaits_first:
            deadline += self._latency
        if self._poll is None:
            return deadline
        return self._started + ceil(round((deadline - self._started) / self._poll, 9)) * self._poll

    def _look(self, agent_id: str, deadline: float) -> None:
        """Judge after everything else that is due at this instant, because a heartbeat may be among it.

        After a heartbeat since the timer was set, which is the usual case, only set it again.
        """
        if self._deadline(agent_id) > deadline:
            self._arm(agent_id)
            return
        self._timers[agent_id] = self._loop.call_at(deadline, self._judge, agent_id, deadline)

    def _judge(self, agent_id: str, deadline: float) -> None:
        # Deadlines are compared, not the clock: a deadline rounded to `poll` may be slightly earlier than the timeout.
        if self._deadline(agent_id) > deadline:
            self._arm(agent_id)
            return
        if self._observed is not None and self._observed() < deadline:
            self._timers[agent_id] = self._loop.call_later(REREAD_SECONDS, self._look, agent_id, deadline)
            return
        del self._timers[agent_id]
        self._timeout.lost(agent_id)
        self._suspected[agent_id] = None
        self._on_suspect(agent_id)


class PerfectDetector:
    """Gets every failure of an agent at its instant: the upper bound of what detection can achieve."""

    def __init__(self, on_suspect: Notice, on_clear: Notice) -> None:
        self._on_suspect = on_suspect
        self._on_clear = on_clear
        self._suspected: dict[str, None] = {}

    def watch(self, agent_id: str) -> None:
        """Has no effect."""

    def suspected_before(self, agent_id: str) -> None:
        """Mark an agent as down since an earlier detector."""
        self._suspected[agent_id] = None

    def beat(self, agent_id: str) -> None:
        """The agent is up: clear it if it is suspected."""
        if agent_id in self._suspected:
            del self._suspected[agent_id]
            self._on_clear(agent_id)

    answered = beat

    def extend_timeouts(self, seconds: float = inf) -> None:
        """Has no effect."""

    def down(self, agent_id: str) -> None:
        """Suspect the agent."""
        if agent_id not in self._suspected:
            self._suspected[agent_id] = None
            self._on_suspect(agent_id)

    def regular(self, agent_id: str, interval: float, latest: Callable[[], float]) -> bool:
        """Always False: it uses no heartbeats."""
        return False

    def regular_end(self, agent_id: str) -> None:
        """Has no effect."""

    def suspects(self, agent_id: str) -> bool:
        """Whether the agent is down."""
        return agent_id in self._suspected

    def stop(self) -> None:
        """Has no effect."""
