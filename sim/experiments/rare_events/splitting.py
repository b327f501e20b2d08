"""The probability of something rare, by adaptive multilevel splitting.

So many trajectories are run. The one that climbed least is given up, and in its place goes one that leaves another,
which climbed higher, where that was first above the level that the lost one had reached; and so on, until all of them
are hits. Each time that K of N are given up, the share 1 − K/N goes on; the product of these shares, times the share of
hits in the end, has the probability for its mean, whatever the level is: a bad one makes it vary more.

F. Cérou and A. Guyader, "Adaptive multilevel splitting for rare event analysis", Stochastic Analysis and Applications
25 (2007); that ties are given up together is what keeps the mean exact where levels are whole numbers (C.-E. Bréhier,
M. Gazeau, L. Goudenège, T. Lelièvre and M. Rousset, "Unbiasedness of some generalized adaptive multilevel splitting
algorithms", Annals of Applied Probability 26, 2016).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

import numpy as np

from sim.experiments.rare_events.levels import Climb
from sim.randomness.branching import Trajectory
from sim.stats.estimates import Estimate
from sim.stats.intervals import probability_interval

LEAST_PROBABILITY = 1e-15
"""A splitting with a lower probability and no hit stops: its level does not lead to the event."""
KEPT_HITS = 3


@dataclass(frozen=True, slots=True)
class Flight:
    """A simulated trajectory: the records of its level, and whether it is a hit."""

    trajectory: Trajectory
    climb: Climb
    hit: bool

    @property
    def score(self) -> float:
        """The highest level; infinite for a hit."""
        return inf if self.hit else self.climb[-1][0] if self.climb else 0.0

    def events_until_above(self, level: float) -> int | None:
        """Number of events after which it first exceeded a level; None: never, as it is a hit for another reason."""
        place = bisect_right(self.climb, (level, inf))
        return self.climb[place][1] if place < len(self.climb) else None


@dataclass(frozen=True, slots=True)
class Splitting:
    """One splitting: its estimate, its number of runs, and some of its hits.

    `plain_hits` are those among the first trajectories, which are plain replications. `steps`: levels, and the
    probability of exceeding each.
    """

    probability: float
    runs: int
    plain_hits: int
    steps: tuple[tuple[float, float], ...]
    hits: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Progress:
    """A splitting that is not finished: its runs, the level that all trajectories exceed, and its probability."""

    runs: int
    level: float | None
    probability: float


def split(
    fly: Callable[[Trajectory], Flight],
    roots: list[Trajectory],
    generator: np.random.Generator,
    on_run: Callable[[Progress], None] | None = None,
) -> Splitting:
    """Split the given first trajectories. `generator` chooses the trajectory that replaces a discarded one.

    `on_run` is called after each run. Raises ValueError for fewer than two trajectories.
    """
    count = len(roots)
    if count < 2:
        raise ValueError(f"{count} trajectories; valid: 2 or more")
    runs, weight = 0, 1.0
    steps: list[tuple[float, float]] = []

    def flown(trajectory: Trajectory) -> Flight:
        nonlocal runs
        flight = fly(trajectory)
        runs += 1
        if on_run is not None:
            on_run(Progress(runs, steps[-1][0] if steps else None, weight))
        return flight

    flights = [flown(root) for root in roots]
    plain_hits = sum(flight.hit for flight in flights)
    while True:
        scores = [flight.score for flight in flights]
        level = min(scores)
        if level == inf:
            break
        survivors = [place for place, score in enumerate(scores) if score > level]
        weight *= len(survivors) / count
        steps.append((level, weight))
        if not survivors or weight < LEAST_PROBABILITY:
            weight = 0.0
            break
        lost = [place for place, score in enumerate(scores) if score <= level]
        for place, parent in zip(lost, generator.choice(survivors, len(lost)).tolist(), strict=True):
            events = flights[parent].events_until_above(level)
            if events is None:
                flights[place] = flights[parent]
            else:
                flights[place] = flown(flights[parent].trajectory.branched(events, runs))
    shortest = sorted({str(flight.trajectory) for flight in flights if flight.hit}, key=lambda name: (len(name), name))
    return Splitting(weight, runs, plain_hits, tuple(steps), tuple(shortest[:KEPT_HITS]))


def combined(splittings: list[Splitting]) -> Estimate:
    """The mean over independent splittings, with its 95 % interval.

    The interval is `probability_interval`. There is none of a single splitting, or without a hit.
    """
    found = np.array([splitting.probability for splitting in splittings])
    mean, count = float(found.mean()), len(found)
    if count < 2 or mean == 0:
        return Estimate(mean, None, count, "fraction")
    return Estimate(mean, probability_interval(found), count, "fraction")
