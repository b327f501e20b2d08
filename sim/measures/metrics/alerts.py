"""Alerts and open escalations."""

from __future__ import annotations

import numpy as np

from recovery.model import Severity
from recovery.monitoring.alerts import AlertName
from sim.history import Event, History
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import Tracks
from sim.measures.tables.recoveries import Incidents


def measure_alerts(history: History) -> Measured:
    """`escalations.open` and the `alerts.*` metrics, from the warm-up on.

    `escalations.open`: recoveries opened from the warm-up on that were escalated and not resolved by an operator until
    the end. `alerts.raised` and its parts by severity count sent alerts, without those folded into a storm; None
    without a monitor (`meta["monitored"]`, else whether there is any alert).
    """
    tracks = Tracks.of(history)
    incidents = Incidents.of(tracks)
    escalated = (incidents.opened >= tracks.start) & (incidents.outcome(tracks) == Event.RECOVERY_ESCALATED)
    resolved = tracks.incident[tracks.rows(Event.ESCALATION_RESOLVED)]
    raised = tracks.in_window(Event.ALERT_RAISED)
    monitored = bool(tracks.meta.get("monitored", len(tracks.rows(Event.ALERT_RAISED)) > 0))
    severities = [AlertName.from_detail(tracks.word(int(word))).severity for word in tracks.detail[raised]]
    return {
        "escalations.open": float(np.count_nonzero(escalated & ~np.isin(incidents.number, resolved))),
        "alerts.raised": float(len(raised)) if monitored else None,
        **{f"alerts.{severity}": float(severities.count(severity)) if monitored else None for severity in Severity},
    }
