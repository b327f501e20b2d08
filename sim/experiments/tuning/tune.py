"""Searches the policy space of scenarios for the best settings that meet their expectations.

Settings are proposed by Optuna and run on common random numbers, replication by replication; those that cannot be among
the best are stopped early. The best ones are run on fresh replications, together with the scenarios as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
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
from sim.experiments.runs.progress import shows_progress
from sim.experiments.runs.replications import Result
from sim.experiments.sweeps.designs import Point
from sim.experiments.sweeps.folder import key
from sim.experiments.tuning.defaults import WASTED, Effort, Vary, default_space, settable, their_time, united
from sim.experiments.tuning.finalist import Finalist
from sim.experiments.tuning.objectives import Across, Objective, dominates, objectives_of
from sim.experiments.tuning.race import Judged, Race
from sim.experiments.tuning.recommendation import in_order, simplified, tolerances
from sim.experiments.tuning.result import Tuning
from sim.experiments.tuning.space import Dimension, TuneError, space_of
from sim.experiments.tuning.study import Study, optuna
from sim.presentation.formatting import count
from sim.simulation import whole_seed

BATCH = 4
"""Settings that are proposed together, whatever the number of processes, so that it does not change the result."""
FIRST_JUDGEMENT = 12
"""Settings after which a search ends whose objective is never observed."""
MOST_FINALISTS = 6


@shows_progress(lambda given: None)
def tune(
    scenario: Scenario | Sequence[Scenario],
    vary: Mapping[str, Any] | Sequence[str] | None = None,
    *,
    minimize: Sequence[str] = (),
    maximize: Sequence[str] = (),
    within: str | float | None = None,
    trials: int | None = None,
    seed: int | None = None,
    replications: int | None = None,
    fresh: int | None = None,
    across: Across = "worst",
    study: str | Path | None = None,
    jobs: int = 1,
    backend: Backend | None = None,
    on_run: OnRun | None = None,
    on_start: Callable[[int], None] | None = None,
    on_tried: Callable[[int], None] | None = None,
    on_lost: Callable[[int], None] | None = None,
    policies: Mapping[str, Any] | None = None,
    core: BuildCore = build_core,
    force: bool = False,
    progress: bool = False,
) -> Tuning:
    """Search `trials` settings of a scenario for the best by one metric or more, among those whose expectations hold.

    `vary` has a range or a list of choices for each path, `{"agents.count": (5, 20), "tasks.requeue": ["head",
    "tail"]}`, or texts as on the command line, `["agents.count=5..20"]`. Each setting is run on up to `replications`
    replications. Those of the Pareto front are then run on so many `fresh` ones. Of several scenarios, an objective is
    its change relative to the scenarios as they are, the `worst` one or the `mean`.

    Without `vary`, the retry policies of the failures that occur are varied, and the effort is such that the search
    takes about a minute. Without objectives as well, they are the most tasks `within` a time at the least wasted work,
    and the result has a recommendation (`Tuning.recommended`).

    `study` is an SQLite file or a storage URL of Optuna, in which a search is kept and continued: what is finished
    there counts among the `trials`. The result does not depend on `jobs` or `backend`. `on_start` is called with the
    number of settings to try, and `on_tried` with that of the finished ones. `policies`, `core`, `force` and
    `progress` are those of `sim.replicate`.

    Raises TuneError, ScenarioError with the path of an invalid value, InvalidPolicies, TooManyEvents, BackendError and
    WorkersDied. Interrupted by the user (Ctrl-C), the best so far is verified; with no setting finished,
    KeyboardInterrupt is raised.
    """
    scenarios = [scenario] if isinstance(scenario, Scenario) else list(scenario)
    core = with_policies(policies, core)
    if not scenarios:
        raise TuneError("there is no scenario; valid: one or more")
    optuna()  # its absence is an error before anything runs
    recommends = vary is None and not minimize and not maximize
    effort = _effort(scenarios, vary, trials, replications, fresh)
    replications, fresh = effort.replications, effort.fresh
    if vary is not None:
        space_of(scenarios[0], vary)
    objectives = _objectives(scenarios, minimize, maximize, within, recommends=recommends)
    seeds = [whole_seed(each, seed) for each in scenarios]
    decisive = 1 if recommends else None
    race = Race(scenarios, objectives, across, seeds, core, backend or Backend(jobs=jobs), on_run, on_lost, decisive)
    space = _space(race, scenarios, vary, replications, force=force)
    trials = effort.trials(len(space)) if trials is None else trials
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
    interrupted = False
    now: Point = {}
    judged = kept.judged
    try:
        if on_start is not None:
            on_start(trials)
        while len(judged) < trials:
            _batch(kept, race, scenarios[0], objectives, judged, min(BATCH, trials - len(judged)), replications, now)
            judged = kept.judged
            if on_tried is not None:
                on_tried(len(judged))
            if len(judged) >= FIRST_JUDGEMENT:
                _check_observed(judged, objectives)
    except KeyboardInterrupt:
        judged = kept.judged
        if not judged:
            raise
        interrupted = True
    _check_observed(judged, objectives)
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
        recommends=recommends,
    )


def _check_observed(judged: Sequence[Judged], objectives: Sequence[Objective]) -> None:
    """Raise TuneError if no setting has observed an objective."""
    for place, objective in enumerate(objectives):
        if all(each.values[place] is None for each in judged):
            raise TuneError(
                f"{objective.metric}: no finite value with any of {count(len(judged), 'setting')}; valid: a metric "
                "that the scenario observes"
            )


def _effort(
    scenarios: Sequence[Scenario],
    vary: Mapping[str, Any] | Sequence[str] | None,
    trials: int | None,
    replications: int | None,
    fresh: int | None,
) -> Effort:
    """The numbers of replications, as asked or by default. Raises TuneError."""
    for name, number, least in (("trials", trials, 1), ("replications", replications, 2), ("fresh", fresh, 2)):
        if number is not None and number < least:
            raise TuneError(f"{name}={number}: too few; valid: {least} or more")
    usual = Effort.of(scenarios) if vary is None else Effort()
    return replace(
        usual,
        replications=usual.replications if replications is None else replications,
        fresh=usual.fresh if fresh is None else fresh,
    )


def _objectives(
    scenarios: Sequence[Scenario],
    minimize: Sequence[str],
    maximize: Sequence[str],
    within: str | float | None,
    *,
    recommends: bool,
) -> tuple[Objective, ...]:
    """The objectives, those of a recommendation the most important one first. Raises TuneError."""
    if recommends:
        return objectives_of(scenarios, [WASTED], [their_time(scenarios, within).metric])[::-1]
    if within is not None:
        raise TuneError("within: is of a search without ranges and objectives; valid: maximize tasks.within(20s)")
    return objectives_of(scenarios, minimize, maximize)


def _space(
    race: Race,
    scenarios: Sequence[Scenario],
    vary: Mapping[str, Any] | Sequence[str] | None,
    replications: int,
    *,
    force: bool,
) -> tuple[Dimension, ...]:
    """What is varied in all scenarios. Raises TuneError and ScenarioError."""
    given = _default_space(race, scenarios, replications, force=force) if vary is None else vary
    found = space_of(scenarios[0], given)
    for each in scenarios[1:]:
        space_of(each, given)
    return found


def _default_space(race: Race, scenarios: Sequence[Scenario], replications: int, *, force: bool) -> Vary:
    """The retry policies of the failures that occur in the scenarios as they are."""
    if not force:
        for each in scenarios:
            check_events(each, replications)
    race.take([{}], range(replications))
    spaces = [default_space(each, race.runs_of({}, place, range(replications))) for place, each in enumerate(scenarios)]
    found = settable(scenarios, united(spaces))
    if not found:
        names = ", ".join(each.name for each in scenarios)
        raise TuneError(
            f"{names}: in {count(replications, 'replication')}, no failure occurs that has a retry policy; valid: a "
            "range to vary, as in recovery.detection.missed_heartbeats=1..5"
        )
    return found


def _batch(
    kept: Study,
    race: Race,
    scenario: Scenario,
    objectives: Sequence[Objective],
    judged: Sequence[Judged],
    number: int,
    replications: int,
    now: Point,
) -> None:
    """Propose settings, run them, and keep what is found."""
    proposed = kept.propose(scenario, number, len(judged))
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
    *,
    recommends: bool,
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

    if recommends:
        finalists = _first_confirmed(
            race, _recommendable(race, scenarios, space, objectives, judged, replications), results, numbers
        )
        race.take([now], numbers)
    elif len(objectives) > 1:
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
        chosen=_last_confirmed(finalists) if recommends else _chosen(finalists, objectives),
        importance=tuple(kept.importance()),
        replications=replications,
        verified=verified,
        runs=race.runs,
        interrupted=interrupted,
        replaced=replaced,
        recommends=recommends,
    )


def _recommendable(
    race: Race,
    scenarios: Sequence[Scenario],
    space: Sequence[Dimension],
    objectives: Sequence[Objective],
    judged: Sequence[Judged],
    replications: int,
) -> list[Judged]:
    """The settings in the order in which they are recommended, the first one simplified."""
    race.take([{}], range(replications))
    tolerance = tolerances(race.judge({}, replications, {}, is_stopped=False), objectives)
    found = in_order(ranked(judged, objectives, replications), objectives, tolerance)
    if not found:
        return []
    first = simplified(race, scenarios, space, objectives, found[0], replications, tolerance)
    return [first, *(each for each in found if key(each.point) != key(first.point))]


def _last_confirmed(finalists: Sequence[Finalist]) -> int | None:
    """The finalist that is confirmed; those before it are not."""
    return next((place for place, each in enumerate(finalists) if each.is_confirmed), None)


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
