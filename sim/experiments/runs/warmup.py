"""How long a run warms up, found in pilot runs: MSER-5 on the mean over replications.

A run begins empty, and what is measured until it has settled pulls every mean towards that. Pilot replications are run
from an empty start, without the scenario's planned faults: a disturbance is no initial transient, while random
breakdowns (`agents.mtbf`) are part of the steady state and stay. The number of tasks in the system is averaged over
them, slice by slice of the run (P. D. Welch, "The statistical analysis of simulation results", 1983), and cut where the
rest has the smallest marginal standard error (K. P. White Jr., "An effective truncation heuristic for bias reduction
in simulation output", Simulation 69(6), 1997). The pilots use other random numbers, so that a warm-up is not chosen by
the runs that are measured with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import stdtr

from recovery.errors import RecoveryBenchError
from scenarios import Scenario
from scenarios.expected_events import check_events
from scenarios.offered_load import offered_load
from scenarios.sections.arrivals import Arrivals, Burst, Closed, Diurnal, Trace
from scenarios.task_views import any_task
from sim.experiments.runs.backends import Backend
from sim.experiments.runs.executor import spread
from sim.experiments.runs.progress import shows_progress
from sim.measures.metrics.windows import METRICS, values
from sim.measures.tables.event_table import Floats, Tracks
from sim.presentation.formatting import count
from sim.results.base import ResultBase
from sim.simulation import check_counts, replication_name, simulate

if TYPE_CHECKING:
    Series = pd.Series[float]
else:
    Series = pd.Series  # pandas cannot be subscripted at runtime
if TYPE_CHECKING:
    from sim.experiments.runs.warmup_plot import WarmupPictures

BATCH = 5
"""Observations in a batch mean: the five of MSER-5."""
SLICES = 500
"""Number of equal slices of a run: the resolution of a warm-up is 1 % of the run's duration or better."""
LOOKED_AT = 0.75
"""Share of the run in which the minimum is looked for. The few dependent means of what is left after that may lie close
together by chance, so that the end is excluded (K. Hoad, S. Robinson and R. Davies, "Automating warm-up
length estimation", Journal of the Operational Research Society 61, 2010, leave out the last five).
"""
MOST = 0.5
"""Maximum share of the run for a warm-up."""
ROUNDING = 1e-9
"""A smaller relative spread counts as none."""
REPLICATIONS = 10
PILOTS_MIN = 3
"""Pilot runs that the test for a trend needs."""
GROWTH = 0.15
"""Relative growth from the third to the last quarter that counts as a trend; 0.4 for a constant rate of growth."""
TREND_ERROR = 0.001
"""Probability that the test finds a trend where there is none."""
IN_SYSTEM = "tasks.in_system.mean"
DEPTH = "queue.depth.mean"
THROUGHPUT = "tasks.throughput"


class NoWarmup(RecoveryBenchError, ValueError):
    """No warm-up can be determined. One line: of which scenario, why, and what would be valid."""


@dataclass(frozen=True, eq=False, repr=False)
class Warmup(ResultBase):
    """A warm-up of `seconds` that was determined for a scenario.

    `series` is the basis: the metric's mean over the pilot replications, by the end of each slice (s).
    """

    of: Scenario
    seconds: float
    series: Series
    metric: str
    replications: int

    def title(self) -> str:
        """A one-line summary: scenario and number of runs."""
        return f"{self.of.name}: {self.seconds:g} s, from {count(self.replications, 'pilot run')}"

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Tidy: seconds (the end of each slice), metric, value."""
        series = self.series
        return pd.DataFrame({"seconds": series.index, "metric": self.metric, "value": series.to_numpy()})

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario with this warm-up in place of its own."""
        return self.of.with_values({"warmup": self.seconds})

    @property
    def warning(self) -> str | None:
        """A warning if planned faults occur before the warm-up ends, because their recoveries are not measured.

        Recurring faults (`every`) are part of the steady state and give no warning.
        """
        early = [fault.at for fault in self.of.faults if fault.at is not None and fault.at < self.seconds]
        if not early:
            return None
        return (
            f"The warm-up that was found ends at {self.seconds:g}s, and the first fault comes at {min(early):g}s: what "
            "is recovered before it ends is not measured."
        )

    @property
    def plot(self) -> WarmupPictures:
        """Pictures, as matplotlib axes: `series()`."""
        from sim.experiments.runs.warmup_plot import WarmupPictures  # noqa: PLC0415 - only who draws needs matplotlib

        return WarmupPictures(self)

    def as_json(self) -> dict[str, Any]:
        """The entry of the warm-up in a result's JSON."""
        told = {} if self.warning is None else {"warning": self.warning}
        return {
            "seconds": self.seconds,
            "found": True,
            "metric": self.metric,
            "replications": self.replications,
            **told,
        }


