"""Estimates the probability of a rare event: that a metric of a run is beyond a bound.

Either plain replications are counted, or trajectories are split (`sim.experiments.rare_events.splitting`) on a level
that leads to the event (`sim.experiments.rare_events.levels`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from math import isnan
from typing import TYPE_CHECKING, Any

import pandas as pd

from scenarios import Scenario
from scenarios.errors import shown
from scenarios.expected_events import check_events
from scenarios.fields.expectations import Expectation
from scenarios.fields.quantities import is_whole
from sim.core.build import BuildCore, build_core, with_policies
from sim.core.replacement import replaced_by
from sim.experiments.rare_events.events import NATURAL, RareError, event_of, level_of
from sim.experiments.rare_events.levels import LEVELS, Climber
from sim.experiments.rare_events.passes import Pass, passes
from sim.experiments.rare_events.splitting import Flight, Progress, Splitting, combined, split
from sim.experiments.runs.backends import Backend
from sim.experiments.runs.executor import spread
from sim.experiments.runs.provenance import origin
from sim.gc_tuning import rare_collections
from sim.history import History
from sim.invariants import check_all
from sim.measures import measure, measure_one
from sim.measures.metrics.durations_max import MEASURES as LASTING
from sim.measures.metrics.durations_max import longest
from sim.presentation.formatting import count
from sim.randomness.branching import Trajectory
from sim.randomness.streams import Streams
from sim.results.base import ResultBase
from sim.simulation import check_counts, simulate, whole_seed
from sim.stats.estimates import Estimate
from sim.stats.intervals import binomial

if TYPE_CHECKING:
    from sim.experiments.rare_events.plot import RarePictures

PARTICLES = 50
SPLITTINGS = 10
PLAIN = 1000
BLOCK = 20
"""Plain replications that a process gets at once."""


@dataclass(frozen=True, eq=False, repr=False)
class Rare(ResultBase):
    """The probability that a run of the scenario is a hit: that `event` holds in it.

    `level` is the level of the splittings; None: plain replications were counted. `runs` is the number of all simulated
    runs; `plain_hits` are hits among the `plain_runs` that are plain replications of the scenario. `replaced`: as of a
    `Result`.
    """

    scenario: Scenario
    seed: str
    event: Expectation
    level: str | None
    particles: int
    splittings: tuple[Splitting, ...]
    plain_runs: int
    plain_hits: int
    runs: int
    hits: tuple[str, ...]
    interrupted: bool = False
    replaced: str | None = None

    def title(self) -> str:
        """A one-line summary: scenario and number of runs."""
        return f"{self.scenario.name}, seed {self.seed}: {self.event.expression}, {count(self.runs, 'run')}"

    @cached_property
    def _split(self) -> Estimate | None:
        return combined(list(self.splittings)) if self.splittings else None

    @property
    def probability(self) -> float | None:
        """The estimate; None without a hit: then only the interval is known, and the probability need not be 0."""
        found = self.plain_hits / self.plain_runs if self._split is None else self._split.mean
        return found or None

    @property
    def ci95(self) -> tuple[float, float] | None:
        """The 95 % interval: exact (binomial) for plain replications, and whenever there is no hit.

        None for a single splitting, whose variance is unknown. If all splittings have the same result, as when every
        trajectory is a hit at once, their variance is unknown as well: then it is the interval of the plain
        replications.
        """
        split = None if self._split is None else self._split.ci95
        if self.probability is None or self._split is None or (split is not None and split[0] == split[1]):
            return binomial(self.plain_hits, self.plain_runs)
        return split

    @property
    def plain_needed(self) -> float | None:
        """Number of plain replications for an interval of the same relative width; None without an interval."""
        p, ci95 = self.probability, self.ci95
        if p is None or ci95 is None or ci95[0] <= 0 or ci95[1] <= ci95[0]:
            return None
        relative = (ci95[1] - ci95[0]) / 2 / p
        return 1.96**2 * (1 - p) / (p * relative**2)

    @cached_property
    def passes(self) -> tuple[Pass, ...]:
        """The share of the particles that exceeds each level, of those above the level before it.

        A share near 1 means that the level does not help, a share near 0 that the step makes the estimate vary.
        """
        return passes(self.splittings)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Tidy: splitting, level, and the probability of exceeding it in that splitting."""
        rows = [
            (number, level, probability)
            for number, splitting in enumerate(self.splittings)
            for level, probability in splitting.steps
        ]
        return pd.DataFrame(rows, columns=["splitting", "level", "probability"])

    @property
    def plot(self) -> RarePictures:
        """Pictures, as matplotlib axes: `levels()`."""
        from sim.experiments.rare_events.plot import RarePictures  # noqa: PLC0415 - only who draws needs matplotlib

        return RarePictures(self)

    def as_json(self) -> dict[str, Any]:
        """The result as plain data, in the shape of `recovery-bench run --rare … --json`."""
        return {
            **origin(self.scenario, self.seed),
            "event": self.event.expression,
            "level": self.level,
            "probability": self.probability,
            "ci95": None if self.ci95 is None else list(self.ci95),
            "particles": self.particles,
            "splittings": [each.probability for each in self.splittings],
            "runs": self.runs,
            "plain_runs": self.plain_runs,
            "plain_hits": self.plain_hits,
            "plain_needed": self.plain_needed,
            "levels": [{"level": each.level, "share": each.share} for each in self.passes],
            "hits": list(self.hits),
            "interrupted": self.interrupted,
            "scenario_resolved": self.scenario.resolved(),
        }


