"""Expectations judged on what runs have observed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from scenarios.fields.expectations import TOLERANCE, Expectation


class MeasuredRun(Protocol):
    """What one replication observed."""

    @property
    def metrics(self) -> Mapping[str, float | None]:
        """Its metrics by name; None for those without an observation."""


@dataclass(frozen=True)
class Outcome:
    """An expectation of the scenario and whether it holds.

    `observed` is the estimate over all runs, or of an expectation on single runs the value of the worst one; None: no
    observation. `failing` of the `runs` that observed the metric are by themselves not as expected. `is_surpassed`: it
    does not hold because what was observed is better than what is expected, by the direction of the metric.
    """

    expression: str
    observed: float | None
    holds: bool
    failing: int
    runs: int
    is_surpassed: bool = False

    @property
    def disqualifies(self) -> bool:
        """Whether a setting under which this is the outcome cannot be selected: it does not hold, and not because the
        setting does better than expected.
        """
        return not self.holds and not self.is_surpassed

    @classmethod
    def of(cls, expectation: Expectation, runs: Sequence[MeasuredRun], estimated: float | None) -> Outcome:
        """The outcome of an expectation, from the runs and the estimate over all of them (None: no observation)."""
        seen = [value for run in runs if (value := run.metrics.get(expectation.metric)) is not None]
        failing = sum(not expectation.holds(value) for value in seen)
        if expectation.in_runs is None:
            holds = expectation.holds(estimated)
            surpassed = not holds and estimated is not None and expectation.is_surpassed_by(estimated)
            return cls(expectation.expression, estimated, holds, failing, len(seen), surpassed)
        holds = bool(seen) and len(seen) - failing >= expectation.in_runs * len(seen) * (1 - TOLERANCE)
        broken = [value for value in seen if not expectation.holds(value)]
        surpassed = not holds and bool(broken) and all(map(expectation.is_surpassed_by, broken))
        return cls(expectation.expression, expectation.worst(seen), holds, failing, len(seen), surpassed)
