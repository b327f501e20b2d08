"""Compares two settings of a scenario on common random numbers, or two results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import pandas as pd

from scenarios import Scenario
from scenarios.expected_events import check_events
from scenarios.fields.metrics import TASK_KIND, UnknownMetric, by_kind, by_part, by_task_kind, catalogue, lookup
from sim.core.build import BuildCore, build_core, with_policies
from sim.core.replacement import replaced_by
from sim.experiments.comparison.changed_keys import differing
from sim.experiments.comparison.pooled import pooled_values
from sim.experiments.runs.backends import Backend
from sim.experiments.runs.executor import OnRun, summaries
from sim.experiments.runs.metric_estimates import failure_kinds
from sim.experiments.runs.progress import shows_progress
from sim.experiments.runs.provenance import origin
from sim.experiments.runs.replications import Result
from sim.experiments.runs.summary import RunSummary
from sim.experiments.runs.unobserved import never_observed
from sim.presentation.formatting import count
from sim.results.base import ResultBase
from sim.simulation import check_counts, whole_seed
from sim.stats.differences import LEAST, Difference, Observed, PooledPair, differences

if TYPE_CHECKING:
    from sim.experiments.comparison.plot import ComparisonPictures

REPLICATIONS = 20
CORE = (
    "tasks.completed",
    "tasks.failed",
    "tasks.rejected",
    "tasks.lost",
    "tasks.sojourn.mean",
    "tasks.sojourn.p95",
    "attempts.amplification",
    "work.wasted_fraction",
    "recovery.time.mean",
    "recovery.time.p95",
    "recovery.escalated",
    "service.availability",
    "restoration.time.max",
    "client.goodput",
    "client.response.p95",
    "cost.total",
    "consistency.violations",
)
"""What is compared unless metrics are asked for. Each metric more makes it harder to show a difference (Holm)."""


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(ResultBase):
    """Replications under two settings: the same ones under both, or independent ones of two results.

    `chosen` are the names and patterns that were asked for in place of `CORE`, and `added` those beside it. `left_out`
    are the numbers of replications of either result that have no counterpart in the other one, and are not compared.
    """

    a: Result
    b: Result
    a_values: Mapping[str, Any]
    b_values: Mapping[str, Any]
    chosen: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    left_out: tuple[int, int] = (0, 0)

    def title(self) -> str:
        """A one-line summary: scenario and number of runs."""
        return f"{self.a.scenario.name}, seed {self.a.seed}: {self.counted}"

    @property
    def counted(self) -> str:
        """The number of replications: `20 pairs of replications`, or `20 and 10 replications, not paired`."""
        if self.paired:
            return f"{count(self.replications, 'pair')} of replications"
        return f"{len(self.a.runs)} and {len(self.b.runs)} replications, not paired"

    @property
    def paired(self) -> bool:
        """Whether both settings were run on the same replications."""
        return [run.seed for run in self.a.runs] == [run.seed for run in self.b.runs]

    @property
    def replications(self) -> int:
        """Pairs of replications; of results that are not paired, the smaller number."""
        return min(len(self.a.runs), len(self.b.runs))

    @property
    def interrupted(self) -> bool:
        """Whether there are fewer than requested."""
        return self.a.interrupted or self.b.interrupted

    @cached_property
    def pools(self) -> tuple[str, ...]:
        """The parts of either scenario that have metrics of their own: pools, kinds of tasks and others."""
        return tuple(dict.fromkeys((*self.a.scenario.parts, *self.b.scenario.parts)))

    @cached_property
    def differences(self) -> dict[str, Difference]:
        """The difference of each metric, b − a, in the catalog's order. Those of `CORE` when none was asked for.

        With several kinds of failure, these are also the mean recovery times of each. A metric that was observed under
        one setting only is there, with a verdict of its own. Raises NeverObserved for one that was asked for and that
        no replication observed under either setting.
        """
        pools = self.pools
        asked = (*self.chosen, *self.added)
        observed = dict.fromkeys((*self.a.metrics, *self.b.metrics))
        names = [name for name in observed if self._is_wanted(name)]
        asked_for = [*self._of_kinds(), *(name for wanted in asked for name in _named(wanted, pools))]
        either = (self.a.metrics, self.b.metrics)
        further = [name for name in dict.fromkeys(asked_for) if name not in observed]
        names += [name for name in further if any(name in of for of in either)]
        for wanted in asked:
            if not any(fnmatchcase(name, wanted) for name in names):
                known = [*self.a.metrics, *self.b.metrics]
                raise never_observed(wanted, self.a.scenario.name, "under neither setting", known)
        order = {metric.name: place for place, metric in enumerate(catalogue(pools))}
        return differences(
            [self._observed(name, pools) for name in sorted(names, key=lambda name: order.get(name, len(order)))]
        )

    def _of_kinds(self) -> list[str]:
        """The mean recovery time of each kind of failure, where there are several."""
        kinds = sorted({*failure_kinds(self.a.runs), *failure_kinds(self.b.runs)})
        return [f"recovery.{kind}.time.mean" for kind in kinds] if len(kinds) > 1 and not self.chosen else []

    def _is_wanted(self, name: str) -> bool:
        if not self.chosen and name in CORE:
            return True
        is_of_the_run = name.startswith("run.")  # how long it ran says nothing about a setting
        asked = (*self.chosen, *self.added)
        return any(name == wanted or (fnmatchcase(name, wanted) and not is_of_the_run) for wanted in asked)

    def _observed(self, name: str, pools: tuple[str, ...]) -> Observed:
        metric = lookup(name, pools)
        a, b = ([run.metrics.get(name) for run in result.runs] for result in (self.a, self.b))
        return Observed(name, metric.unit, metric.direction, a, b, self._pooled(name), self.paired)

    def _pooled(self, name: str) -> PooledPair | None:
        """The estimates of a mean or percentile over all observations; None for other metrics."""
        a, b = (pooled_values(result.runs, name) for result in (self.a, self.b))
        return None if a is None or b is None else PooledPair(a[0], b[0], a[1], b[1])

    @property
    def holds(self) -> bool:
        """Whether no invariant was violated under either setting."""
        return not any(run.violations for result in (self.a, self.b) for run in result.runs)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Tidy: metric, unit, a, b, difference, low, high, verdict, adjusted_p, variance_reduction, n,
        missing_a, missing_b, infinite_a, infinite_b (numbers of replications).
        """
        rows = []
        for name, each in self.differences.items():
            of = each.difference
            low, high = (None, None) if of is None or of.ci95 is None else of.ci95
            told = name, each.unit, each.a, each.b, None if of is None else of.mean, low, high, each.verdict
            counts = each.missing_a, each.missing_b, each.infinite_a, each.infinite_b
            rows.append((*told, each.adjusted_p, each.variance_reduction, 0 if of is None else of.n, *counts))
        columns = ["metric", "unit", "a", "b", "difference", "low", "high", "verdict", "adjusted_p"]
        columns += ["variance_reduction", "n", "missing_a", "missing_b", "infinite_a", "infinite_b"]
        return pd.DataFrame(rows, columns=columns)

    @property
    def plot(self) -> ComparisonPictures:
        """Pictures, as matplotlib axes: `differences()` and `metric(name)`."""
        from sim.experiments.comparison.plot import ComparisonPictures  # noqa: PLC0415 - only who draws needs matplotlib

        return ComparisonPictures(self)

    def as_json(self) -> dict[str, Any]:
        """The comparison as plain data, in the shape of `recovery-bench compare --json`."""
        return {
            **origin(self.a.scenario, self.a.seed),
            "a": dict(self.a_values),
            "b": dict(self.b_values),
            "replications": self.replications,
            "paired": self.paired,
            "left_out": {"a": self.left_out[0], "b": self.left_out[1]},
            "interrupted": self.interrupted,
            "metrics": {name: _plain(each) for name, each in self.differences.items()},
        }


