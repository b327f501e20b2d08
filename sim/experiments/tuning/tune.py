"""Searches the policy space of scenarios for the best settings that meet their expectations.

Settings are proposed by Optuna and run on common random numbers, replication by replication; those that cannot be among
the best are stopped early. The best ones are run on fresh replications, together with the scenarios as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from scenarios import Scenario
from scenarios.expected_events import check_events
from sim.core.build import BuildCore, build_core, with_policies
from sim.core.replacement import replaced_by
from sim.experiments.runs.backends import Backend
from sim.experiments.runs.executor import OnRun
from sim.experiments.runs.replications import Result
from sim.experiments.sweeps.designs import Point
from sim.experiments.sweeps.folder import key
from sim.experiments.tuning.finalist import Finalist
from sim.experiments.tuning.objectives import Across, Objective, dominates, objectives_of
from sim.experiments.tuning.race import Judged, Race
from sim.experiments.tuning.result import Tuning
from sim.experiments.tuning.space import Dimension, TuneError, space_of
from sim.experiments.tuning.study import Study
from sim.simulation import whole_seed

TRIALS = 60
REPLICATIONS = 8
FRESH = 20
BATCH = 4
"""Settings that are proposed together, whatever the number of processes, so that it does not change the result."""
MOST_FINALISTS = 6


def tune(
    scenario: Scenario | Sequence[Scenario],
    vary: Mapping[str, Any] | Sequence[str],
    *,
    minimize: Sequence[str] = (),
    maximize: Sequence[str] = (),
    trials: int = TRIALS,
    seed: int | None = None,
    replications: int = REPLICATIONS,
    fresh: int = FRESH,
    across: Across = "worst",
    study: str | Path | None = None,
    jobs: int = 1,
    backend: Backend | None = None,
    on_run: OnRun | None = None,
    on_tried: Callable[[int], None] | None = None,
    on_lost: Callable[[int], None] | None = None,
    policies: Mapping[str, Any] | None = None,
    core: BuildCore = build_core,
    force: bool = False,
) -> Tuning:
    """Search `trials` settings of a scenario for the best by one metric or more, among those whose expectations hold.

    `vary` has a range or a list of choices for each path, `{"agents.count": (5, 20), "tasks.requeue": ["head",
    "tail"]}`, or texts as on the command line, `["agents.count=5..20"]`. Each setting is run on up to `replications`
    replications. Those of the Pareto front are then run on so many `fresh` ones. Of several scenarios, an objective is
    its change relative to the scenarios as they are, the `worst` one or the `mean`.

    `study` is an SQLite file or a storage URL of Optuna, in which a search is kept and continued: what is finished
    there counts among the `trials`. The result does not depend on `jobs` or `backend`. `on_tried` is called with the
    number of finished settings. `policies`, `core` and `force` are those of `sim.replicate`.

    Raises TuneError, ScenarioError with the path of an invalid value, InvalidPolicies, TooManyEvents, BackendError and
    WorkersDied. Interrupted by the user (Ctrl-C), the best so far is verified; with no setting finished,
    KeyboardInterrupt is raised.
    """
    scenarios = [scenario] if isinstance(scenario, Scenario) else list(scenario)
    core = with_policies(policies, core)
    if not scenarios:
        raise TuneError("there is no scenario; valid: one or more")
    for name, number, least in (("trials", trials, 1), ("replications", replications, 2), ("fresh", fresh, 2)):
        if number < least:
            raise TuneError(f"{name}={number}: too few; valid: {least} or more")
    space = space_of(scenarios[0], vary)
    for each in scenarios[1:]:
        space_of(each, vary)
    objectives = objectives_of(scenarios, minimize, maximize)
    seeds = [whole_seed(each, seed) for each in scenarios]
    if not force:
        _check_events(scenarios, space, trials * replications)
    about = {
        "scenario": [_comparable(each) for each in scenarios],
        "space": [each.text() for each in space],
        "objective": [each.text() for each in objectives],
        "seed": seeds,
        "number of replications": replications,
        "way to combine scenarios": across,
        "core": replaced_by(core, scenarios[0]),
    }
    kept = Study(study, about, space, objectives, " ".join(seeds))
    race = Race(scenarios, objectives, across, seeds, core, backend or Backend(jobs=jobs), on_run, on_lost)
    interrupted = False
    now: Point = {}
    judged = kept.judged
    try:
        while len(judged) < trials:
            _batch(kept, race, scenarios[0], objectives, judged, min(BATCH, trials - len(judged)), replications, now)
            judged = kept.judged
            if on_tried is not None:
                on_tried(len(judged))
    except KeyboardInterrupt:
        judged = kept.judged
        if not judged:
            raise
        interrupted = True
    if all(value is None for each in judged for value in each.values):
        raise TuneError(f"{objectives[0].metric}: no setting observes it; valid: a metric that the scenario observes")
    return _verified(
        race,
        scenarios,
        space,
        objectives,
        across,
        judged,
        kept,
        (replications, fresh),
        seeds,
        interrupted,
        replaced_by(core, scenarios[0]),
    )


def _batch(
    kept: Study,
    race: Race,
    scenario: Scenario,
    objectives: Sequence[Objective],
    judged: Sequence[Judged],
    count: int,
    replications: int,
    now: Point,
) -> None:
    """Propose settings, run them, and keep what is found."""
    proposed = kept.propose(scenario, count, len(judged))
    known = {key(each.point): each for each in judged}
    fresh = list({key(point): point for _, point in proposed if key(point) not in known}.values())
    incumbents = [each.point for each in front(judged, objectives, replications)][:MOST_FINALISTS]
    try:
        found = race.race(fresh, incumbents, replications, now)
    except BaseException:
        for trial, _ in proposed:
            kept.fail(trial)
        raise
    known |= {key(each.point): each for each in found}
    for trial, point in proposed:
        kept.tell(trial, known[key(point)])


def front(judged: Sequence[Judged], objectives: Sequence[Objective], replications: int) -> list[Judged]:
    """The settings that meet the expectations and that no other one dominates, each once, the first objective's best
    first.
    """
    whole = ranked(judged, objectives, replications)
    return [each for each in whole if not any(dominates(_values(other), _values(each), objectives) for other in whole)]


def ranked(judged: Sequence[Judged], objectives: Sequence[Objective], replications: int) -> list[Judged]:
    """The settings that meet the expectations on all replications, each once, the first objective's best first."""
    whole = {key(each.point): each for each in judged if each.is_feasible and each.replications == replications}
    return sorted(whole.values(), key=lambda each: (objectives[0].loss(_values(each)[0]), key(each.point)))


