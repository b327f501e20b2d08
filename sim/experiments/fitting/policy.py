"""The retry policy that a log shows: how often a failed task is tried again, and after which delay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.experiments.fitting.logs.task_log import TaskLog
from sim.experiments.fitting.logs.words import Ending

Numbers = NDArray[np.float64]
ENOUGH = 5
"""Retries that a delay needs."""
LOW = 0.1
"""The quantile of the gaps that stands for the delay: it contains the least waiting for an agent."""
EQUAL = 0.1


@dataclass(frozen=True)
class PolicyFit:
    """Retries of failed attempts. `max_retries`: None when no task shows the limit. `delays`: a low quantile of the
    time from a failure to the next start, by the number of the retry, from 1. `retry_delay`, `backoff` and
    `multiplier` describe them; None when they fit no form. `spread`: the middle half of the gaps over their median.
    """

    retries: int
    max_retries: int | None
    given_up: int
    at_limit: int
    delays: tuple[float, ...]
    counts: tuple[int, ...]
    retry_delay: float | None
    backoff: str
    multiplier: float
    spread: float


def fit_policy(log: TaskLog) -> PolicyFit:
    """The retry policy of failed attempts; nothing of it is known without a column of tasks."""
    failed = log.ending == Ending.FAILED
    start = np.flatnonzero(log.is_first())
    place = np.maximum.accumulate(np.where(log.is_first(), np.arange(len(log)), 0))
    failures = np.cumsum(failed)
    number = failures - failures[place] + failed[place]  # failures of the task so far, this one included
    retried = failed & log.follows()
    gap = np.append(log.started[1:], np.nan) - log.ended
    known = retried & np.isfinite(gap) & (gap >= 0)
    delays, counts, spreads = [], [], []
    for n in range(1, int(number[known].max(initial=0)) + 1):
        gaps = gap[known & (number == n)]
        if len(gaps) < ENOUGH:
            break
        low, first, median, third = np.quantile(gaps, [LOW, 0.25, 0.5, 0.75])
        delays.append(float(low))
        counts.append(len(gaps))
        spreads.append(float((third - first) / median) if median > 0 else 0.0)
    slowest = float(np.quantile(gap[known], 0.99)) if known.any() else 0.0
    last = ~log.follows() & failed & (log.ended <= log.end - 2 * slowest)  # others may still be tried again
    limits = number[last]
    limit = int(np.bincount(limits).argmax()) if log.is_linked and len(limits) and len(start) else 0
    over = int(number.max(initial=0))
    is_limit = limit > 0 and limit == over and (limits == limit).mean() >= 0.9
    delay, backoff, multiplier = _form(delays)
    return PolicyFit(
        int(retried.sum()),
        limit - 1 if is_limit else None,
        int(last.sum()),
        int((limits == limit).sum()) if limit else 0,
        tuple(delays),
        tuple(counts),
        delay,
        backoff,
        multiplier,
        max(spreads, default=0.0),
    )


def _form(delays: list[float]) -> tuple[float | None, str, float]:
    """The delay before the first retry, the backoff and its multiplier."""
    if not delays:
        return None, "fixed", 2.0
    first = delays[0]
    if len(delays) == 1 or first <= 0:
        return first, "fixed", 2.0
    ratios = np.array(delays[1:]) / np.array(delays[:-1])
    steps = np.array(delays) / first
    if np.abs(steps - 1).max() <= EQUAL:
        return float(np.average(delays)), "fixed", 2.0
    if len(delays) > 2 and np.abs(steps / np.arange(1, len(delays) + 1) - 1).max() <= EQUAL:
        return first, "linear", 2.0
    middle = float(np.median(ratios))
    if middle > 1.2 and np.abs(ratios / middle - 1).max() <= 2 * EQUAL:
        return first, "exponential", middle
    return (float(np.median(delays)), "fixed", 2.0) if np.abs(steps - 1).max() <= 0.5 else (None, "fixed", 2.0)
