"""Remarks on a fit: what the log contains, what to know about the figures, and what the log does not show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from scipy import stats

from sim.experiments.fitting.agents import AgentsFit
from sim.experiments.fitting.arrivals import DAY, DIURNAL, ArrivalsFit
from sim.experiments.fitting.attempts import Attempts
from sim.experiments.fitting.durations import DurationsFit
from sim.experiments.fitting.entries import SURE, hours_text
from sim.experiments.fitting.logs.task_log import TaskLog
from sim.experiments.fitting.policy import PolicyFit
from sim.experiments.fitting.resources import PoolUse
from sim.experiments.fitting.task_kinds import KindFit
from sim.experiments.runs.provenance import installed_version
from sim.presentation.formatting import count, percent, span


def head(log: TaskLog, source: str, tasks: int) -> Iterator[str]:
    """The first lines of the scenario file: the log, and how to read the figures."""
    yield f"Fitted by recovery-bench {installed_version()} to {Path(source).name}."
    agents = f" on {count(len(np.unique(log.agent[log.agent >= 0])), 'agent')}" if (log.agent >= 0).any() else ""
    yield f"The log has {count(tasks, 'task')} and {count(len(log), 'row')}{agents}, {_when(log)}."
    yield "Durations are in seconds. Each figure is followed by its 95 % interval and by where it comes from."


def _when(log: TaskLog) -> str:
    if log.origin is None:
        return f"from {span(max(log.begin, 0.0))} to {span(max(log.end, 0.0))} on its own clock"
    zone = ZoneInfo(log.zone)
    first, last = (datetime.fromtimestamp(log.origin + at, zone) for at in (log.begin, log.end))
    return f"from {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} ({log.zone})"


def notes(
    log: TaskLog,
    arrivals: ArrivalsFit,
    attempts: Attempts,
    work: DurationsFit,
    agents: AgentsFit,
    restart: DurationsFit | None,
    pools: tuple[PoolUse, ...],
    kinds: Sequence[KindFit] = (),
) -> Iterator[str]:
    """What to know about the log and the figures, one sentence each."""
    hours = hours_text(arrivals, has_clock=log.origin is not None, zone=log.zone)
    if hours:
        yield hours
    if arrivals.kind == DIURNAL and log.origin is not None and arrivals.period == DAY:
        yield f"time 0 of the scenario is midnight, and its peak is a time of day in {log.zone}"
    if attempts.p_equal < SURE:
        yield (
            f"retries fail with probability {percent(attempts.again.value)}, first attempts with "
            f"{percent(attempts.first.value)}: {_cause(kinds)}"
        )
    if attempts.not_logged:
        yield (
            f"{count(attempts.not_logged, 'attempt')} before the first logged ones of their tasks, by their numbers: "
            "they count as failed"
        )
    if attempts.retries.checkpoints is not None:
        most = span(attempts.retries.checkpoints)
        yield f"retries resume: 99 % take at most {most}, about the work between checkpoints (tasks.checkpoint.every)"
    load = _load(arrivals, attempts, work, agents)
    if load is not None and load >= 1:
        yield f"the offered load is {load:.2f} of what the agents can do, so that the queue grows without a limit"
    if agents.names > agents.count:
        names, most = f"{agents.names:,} names", f"{agents.count:,} agents at once"
        yield f"agents change their names, as pods do: {names}, and {most}"
    if restart is not None and not restart.sums and len(agents.sums):
        yield "how long agents that are up wait for a task is not seen: the restart times are upper bounds"
    if pools and pools[0].share < 0.99:
        named = ", ".join(f"{pool.name} {percent(pool.share)}" for pool in pools[:5])
        yield f"attempts hold different pools ({named}), and are of different kinds: fit a log of each"
    if work.count < 30:
        yield f"only {count(work.count, 'duration')} of work are known: the intervals are rough"


def _cause(kinds: Sequence[KindFit]) -> str:
    """Why retries fail with another probability than first attempts: within kinds of tasks, or between them.

    The kinds are tested together by Fisher's method, each by its own table of failures.
    """
    if not kinds:
        return (
            "some tasks fail again and again, where a scenario draws each anew, or tasks are of kinds that fail with "
            "different probabilities, which a column of kinds would separate"
        )
    values = [max(kind.attempts.p_equal, 1e-300) for kind in kinds if kind.attempts.again.of]
    if not values or float(stats.combine_pvalues(values).pvalue) >= SURE:
        return "the kinds fail with different probabilities, and within each the difference is no larger than chance"
    least = min(kinds, key=lambda kind: kind.attempts.p_equal)
    one, again = (percent(each.value) for each in (least.attempts.first, least.attempts.again))
    return (
        f"also within a kind ({least.logged}: {again} and {one}), so that some of its tasks fail again and again, "
        "where a scenario draws each anew"
    )


def _load(arrivals: ArrivalsFit, attempts: Attempts, work: DurationsFit, agents: AgentsFit) -> float | None:
    mean = float(np.interp(np.linspace(0, 1, 2001), (0.0, *work.curve[1]), (0.0, *work.curve[0])).mean())
    again = 1 / max(1 - attempts.failure.value, 0.01)
    return arrivals.rate * mean * again / (agents.count * agents.slots)


def unknown(
    log: TaskLog,
    attempts: Attempts,
    agents: AgentsFit,
    policy: PolicyFit,
    pools: tuple[PoolUse, ...],
    *,
    knows_detection: bool,
) -> Iterator[str]:
    """What the log does not show, one sentence each."""
    if "submitted" not in log.has:
        yield "When tasks were submitted: arrivals are first starts, which are smoother when tasks wait."
    if "status" not in log.has:
        yield "How attempts ended: those with an end and without an error count as successful."
    yield from _unknown_of_failures(log, attempts, policy)
    yield from _unknown_of_agents(attempts, agents, knows_detection=knows_detection)
    if attempts.timed_out and attempts.timeout is None:
        yield "The time limit of attempts: those that timed out took different times."
    if not pools:
        yield "Resources that tasks need, and the size of their pools."
    if attempts.rejected:
        yield "The capacity of the queue, although tasks were rejected: add queue.capacity."
    yield "Checkpoints, latency of network and storage, lost messages, and time limits of clients."


def _unknown_of_failures(log: TaskLog, attempts: Attempts, policy: PolicyFit) -> Iterator[str]:
    if not log.is_linked:
        yield "Which attempts belong to one task: retry delays, their limit, and whether a retry repeats the same work."
    if not attempts.failure.count:
        return
    if "error" not in log.has:
        yield "Why attempts failed: there is no column of errors."
    if log.is_linked and attempts.retries.retried is None:
        yield "Whether a retry repeats the same work: too few retries."
    if log.is_linked and policy.retries and policy.max_retries is None:
        yield "After how many retries a task is given up."


def _unknown_of_agents(attempts: Attempts, agents: AgentsFit, *, knows_detection: bool) -> Iterator[str]:
    if not agents.names:
        yield "Agents, their slots, crashes and restart times: there is no column of agents."
    elif agents.mtbf is None:
        low = f"; with 95 % confidence the mtbf is above {span(agents.interval[0])}" if agents.busy else ""
        yield f"Crashes of agents: none is seen in {span(agents.busy)} of busy agents{low}."
    elif attempts.retries.interrupted is None:
        yield "Whether an interrupted task restarts its work or resumes it: too few interruptions."
    if agents.mtbf is not None and not knows_detection:
        yield "How long it takes until a crash is noticed: it is part of the restart time."
