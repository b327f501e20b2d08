"""What a run is measured by: pure functions of its history, one module for each group of metrics.

Names, units and directions are in `scenarios.metrics`. Metrics of tasks, attempts, retries and work are about the
tasks submitted at or after the warm-up; rates and averages over time are about the window from the warm-up to the
end; recoveries and faults count from the warm-up on; consistency is about the whole run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scenarios.metrics import INVARIANTS
from sim.history import History
from sim.measures.agents import measure_agents
from sim.measures.alarms import measure_alarms
from sim.measures.alerts import measure_alerts
from sim.measures.attempts import measure_attempts
from sim.measures.clients import measure_clients
from sim.measures.detection import measure_detection
from sim.measures.diagnosis import confusion, needless_recoveries
from sim.measures.queue import measure_queue
from sim.measures.recovery_time import measure_recovery
from sim.measures.resources import measure_resources
from sim.measures.retries import measure_retries
from sim.measures.service import measure_service
from sim.measures.tasks import measure_tasks
from sim.measures.tracks import Tracks
from sim.measures.work import measure_work

__all__ = ["confusion", "measure", "needless_recoveries"]


def measure(history: History, violations: Mapping[str, Sequence[object]] | None = None) -> dict[str, float | None]:
    """Every metric of a run. None: nothing was observed that the metric is about.

    `violations` by invariant are what `sim.invariants.check_all` has found in the history; left out, the metrics of
    consistency are None: nobody has looked.
    """
    return {
        **measure_tasks(history),
        **measure_attempts(history),
        **measure_retries(history),
        **measure_recovery(history),
        **measure_alerts(history),
        **measure_detection(history),
        **measure_alarms(history),
        **measure_work(history),
        **measure_agents(history),
        **measure_resources(history),
        **measure_queue(history),
        **measure_clients(history),
        **measure_service(history),
        **_consistency(violations),
        "run.events": float(len(history)),
        "run.virtual_seconds": Tracks.of(history).end,
    }


def _consistency(violations: Mapping[str, Sequence[object]] | None) -> dict[str, float | None]:
    if violations is None:
        return dict.fromkeys(["consistency.violations", *(f"consistency.{invariant}" for invariant in INVARIANTS)])
    return {
        "consistency.violations": float(sum(map(len, violations.values()))),
        **{f"consistency.{invariant}": float(len(found)) for invariant, found in violations.items()},
    }
