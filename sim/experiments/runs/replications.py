"""Independent replications of a scenario, and intervals over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from recovery.errors import RecoveryBenchError
from scenarios import Scenario
from scenarios.errors import shown
from scenarios.expected_events import affordable_runs, check_events
from scenarios.fields.csv_columns import files_sha256
from scenarios.fields.quantities import percentage
from sim.core.build import BuildCore, build_core, with_policies
from sim.core.replacement import replaced_by
from sim.core.run_errors import RunError
from sim.experiments.runs.backends import Backend
from sim.experiments.runs.executor import OnRun, summaries
from sim.experiments.runs.heavy_tails import heavy_tails
from sim.experiments.runs.metric_estimates import ResultMetrics, failure_kinds, outcomes
from sim.experiments.runs.progress import shows_progress
from sim.experiments.runs.provenance import origin
from sim.experiments.runs.summary import RunSummary
from sim.experiments.runs.unobserved import never_observed
from sim.experiments.runs.warmup import Warmup, given
from sim.measures.metrics.diagnosis import as_frame, total
from sim.measures.outcomes import Outcome
from sim.presentation.formatting import count
from sim.results.base import JudgedResult
from sim.simulation import check_counts, metrics_frame, replication_name, run
from sim.stats.estimates import Estimate
from sim.stats.precision import LEAST, Asked, Reached, next_check, reached

if TYPE_CHECKING:
    from sim.experiments.runs.plot import ResultPictures


class NotRepeatable(RecoveryBenchError, LookupError):
    """The replications of a result cannot be repeated. One line: which result, and why."""


@dataclass(frozen=True, eq=False, repr=False)
class Result(JudgedResult):
    """Replications of one scenario. `interrupted`: fewer than requested, because the user stopped them.

    `warmup`: how the scenario's warm-up was determined; None if the scenario specifies it. `replaced`: what ran in
    place of the scenario's own core, in words; None if nothing did.
    """

    scenario: Scenario
    seed: str
    runs: tuple[RunSummary, ...]
    interrupted: bool = False
    asked: Asked | None = None
    warmup: Warmup | None = None
    replaced: str | None = None
    _built_by: ClassVar[tuple[BuildCore, ...]] = ()

    def title(self) -> str:
        """A one-line summary: scenario and number of runs."""
        return f"{self.scenario.name}, seed {self.seed}: {count(len(self.runs), 'replication')}"

    @cached_property
    def precision(self) -> tuple[Reached, ...]:
        """The reached precision of the metrics for which a precision was requested."""
        asked = self.asked
        return () if asked is None else tuple(reached(asked, name, self.metrics.get(name)) for name in asked.metrics)

    @cached_property
    def _measured(self) -> tuple[str, ...]:
        """Every metric of some replication, observed or not."""
        return tuple(dict.fromkeys(name for summary in self.runs for name in summary.metrics))

    @property
    def _times_by_kind(self) -> tuple[str, ...]:
        """The recovery times of each kind of failure, which are computed when they are asked for."""
        kinds = failure_kinds(self.runs)
        return tuple(f"recovery.{kind}.time.{statistic}" for kind in kinds for statistic in ("mean", "p95"))

    @cached_property
    def metrics(self) -> dict[str, Estimate]:
        """What the replications say of each metric, with a 95 % interval; without an observation it is absent.

        Statistics of a distribution are of the observations of all replications together (`estimate_pooled`), other
        metrics are means over the replications that observed them.
        """
        return ResultMetrics(self.runs, self.scenario)

    @cached_property
    def expectations(self) -> tuple[Outcome, ...]:
        """The scenario's expectations, each judged on the runs or on the estimate, as it says.

        None holds if there are `errors`: the runs are not valid.
        """
        return tuple(replace(each, holds=each.holds and not self.errors) for each in outcomes(self.runs, self.scenario))

    @cached_property
    def errors(self) -> tuple[RunError, ...]:
        """Unexpected exceptions of the core, its policies and its commands in any replication, each with its traceback.

        Replications with errors are not valid, and neither is the result.
        """
        return tuple(error for summary in self.runs for error in summary.errors)

    @property
    def holds(self) -> bool:
        """Whether every expectation holds, no invariant was violated and no run had errors."""
        violated = any(summary.violations for summary in self.runs)
        return all(outcome.holds for outcome in self.expectations) and not violated and not self.errors

    @cached_property
    def diagnosis(self) -> dict[str, dict[str, int]]:
        """Number of diagnoses by fault over all replications; zeros are left out."""
        return total([summary.diagnosis for summary in self.runs])

    @property
    def confusion(self) -> pd.DataFrame:
        """Recoveries of all replications by fault (rows) and diagnosis (columns): `sim.measures.confusion`."""
        return as_frame(self.diagnosis)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Tidy: scenario, replication, metric, value, unit."""
        return metrics_frame(self.scenario, [(summary.seed, summary.metrics) for summary in self.runs])

    @property
    def recoveries(self) -> pd.DataFrame:
        """As `Run.recoveries`, of all replications.

        Replications keep no histories. The first use of `recoveries`, `tasks` or `faults` repeats them, which takes as
        long as the runs on one process. Raises NotRepeatable.
        """
        return self._repeated["recoveries"]

    @property
    def tasks(self) -> pd.DataFrame:
        """As `Run.tasks`, of all replications; see `recoveries`."""
        return self._repeated["tasks"]

    @property
    def faults(self) -> pd.DataFrame:
        """As `Run.faults`, of all replications; see `recoveries`."""
        return self._repeated["faults"]

    @cached_property
    def _repeated(self) -> dict[str, pd.DataFrame]:
        if self.replaced is not None and not self._built_by:
            raise NotRepeatable(
                f"{self.title()}: its core was replaced ({self.replaced}), which a saved result does not hold; "
                "valid: the result of sim.replicate itself"
            )
        scenario = self.scenario.with_values({"history": "full"})
        found: dict[str, list[pd.DataFrame]] = {"recoveries": [], "tasks": [], "faults": []}
        core, *_ = *self._built_by, build_core
        for summary in self.runs:
            repeated = run(scenario, summary.seed, core=core, force=True)
            if repeated.history_sha256 != summary.history_sha256:
                raise NotRepeatable(
                    f"{self.title()}: the repeated run {summary.seed} has another history; it was made by another "
                    "version, or its core or its policies do not behave the same each time"
                )
            for name, frames in found.items():
                frames.append(getattr(repeated, name))
        return {name: pd.concat(frames, ignore_index=True) for name, frames in found.items()}

    @property
    def plot(self) -> ResultPictures:
        """Pictures, as matplotlib axes: `recovery_time()`, `sojourn()`, `metric(name)` and `expectations()`."""
        from sim.experiments.runs.plot import ResultPictures  # noqa: PLC0415 - only who draws needs matplotlib

        return ResultPictures(self)

    def as_json(self) -> dict[str, Any]:
        """The result as plain data, in the shape of `recovery-bench run --json`."""
        return {
            **origin(self.scenario, self.seed),
            "replications": len(self.runs),
            "interrupted": self.interrupted,
            "heavy_tails": {tail.path: tail.alpha for tail in heavy_tails(self.scenario)},
            "warmup": given(self.scenario) if self.warmup is None else self.warmup.as_json(),
            **({} if self.asked is None else {"precision": _precision(self.asked, self.precision)}),
            **({} if self.replaced is None else {"replaced": self.replaced}),
            "scenario_resolved": self.scenario.resolved(),
            "runbook_sha256": self.scenario.recovery.runbook_sha256,
            "files_sha256": files_sha256(self.scenario),
            "metrics": {name: _plain(self.metrics.get(name)) for name in (*self._measured, *self._times_by_kind)},
            "diagnosis": self.diagnosis,
            "expectations": [
                {
                    "expression": outcome.expression,
                    "observed": outcome.observed,
                    "holds": outcome.holds,
                    "failing": outcome.failing,
                    "runs": outcome.runs,
                }
                for outcome in self.expectations
            ],
            "runs": [
                {
                    "seed": summary.seed,
                    "history_sha256": summary.history_sha256,
                    "events": summary.events,
                    "virtual_seconds": summary.virtual_seconds,
                    "wall_seconds": summary.wall_seconds,
                    "metrics": summary.metrics,
                    "violations": list(summary.violations),
                    "errors": [asdict(error) for error in summary.errors],
                    "diagnosis": {fault: dict(row) for fault, row in summary.diagnosis.items()},
                }
                for summary in self.runs
            ],
        }