def rare(
    scenario: Scenario,
    event: str,
    seed: int | None = None,
    replications: int | None = None,
    jobs: int = 1,
    *,
    level: str | None = NATURAL,
    particles: int = PARTICLES,
    backend: Backend | None = None,
    on_done: Callable[[int], None] | None = None,
    on_lost: Callable[[int], None] | None = None,
    on_step: Callable[[int, Progress], None] | None = None,
    force: bool = False,
    policies: Mapping[str, Any] | None = None,
    core: BuildCore = build_core,
) -> Rare:
    """The probability that `event`, such as `recovery.time > 600` or `tasks.lost > 0`, holds in a run.

    With a level (`sim.experiments.rare_events.levels.LEVELS`; by default the metric's own, if there is one),
    `replications` independent splittings with `particles` each, by default 10 × 50; with None, or if the metric has no
    level, plain replications are counted, by default 1,000. `on_done` is called with the number of replications or
    splittings that have finished; `on_step` after each run of a splitting with the number of the splitting, if the runs
    are executed in this process. `policies` replace conditions of the scenario, and `core` builds another recovery
    core, as in `sim.replicate`.

    More than a billion expected events of the first runs are refused (TooManyEvents), unless `force` is true.

    Raises RareError, InvalidPolicies, ValueError for fewer than one replication or job and for a seed that is not a
    whole number, and the errors of a backend. When the user interrupts (Ctrl-C), the estimate uses what has finished;
    if nothing has, KeyboardInterrupt is raised.
    """
    core = with_policies(policies, core)
    asked = event_of(scenario, event)
    on = level_of(asked, level)
    many = replications if replications is not None else PLAIN if on is None else SPLITTINGS
    check_counts(many, jobs)
    if not is_whole(particles) or particles < 2:
        raise RareError(f"{shown(particles)} particles: too few; valid: 2 or more")
    group = whole_seed(scenario, seed)
    if not force:
        runs = many if on is None else many * particles
        check_events(scenario, runs, "replications" if on is None or many > particles else "particles")
    where = backend or jobs
    done: dict[int, Splitting | tuple[bool, ...]] = {}
    interrupted = False
    try:
        if on is None:
            starts = range(0, many, BLOCK)
            calls = [(scenario, core, asked, group, start, min(BLOCK, many - start)) for start in starts]
            results: Iterator[tuple[int, Any]] = spread(_counted, calls, where, on_lost)
        else:
            here = (where == 1 or (isinstance(where, Backend) and where.is_here)) and on_step is not None
            more = (on_step,) if here else ()  # cannot be sent to another process
            splittings = [(scenario, core, asked, group, on, number, particles, *more) for number in range(many)]
            results = spread(_splitting, splittings, where, on_lost)
        for place, found in results:
            done[place] = found
            if on_done is not None:
                on_done(len(found) if isinstance(found, tuple) else 1)
    except KeyboardInterrupt:
        if not done:
            raise
        interrupted = True
    return _result(scenario, group, asked, on, particles, done, interrupted, replaced_by(core, scenario))


def _result(
    scenario: Scenario,
    group: str,
    event: Expectation,
    level: str | None,
    particles: int,
    done: dict[int, Splitting | tuple[bool, ...]],
    interrupted: bool,
    replaced: str | None,
) -> Rare:
    splittings = tuple(found for _, found in sorted(done.items()) if isinstance(found, Splitting))
    counted = {place: found for place, found in sorted(done.items()) if isinstance(found, tuple)}
    if level is not None:
        hits = [name for splitting in splittings for name in splitting.hits]
        runs, plain = sum(each.runs for each in splittings), len(splittings) * particles
        plain_hits = sum(each.plain_hits for each in splittings)
    else:
        hits = [
            f"{group}/{place * BLOCK + number}"
            for place, found in counted.items()
            for number, hit in enumerate(found)
            if hit
        ]
        runs = plain = sum(map(len, counted.values()))
        plain_hits = len(hits)
    hits.sort(key=len)
    counts = plain, plain_hits, runs
    return Rare(scenario, group, event, level, particles, splittings, *counts, tuple(hits[:3]), interrupted, replaced)


def _counted(
    scenario: Scenario, core: BuildCore, event: Expectation, group: str, first: int, count: int
) -> tuple[bool, ...]:
    """The hits among some plain replications."""
    with rare_collections():
        names = (f"{group}/{number}" for number in range(first, first + count))
        return tuple(_holds(event, simulate(scenario, name, core)) for name in names)


def _splitting(
    scenario: Scenario,
    core: BuildCore,
    event: Expectation,
    group: str,
    level: str,
    number: int,
    particles: int,
    on_step: Callable[[int, Progress], None] | None = None,
) -> Splitting:
    """One splitting. It begins with replications of its own."""

    def fly(trajectory: Trajectory) -> Flight:
        climbers: list[Climber] = []
        history = simulate(
            scenario, str(trajectory), core, follow=lambda seen, env: climbers.append(Climber(LEVELS[level], seen, env))
        )
        return Flight(trajectory, climbers[0].climb, _holds(event, history))

    roots = [Trajectory(f"{group}/{number * particles + particle}") for particle in range(particles)]
    with rare_collections():
        on_run = None if on_step is None else partial(on_step, number)
        return split(fly, roots, Streams(f"{group}/splitting").generator(str(number)), on_run)


def _holds(event: Expectation, history: History) -> bool:
    """Whether a run is a hit. A duration that exceeds the bound at the end of the run is a hit, even if still open."""
    if event.metric in LASTING and event.operator.startswith(">"):
        observed = longest(history, event.metric)
    elif event.metric.startswith(("consistency.", "run.")):
        observed = measure(history, check_all(history))[event.metric]
    else:
        observed = measure_one(history, event.metric)
    return observed is not None and not isnan(observed) and event.holds(observed)
