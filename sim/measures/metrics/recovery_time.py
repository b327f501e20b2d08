"""Counts, outcomes and phases of recoveries."""

from __future__ import annotations

from math import nan

import numpy as np

from recovery.audit import RecoveryPhase
from sim.history import Event, History
from sim.measures.tables.distribution import describe, describe_censored
from sim.measures.tables.event_table import Floats, Tracks
from sim.measures.tables.recoveries import PHASE_AFTER, Incidents, phases

PHASES = tuple(RecoveryPhase)
"""The phases of a recovery, in order; their durations sum to the recovery time."""


def measure_recovery(history: History) -> dict[str, float | None]:
    """The `recovery.*` metrics, for recoveries of any subject opened at or after the warm-up.

    `.count` opened = `.succeeded` verified + `.escalated` + `.dismissed` + `.censored` open at the end. `.failed`:
    failed tries.

    `.time.*` = verified − fault (s), for recoveries with a fault. Recoveries open at the end are censored observations
    with the time so far (`describe_censored`). Escalated and dismissed recoveries have no recovery time.

    The phases (s) of verified recoveries: `.detect.*` = opened − fault; `.wait.*` = started − opened, and after each
    failed try the time until the next start; `.analyze.*` = analyzed − started; `.execute.*` = executed − analyzed;
    `.verify.*` = verified − executed. A phase that a failed try interrupted counts until the failure. For each recovery
    they sum to its time.

    `.paced.*`: seconds of each wait that the load limit imposed on a task that recovery returned to work. A task that
    was delayed between its turn and its slot may have waited twice.
    """
    tracks = Tracks.of(history)
    incidents = Incidents.of(tracks)
    cohort = incidents.opened >= tracks.start
    outcome = incidents.outcome(tracks)
    verified = cohort & (outcome == Event.RECOVERY_VERIFIED)
    still_open = cohort & (outcome == 0)
    faulty = incidents.onset_row >= 0
    tries_failed = tracks.rows(Event.RECOVERY_FAILED)
    parts = recovery_parts(tracks, incidents)
    paced = tracks.in_window(Event.RECOVERY_PACED)
    return {
        "recovery.count": float(np.count_nonzero(cohort)),
        "recovery.succeeded": float(np.count_nonzero(verified)),
        "recovery.failed": float(np.count_nonzero(np.isin(tracks.incident[tries_failed], incidents.number[cohort]))),
        "recovery.escalated": float(np.count_nonzero(cohort & (outcome == Event.RECOVERY_ESCALATED))),
        "recovery.dismissed": float(np.count_nonzero(cohort & (outcome == Event.RECOVERY_DISMISSED))),
        "recovery.censored": float(np.count_nonzero(still_open)),
        **describe_censored(
            "recovery.time",
            (incidents.ended - incidents.onset)[verified & faulty],
            (tracks.end - incidents.onset)[still_open & faulty],
        ),
        **describe("recovery.paced", tracks.value[paced]),
        **{
            name: value
            for part in PHASES
            for name, value in describe(f"recovery.{part}", parts[part][verified & faulty]).items()
        },
    }


def recovery_parts(tracks: Tracks, incidents: Incidents) -> dict[str, Floats]:
    """Seconds of each recovery in each of `PHASES`, NaN without a fault or without an end."""
    stretches = phases(tracks, incidents)
    lengths = stretches.ends - stretches.begins
    ended = incidents.end_row >= 0
    parts: dict[str, Floats] = {RecoveryPhase.DETECT: incidents.opened - incidents.onset}
    for part in PHASES[1:]:
        chosen = np.isin(stretches.stage, [stage for stage, after in PHASE_AFTER.items() if after == part])
        seconds = np.bincount(stretches.incident[chosen], lengths[chosen], len(incidents))
        parts[part] = np.where(ended, seconds, nan)
    return parts
