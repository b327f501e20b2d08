"""Agent time: every second of every slot within the window, in one of five classes.

Instants are rounded to a multiple of a tick, a power of two of seconds. Differences and sums of ticks are whole
numbers, and floats represent every sum of the five classes exactly: no rounding error hides time that is counted twice
or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import frexp
from sys import float_info

import numpy as np
from numpy.typing import NDArray

from recovery.errors import RecoveryBenchError
from sim.history import Event
from sim.measures.tables.event_table import NOWHERE, Floats, Rows, Tracks, Truths
from sim.measures.tables.ground_truth import AGENT_CHANGES, AGENT_RETURNS
from sim.measures.tables.kept_work import kept_until

Ticks = NDArray[np.int64]
BITS = 52
"""The time of all slots has at most this many bits in ticks, so that floats represent every sum of it exactly."""
CHECKPOINT_PHASES = (
    Event.CHECKPOINT_LOADED,
    Event.CHECKPOINT_READ,
    Event.CHECKPOINT_STARTED,
    Event.CHECKPOINT_WRITTEN,
    Event.CHECKPOINT_FAILED,
)
"""The events at which an attempt changes between work, reading and writing."""
BEGINS_CHECKPOINT = (Event.CHECKPOINT_LOADED, Event.CHECKPOINT_STARTED)


class TimeNotAccounted(RecoveryBenchError, AssertionError):
    """The classes of agent time do not add up to slots × time: a defect of the simulation or of the accounting."""

    reports_defect = True


@dataclass(frozen=True, slots=True)
class AgentTime:
    """Agent-seconds of the window by class."""

    useful: float
    wasted: float
    checkpoint: float
    idle: float
    down: float


def agent_time(tracks: Tracks, pool: range | None = None) -> AgentTime | None:
    """The agent time of a run, of all agents or of a pool; None if the window or the number of slots is 0.

    down: all slots of an agent that is crashed, hung, stopped or restarting. Otherwise a slot whose attempt reads or
    writes a checkpoint: checkpoint; whose attempt works: useful or wasted, see `kept_until`; without a started attempt:
    idle, also while it is kept for a retry, or its task is on its way or waits for resources.

    The time of attempts is the sum over their segments. The idle time is that between an attempt and the next one in
    its slot, and not what is left. Raises TimeNotAccounted if the sum of all is not slots × time.
    """
    slots = int(tracks.meta.get("slots", 1))
    if not tracks.agents * slots or not tracks.window:
        return None
    line = _Line.of(tracks, slots)
    agents = range(tracks.agents) if pool is None else pool
    down = _Down.of(tracks, line, agents)
    kinds = {
        **_attempts(tracks, line, down, agents),
        "idle": _idle(tracks, line, down, agents, slots),
        "down": slots * down.total,
    }
    whole = len(agents) * slots * line.length
    if sum(kinds.values()) != whole:
        parts = " + ".join(f"{name} {ticks / line.scale:.9g}" for name, ticks in kinds.items())
        raise TimeNotAccounted(
            f"agent time does not add up: {parts} is {sum(kinds.values()) / line.scale:.9g} agent-s, "
            f"and slots × time is {whole / line.scale:.9g} agent-s"
        )
    return AgentTime(**{name: ticks / line.scale for name, ticks in kinds.items()})


@dataclass(frozen=True)
class _Line:
    """The windows of all agents, one after the other on one line of ticks."""

    scale: float  # ticks per second
    start: int
    length: int  # of one window

    @classmethod
    def of(cls, tracks: Tracks, slots: int) -> _Line:
        exponent = BITS - frexp(tracks.agents * slots * tracks.end)[1]
        scale = 2.0 ** min(exponent, float_info.max_exp - 1)
        start, end = (round(instant * scale) for instant in (tracks.start, tracks.end))
        return cls(scale, start, end - start)

    def place(self, agents: NDArray[np.integer], times: Floats) -> Ticks:
        """The places of instants of agents on the line; an instant outside the window is at its nearest end."""
        ticks = np.rint(np.minimum(times, (self.start + self.length) / self.scale) * self.scale).astype(np.int64)
        return agents.astype(np.int64) * self.length + np.clip(ticks - self.start, 0, self.length)


@dataclass(frozen=True)
class _Down:
    """The intervals of the line in which an agent is down."""

    begins: Ticks
    ends: Ticks
    before: Ticks  # ticks down before each interval, and in all

    @classmethod
    def of(cls, tracks: Tracks, line: _Line, agents: range) -> _Down:
        rows = tracks.rows(*AGENT_CHANGES)
        rows = rows[_among(tracks.agent[rows], agents)]
        rows = rows[np.argsort(tracks.agent[rows], kind="stable")]
        agent, returns = tracks.agent[rows].astype(np.int64), np.isin(tracks.event[rows], AGENT_RETURNS)
        places = line.place(agent, tracks.time[rows])
        last_of_agent = np.append(agent[1:] != agent[:-1], True)[: len(agent)]
        until = np.append(places[1:], 0)[: len(places)]  # a change lasts until the agent's next one
        until[last_of_agent] = (agent[last_of_agent] + 1) * line.length
        begins, ends = places[~returns], until[~returns]
        return cls(begins, ends, np.concatenate(([0], np.cumsum(ends - begins))))

    @property
    def total(self) -> int:
        """Ticks down, of all agents."""
        return int(self.before[-1])

    def up_between(self, begins: Ticks, ends: Ticks) -> Ticks:
        """Ticks up between places of the line."""
        between: Ticks = ends - begins
        if len(self.begins):
            between = between - (self._until(ends) - self._until(begins))
        return between

    def _until(self, places: Ticks) -> Ticks:
        """Ticks down before places of the line."""
        number = np.searchsorted(self.begins, places, side="right")
        ahead = np.where(number > 0, self.ends[number - 1] - places, 0)
        until: Ticks = self.before[number] - np.maximum(ahead, 0)
        return until


@dataclass(frozen=True)
class _Segments:
    """Parts of attempts between two changes of their activity."""

    agent: NDArray[np.int64]
    begins: Floats
    ends: Floats
    is_checkpoint: Truths
    is_kept: Truths  # of work: it is not discarded


def _segments(tracks: Tracks) -> _Segments:
    attempts = tracks.attempts
    kept = kept_until(tracks)
    phases = tracks.rows(*CHECKPOINT_PHASES)
    if not len(phases):
        return _Segments(
            attempts.agent,
            attempts.started,
            np.minimum(attempts.ended, tracks.end),
            np.zeros(len(attempts.row), dtype=bool),
            kept != NOWHERE,
        )
    of_phase = tracks.attempt_at(phases)
    phases, of_phase = phases[of_phase != NOWHERE], of_phase[of_phase != NOWHERE]
    opened = np.concatenate((attempts.row, phases))
    attempt = np.concatenate((np.arange(len(attempts.row)), of_phase))
    order = np.argsort(attempt * tracks.size + opened)
    opened, attempt = opened[order], attempt[order]
    closed: Rows = np.append(opened[1:], NOWHERE)
    last = np.append(attempt[1:] != attempt[:-1], True)
    closed[last] = attempts.end_row[attempt[last]]
    return _Segments(
        attempts.agent[attempt],
        tracks.time[opened],
        tracks.times(closed, tracks.end),
        np.isin(tracks.event[opened], BEGINS_CHECKPOINT),
        np.where(closed == NOWHERE, tracks.size, closed) <= kept[attempt],
    )


def _among(found: NDArray[np.integer], agents: range) -> Truths:
    among: Truths = (found >= agents.start) & (found < agents.stop)
    return among


def _attempts(tracks: Tracks, line: _Line, down: _Down, agents: range) -> dict[str, int]:
    """Ticks of started attempts on agents that are up, by class."""
    segments = _segments(tracks)
    ticks = down.up_between(line.place(segments.agent, segments.begins), line.place(segments.agent, segments.ends))
    mine = _among(segments.agent, agents)
    work = mine & ~segments.is_checkpoint
    return {
        "useful": int(ticks[work & segments.is_kept].sum()),
        "wasted": int(ticks[work & ~segments.is_kept].sum()),
        "checkpoint": int(ticks[mine & segments.is_checkpoint].sum()),
    }


def _idle(tracks: Tracks, line: _Line, down: _Down, agents: range, slots: int) -> int:
    """Ticks of free slots of agents that are up.

    A slot is free from the beginning of the window, and from the end of each attempt; the next attempt takes the slot
    that has been free for the longest time. Where an attempt starts before a slot is free, there is no idle time, and
    the sum of all classes is more than slots × time.
    """
    attempts = tracks.attempts
    mine = _among(attempts.agent, agents)
    windows = np.repeat(np.arange(agents.start, agents.stop, dtype=np.int64) * line.length, slots)
    free = np.concatenate((windows, line.place(attempts.agent[mine], attempts.ended[mine])))
    taken = np.concatenate((windows + line.length, line.place(attempts.agent[mine], attempts.started[mine])))
    free.sort()
    taken.sort()
    return int(down.up_between(np.minimum(free, taken), taken).sum())
