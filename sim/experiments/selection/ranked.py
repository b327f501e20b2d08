"""One setting of a selection, with its estimates."""

from __future__ import annotations

from dataclasses import dataclass

from sim.experiments.sweeps.designs import Point
from sim.measures.outcomes import Outcome
from sim.stats.estimates import Estimate


@dataclass(frozen=True, slots=True)
class Ranked:
    """A setting, and its mean over the `replications` of the selection that it took part in.

    That mean is biased for the winner, which was selected by it. `eliminated`: whether it was eliminated after these
    replications. `is_own`: it is the scenario without changes. `fresh`: the mean over the fresh replications, for the
    settings that were run on them. `difference`: the winner's value minus this one's, over pairs of fresh replications;
    None for the winner, and where an observation is infinite. `ahead`: the same over the replications of the selection.
    `failed`: the scenario's expectations that do not hold for it, which disqualify it. `given_up`: tasks that failed or
    were rejected, in the mean of a replication.
    """

    point: Point
    estimate: Estimate | None
    replications: int
    eliminated: bool
    failed: tuple[Outcome, ...] = ()
    given_up: Estimate | None = None
    ahead: Estimate | None = None
    is_own: bool = False
    fresh: Estimate | None = None
    difference: Estimate | None = None
