"""The summary of a run without its history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sim.core.run_errors import RunError
from sim.measures import RunMetrics
from sim.simulation import Run
from sim.stats.samples import Sample

SHOWN_VIOLATIONS = 5


@dataclass(frozen=True)
class RunSummary:
    """Everything that is kept of one replication, without its history.

    `violations` are the first few, in words; `diagnosis` counts recoveries by fault and what it was taken for.
    `samples` are the observations behind the distributions, by the name before `.mean`.
    `errors` are unexpected exceptions of the core, its policies and its commands: a run with errors is not valid.
    """

    seed: str
    history_sha256: str
    events: int
    virtual_seconds: float
    wall_seconds: float
    metrics: dict[str, float | None]
    violations: tuple[str, ...]
    diagnosis: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    samples: Mapping[str, Sample] = field(default_factory=dict)
    errors: tuple[RunError, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", RunMetrics(self.metrics, self.samples))

    @classmethod
    def of(cls, run: Run) -> RunSummary:
        """The summary of a run."""
        return cls(
            run.seed,
            run.history_sha256,
            run.events,
            run.virtual_seconds,
            run.wall_seconds,
            run.metrics,
            tuple(
                f"{violation.invariant} at {violation.time:g} s: {violation.subject}: {violation.message}"
                for violation in run.violations[:SHOWN_VIOLATIONS]
            ),
            run.diagnosis,
            run.samples,
            run.errors,
        )