def given(scenario: Scenario) -> dict[str, Any]:
    """The entry in a result's JSON for a warm-up that the scenario specifies."""
    return {"seconds": scenario.warmup, "found": False}


def mser5(series: Sequence[float] | Floats) -> int | None:
    """How many observations to cut from the front of a series; None when it has not settled in its first half.

    With the means Z₁ … Zₘ of batches of five (what is left over at the end is not looked at), the cut d that has the
    smallest marginal standard error, squared: Σ (Zⱼ − mean of these)² / (m − d)² over all j > d (White 1997). It is
    looked for in the first three quarters, and refused beyond the first half.

    Raises ValueError for fewer than ten batches, and for observations that are not finite.
    """
    observed = np.asarray(series, dtype=np.float64)
    count = len(observed) // BATCH
    if count < 2 * BATCH:
        raise ValueError(f"{len(observed)} observations are too few for MSER-5; valid: {2 * BATCH * BATCH} or more")
    if not np.isfinite(observed).all():
        raise ValueError("an observation is not finite; MSER-5 needs one at every instant")
    means = observed[: count * BATCH].reshape(count, BATCH).mean(axis=1)
    errors = np.array([means[cut:].var() / (count - cut) for cut in range(int(count * LOOKED_AT) + 1)])
    nothing = (ROUNDING * float(np.abs(means).max())) ** 2
    cut = int(np.argmax(errors <= errors.min() + nothing))
    return cut * BATCH if cut <= count * MOST else None


@shows_progress(lambda given: given["replications"])
def find_warmup(
    scenario: Scenario,
    seed: int | str | None = None,
    replications: int = REPLICATIONS,
    jobs: int = 1,
    *,
    backend: Backend | None = None,
    metric: str | None = None,
    on_run: Callable[[], None] | None = None,
    on_lost: Callable[[int], None] | None = None,
    force: bool = False,
    progress: bool = False,
) -> Warmup:
    """Find how long a scenario warms up, in pilot replications without its faults and from an empty start.

    `metric` is one of those that windows of time have (`steady_state` in a scenario takes the same): left out, it is
    the number of tasks in the system, or, of `closed` clients that do not think, whose number never changes, the
    throughput. Pilots are replications `"7/warmup.0"` and so on, of seed 7, also where `seed` is one replication of it.
    A `backend` takes the place of `jobs`; `on_run` hears when a pilot is finished, `on_lost` as in `sim.sweep`.
    With `progress`, a bar counts the pilots.

    More than a billion expected events are refused (TooManyEvents), unless `force` is true.

    Raises NoWarmup when the run is too short for it; when there is no steady state, because the offered load
    (`scenarios.offered_load`) is 1 or more and nothing limits the queue, or because the number of tasks still rises at
    the end of the pilots; and for loads that have none to settle in: a `burst`, and a `count` or `trace` that ends, are
    measured as a whole, and a `diurnal` load goes up and down for ever and warms up for whole periods. Raises
    ValueError for an unknown metric and for fewer than one replication or job, and what `Backend.each` raises.
    """
    check_counts(replications, jobs)
    of = _default_metric(scenario) if metric is None else metric
    if of not in METRICS:
        raise ValueError(f"{of}: is not known of slices of a run; valid: {', '.join(METRICS)}")
    _check(scenario)
    _check_load(scenario)
    if not force:
        check_events(scenario, replications)
    pilot = scenario.with_values({"faults": []})
    group = replication_name(scenario, seed).partition("/")[0]
    works = [(pilot, f"{group}/warmup.{number}", of) for number in range(replications)]
    found: dict[int, Floats] = {}
    for place, series in spread(_series, works, backend or jobs, on_lost):
        found[place] = series
        if on_run is not None:
            on_run()
    observed: Floats = np.array([found[place] for place in range(replications)])
    mean: Floats = observed.mean(axis=0)
    if not np.isfinite(mean).all():
        raise NoWarmup(f"{scenario.name}: {of} is not observed all the time; valid: {IN_SYSTEM}")
    _check_trend(scenario, of, observed)
    cut = mser5(mean)
    if cut is None:
        raise NoWarmup(_unsettled(scenario, of))
    seconds = scenario.duration * cut / SLICES
    averaged: pd.Series[float] = pd.Series(mean, index=pd.Index(_ends(scenario), name="seconds"), name=of)
    return Warmup(scenario, seconds, averaged, of, replications)