def _values(judged: Judged) -> list[float]:
    return [inf if value is None else value for value in judged.values]


def _verified(
    race: Race,
    scenarios: Sequence[Scenario],
    space: tuple[Dimension, ...],
    objectives: tuple[Objective, ...],
    across: Across,
    judged: Sequence[Judged],
    kept: Study,
    counts: tuple[int, int],
    seeds: Sequence[str],
    interrupted: bool,
    replaced: str | None,
) -> Tuning:
    """Run the best settings on fresh replications, and propose one."""
    replications, verified = counts
    numbers = range(replications, replications + verified)
    now: Point = {}

    def results(point: Point) -> tuple[Result, ...]:
        return tuple(
            Result(setting, seeds[place], tuple(race.runs_of(point, place, numbers)), replaced=replaced)
            for place, setting in enumerate(race.settings(point))
        )

    if len(objectives) > 1:
        candidates = _spread(front(judged, objectives, replications))
        race.take([now, *(each.point for each in candidates)], numbers)
        finalists = tuple(Finalist(each.point, each.values, results(each.point)) for each in candidates)
    else:
        finalists = _first_confirmed(race, ranked(judged, objectives, replications), results, numbers)
        race.take([now], numbers)
    return Tuning(
        now=results(now),
        seed=seeds[0],
        space=space,
        objectives=objectives,
        across=across,
        judged=tuple(judged),
        finalists=finalists,
        chosen=_chosen(finalists, objectives),
        importance=tuple(kept.importance()),
        replications=replications,
        verified=verified,
        runs=race.runs,
        interrupted=interrupted,
        replaced=replaced,
    )


def _first_confirmed(
    race: Race, candidates: Sequence[Judged], results: Callable[[Point], tuple[Result, ...]], numbers: range
) -> tuple[Finalist, ...]:
    """The best setting of the search; if its expectations do not hold on fresh replications, the next one as well."""
    found: list[Finalist] = []
    for each in candidates[:MOST_FINALISTS]:
        race.take([each.point], numbers)
        found.append(Finalist(each.point, each.values, results(each.point)))
        if found[-1].is_confirmed:
            break
    return tuple(found)


def _spread(found: list[Judged]) -> list[Judged]:
    """At most `MOST_FINALISTS` of a front, evenly spaced in its order by the first objective, with both ends."""
    if len(found) <= MOST_FINALISTS:
        return found
    places = np.unique(np.linspace(0, len(found) - 1, MOST_FINALISTS).round().astype(int))
    return [found[place] for place in places.tolist()]


def _chosen(finalists: Sequence[Finalist], objectives: Sequence[Objective]) -> int | None:
    """The confirmed finalist nearest to the best values of all objectives, each scaled to the range of the front.

    It is chosen by the values of the search, so that the fresh replications verify it without bias.
    """
    confirmed = [place for place, each in enumerate(finalists) if each.is_confirmed]
    if not confirmed:
        return None
    losses = np.array(
        [
            [objective.loss(value or 0.0) for objective, value in zip(objectives, each.searched, strict=True)]
            for each in finalists
        ]
    )
    low, high = losses.min(axis=0), losses.max(axis=0)
    scaled = (losses - low) / np.where(high > low, high - low, 1.0)
    return min(confirmed, key=lambda place: (float(np.hypot.reduce(scaled[place])), place))


def _check_events(scenarios: Sequence[Scenario], space: Sequence[Dimension], runs: int) -> None:
    """Raise TooManyEvents if so many runs of a scenario, as it is or at an end of a range, have too many events."""
    for each in scenarios:
        for setting in (each, *_extremes(each, space)):
            check_events(setting, runs, "trials")


def _extremes(scenario: Scenario, space: Sequence[Dimension]) -> Iterator[Scenario]:
    """The scenario with each end of each range, of which one has the most events."""
    for each in space:
        for value in () if each.choices else (each.low, each.high):
            yield scenario.with_values({each.path: int(value) if each.whole else value})


def _comparable(scenario: Scenario) -> dict[str, Any]:
    """What of a scenario a study depends on."""
    values = scenario.resolved()
    return {name: value for name, value in values.items() if name not in ("description", "tags", "xfail", "seed")}