def _precision(asked: Asked, found: tuple[Reached, ...]) -> dict[str, Any]:
    metrics = {each.metric: {"reached": each.epsilon, "holds": each.holds} for each in found}
    return {"asked": asked.epsilon, "most": asked.most, "metrics": metrics}


def _plain(found: Estimate | None) -> dict[str, Any] | None:
    if found is None:
        return None
    ci95 = None if found.ci95 is None else list(found.ci95)
    left_out = {"cut_off": found.cut_off} if found.cut_off else {}
    if found.restricted_to is not None:
        left_out["restricted_to"] = found.restricted_to
    return {"mean": found.mean, "ci95": ci95, "n": found.n, "unit": found.unit, **left_out}


@shows_progress(lambda given: given["replications"] if given["precision"] is None else None, "on_look")
def replicate(
    scenario: Scenario,
    seed: int | str | None = None,
    replications: int = 1,
    jobs: int = 1,
    on_run: OnRun | None = None,
    *,
    precision: Asked | float | str | None = None,
    on_look: Callable[[int], None] | None = None,
    on_precision: Callable[[tuple[Reached, ...]], None] | None = None,
    warmup: Warmup | None = None,
    backend: Backend | None = None,
    on_lost: Callable[[int], None] | None = None,
    policies: Mapping[str, Any] | None = None,
    core: BuildCore = build_core,
    force: bool = False,
    progress: bool = False,
) -> Result:
    """Run replications 0 … n-1 of a scenario on `jobs` processes; the result has them in this order.

    A `backend` replaces `jobs`; the result is the same. `on_lost` is called with the number of unfinished runs after a
    worker process has died.

    With `progress`, a bar counts the runs, on a terminal or in a notebook.

    `policies` replace conditions of the scenario, and `core` builds another recovery core, as in `sim.run`; other
    processes need to be able to import or pickle them.

    A `warmup` from `sim.find_warmup` replaces the scenario's own and is part of the result.

    With `precision`, a share such as 0.05 or `"5%"`, or an `Asked`, the number of replications is what this precision
    takes; `replications` is ignored. A share is about `recovery.time.mean`, or `tasks.sojourn.mean` if nothing is
    recovered. `on_look` is called with the planned number of replications whenever it changes, `on_precision` with the
    reached precision after each look.

    More than a billion expected events are refused (TooManyEvents), unless `force` is true: with `precision`, if the
    first ten replications have as many, and the number of replications is limited accordingly.

    `seed` defaults to the scenario's own; `"7/3"` is the one replication 3 of seed 7. Raises ValueError for other
    texts, for fewer than one replication or job and for an invalid precision, ScenarioError, NeverObserved,
    BackendError and WorkersDied. When the user interrupts (Ctrl-C), finished replications are returned; without any,
    KeyboardInterrupt is raised.
    """
    asked = _checked(seed, replications, jobs, precision)
    core = with_policies(policies, core)
    if warmup is not None:
        scenario = scenario.with_values({"warmup": warmup.seconds})
    replaced = replaced_by(core, scenario)
    first = replication_name(scenario, seed)
    asked = asked if force else _affordable(scenario, replications, asked)
    group = first.rpartition("/")[0]
    finished: dict[str, RunSummary] = {}

    def known(names: Sequence[str], *, interrupted: bool = False) -> Result:
        runs = tuple(finished[name] for name in names if name in finished)
        result = Result(scenario, group, runs, interrupted, asked, warmup, replaced)
        object.__setattr__(result, "_built_by", (core,))  # not a field: it is not saved
        return result

    until: int | None = replications if asked is None else LEAST
    names: list[str] = []
    try:
        while until is not None:
            more = [replication_name(scenario, seed, number) for number in range(len(names), until)]
            names += [first] if first == seed else more
            if on_look is not None:
                on_look(len(names))
            for _, summary in summaries(
                [(name, scenario, name) for name in names if name not in finished], backend or jobs, on_lost, core
            ):
                finished[summary.seed] = summary
                if on_run is not None:
                    on_run(summary)
            until = None
            if asked is not None:
                if not asked.metrics:
                    asked = replace(asked, metrics=(_default_metric(known(names)),))
                looked_at = known(names)
                _check_observed(looked_at, asked)
                if on_precision is not None:
                    on_precision(looked_at.precision)
                until = next_check(asked, len(names), [looked_at.metrics.get(name) for name in asked.metrics])
    except KeyboardInterrupt:
        if not finished:
            raise
        return known(names, interrupted=True)
    return known(names)


