"""What attempts say about work: its durations, failures, time limits, and what a retry repeats.

Attempts that were cut short are censored durations and not dropped ones: those that run at the end of the log, those of
lost agents and those that reached a time limit. Where a retry repeats the same work, a task is one observation.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sim.experiments.fitting.logs.task_log import NOTHING, TaskLog
from sim.experiments.fitting.logs.words import Ending

Numbers = NDArray[np.float64]
Mask = NDArray[np.bool_]
ENOUGH_PAIRS = 5
"""Retries that are needed to see what a retry repeats."""
SAME, MOST = 1e-3, 0.9
"""Two durations are the same when they differ by so much of the longer one; so many pairs have to be."""
RESUMES = 0.98
"""Retries resume from checkpoints when so many of them take no longer than the attempts that failed at their end."""
STUCK = 10.0
"""An attempt that has run for so many times the longest one at the end of the log was lost, and never logged."""
EQUAL_LIMITS = 0.05
"""Attempts have one time limit when their durations vary by no more than this."""
MOST_ERRORS = 12


@dataclass(frozen=True)
class Share:
    """A probability with its exact (Clopper-Pearson) 95 % interval."""

    value: float
    low: float
    high: float
    count: int
    of: int


def share(count: int, of: int) -> Share:
    """`count` of `of` trials."""
    if not of:
        return Share(0.0, 0.0, 1.0, 0, 0)
    found = stats.binomtest(count, of).proportion_ci(0.95, method="exact")
    return Share(count / of, float(found.low), float(found.high), count, of)


@dataclass(frozen=True)
class Retries:
    """What a retry repeats, by the attempts at the same task. None: too few show it.

    `failure_at`: end or uniform. `retried`: repeat or redraw. `interrupted`: restart, resume or redraw. `failed_pairs`
    and `interrupted_pairs` are how many retries show it. `checkpoints`: retries resume, and nearly all of them take at
    most so long; None: they do not.
    """

    failure_at: str | None
    retried: str | None
    interrupted: str | None
    failed_pairs: int
    interrupted_pairs: int
    checkpoints: float | None = None


@dataclass(frozen=True)
class Attempts:
    """Failures of attempts. `errors`: the number of failures by error; `not_logged` of them are known
    by the number of a later attempt only. `timeout`: the time limit of an attempt, if
    one is seen. `first` and `again`: failures of first attempts and of retries; `p_equal`: the probability of such a
    difference when every attempt fails with the same probability.
    """

    failure: Share
    errors: dict[str, int]
    not_logged: int
    timeout: float | None
    timed_out: int
    interrupted: int
    running: int
    canceled: int
    rejected: int
    first: Share
    again: Share
    p_equal: float
    retries: Retries


@dataclass(frozen=True)
class WorkSample:
    """Durations of work: known, and known to be longer. `notes`: how they were chosen."""

    exact: Numbers
    longer: Numbers
    notes: tuple[str, ...]


def attempts_of(log: TaskLog) -> Attempts:
    """Failures, time limits, and what retries repeat."""
    ending = log.ending
    failed, succeeded = ending == Ending.FAILED, ending == Ending.SUCCESS
    number = {each: int((ending == each).sum()) for each in Ending}
    codes = log.error[failed]
    counts = np.bincount(codes[codes != NOTHING], minlength=len(log.errors))
    errors = {log.errors[code]: int(counts[code]) for code in np.argsort(-counts, kind="stable") if counts[code]}
    unnamed = int((codes == NOTHING).sum())
    if unnamed:
        errors["no error is logged"] = unnamed
    not_logged = _not_logged(log)
    if not_logged:
        errors["attempts that are not logged"] = not_logged
    first = log.is_first()
    over = failed | succeeded
    one, again = (share(int((failed & of).sum()), int((over & of).sum())) for of in (first, ~first))
    table = [[one.count, one.of - one.count], [again.count, again.of - again.count]]
    is_testable = min(one.of, again.of) > 0 and one.count + again.count > 0 and min(np.sum(table, axis=0)) > 0
    p_equal = float(stats.chi2_contingency(table).pvalue) if is_testable else 1.0
    return Attempts(
        share(number[Ending.FAILED] + not_logged, number[Ending.FAILED] + number[Ending.SUCCESS] + not_logged),
        errors,
        not_logged,
        _timeout(log),
        number[Ending.TIMEOUT],
        number[Ending.INTERRUPTED],
        number[Ending.RUNNING],
        number[Ending.CANCELED],
        number[Ending.REJECTED],
        one,
        again,
        p_equal,
        _retries(log),
    )


def _not_logged(log: TaskLog) -> int:
    """Attempts before the first logged one of each task, by its number: some exports keep the last attempt only."""
    if not log.is_linked or "attempt" not in log.has:
        return 0
    numbers = log.attempt[log.is_first() & np.isfinite(log.started)]
    return int((numbers - max(1, int(numbers.min(initial=1)))).clip(0, 1_000).sum()) if len(numbers) else 0


def _timeout(log: TaskLog) -> float | None:
    durations = log.duration[log.ending == Ending.TIMEOUT]
    durations = durations[np.isfinite(durations)]
    if not len(durations) or durations.mean() <= 0 or durations.std() > EQUAL_LIMITS * durations.mean():
        return None
    return float(np.median(durations))


def _pairs(log: TaskLog, ending: Ending) -> tuple[Numbers, Numbers]:
    """Durations of attempts that ended so, and of the next attempts at their tasks, which succeeded."""
    is_pair = log.follows() & (log.ending == ending) & np.append(log.ending[1:] == Ending.SUCCESS, False)
    first, second = log.duration[is_pair], log.duration[np.flatnonzero(is_pair) + 1]
    known = np.isfinite(first) & np.isfinite(second)
    return first[known], second[known]


def _retries(log: TaskLog) -> Retries:
    first, second = _pairs(log, Ending.FAILED)
    failed_pairs = len(first)
    failure_at = retried = checkpoints = None
    noise = 2 * log.resolution
    if failed_pairs >= ENOUGH_PAIRS:
        apart = np.abs(first - second)
        if (apart <= SAME * second + noise).mean() >= MOST:
            failure_at, retried = "end", "repeat"
        elif (first <= second * (1 + SAME) + noise).mean() >= 0.98:
            failure_at, retried = "uniform", "repeat"
        else:
            retried = "redraw"
    if failure_at is None:
        failure_at = _failure_at(log)
    if retried == "redraw" and failure_at == "end" and (second <= first * (1 + SAME) + noise).mean() >= RESUMES:
        retried, checkpoints = "repeat", float(np.quantile(second, 0.99))
    first, second = _pairs(log, Ending.INTERRUPTED)
    return Retries(failure_at, retried, _interrupted(log, first, second), failed_pairs, len(first), checkpoints)


def _failure_at(log: TaskLog) -> str | None:
    """By the durations of failed attempts: those of successful ones, or uniform parts of them, whichever is nearer."""
    failed = log.duration[log.ending == Ending.FAILED]
    done = log.duration[log.ending == Ending.SUCCESS]
    failed, done = failed[np.isfinite(failed)][:20_000], done[np.isfinite(done)][:20_000]
    if len(failed) < 10 or len(done) < 10:
        return None
    parts = done * (np.arange(len(done)) * 0.6180339887498949 % 1.0)  # a sequence that fills 0 to 1 evenly
    whole, part = (float(stats.ks_2samp(failed, each).statistic) for each in (done, parts))
    return "end" if whole <= part else "uniform"


def _interrupted(log: TaskLog, first: Numbers, second: Numbers) -> str | None:
    """By likelihood, with the durations of undisturbed attempts as the distribution of work.

    After d seconds of an attempt that was cut short, a success that took s has the density f(s) when the same work is
    restarted (s ≥ d), f(d + s) when it is resumed, and P(W > d)·f(s) when new work is drawn.
    """
    if len(first) < ENOUGH_PAIRS:
        return None
    alone = (log.ending == Ending.SUCCESS) & log.is_first() & ~log.follows()
    sample = np.sort(log.duration[alone & np.isfinite(log.duration)])
    sample = sample[sample > 0]
    if len(sample) < 20:
        return None
    noise = 2 * log.resolution + SAME * first
    if sample[-1] - sample[0] < 0.01 * sample.mean():  # constant work: a resumed attempt is shorter
        if (second >= first - noise).mean() >= MOST and (
            np.abs(second - sample.mean()) < 0.02 * sample.mean()
        ).mean() > 0.5:
            return "restart"
        return "resume"
    if (second >= first - noise).mean() >= 0.98:
        # Redrawn work is shorter than what was cut short in a part of the pairs.
        expected = 1 - np.searchsorted(sample, first) / len(sample)
        if len(first) >= 20 or expected.prod() < 0.01:
            return "restart"
    logs = np.log(sample[:: max(1, len(sample) // 5_000)])
    density = stats.gaussian_kde(logs) if logs.std() > 0 else None
    if density is None:
        return None

    def log_density(at: Numbers) -> Numbers:
        at = np.maximum(at, 1e-9)
        return np.log(np.maximum(density(np.log(at)) / at, 1e-300))

    chosen = slice(0, 2_000)
    first, second, noise = first[chosen], second[chosen], noise[chosen]
    beyond = np.maximum(1 - np.searchsorted(sample, first) / len(sample), 0.5 / len(sample))
    scores = {
        "restart": float(np.where(second >= first - noise, log_density(second), -30.0).sum()),
        "resume": float(log_density(first + second).sum()),
        "redraw": float((np.log(beyond) + log_density(second)).sum()),
    }
    return max(scores, key=lambda name: scores[name])


# -------------------------------------------------------------------------------------------------- work
def work_sample(log: TaskLog, retries: Retries) -> WorkSample:
    """The durations of work, exact and censored."""
    notes: list[str] = []
    duration = np.where(np.isnan(log.ended), log.end - log.started, log.duration)
    known = np.isfinite(duration)
    exact = known & (log.ending == Ending.SUCCESS)
    if retries.failure_at == "end":
        exact |= known & (log.ending == Ending.FAILED)
    unknown_end = (log.ending == Ending.INTERRUPTED) & np.isnan(log.ended)
    cut = (Ending.RUNNING, Ending.INTERRUPTED, Ending.TIMEOUT, Ending.CANCELED)
    longer = known & np.isin(log.ending, cut) & ~unknown_end
    if exact.any():
        stuck = longer & (log.ending == Ending.RUNNING) & (duration > STUCK * duration[exact].max())
        if stuck.any():
            notes.append(
                f"{int(stuck.sum()):,} attempts that never ended began long before the end of the log: "
                "they were lost, and are not work"
            )
            longer &= ~stuck
    exact, longer = _without_late(log, duration, exact, longer, notes)
    repeats = log.is_linked and (log.follows().any())
    if repeats and retries.interrupted == "resume":
        duration, longer = _resumed(log, duration, longer)
    if repeats and (retries.retried or "repeat") == "repeat" and (retries.interrupted or "restart") != "redraw":
        exact, longer = _one_of_each_task(log, duration, exact, longer)
    return WorkSample(duration[exact], duration[longer & (duration > 0)], tuple(notes))


def _without_late(log: TaskLog, duration: Numbers, exact: Mask, longer: Mask, notes: list[str]) -> tuple[Mask, Mask]:
    """A log of finished attempts only: those that began near its end are short ones, and are not used."""
    if longer.any() or not exact.any() or (log.ending == Ending.RUNNING).any():
        return exact, longer
    longest = float(np.quantile(duration[exact], 0.999))
    early = log.started <= log.end - longest
    kept = exact & early
    if kept.sum() == exact.sum() or kept.sum() < 0.8 * exact.sum():
        return exact, longer
    notes.append(
        "no attempt runs at the end of the log, which may contain finished ones only: "
        f"{int(exact.sum() - kept.sum()):,} that began in its last {longest:.3g} s are not used for the work"
    )
    return kept, longer & early


def _resumed(log: TaskLog, duration: Numbers, longer: Mask) -> tuple[Numbers, Mask]:
    """The work of an attempt that resumes includes what interrupted ones before it have done."""
    total = duration.copy()
    follows = log.follows()
    for row in np.flatnonzero(follows & (log.ending == Ending.INTERRUPTED) & np.isfinite(duration)).tolist():
        if np.isfinite(total[row + 1]):
            total[row + 1] += total[row]
            longer[row] = False
    return total, longer


def _one_of_each_task(log: TaskLog, duration: Numbers, exact: Mask, longer: Mask) -> tuple[Mask, Mask]:
    """Of each task its longest exact duration (a retry may resume); without one, its longest censored one."""
    starts = np.flatnonzero(log.is_first())
    task = np.cumsum(log.is_first()) - 1
    one, has_one = _longest(np.where(exact, duration, -inf), starts, task)
    cut, _ = _longest(np.where(longer & ~has_one[task], duration, -inf), starts, task)
    return one, cut


def _longest(value: Numbers, starts: NDArray[np.int64], task: NDArray[np.int64]) -> tuple[Mask, Mask]:
    """The row with the largest finite value of each task, and whether each task has one."""
    largest = np.maximum.reduceat(value, starts)
    is_largest = (value == largest[task]) & np.isfinite(value)
    places = np.minimum.reduceat(np.where(is_largest, np.arange(len(value)), len(value)), starts)
    found = np.zeros(len(value), dtype=bool)
    found[places[places < len(value)]] = True
    return found, np.isfinite(largest)