def _plain(each: Difference) -> dict[str, Any]:
    of = each.difference
    return {
        "a": each.a,
        "b": each.b,
        "unit": each.unit,
        "difference": None if of is None else {"mean": of.mean, "ci95": of.ci95 and list(of.ci95), "n": of.n},
        "relative": each.relative,
        "verdict": each.verdict,
        "p": each.p,
        "adjusted_p": each.adjusted_p,
        "variance_reduction": each.variance_reduction,
        "missing": {"a": each.missing_a, "b": each.missing_b},
        "infinite": {"a": each.infinite_a, "b": each.infinite_b},
    }


def _named(wanted: str, parts: tuple[str, ...]) -> list[str]:
    """What is asked for beside the catalog: a name, or metrics of one kind of failure or of tasks.

    `recovery.*` is of all kinds.
    """
    if "*" not in wanted:
        return [wanted]
    if any(fnmatchcase(metric.name, wanted) for metric in catalogue()):
        return []
    kinds = [part.removeprefix(TASK_KIND) for part in parts if part.startswith(TASK_KIND)]
    return [name for name in (*by_kind(), *by_task_kind(kinds), *by_part(parts)) if fnmatchcase(name, wanted)]


def check_metrics(scenario: Scenario, wanted: Sequence[str]) -> None:
    """Raise UnknownMetric for an unknown metric, or a pattern such as `recovery.time.*` that matches none."""
    pools = scenario.parts
    names = [metric.name for metric in catalogue(pools)]
    for name in wanted:
        if "*" not in name:
            lookup(name, pools)
        elif not _named(name, pools) and not any(fnmatchcase(known, name) for known in names):
            raise UnknownMetric(name, None)


@overload
def compare(
    scenario: Result, a: Result, /, *, metrics: Sequence[str] | str = (), added: Sequence[str] = ()
) -> Comparison: ...


