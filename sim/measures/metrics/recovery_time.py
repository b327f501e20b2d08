"""Counts, outcomes and phases of recoveries."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan

import numpy as np

from recovery.audit import RecoveryPhase
from sim.history import Event, History
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import Floats, Tracks, Truths
from sim.measures.tables.recoveries import PHASE_AFTER, Incidents, phases
from sim.stats.samples import Sample

PHASES = tuple(RecoveryPhase)
"""The phases of a recovery, in order; their durations sum to the recovery time."""


def measure_recovery(history: History) -> Measured:
    """The `recovery.*` metrics, of recoveries opened at or after the warm-up, whatever their subject.

    `.count` opened = `.succeeded` verified + `.escalated` + `.dismissed` + `.censored` open at the end. `.failed`:
    failed tries.

    `.time.*` = verified − fault (s), of recoveries with a fault behind them. Those that are open at the end enter
    with the time so far, as censored observations. Escalated and dismissed ones have no
    recovery time.

    The parts (s) of the same recoveries: `.detect.*` = opened − fault; `.wait.*` = started − opened, and after each
    failed try the time until the next start; `.analyze.*` = analyzed − started; `.execute.*` = executed − analyzed;
    `.verify.*` = verified − executed. A part that a failed try cut short counts until the failure. For each recovery
    they sum up to its time, and so do their means to `.time.mean` (`sim.stats.survival.PooledParts`).

    `.paced.*`: seconds of each wait that the load limit imposed on a task which recovery put back to work. One that was
    held up between its turn and its slot may have waited twice.

    All but `.paced.*` also for each kind of failure that occurred, as `recovery.agent_failure.time`, and for each kind
    of tasks, of recoveries of its tasks, as `recovery.chat.time`.
    """
    tracks = Tracks.of(history)
    incidents = Incidents.of(tracks)
    parts = recovery_parts(tracks, incidents)
    every = np.ones(len(incidents), dtype=bool)
    measured = _measure(tracks, incidents, parts, every, "recovery")
    for kind, of_kind in incidents.by_kind(tracks):
        measured |= _measure(tracks, incidents, parts, of_kind, f"recovery.{kind}")
    for task_kind, of_tasks in tracks.task_kinds.items():
        is_task = incidents.task >= 0
        is_task[is_task] = of_tasks[incidents.task[is_task]]
        measured |= _measure(tracks, incidents, parts, is_task, f"recovery.{task_kind}")
    return {**measured, "recovery.paced": Sample.of(tracks.value[tracks.in_window(Event.RECOVERY_PACED)])}


def _measure(
    tracks: Tracks, incidents: Incidents, parts: Mapping[str, Floats], chosen: Truths, name: str
) -> dict[str, float | Sample | None]:
    """The metrics of some recoveries, whose names begin with `name`."""
    cohort = chosen & (incidents.opened >= tracks.start)
    outcome = incidents.outcome(tracks)
    verified = cohort & (outcome == Event.RECOVERY_VERIFIED)
    still_open = cohort & (outcome == 0)
    faulty = incidents.onset_row >= 0
    timed = (verified | still_open) & faulty
    lasted = (np.minimum(incidents.ended, tracks.horizon) - incidents.onset)[timed]
    tries_failed = tracks.rows(Event.RECOVERY_FAILED)
    in_error = np.isin(incidents.number, tracks.incident[tracks.rows(Event.RUN_ERROR)])  # an error of code ended them
    return {
        f"{name}.count": float(np.count_nonzero(cohort)),
        f"{name}.succeeded": float(np.count_nonzero(verified)),
        f"{name}.failed": float(np.count_nonzero(np.isin(tracks.incident[tries_failed], incidents.number[cohort]))),
        f"{name}.escalated": float(np.count_nonzero(cohort & (outcome == Event.RECOVERY_ESCALATED) & ~in_error)),
        f"{name}.dismissed": float(np.count_nonzero(cohort & (outcome == Event.RECOVERY_DISMISSED))),
        f"{name}.censored": float(np.count_nonzero(still_open)),
        f"{name}.time": Sample.of(
            (incidents.ended - incidents.onset)[verified & faulty],
            (tracks.horizon - incidents.onset)[still_open & faulty],
        ),
        **{
            f"{name}.{part}": Sample.of_parts(
                parts[part][timed], lasted, verified[timed], are_over=part is RecoveryPhase.DETECT
            )
            for part in PHASES
        },
    }


def recovery_parts(tracks: Tracks, incidents: Incidents) -> dict[str, Floats]:
    """Seconds that each recovery spent in each of `PHASES` by its end or the end of the run.

    NaN where it has no fault to start from.
    """
    stretches = phases(tracks, incidents)
    lengths = stretches.ends - stretches.begins
    parts: dict[str, Floats] = {RecoveryPhase.DETECT: incidents.opened - incidents.onset}
    for part in PHASES[1:]:
        chosen = np.isin(stretches.stage, [stage for stage, after in PHASE_AFTER.items() if after == part])
        seconds = np.bincount(stretches.incident[chosen], lengths[chosen], len(incidents))
        parts[part] = np.where(incidents.onset_row >= 0, seconds, nan)
    return parts
