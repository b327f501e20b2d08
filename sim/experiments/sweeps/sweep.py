"""Sweeps: a scenario at many points, each with several replications, stored in a folder so that it can be continued.

All points use common random numbers, replication by replication, because streams are keyed by name: two points differ
only in the changed values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import compress, pairwise
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scenarios import Scenario
from scenarios.expected_events import check_events
from scenarios.fields.csv_columns import files_sha256
from scenarios.fields.metrics import lookup
from sim.core.build import BuildCore, build_core, with_policies
from sim.core.replacement import replaced_by
from sim.experiments.runs.backends import Backend
from sim.experiments.runs.executor import OnRun, summaries
from sim.experiments.runs.metric_estimates import estimate_of, outcomes
from sim.experiments.runs.progress import shows_progress
from sim.experiments.runs.provenance import installed_version, origin
from sim.experiments.runs.summary import RunSummary
from sim.experiments.sweeps.best import Best, best_point
from sim.experiments.sweeps.designs import DesignError, Point, as_values, column, points_of
from sim.experiments.sweeps.folder import FORMAT, Row, SweepFolder, SweepFolderError, key, read_about, table_of
from sim.measures import RunMetrics
from sim.measures.outcomes import Outcome
from sim.presentation.formatting import count
from sim.results.base import ResultBase
from sim.simulation import check_counts, whole_seed
from sim.stats.estimates import Estimate
from sim.stats.samples import Sample

if TYPE_CHECKING:
    from sim.experiments.sweeps.plot import SweepPictures

SECONDS_TO_KEEP = 2.0
"""Finished runs are written after this many seconds of computation, so that a killed program loses no more."""
RUNS_TO_KEEP = 500


class _StoredSamples(Mapping[str, Sample]):
    """Samples by name, each read from its text when it is needed."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def __getitem__(self, name: str) -> Sample:
        return Sample.from_text(self._texts[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


@dataclass(frozen=True, slots=True)
class _StoredRun:
    """What a folder has of one replication."""

    metrics: RunMetrics
    samples: Mapping[str, Sample]


@dataclass(frozen=True, eq=False, repr=False)
class Sweep(ResultBase):
    """The runs of a sweep. `rows`: point (JSON), replication, metric, value, sample, history_sha256, violations; each
    run has a row for each metric, and one with the sample of each distribution. `replaced`: as of a `Result`.
    """

    scenario: Scenario
    seed: str
    points: tuple[Point, ...]
    replications: int
    rows: pd.DataFrame
    interrupted: bool = False
    computed: int = 0
    replaced: str | None = None

    def title(self) -> str:
        """A one-line summary: scenario and number of runs."""
        return (
            f"{self.scenario.name}, seed {self.seed}: {count(len(self.points), 'point')} of "
            f"{count(self.replications, 'replication')}"
        )

    @property
    def paths(self) -> tuple[str, ...]:
        """The swept paths."""
        return tuple(self.points[0]) if self.points else ()

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Tidy: scenario, a column for each path (numbers where they are), replication, metric, value, unit."""
        rows = self.rows[self.rows["value"].notna()]
        names = [key(point) for point in self.points]
        columns: dict[str, Any] = {
            path: rows["point"].map(dict(zip(names, column(self.points, path), strict=True))) for path in self.paths
        }
        pools = self.scenario.parts
        units = {metric: lookup(metric, pools).unit for metric in rows["metric"].unique()}
        return pd.DataFrame(
            {
                "scenario": self.scenario.name,
                **columns,
                "replication": self.seed + "/" + rows["replication"].astype(str),
                "metric": rows["metric"].astype(object),
                "value": rows["value"],
                "unit": rows["metric"].map(units),
            }
        ).reset_index(drop=True)

    def estimates(self, metric: str) -> dict[str, Estimate]:
        """What the replications say of a metric at each point that observed it, by the point's key, in order.

        They are those of `sim.replicate`. Raises UnknownMetric.
        """
        found = ((point, estimate_of(metric, runs, self.scenario)) for point, runs in self._runs.items())
        return {point: estimate for point, estimate in found if estimate is not None}

    def best(self, metric: str) -> Best | None:
        """The best point of a metric, and the points that are as good as far as the replications show.

        None for a metric of which no value is better, and with one replication. Raises UnknownMetric.
        """
        means = {point: estimate.mean for point, estimate in self.estimates(metric).items()}
        return best_point(lookup(metric, self.scenario.parts), means, self._runs)

    def table(self, *metrics: str) -> pd.DataFrame:
        """The estimates as a frame, a row for each point that observed a metric: a column for each path (numbers where
        they are), metric, mean, low, high (the 95 % interval, NaN without one), n, unit. Raises UnknownMetric.
        """
        names = [key(point) for point in self.points]
        columns = {path: dict(zip(names, column(self.points, path), strict=True)) for path in self.paths}
        rows = [
            (*(values[point] for values in columns.values()), metric, of.mean, *(of.ci95 or (nan, nan)), of.n, of.unit)
            for metric in metrics
            for point, of in self.estimates(metric).items()
        ]
        return pd.DataFrame(rows, columns=[*self.paths, "metric", "mean", "low", "high", "n", "unit"])

    @cached_property
    def outcomes(self) -> dict[str, tuple[Outcome, ...]]:
        """The scenario's expectations judged at each point, by the point's key, in order."""
        return {point: tuple(outcomes(runs, self.scenario)) for point, runs in self._runs.items()}

    @cached_property
    def _runs(self) -> dict[str, list[_StoredRun]]:
        """The replications of each point, by the point's key, in order."""
        rows = self.rows
        begins = np.flatnonzero(rows[["point", "replication"]].ne(rows[["point", "replication"]].shift()).any(axis=1))
        points, names, values, texts = (rows[name].to_numpy() for name in ("point", "metric", "value", "sample"))
        finished = set(points)
        runs: dict[str, list[_StoredRun]] = {name: [] for point in self.points if (name := key(point)) in finished}
        for begin, end in pairwise((*begins.tolist(), len(rows))):
            of = slice(begin, end)
            is_sample = [isinstance(text, str) for text in texts[of]]
            samples = _StoredSamples(dict(compress(zip(names[of], texts[of], strict=True), is_sample)))
            observed = {
                name: None if isnan(value) else value
                for name, value, sampled in zip(names[of], values[of].tolist(), is_sample, strict=True)
                if not sampled
            }
            runs[points[begin]].append(_StoredRun(RunMetrics(observed, samples), samples))
        return runs

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that some run has observed."""
        return tuple(self.rows.loc[self.rows["value"].notna(), "metric"].unique())

    @property
    def violations(self) -> int:
        """Runs in which an invariant was violated."""
        runs = self.rows.drop_duplicates(["point", "replication"])
        return int((runs["violations"] > 0).sum())

    @property
    def plot(self) -> SweepPictures:
        """Pictures, as matplotlib axes: `metric(name)`."""
        from sim.experiments.sweeps.plot import SweepPictures  # noqa: PLC0415 - only who draws needs matplotlib

        return SweepPictures(self)

    def as_json(self) -> dict[str, Any]:
        """The estimates of each metric and the outcomes of the expectations at each point, as plain data."""
        found = {metric: self.estimates(metric) for metric in self.metrics}
        return {
            **origin(self.scenario, self.seed),
            "replications": self.replications,
            "interrupted": self.interrupted,
            **({} if self.replaced is None else {"replaced": self.replaced}),
            "points": [
                {
                    "values": as_values(point),
                    "metrics": {
                        metric: {
                            "mean": of.mean,
                            "ci95": None if of.ci95 is None else list(of.ci95),
                            "n": of.n,
                            "unit": of.unit,
                        }
                        for metric, estimates in found.items()
                        if (of := estimates.get(key(point))) is not None
                    },
                    "expectations": [
                        {"expression": each.expression, "observed": each.observed, "holds": each.holds}
                        for each in self.outcomes.get(key(point), ())
                    ],
                }
                for point in self.points
            ],
        }


@shows_progress(lambda given: None, "on_begin")
def sweep(
    scenario: Scenario,
    points: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]],
    seed: int | None = None,
    replications: int = 1,
    jobs: int = 1,
    *,
    backend: Backend | None = None,
    out: Path | str | None = None,
    on_run: OnRun | None = None,
    on_begin: Callable[[int, int], None] | None = None,
    on_lost: Callable[[int], None] | None = None,
    force: bool = False,
    policies: Mapping[str, Any] | None = None,
    core: BuildCore = build_core,
    progress: bool = False,
) -> Sweep:
    """Run a scenario at each point, replications 0 … n − 1 of each.

    `points` are every combination of values by path, `{"agents.restart_time": ["5s", "20s"]}`, or a list of points,
    `[{"agents.restart_time": "5s"}, {"agents.restart_time": "20s"}]`, with values as in `compare`; those of
    `sim.experiments.sweeps.designs` as well.

    More than a billion expected events are refused (TooManyEvents), unless `force` is true.

    With `out`, a folder, what is finished there is not run again, whatever ended the program that ran it; another sweep
    is refused. A `backend` takes the place of `jobs`. `on_begin` hears how many runs there are and how many of them are
    finished, `on_lost` how many were not when a process died that was at them. Raises DesignError, BackendError,
    WorkersDied, ScenarioError with the point's value, SweepFolderError, and ValueError for fewer than one replication
    or job, and for what is no whole seed.
    With `progress`, a bar counts the runs.
    `policies` replace conditions of the scenario at every point, and `core` builds another recovery core, as in
    `sim.replicate`; a folder keeps their description, and refuses other ones. Raises InvalidPolicies.
    Interrupted by the user (Ctrl-C), it keeps and returns what is finished; with nothing finished it raises.
    """
    check_counts(replications, jobs)
    core = with_policies(policies, core)
    replaced = replaced_by(core, scenario)
    if not points:
        raise DesignError("there is no point; valid: one or more")
    points = points_of(scenario, points)
    name = whole_seed(scenario, seed)
    if not force:
        for point in points:
            check_events(scenario.with_values(as_values(point)), replications * len(points))
    folder = None if out is None else SweepFolder(Path(out))
    with nullcontext() if folder is None else folder.opened(_about(scenario, name, points, replaced)):
        done = set() if folder is None else folder.finished()
        missing = [(point, n) for n in range(replications) for point in points if (key(point), n) not in done]
        changed = {key(point): point for point, _ in missing}
        settings = {of: scenario.with_values(as_values(point)) for of, point in changed.items()}
        works = [((key(point), n), settings[key(point)], f"{name}/{n}") for point, n in missing]
        if on_begin is not None:
            on_begin(len(points) * replications, len(points) * replications - len(works))
        kept = _Kept(folder, {key(point): point for point in points})
        interrupted = False
        try:
            for (point_key, n), summary in summaries(works, backend or jobs, on_lost, core) if works else ():
                kept.add(point_key, n, summary)
                if on_run is not None:
                    on_run(summary)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            kept.write()
        rows = kept.rows(points, replications)
        if interrupted and not len(rows):
            raise KeyboardInterrupt
        return Sweep(scenario, name, tuple(points), replications, rows, interrupted, kept.count, replaced)


def load_sweep(path: Path | str) -> Sweep:
    """The finished part of the sweep in a folder. Raises SweepFolderError, and ScenarioError for a scenario that this
    version does not accept.
    """
    about = read_about(Path(path))
    if about is None:
        raise SweepFolderError(f"{path}: holds no sweep; valid: a folder that recovery-bench sweep has made")
    scenario = Scenario.model_validate(about["scenario_resolved"])
    table = SweepFolder(Path(path)).table().to_pandas()
    points: list[Point] = [json.loads(text) for text in dict.fromkeys(table["point"])]
    replications = int(table["replication"].max()) + 1 if len(table) else 0
    return Sweep(
        scenario,
        str(about["seed"]),
        tuple(points),
        replications,
        _ordered(table, points),
        replaced=about.get("replaced"),
    )


def _about(scenario: Scenario, seed: str, points: Sequence[Point], replaced: str | None) -> dict[str, Any]:
    return {
        "sweep": FORMAT,
        "scenario": scenario.name,
        "version": installed_version(),
        "seed": seed,
        "paths": sorted(points[0]),
        "scenario_resolved": scenario.resolved(),
        "runbook_sha256": scenario.recovery.runbook_sha256,
        "files_sha256": files_sha256(scenario),
        "replaced": replaced,
    }


class _Kept:
    """Finished runs: in a folder if there is one, else in memory."""

    def __init__(self, folder: SweepFolder | None, points: dict[str, Point]) -> None:
        self._folder = folder
        self._points = points
        self._fresh: list[Row] = []
        self._seconds = 0.0
        self.count = 0

    def add(self, point: str, replication: int, summary: RunSummary) -> None:
        """Add a run."""
        self._fresh.append(Row(self._points[point], replication, summary))
        self.count += 1
        self._seconds += summary.wall_seconds
        if self._seconds >= SECONDS_TO_KEEP or len(self._fresh) >= RUNS_TO_KEEP:
            self.write()

    def write(self) -> None:
        """Write finished runs to the folder."""
        if self._folder is not None:
            self._folder.add(self._fresh)
            self._fresh = []
            self._seconds = 0.0

    def rows(self, points: Sequence[Point], replications: int) -> pd.DataFrame:
        """All requested and finished runs, in order."""
        order = {key(point): place for place, point in enumerate(points)}
        if self._folder is None:
            table = table_of(self._fresh).to_pandas()
        else:
            self._folder.merge(order)
            table = self._folder.table().to_pandas()
        wanted = table["point"].isin(order) & (table["replication"] < replications)
        return _ordered(table[wanted], points)


def _ordered(table: pd.DataFrame, points: Sequence[Point]) -> pd.DataFrame:
    order = {key(point): place for place, point in enumerate(points)}
    placed = table.assign(_place=table["point"].map(order))
    ordered = placed.sort_values(["_place", "replication"], kind="stable")
    return ordered.drop(columns="_place").reset_index(drop=True)
