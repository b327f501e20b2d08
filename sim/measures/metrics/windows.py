"""Metrics over windows of time that end at given instants, as an operator would see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from sim.history import Event
from sim.measures.metrics.agents import up_changes
from sim.measures.metrics.queue import depth_changes
from sim.measures.tables.event_table import Floats, Tracks

Windowed = Callable[[Tracks, Floats, float], Floats]
"""A function of the tracks, the ends of windows and their length (s): one value per window, NaN: no observation."""


def values(tracks: Tracks, metric: str, ends: Floats, length: float) -> Floats:
    """The metric over windows of this length that end at `ends` (s, ascending). Raises KeyError for other metrics."""
    return METRICS[metric](tracks, ends, length)


# ---------------------------------------------------------------------------------------------------------- levels
def _mean(times: Floats, levels: Floats, initial: float, ends: Floats, length: float) -> Floats:
    """Average over each window of a function that is `initial` first and `levels[i]` from `times[i]` on."""
    instants = np.concatenate(([0.0], times))
    lasting = np.concatenate(([initial], levels))
    area = np.concatenate(([0.0], np.cumsum(lasting[:-1] * np.diff(instants))))

    def until(at: Floats) -> Floats:
        place = np.searchsorted(instants, at, side="right") - 1
        found: Floats = area[place] + lasting[place] * (at - instants[place])
        return found

    return (until(ends) - until(np.maximum(ends - length, 0.0))) / length


def _level(changes: Callable[[Tracks], tuple[Floats, Floats]], initial: Callable[[Tracks], float]) -> Windowed:
    def of(tracks: Tracks, ends: Floats, length: float) -> Floats:
        times, steps = changes(tracks)
        first = initial(tracks)
        return _mean(times, first + np.cumsum(steps), first, ends, length)

    return of


def _between(begins: Floats, ends: Floats) -> tuple[Floats, Floats]:
    """Changes of the number of simultaneous intervals."""
    ends = ends[np.isfinite(ends)]
    times = np.concatenate((begins, ends))
    steps = np.concatenate((np.ones(len(begins)), -np.ones(len(ends))))
    order = np.argsort(times, kind="stable")
    return times[order], steps[order]


def _in_system(tracks: Tracks) -> tuple[Floats, Floats]:
    tasks = tracks.tasks
    return _between(tasks.submitted[tasks.accepted], tasks.ended[tasks.accepted])


def _busy(tracks: Tracks) -> tuple[Floats, Floats]:
    return _between(tracks.attempts.started, tracks.attempts.ended)


def _over(number: Callable[[Tracks], float], of: Windowed) -> Windowed:
    """A level as a fraction of a number."""

    def share(tracks: Tracks, ends: Floats, length: float) -> Floats:
        whole = number(tracks)
        return of(tracks, ends, length) / whole if whole else np.full(len(ends), np.nan)

    return share


def _agents(tracks: Tracks) -> float:
    return float(tracks.agents)


def _slots(tracks: Tracks) -> float:
    return float(tracks.agents * int(tracks.meta.get("slots", 1)))


_UP = _level(up_changes, _agents)
_BUSY = _level(_busy, lambda tracks: 0.0)


# ---------------------------------------------------------------------------------------------------------- events
def _within(times: Floats, ends: Floats, length: float, weights: Floats | None = None) -> Floats:
    """The number of these instants, or the sum of their weights, in each window: after its start, until its end."""
    total = np.arange(len(times) + 1.0) if weights is None else np.concatenate(([0.0], np.cumsum(weights)))
    last, first = (np.searchsorted(times, at, side="right") for at in (ends, ends - length))
    found: Floats = total[last] - total[first]
    return found


def _number(event: Event) -> Windowed:
    return lambda tracks, ends, length: _within(tracks.time[tracks.rows(event)], ends, length)


def _rate(event: Event) -> Windowed:
    number = _number(event)
    return lambda tracks, ends, length: number(tracks, ends, length) / length


def _completions(tracks: Tracks, ends: Floats, length: float) -> Floats:
    tasks = tracks.tasks
    times = np.sort(tasks.ended[tasks.outcome == Event.TASK_COMPLETED])
    return _within(times, ends, length) / length


def _average(times: Floats, values: Floats, ends: Floats, length: float) -> Floats:
    order = np.argsort(times, kind="stable")
    number = _within(times[order], ends, length)
    with np.errstate(invalid="ignore"):
        average: Floats = _within(times[order], ends, length, values[order]) / number
    return average


def _sojourn(tracks: Tracks, ends: Floats, length: float) -> Floats:
    tasks = tracks.tasks
    done = tasks.outcome == Event.TASK_COMPLETED
    return _average(tasks.ended[done], (tasks.ended - tasks.submitted)[done], ends, length)


def _wait(tracks: Tracks, ends: Floats, length: float) -> Floats:
    tasks = tracks.tasks
    started = ~np.isnan(tasks.first_start)
    return _average(tasks.first_start[started], (tasks.first_start - tasks.submitted)[started], ends, length)


METRICS: Mapping[str, Windowed] = {
    "queue.depth.mean": _level(depth_changes, lambda tracks: 0.0),
    "tasks.in_system.mean": _level(_in_system, lambda tracks: 0.0),
    "agents.up.mean": _UP,
    "agents.availability": _over(_agents, _UP),
    "agents.utilization": _over(_slots, _BUSY),
    "tasks.throughput": _completions,
    "tasks.sojourn.mean": _sojourn,
    "tasks.wait.mean": _wait,
    "tasks.failed": _number(Event.TASK_FAILED),
    "tasks.rejected": _number(Event.TASK_REJECTED),
    "attempts.failed": _number(Event.ATTEMPT_FAILED),
    "client.goodput": _rate(Event.CLIENT_ANSWERED),
    "client.timeouts": _number(Event.CLIENT_TIMED_OUT),
    "client.retries": _number(Event.CLIENT_RETRIED),
}
"""The metrics of a window, with the names in `scenarios.sections.steady_state`."""
