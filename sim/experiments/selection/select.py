"""The best of several settings of a scenario: selected on common random numbers, verified on fresh replications.

All settings in contention are run on the same replications, until `sim.stats.ranking_and_selection` determines the
best. The winner's mean over the replications of the selection is biased, because it was selected by it. So the winner
is run on fresh replications afterwards, together with the runner-up and, if it is one of the settings, the scenario
without changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Any

from pydantic_core import PydanticCustomError

from recovery.errors import RecoveryBenchError
from scenarios import Scenario
from scenarios.documents.overrides import value_of
from scenarios.errors import ScenarioError
from scenarios.expected_events import affordable_runs, check_events
from scenarios.fields.expectations import in_unit_of
from scenarios.fields.metrics import Metric, lookup
from scenarios.fields.quantities import is_number
from sim.core.build import BuildCore, build_core, with_policies
from sim.core.replacement import replaced_by
from sim.experiments.runs.backends import Backend
from sim.experiments.runs.executor import OnRun, summaries
from sim.experiments.runs.metric_estimates import estimate_of, outcomes
from sim.experiments.runs.progress import shows_progress
from sim.experiments.runs.summary import RunSummary
from sim.experiments.selection.ranked import Ranked
from sim.experiments.selection.result import Selection
from sim.experiments.sweeps.designs import Point, as_values, canonical, named
from sim.measures.outcomes import Outcome
from sim.simulation import check_counts, whole_seed
from sim.stats.estimates import Estimate, estimate, estimate_difference
from sim.stats.ranking_and_selection import FIRST, MOST, KimNelson, NotRankable

JUDGED = 20
"""Fresh replications for the winner."""
RUNS_EACH = 2
"""Runs of each process in a batch: with one, all processes would wait for the longest run."""
RUNS_ON_A_CLUSTER = 64
"""Runs in a batch on a cluster with an unknown number of workers."""


class NotSelectable(RecoveryBenchError, ValueError):
    """A metric that cannot be used for a selection. One line: why, and what would be valid."""


@shows_progress(lambda given: None, "on_look")
def select(
    scenario: Scenario,
    points: Sequence[Mapping[str, Any]],
    metric: str,
    indifference: float | str,
    seed: int | None = None,
    first: int = FIRST,
    most: int = MOST,
    judged: int = JUDGED,
    jobs: int = 1,
    *,
    backend: Backend | None = None,
    on_run: OnRun | None = None,
    on_look: Callable[[int], None] | None = None,
    on_lost: Callable[[int], None] | None = None,
    force: bool = False,
    policies: Mapping[str, Any] | None = None,
    core: BuildCore = build_core,
    progress: bool = False,
) -> Selection:
    """Select the point with the best mean of a metric, in the metric's own direction. Points are values by path, such
    as `{"agents.count": 5}`, or those of `sim.experiments.sweeps.designs.grid`.

    Where the best is ahead of every other by `indifference` (in the metric's unit, or a text such as `"500ms"`) or
    more, it is selected with a probability of 95 %. The first look is after `first` replications, the last after
    `most`; then `judged` fresh ones follow. What comes of it does not depend on `jobs`, or on the `backend` that takes
    their place. `on_run` hears of each run as it is finished, `on_look` how many there are to be, as far as that is
    known; `on_lost` how many were not finished when a process died that was at them.

    More than a billion expected events are refused (TooManyEvents), unless `force` is true: if `first` replications
    have as many; `most` is limited accordingly.

    A replication in which no setting observes the metric is left out, and counted in `unobserved`; where some
    settings observe it and others do not, there is no difference to be had, and it is refused. Who is infinite within
    the first stage is eliminated after it; later it is refused.

    With `progress`, a bar counts the runs.

    `policies` replace conditions of the scenario under every setting, and `core` builds another recovery core, as in
    `sim.replicate`.

    Raises NotSelectable, InvalidPolicies, UnknownMetric, ScenarioError with the point's value, BackendError,
    WorkersDied, and ValueError for fewer than two points, points that are the same or of different paths, and numbers
    that make no sense. Interrupted by the user (Ctrl-C), it keeps what is finished and is not decided; with no
    replication finished, it raises.
    """
    name = whole_seed(scenario, seed)
    core = with_policies(policies, core)
    found = lookup(metric, scenario.parts)
    if found.direction is None:
        raise NotSelectable(f"{metric}: neither more nor less of it is better; valid: such as recovery.time.mean")
    points = [{path: canonical(scenario, path, value) for path, value in point.items()} for point in points]
    _check(points, judged, jobs)
    smallest = _smallest(found, indifference)
    if not force:
        settings = [scenario.with_values(as_values(point)) for point in points]
        for each in settings:
            check_events(each, max(first, judged) * len(points), "first" if first >= judged else "judged")
        most = affordable_runs(settings, first, most)
    ranking = KimNelson(len(points), smallest, found.direction, first, most)
    contest = _Contest(scenario, points, found, name, backend or Backend(jobs=jobs), core, on_run, on_look, on_lost)
    own = as_it_is(scenario, points)
    fresh: tuple[int, ...] = ()
    interrupted = False
    try:
        while not ranking.finished:
            contest.take(ranking.contention, contest.next_batch(ranking))
            contest.feed(ranking)
        rivals = dict.fromkeys((*ranking.ranks[:2], *own))
        fresh = tuple(range(ranking.replications, ranking.replications + judged))
        contest.take(tuple(rivals), fresh)
    except KeyboardInterrupt:
        interrupted = True
        contest.feed(ranking)
        rivals = dict.fromkeys((*ranking.ranks[:2], *own))
        fresh = tuple(number for number in fresh if contest.has(rivals, number))
        if ranking.replications == ranking.unobserved:
            raise
    return contest.result(ranking, tuple(rivals), fresh, own, interrupted)


def _smallest(metric: Metric, indifference: float | str) -> float:
    """The indifference in the metric's unit. Raises NotSelectable."""
    if is_number(indifference):
        return float(indifference)
    try:
        return in_unit_of(metric, str(indifference))
    except PydanticCustomError as error:
        raise NotSelectable(f"indifference {error.message()}") from None


def as_it_is(scenario: Scenario, points: Sequence[Point]) -> tuple[int, ...]:
    """The place of the point without changes; nothing if there is none."""
    try:
        own = {path: canonical(scenario, path, value_of(scenario, path)) for path in points[0]}
    except ScenarioError:  # a key that the scenario only has when it is set
        return ()
    return tuple(place for place, point in enumerate(points) if dict(point) == own)


def _check(points: Sequence[Point], judged: int, jobs: int) -> None:
    if len(points) < 2:
        raise ValueError(f"{len(points)} points leave nothing to select; valid: 2 or more")
    if any(set(point) != set(points[0]) for point in points):
        raise ValueError("points set different paths; valid: a value for each path, as in a grid")
    twice = next((point for place, point in enumerate(points) if point in points[:place]), None)
    if twice is not None:
        raise ValueError(f"{named(twice)}: is there twice; valid: each point once")
    check_counts(judged, jobs)
    if judged < 2:
        raise ValueError(f"judged on {judged} replications with {jobs} jobs; valid: 2 or more, and 1 or more")


@dataclass(frozen=True, slots=True)
class _Seen:
    """The result of a run."""

    value: float | None
    summary: RunSummary


class _Contest:
    """The runs of all settings, by setting and number of the replication. Runs beyond the decision are ignored, unless
    they are fresh replications.
    """

    def __init__(
        self,
        scenario: Scenario,
        points: Sequence[Point],
        metric: Metric,
        seed: str,
        on: Backend,
        core: BuildCore,
        on_run: OnRun | None,
        on_look: Callable[[int], None] | None,
        on_lost: Callable[[int], None] | None,
    ) -> None:
        self._scenario = scenario
        self._points = tuple(points)
        self._settings = [scenario.with_values(as_values(point)) for point in points]
        self._metric = metric
        self._seed = seed
        self._on = on
        self._core = core
        self._told = (on_run, on_look, on_lost)
        self._planned = 0
        self._seen: dict[tuple[int, int], _Seen] = {}

    def next_batch(self, ranking: KimNelson) -> range:
        """Replications to run at once: the first stage, then the fewest that keep all processes busy."""
        begin = ranking.replications
        if begin < ranking.first:
            return range(begin, ranking.first)
        wanted = 1
        if not self._on.is_here:
            runs = RUNS_EACH * self._on.jobs if self._on.name == "loky" else RUNS_ON_A_CLUSTER
            wanted = ceil(runs / len(ranking.contention))
        return range(begin, min(begin + wanted, ranking.most))

    def take(self, settings: Sequence[int], numbers: Iterable[int]) -> None:
        """Run those that are missing."""
        on_run, on_look, on_lost = self._told
        works = [
            ((each, number), self._settings[each], f"{self._seed}/{number}")
            for number in numbers
            for each in settings
            if (each, number) not in self._seen
        ]
        self._planned += len(works)
        if on_look is not None:
            on_look(self._planned)
        for key, summary in summaries(works, self._on, on_lost, self._core) if works else ():
            value = summary.metrics.get(self._metric.name)
            self._seen[key] = _Seen(value, summary)
            if on_run is not None:
                on_run(summary)

    def has(self, settings: Iterable[int], number: int) -> bool:
        """Whether a replication is finished for all of these settings."""
        return all((each, number) in self._seen for each in settings)

    def feed(self, ranking: KimNelson) -> None:
        """Give the procedure what is finished, replication by replication, until it wants no more.

        A setting whose expectations do not hold is disqualified: after the first stage, and after each replication from
        there on.
        """
        if ranking.replications == 0 and self.has(ranking.contention, ranking.first - 1):
            self._disqualify(ranking, ranking.first)
        while not ranking.finished and self.has(ranking.contention, ranking.replications):
            number = ranking.replications
            try:
                ranking.observe([self._value(each, number) for each in range(len(self._points))])
            except NotRankable as error:
                raise NotSelectable(
                    f"{self._metric.name}: {named(self._points[error.setting])} {error} in replication "
                    f"{self._seed}/{number}; valid: what every setting observes, and finite"
                ) from None
            if ranking.replications == ranking.unobserved == ranking.first:
                said = f"{self._scenario.name} observes it in none of the first {ranking.first} replications"
                raise NotSelectable(f"{self._metric.name}: {said}; valid: what every setting observes")
            if ranking.replications > ranking.first:
                self._disqualify(ranking, ranking.replications)

    def _disqualify(self, ranking: KimNelson, until: int) -> None:
        for each in ranking.contention:
            if any(outcome.disqualifies for outcome in self._outcomes(each, range(until))):
                ranking.disqualify(each)

    def _outcomes(self, setting: int, numbers: Iterable[int]) -> list[Outcome]:
        """The scenario's expectations, judged on these replications of a setting."""
        return outcomes(self._runs(setting, numbers), self._settings[setting])

    def _runs(self, setting: int, numbers: Iterable[int]) -> list[RunSummary]:
        return [self._seen[setting, number].summary for number in numbers if self.has((setting,), number)]

    def _value(self, setting: int, number: int) -> float | None:
        seen = self._seen.get((setting, number))
        return None if seen is None else seen.value

    def result(
        self,
        ranking: KimNelson,
        rivals: Sequence[int],
        fresh: Sequence[int],
        own: Sequence[int],
        interrupted: bool,
    ) -> Selection:
        """The result, from the runs that the procedure has used."""
        winner = ranking.best
        ranked, used = [], []
        for place in ranking.ranks:
            until = self._last(ranking, place)
            judged = fresh if place in rivals else ()
            used += [(place, number) for number in (*range(until), *judged)]
            ranked.append(
                Ranked(
                    point=self._points[place],
                    estimate=self._estimate(place, range(until)),
                    replications=until,
                    eliminated=place in ranking.eliminated,
                    failed=tuple(each for each in self._outcomes(place, range(until)) if each.disqualifies),
                    given_up=self._given_up(place, range(until)),
                    ahead=None if place == winner else self._difference(winner, place, range(until)),
                    is_own=place in own,
                    fresh=self._estimate(place, judged),
                    difference=None if place == winner else self._difference(winner, place, judged),
                )
            )
        runs = [self._seen[key] for key in used]
        return Selection(
            scenario=self._scenario,
            seed=self._seed,
            metric=self._metric,
            indifference=ranking.indifference,
            first=ranking.first,
            most=ranking.most,
            ranked=tuple(ranked),
            decided=ranking.decided,
            replications=ranking.replications,
            unobserved=ranking.unobserved,
            fresh=tuple(f"{self._seed}/{number}" for number in fresh),
            interrupted=interrupted,
            runs=len(runs),
            wall_seconds=sum(run.summary.wall_seconds for run in runs),
            violations=tuple(
                f"{named(self._points[place])} {self._seed}/{number}: {violation}"
                for place, number in used
                for violation in self._seen[place, number].summary.violations[:1]
            ),
            replaced=replaced_by(self._core, self._scenario),
        )

    def _last(self, ranking: KimNelson, setting: int) -> int:
        """How many replications decided about a setting."""
        if setting in ranking.disqualified:
            return max(ranking.first, ranking.disqualified[setting])
        return ranking.eliminated.get(setting, ranking.replications)

    def _given_up(self, setting: int, numbers: Iterable[int]) -> Estimate | None:
        """Tasks that were given up or rejected, in the mean."""
        runs = self._runs(setting, numbers)
        values = [(run.metrics.get("tasks.failed"), run.metrics.get("tasks.rejected")) for run in runs]
        observed = [failed + rejected for failed, rejected in values if failed is not None and rejected is not None]
        return estimate(observed, "tasks") if observed else None

    def _difference(self, winner: int, other: int, numbers: Iterable[int]) -> Estimate | None:
        """The winner's value minus another one's, over pairs of replications."""
        apart = self._apart(winner, other, numbers)
        return estimate_difference(apart, self._metric.unit) if apart else None

    def _apart(self, winner: int, other: int, numbers: Iterable[int]) -> list[float]:
        """The winner's value minus another one's, where both are finite; nothing where one is not."""
        pairs = [(self._value(winner, number), self._value(other, number)) for number in numbers]
        observed = [(one, two) for one, two in pairs if one is not None and two is not None]
        if not all(isfinite(value) for pair in observed for value in pair):
            return []
        return [one - two for one, two in observed]

    def _estimate(self, setting: int, numbers: Iterable[int]) -> Estimate | None:
        return estimate_of(self._metric.name, self._runs(setting, numbers), self._settings[setting])