def _affordable(scenario: Scenario, replications: int, asked: Asked | None) -> Asked | None:
    """The requested precision, with at most as many replications as have a billion events. Raises TooManyEvents."""
    if asked is None:
        check_events(scenario, replications)
        return None
    check_events(scenario, LEAST)
    return replace(asked, most=affordable_runs([scenario], LEAST, asked.most))


def _checked(
    seed: int | str | None, replications: int, jobs: int, precision: Asked | float | str | None
) -> Asked | None:
    """The requested precision. Raises ValueError."""
    check_counts(replications, jobs)
    if precision is not None and isinstance(seed, str) and "/" in seed:
        raise ValueError(f"{seed} is one replication, of which there is no precision")
    if precision is None or isinstance(precision, Asked):
        return precision
    share = percentage(precision)
    if share is None:
        raise ValueError(f"precision {shown(precision)}: must be between 0 and 1, such as 0.05")
    return Asked(share, ())


def _check_observed(result: Result, asked: Asked) -> None:
    """Raise NeverObserved for a metric that further replications are unlikely to observe."""
    for name in asked.metrics:
        if name not in result.metrics:
            where = f"in none of the first {len(result.runs)} replications"
            raise never_observed(name, result.scenario.name, where, result.metrics)


def _default_metric(result: Result) -> str:
    """The default metric of a precision: recovery time, if the scenario has recoveries."""
    recovery, sojourn = "recovery.time.mean", "tasks.sojourn.mean"
    return recovery if recovery in result.metrics else sojourn
