"""Agents: how many, how many tasks at once, and how often they are lost and for how long.

Crashes are attempts that were interrupted, and their rate is crashes over the time in which agents were busy: a crash
of an idle agent leaves no trace in a log. For exponential times between crashes this estimates the mean for idle
agents as well. An agent is down from its crash to its next start, and then waits for a task. When the task of that
start had waited, the agent took it at once, and the gap is exact. When it had not, the gap contains an idle time,
whose distribution is that of the idle times between two tasks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sim.experiments.fitting.families import Idle
from sim.experiments.fitting.logs.task_log import NOTHING, TaskLog
from sim.experiments.fitting.logs.words import Ending, is_agent_lost

Numbers = NDArray[np.float64]
RARE = 1e-3
"""A number of tasks at once counts when an agent has it for so much of its busy time."""
LONG_GAP = 20.0
"""An idle gap while tasks wait is an outage when it is so many times longer than the usual one between two tasks."""
FEWEST_GAPS = 3
IDLE_CELLS = 25


@dataclass(frozen=True)
class AgentsFit:
    """The agents. `count`: how many at once; `names`: how many in all. `slots`: tasks of one at once.

    `mtbf`: mean busy time between crashes with its interval, None without a crash; `busy`: the agent time that was
    seen, and `crashes` the number in it. `seen_by`: interruptions, or gaps in which tasks waited. `gaps`: times from
    a crash to the next start; `sums` those that contain an idle time as well, of which `least` is a lower bound
    without it, and `idle` such times; `longer`: those of agents that were not back at the end.
    """

    count: int
    names: int
    slots: int
    most_at_once: int
    mtbf: float | None
    interval: tuple[float, float]
    busy: float
    crashes: int
    seen_by: str
    gaps: Numbers = field(repr=False)
    sums: Numbers = field(repr=False)
    least: Numbers = field(repr=False)
    idle: Idle | None = field(repr=False)
    longer: Numbers = field(repr=False)


def fit_agents(log: TaskLog) -> AgentsFit:
    """The agents of a log; without a column of agents, as many as attempts that run at once."""
    ended = np.where(np.isnan(log.ended), np.where(log.ending == Ending.RUNNING, log.end, log.started), log.ended)
    ran = np.isfinite(log.started)
    agent, started, ended = log.agent[ran], log.started[ran], ended[ran]
    if "agent" not in log.has or (agent == NOTHING).all():
        levels = _levels(started, ended)
        most = int(levels[1].max(initial=1))
        none = np.empty(0)
        return AgentsFit(
            max(1, most), 0, 1, most, None, (0.0, np.inf), 0.0, 0, "no agents are logged", none, none, none, None, none
        )
    named = agent != NOTHING
    # An interruption with another reason, such as a resource that is gone, is no crash of the agent.
    of_agent = np.array([*map(is_agent_lost, log.errors), True])[log.error]
    endings = np.where((log.ending == Ending.INTERRUPTED) & ~of_agent, Ending.CANCELED, log.ending)
    ending, submitted, first = (each[ran][named] for each in (endings, log.submitted, log.is_first()))
    agent, started, ended = agent[named], started[named], ended[named]
    order = np.lexsort((ended, started, agent))
    agent, started, ended, ending = agent[order], started[order], ended[order], ending[order]
    ready = np.where(first, submitted, np.nan)[order]
    busy, slots, most = _busy(agent, started, ended)
    count = _agents_at_once(agent, started, ended)
    crashed = _crashes(agent, started, ended, ending)
    seen_by = "interruptions"
    exposure = busy
    if not len(crashed):
        crashed = _outages(agent, started, ended, log)
        if len(crashed):
            seen_by, exposure = "gaps in which tasks waited", _alive(agent, started, ended)
    gaps, sums, least, idle, longer = _gaps(agent, started, ended, crashed, ready, log)
    names = len(np.unique(agent))
    if names > count:  # names change: an agent that does not come back has another one
        longer = longer[:0]
    crashes = len(crashed)
    low = 2 * exposure / float(stats.chi2.ppf(0.975, 2 * crashes + 2))
    high = 2 * exposure / float(stats.chi2.ppf(0.025, 2 * crashes)) if crashes else np.inf
    return AgentsFit(
        count,
        names,
        slots,
        most,
        exposure / crashes if crashes else None,
        (low, high),
        exposure,
        crashes,
        seen_by,
        gaps,
        sums,
        least,
        idle,
        longer,
    )


def _levels(started: Numbers, ended: Numbers) -> tuple[Numbers, NDArray[np.int64]]:
    """Instants, and how many intervals contain the time after each. Ends come before starts."""
    at = np.concatenate([ended, started])
    step = np.concatenate([np.full(len(ended), -1), np.full(len(started), 1)])
    length = np.concatenate([ended - started, ended - started])
    keep = length > 0
    at, step = at[keep], step[keep]
    order = np.lexsort((step, at))
    return at[order], np.cumsum(step[order])


def _busy(agent: NDArray[np.int64], started: Numbers, ended: Numbers) -> tuple[float, int, int]:
    """The time in which agents had a task, the tasks of one at once, and the most that there ever were."""
    shift = (float(ended.max()) - float(started.min()) + 1.0) if len(started) else 0.0
    offset = agent * shift  # each agent on a time axis of its own
    at, level = _levels(started + offset, ended + offset)
    if not len(at):
        return 0.0, 1, 1
    lasted = np.diff(np.append(at, at[-1]))
    time = np.bincount(level, lasted)
    total = float(time[1:].sum())
    at_least = np.cumsum(time[::-1])[::-1]
    common = np.flatnonzero(at_least >= RARE * total)
    slots = int(common[-1]) if len(common) and total > 0 else 1
    return total, max(1, slots), max(1, int(np.flatnonzero(time > 0)[-1]) if (time > 0).any() else 1)


def _spans(agent: NDArray[np.int64], started: Numbers, ended: Numbers) -> tuple[Numbers, Numbers]:
    """The first start and the last end of each agent; rows are sorted by agent."""
    begins = np.flatnonzero(np.append(True, agent[1:] != agent[:-1]))
    return np.minimum.reduceat(started, begins), np.maximum.reduceat(ended, begins)


def _alive(agent: NDArray[np.int64], started: Numbers, ended: Numbers) -> float:
    first, last = _spans(agent, started, ended)
    return float((last - first).sum())


def _agents_at_once(agent: NDArray[np.int64], started: Numbers, ended: Numbers) -> int:
    """How many agents there are at once, from their first start to their last end."""
    first, last = _spans(agent, started, ended)
    return max(1, int(_levels(first, np.maximum(last, first + 1e-9))[1].max(initial=1)))


def _crashes(agent: NDArray[np.int64], started: Numbers, ended: Numbers, ending: NDArray[np.int8]) -> NDArray[np.int64]:
    """Rows at which an agent was lost: interruptions of one agent without a start in between are one crash."""
    rows = np.flatnonzero(ending == Ending.INTERRUPTED)
    rows = rows[np.lexsort((ended[rows], agent[rows]))]
    chosen: list[int] = []
    for row in rows.tolist():
        if chosen and agent[chosen[-1]] == agent[row]:
            low, high = np.searchsorted(agent, [agent[row], agent[row] + 1])
            before = low + np.searchsorted(started[low:high], ended[chosen[-1]], side="right")
            until = low + np.searchsorted(started[low:high], ended[row], side="left")
            if until <= before:
                continue
        chosen.append(row)
    return np.array(chosen, dtype=np.int64)


def _outages(agent: NDArray[np.int64], started: Numbers, ended: Numbers, log: TaskLog) -> NDArray[np.int64]:
    """The last rows of agents before idle gaps in which a task waited all the time, and that are unusually long."""
    first = log.is_first() & np.isfinite(log.submitted) & np.isfinite(log.started)
    if "submitted" not in log.has or not first.any():
        return np.empty(0, dtype=np.int64)
    at, level = _levels(log.submitted[first], log.started[first])
    if not len(at):
        return np.empty(0, dtype=np.int64)
    waiting = np.concatenate(
        [[0.0], np.cumsum(np.diff(at) * (level[:-1] > 0))]
    )  # time in which a task has waited, so far
    latest = np.maximum.accumulate(ended + agent * (ended.max() + 1)) - agent * (ended.max() + 1)
    follows = np.append(agent[1:] == agent[:-1], False)
    begin, until = latest, np.append(started[1:], np.inf)
    gap = np.where(follows, until - begin, 0.0)
    rows = np.flatnonzero(gap > 0)
    waited = np.interp(until[rows], at, waiting) - np.interp(begin[rows], at, waiting)
    loaded = waited >= 0.99 * gap[rows]
    usual = float(np.median(gap[rows][loaded])) if loaded.any() else 0.0
    found = rows[loaded & (gap[rows] > max(LONG_GAP * usual, 10 * log.resolution, 1e-3))]
    # Others take tasks in the meantime: the queue itself was not blocked.
    ordered = np.sort(started)
    taken = np.searchsorted(ordered, until[found], "left") - np.searchsorted(ordered, begin[found], "right")
    found = found[taken > 0]
    return found if len(found) >= FEWEST_GAPS else np.empty(0, dtype=np.int64)


def _gaps(
    agent: NDArray[np.int64],
    started: Numbers,
    ended: Numbers,
    crashed: NDArray[np.int64],
    ready: Numbers,
    log: TaskLog,
) -> tuple[Numbers, Numbers, Numbers, Idle | None, Numbers]:
    """`gaps`, `sums`, `least`, `idle` and `longer` of `AgentsFit`.

    A task that had to wait until it started on another agent shows that this one was still down.
    """
    exact: list[float] = []
    sums: list[tuple[float, float]] = []
    longer: list[float] = []
    known = np.isfinite(ready)
    waited = np.where(known, started - ready, np.nan)
    usual = float(np.quantile(waited[known], 0.01)) if known.any() else 0.0
    noise = 2 * usual + 2 * log.resolution
    had_to_wait = known & (waited > noise) if known.any() else np.ones(len(agent), dtype=bool)
    was_full = np.sort(started[had_to_wait & known])
    shift = float(ended.max() - started.min()) + 1.0
    axis = started + agent * shift  # each agent on a time axis of its own
    following = np.searchsorted(axis, np.maximum(ended, started) + agent * shift, side="left")
    following += following == np.arange(len(agent))
    has_next = (following < len(agent)) & (agent[np.minimum(following, len(agent) - 1)] == agent)
    for row in crashed.tolist():
        down, after = float(ended[row]), int(following[row])
        if not has_next[row]:
            longer.append(log.end - down)
            continue
        gap = float(started[after]) - down
        if gap <= 0:
            continue
        if had_to_wait[after]:
            exact.append(gap)
            continue
        place = int(np.searchsorted(was_full, started[after], side="left")) - 1
        sums.append((gap, max(0.0, float(was_full[place]) - down) if place >= 0 else 0.0))
    is_usual = has_next & ~np.isin(np.arange(len(agent)), crashed)
    after_it = following[is_usual]
    idle = (started[after_it] - ended[is_usual])[known[after_it] & ~had_to_wait[after_it]]
    idle = idle[idle > 0]
    gaps, least = (np.array([pair[end] for pair in sums], dtype=float) for end in (0, 1))
    return np.array(exact), gaps, least, _histogram(idle), np.array(longer)


def _histogram(idle: Numbers) -> Idle | None:
    """Idle times in cells of equal shares, from 0."""
    if len(idle) < IDLE_CELLS:
        return None
    edges = np.unique(np.concatenate([[0.0], np.quantile(idle, np.linspace(0, 1, IDLE_CELLS + 1)[1:])]))
    return Idle(edges, np.histogram(idle, edges)[0] / len(idle))