def _series(pilot: Scenario, name: str, metric: str) -> Floats:
    """The metric in each slice of a pilot; the history stays in the process of the run."""
    tracks = Tracks.of(simulate(pilot, name))
    return values(tracks, metric, _ends(pilot), pilot.duration / SLICES)


def _ends(scenario: Scenario) -> Floats:
    ends: Floats = scenario.duration * np.arange(1, SLICES + 1) / SLICES
    return ends


def _default_metric(scenario: Scenario) -> str:
    every = [tasks.arrivals for tasks in any_task(scenario)]
    is_closed = all(isinstance(arrivals, Closed) and arrivals.think.mean == 0 for arrivals in every)
    return THROUGHPUT if is_closed else IN_SYSTEM


def _check(scenario: Scenario) -> None:
    """Raise NoWarmup for loads without a steady state."""
    for tasks in any_task(scenario):
        _check_arrivals(scenario, tasks.arrivals)


def _check_arrivals(scenario: Scenario, arrivals: Arrivals) -> None:
    name = scenario.name
    if isinstance(arrivals, Burst):
        raise NoWarmup(f"{name}: a burst is measured from its first task to its last; valid: warmup=0s")
    if scenario.tasks.count is not None:
        raise NoWarmup(
            f"{name}: ends after {scenario.tasks.count:,} tasks and is measured as a whole; "
            "valid: warmup=0s, or tasks.count=null"
        )
    if isinstance(arrivals, Diurnal) and arrivals.amplitude:
        raise NoWarmup(
            f"{name}: a diurnal load goes up and down for ever; valid: whole periods, as in warmup={arrivals.period:g}s"
        )
    if isinstance(arrivals, Trace):
        times = np.array([0.0, *arrivals.values])
        if scenario.duration - times[-1] > np.diff(times).max(initial=0.0):
            raise NoWarmup(
                f"{name}: its recorded load ends at {times[-1]:g}s, before the run does; "
                f"valid: warmup=0s, or duration={times[-1]:g}s"
            )


def _check_load(scenario: Scenario) -> None:
    """Raise NoWarmup if the offered load is 1 or more and nothing limits the queue."""
    offered = offered_load(scenario)
    if offered is None or not offered.grows:
        return
    larger = "" if offered.remedy is None else f"{offered.remedy} or more, "
    raise NoWarmup(
        f"{scenario.name}: is overloaded: {offered.in_words()}; the queue grows to the end of the run, and no warm-up "
        f"comes before a steady state; valid: {larger}fewer or shorter tasks, fewer failures, a queue.capacity, or a "
        "warmup that is given"
    )


def _check_trend(scenario: Scenario, metric: str, pilots: Floats) -> None:
    """Raise NoWarmup if the metric still rises at the end of the pilot runs.

    The means of the last two quarters of each pilot are compared by a one-sided paired t-test. A queue that grows at a
    constant rate from the start has the ratio 7 : 5.
    """
    if len(pilots) < PILOTS_MIN or metric not in (IN_SYSTEM, DEPTH):
        return
    half = pilots.shape[1] // 2
    third, last = (part.mean(axis=1) for part in np.array_split(pilots[:, half:], 2, axis=1))
    rise = last - third
    mean, spread = float(rise.mean()), float(rise.std(ddof=1))
    if mean <= GROWTH * float(third.mean()) or mean <= 0:
        return
    if spread == 0 or stdtr(len(pilots) - 1, -mean / (spread / np.sqrt(len(pilots)))) < TREND_ERROR:
        raise NoWarmup(
            f"{scenario.name}: {metric} still rises in the last quarter of the pilot runs, by "
            f"{mean / float(third.mean()):.0%} from the quarter before it: the run does not settle, or is too short; "
            "valid: a longer duration, fewer or shorter tasks, more agents, or a warmup that is given"
        )


def _unsettled(scenario: Scenario, metric: str) -> str:
    """Why no warm-up was determined, and possible remedies."""
    return (
        f"{scenario.name}: {metric} has not settled in the first half of the run ({scenario.duration:g}s); valid: a "
        "longer duration, less load, or a warmup that is given"
    )
