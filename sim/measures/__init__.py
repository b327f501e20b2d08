"""The metrics of a run: pure functions of its history, one module per group of metrics.

Names, units and directions are in `scenarios.fields.metric_rows`. Metrics of tasks, attempts and retries cover the
tasks submitted at or after the warm-up; rates, time averages and work cover the window from the warm-up to the end;
recoveries and faults count from the warm-up on; consistency covers the whole run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from scenarios.fields.metric_rows import INVARIANTS
from sim.history import History
from sim.measures.metrics.agents import measure_agents
from sim.measures.metrics.alerts import measure_alerts
from sim.measures.metrics.attempts import measure_attempts
from sim.measures.metrics.clients import measure_clients
from sim.measures.metrics.cost import measure_cost
from sim.measures.metrics.detection import measure_detection
from sim.measures.metrics.detectors import measure_alarms
from sim.measures.metrics.diagnosis import confusion, needless_recoveries
from sim.measures.metrics.downstream import measure_downstream
from sim.measures.metrics.faults import measure_faults
from sim.measures.metrics.queue import measure_queue
from sim.measures.metrics.recovery_time import measure_recovery
from sim.measures.metrics.resources import measure_resources
from sim.measures.metrics.retries import measure_retries
from sim.measures.metrics.service import measure_service
from sim.measures.metrics.tasks import measure_tasks
from sim.measures.metrics.work import measure_work
from sim.measures.tables.distribution import Measured, RunMetrics, numbers
from sim.measures.tables.event_table import Tracks
from sim.stats.samples import Sample

__all__ = ["Observations", "RunMetrics", "confusion", "measure", "measure_one", "needless_recoveries", "observe"]

Measure = Callable[[History], Measured]
GROUPS: tuple[tuple[Measure, tuple[str, ...]], ...] = (
    (measure_tasks, ("tasks",)),
    (measure_attempts, ("attempts",)),
    (measure_retries, ("retries", "breaker")),
    (measure_recovery, ("recovery",)),
    (measure_alerts, ("escalations", "alerts")),
    (measure_detection, ("detection", "diagnosis")),
    (measure_alarms, ("detection",)),
    (measure_work, ("work",)),
    (measure_agents, ("agents",)),
    (measure_resources, ("resources",)),
    (measure_queue, ("queue",)),
    (measure_clients, ("client",)),
    (measure_service, ("service", "restoration")),
    (measure_cost, ("cost",)),
    (measure_faults, ("faults",)),
    (measure_downstream, ("downstream",)),
)
"""The functions that measure a history, and the prefixes of their metrics."""


@dataclass(frozen=True)
class Observations:
    """What a run yields: every metric by name (None: not observed), and the samples behind the distributions."""

    metrics: dict[str, float | None]
    samples: dict[str, Sample]


def observe(history: History, violations: Mapping[str, Sequence[object]] | None = None) -> Observations:
    """Every metric of a run, and the samples behind the distributions, by the name before `.mean`.

    `violations` by invariant are what `sim.invariants.check_all` has found in the history. Without them, the metrics of
    consistency are None: not checked.
    """
    measured: dict[str, float | Sample | None] = {}
    for of_group, _ in GROUPS:
        measured |= of_group(history)
    measured |= _consistency(violations)
    measured["run.events"] = float(len(history))
    measured["run.virtual_seconds"] = Tracks.of(history).horizon
    return Observations(numbers(measured), {name: each for name, each in measured.items() if isinstance(each, Sample)})


def measure(history: History, violations: Mapping[str, Sequence[object]] | None = None) -> dict[str, float | None]:
    """Every metric of a run, as in `observe`. None: nothing was observed that the metric is about."""
    return observe(history, violations).metrics


def measure_one(history: History, metric: str) -> float | None:
    """A single metric, computed with its group only. Raises KeyError for one that no group has.

    The metrics of consistency and of the run belong to no group.
    """
    word = metric.partition(".")[0]
    found: dict[str, float | Sample | None] = {}
    for of_group, words in GROUPS:
        if word in words:
            found |= of_group(history)
    samples = {name: each for name, each in found.items() if isinstance(each, Sample)}
    return RunMetrics(numbers(found), samples)[metric]


def _consistency(violations: Mapping[str, Sequence[object]] | None) -> Measured:
    if violations is None:
        return dict.fromkeys(["consistency.violations", *(f"consistency.{invariant}" for invariant in INVARIANTS)])
    return {
        "consistency.violations": float(sum(map(len, violations.values()))),
        **{f"consistency.{invariant}": float(len(found)) for invariant, found in violations.items()},
    }
