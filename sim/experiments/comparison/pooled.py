"""A statistic of a distribution over all observations of a result, with a value for each replication."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Protocol

import numpy as np

from scenarios.fields.metrics import statistic_of
from sim.stats.differences import LEAST
from sim.stats.samples import Floats, Sample
from sim.stats.survival import Pooled


class SampledRun(Protocol):
    """What one replication has observed of its distributions."""

    @property
    def samples(self) -> Mapping[str, Sample]:
        """The samples by the name of the distribution."""


def pooled_values(runs: Sequence[SampledRun], name: str) -> tuple[float, Floats] | None:
    """The estimate of a mean, a percentile or a share within a time, and the pseudo-value of each replication.

    None for other metrics, and where fewer than two replications have an observation. An infinite percentile has no
    pseudo-values.
    """
    of = statistic_of(name)
    if of is None or of.name in {"sd", "max"}:
        return None
    samples = [run.samples[of.distribution] for run in runs if of.distribution in run.samples]
    if sum(map(bool, map(len, samples))) < LEAST:
        return None
    pooled, share = Pooled.of(samples), of.argument or 0.0
    if of.name == "mean":
        return pooled.mean().value, pooled.pseudo_means
    if of.name == "within":
        return pooled.share_within(share).value, pooled.pseudo_shares(share)
    value = pooled.quantile(share).value
    return value, pooled.pseudo_quantiles(share) if isfinite(value) else np.empty(0)
