"""Runs the scenarios of a suite, and judges each by its expectations and its baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from scenarios import Scenario
from scenarios.fields.tolerances import Tolerance
from sim.baselines import Judgment, ScenarioBaseline, Verdict, judge
from sim.experiments.runs.backends import Backend
from sim.experiments.runs.executor import OnRun, summaries
from sim.experiments.runs.replications import Result
from sim.experiments.runs.summary import RunSummary
from sim.simulation import replication_name
from sim.suites.files import Entry


class Status(StrEnum):
    """What became of a scenario of a suite, in order of severity."""

    PASSED = "passed"
    XFAILED = "failed as expected"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not run"
    REGRESSION = "regression"
    FAILED = "failed"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Planned:
    """A scenario of a suite, and its replications: 0 … `replications` - 1 of a seed."""

    entry: Entry
    seed: int
    replications: int
    baseline: ScenarioBaseline | None = None


@dataclass(frozen=True)
class Case:
    """A scenario of a suite with its result; None if it was not run. `judgment`: None without a baseline."""

    entry: Entry
    result: Result | None = None
    judgment: Judgment | None = None

    @cached_property
    def status(self) -> Status:
        """What became of it."""
        if self.entry.problem:
            return Status.INVALID
        if self.result is None:
            return Status.NOT_RUN
        if not self.result.holds and not self.is_expected_to_fail:
            return Status.FAILED
        verdict = Verdict.PASS if self.judgment is None else self.judgment.verdict
        if verdict is Verdict.REGRESSION:
            return Status.REGRESSION
        if not self.result.holds:
            return Status.XFAILED
        return Status.PASSED if verdict is Verdict.PASS else Status.INCONCLUSIVE

    @property
    def is_expected_to_fail(self) -> bool:
        """Whether the scenario states that its expectations do not hold (`xfail`)."""
        return self.entry.scenario is not None and self.entry.scenario.xfail is not None

    @property
    def seconds(self) -> float:
        """Wall time of its runs."""
        return 0.0 if self.result is None else sum(run.wall_seconds for run in self.result.runs)


@dataclass(frozen=True)
class Suite:
    """The cases of a suite, in the order of the files. `interrupted`: some were not run, or not completely.

    `absent` are the scenarios of the baseline that are not in the suite. `is_judged`: there is a baseline.
    """

    cases: tuple[Case, ...]
    interrupted: bool = False
    absent: tuple[str, ...] = ()
    is_judged: bool = False

    def of(self, *statuses: Status) -> list[Case]:
        """The cases with one of these statuses."""
        return [case for case in self.cases if case.status in statuses]

    @property
    def holds(self) -> bool:
        """Whether nothing is invalid, has failed, or is worse than its baseline."""
        return not self.of(Status.INVALID, Status.FAILED, Status.REGRESSION)


def run_suite(
    planned: Sequence[Planned],
    on: int | Backend = 1,
    *,
    tolerances: Mapping[str, Tolerance] | None = None,
    scenarios: int = 1,
    absent: Sequence[str] = (),
    is_judged: bool = False,
    on_run: OnRun | None = None,
    on_lost: Callable[[int], None] | None = None,
) -> Suite:
    """Run all replications of all scenarios, and judge the scenarios that have a baseline.

    `on`: number of processes, or a backend. `scenarios` is the number of scenarios in the baseline, for the level of
    the tests. When the user interrupts (Ctrl-C), scenarios whose runs are incomplete are not judged. Raises what
    `Backend.each` raises.
    """
    works = [
        ((place, name), plan.entry.scenario, name)
        for place, plan in enumerate(planned)
        if plan.entry.scenario is not None
        for name in _names(plan.entry.scenario, plan)
    ]
    finished: dict[tuple[int, str], RunSummary] = {}
    interrupted = False
    try:
        for key, summary in summaries(works, on, on_lost):
            finished[key] = summary
            if on_run is not None:
                on_run(summary)
    except KeyboardInterrupt:
        interrupted = True
    results = [_result(place, plan, finished) for place, plan in enumerate(planned)]
    cases = [
        Case(plan.entry, result, _judged(plan, result, tolerances, scenarios))
        for plan, result in zip(planned, results, strict=True)
    ]
    return Suite(tuple(cases), interrupted, tuple(absent), is_judged)


def _names(scenario: Scenario, plan: Planned) -> list[str]:
    return [replication_name(scenario, plan.seed, number) for number in range(plan.replications)]


def _result(place: int, plan: Planned, finished: Mapping[tuple[int, str], RunSummary]) -> Result | None:
    """The result of the finished runs of a scenario; None without any."""
    scenario = plan.entry.scenario
    if scenario is None:
        return None
    names = _names(scenario, plan)
    runs = tuple(finished[place, name] for name in names if (place, name) in finished)
    return Result(scenario, str(plan.seed), runs, interrupted=len(runs) < len(names)) if runs else None


def _judged(
    plan: Planned, result: Result | None, tolerances: Mapping[str, Tolerance] | None, scenarios: int
) -> Judgment | None:
    if plan.baseline is None or result is None or result.interrupted:
        return None
    return judge(plan.baseline, result, tolerances, scenarios)