@overload
def compare(
    scenario: Scenario,
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    seed: int | None = None,
    replications: int = REPLICATIONS,
    jobs: int = 1,
    *,
    metrics: Sequence[str] | str = (),
    added: Sequence[str] = (),
    backend: Backend | None = None,
    on_run: OnRun | None = None,
    on_lost: Callable[[int], None] | None = None,
    policies: Mapping[str, Any] | None = None,
    core: BuildCore = build_core,
    force: bool = ...,
    progress: bool = ...,
) -> Comparison: ...


@shows_progress(lambda given: 2 * given["replications"])
def compare(
    scenario: Scenario | Result,
    a: Mapping[str, Any] | Result,
    b: Mapping[str, Any] | None = None,
    seed: int | None = None,
    replications: int = REPLICATIONS,
    jobs: int = 1,
    *,
    metrics: Sequence[str] | str = (),
    added: Sequence[str] = (),
    backend: Backend | None = None,
    on_run: OnRun | None = None,
    on_lost: Callable[[int], None] | None = None,
    policies: Mapping[str, Any] | None = None,
    core: BuildCore = build_core,
    force: bool = False,
    progress: bool = False,
) -> Comparison:
    """Compare two settings of a scenario, values by path, on the same replications; or two results, b against a.

    `compare(result_a, result_b)` runs nothing. The results may be of different cores, policies or scenarios, and may
    have been stored (`sim.load`). Replications of the same name are compared in pairs, and those without a counterpart
    are left out. Results with fewer than two replications in common are compared as independent ones (Welch's t-test).

    `metrics` are names or patterns such as `*`, by default those of `CORE`; `added` are compared in addition to these.
    `policies` and `core` are those of `sim.run`, for both settings.

    More than a billion expected events are refused (TooManyEvents), unless `force` is true.

    A `backend` replaces `jobs`. `on_run` is called with each finished run, `on_lost` with the number of unfinished runs
    after a worker process has died. With `progress`, a bar counts the runs.

    Raises ScenarioError for an invalid path or value, UnknownMetric, BackendError,
    WorkersDied, InvalidPolicies, and ValueError for fewer than two replications and for a seed that is not a whole
    number. When the user interrupts (Ctrl-C), the finished pairs are compared; with fewer than two, KeyboardInterrupt
    is raised.
    """
    metrics = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    if isinstance(scenario, Result) and isinstance(a, Result) and b is None:
        return _of_results(scenario, a, metrics, tuple(added))
    if not (isinstance(scenario, Scenario) and isinstance(a, Mapping) and isinstance(b, Mapping)):
        raise TypeError("compare takes two results, or a scenario and two mappings of values by path")
    core = with_policies(policies, core)
    check_counts(replications, jobs)
    if replications < 2:
        raise ValueError(f"a difference needs at least 2 replications, not {replications}")
    check_metrics(scenario, (*metrics, *added))
    settings = {"a": scenario.with_values(a), "b": scenario.with_values(b)}
    group = whole_seed(scenario, seed)
    if not force:
        for changed in settings.values():
            check_events(changed, replications)
    names = [f"{group}/{number}" for number in range(replications)]
    works = [((name, which), changed, name) for name in names for which, changed in settings.items()]
    finished: dict[tuple[str, str], RunSummary] = {}
    interrupted = False
    try:
        for key, summary in summaries(works, backend or jobs, on_lost, core):
            finished[key] = summary
            if on_run is not None:
                on_run(summary)
    except KeyboardInterrupt:
        interrupted = True
    paired = [name for name in names if all((name, which) in finished for which in settings)]
    if interrupted and len(paired) < 2:
        raise KeyboardInterrupt
    results = {
        which: Result(
            changed,
            group,
            tuple(finished[name, which] for name in paired),
            interrupted,
            replaced=replaced_by(core, changed),
        )
        for which, changed in settings.items()
    }
    return Comparison(results["a"], results["b"], dict(a), dict(b), metrics, tuple(added))


def _of_results(a: Result, b: Result, metrics: tuple[str, ...], added: tuple[str, ...]) -> Comparison:
    """The comparison of two results, by the replications that both have where there are two or more."""
    for which, result in (("a", a), ("b", b)):
        if len(result.runs) < LEAST:
            raise ValueError(
                f"a difference needs at least 2 replications of each result, and {which} has {len(result.runs)}"
            )
    for result in (a, b):
        check_metrics(result.scenario, [name for name in (*metrics, *added) if not name.startswith("resources.")])
    by_seed = {run.seed: run for run in b.runs}
    common = [run for run in a.runs if run.seed in by_seed]
    a_values, b_values = differing(a.scenario, b.scenario)
    if a.replaced != b.replaced:
        a_values, b_values = ({**of, "core": _core(each)} for of, each in ((a_values, a), (b_values, b)))
    if len(common) < LEAST:
        return Comparison(a, b, a_values, b_values, metrics, added)
    left_out = len(a.runs) - len(common), len(b.runs) - len(common)
    first = replace(a, runs=tuple(common))
    second = replace(b, runs=tuple(by_seed[run.seed] for run in common))
    return Comparison(first, second, a_values, b_values, metrics, added, left_out)


def _core(of: Result) -> str:
    return "the scenario's" if of.replaced is None else of.replaced.removeprefix("core: ")
