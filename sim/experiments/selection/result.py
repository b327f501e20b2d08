"""The result of a selection: settings by rank, and the first of them on fresh replications."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import nan
from typing import TYPE_CHECKING, Any

import pandas as pd

from scenarios import Scenario
from scenarios.fields.metrics import Metric
from sim.experiments.runs.heavy_tails import heavy_tails
from sim.experiments.runs.provenance import origin
from sim.experiments.selection.ranked import Ranked
from sim.experiments.sweeps.designs import Point, as_values, column
from sim.presentation.formatting import UNICODE, Signs, count, quantity
from sim.results.base import ResultBase
from sim.stats.estimates import Estimate
from sim.stats.intervals import CONFIDENCE

if TYPE_CHECKING:
    from sim.experiments.selection.plot import SelectionPictures

SELECTED, TIED, OUT, IN_CONTENTION = "selected", "exactly as good", "out", "in contention"
DISQUALIFIED = "disqualified"


@dataclass(frozen=True, eq=False, repr=False)
class Selection(ResultBase):
    """Settings of a scenario by the mean of a metric, best first.

    `decided`: whether the procedure has finished; if not, all settings that are not eliminated are in contention, and
    the first has the best mean so far. `replaced`: as of a `Result`. `replications`: the number that the selection
    used; `unobserved`: those among them that were left out because no setting observed the metric; `fresh`: names of
    the replications for the first settings. `violations`: the first of each run, as text. `interrupted`: the user
    stopped it.
    """

    scenario: Scenario
    seed: str
    metric: Metric
    indifference: float
    first: int
    most: int
    ranked: tuple[Ranked, ...]
    decided: bool
    replications: int
    unobserved: int
    fresh: tuple[str, ...]
    interrupted: bool
    runs: int
    wall_seconds: float
    violations: tuple[str, ...] = ()
    replaced: str | None = None

    def title(self) -> str:
        """A one-line summary: scenario and number of runs."""
        return f"{self.scenario.name}, seed {self.seed}: {count(len(self.ranked), 'setting')} by {self.metric.name}"

    @property
    def winner(self) -> Point | None:
        """The selected setting; before the decision, the one with the best mean so far. None: all are disqualified."""
        best = self.ranked[0]
        return None if best.failed else best.point

    @property
    def paths(self) -> tuple[str, ...]:
        """What is different between the settings."""
        return tuple(self.ranked[0].point)

    @property
    def contention(self) -> tuple[Ranked, ...]:
        """Who was not eliminated: when it is decided, the winner, and who is exactly as good."""
        return tuple(each for each in self.ranked if not each.eliminated and not each.failed)

    @property
    def judged(self) -> tuple[Ranked, ...]:
        """Settings that observed the metric on fresh replications, best rank first."""
        return tuple(each for each in self.ranked if each.fresh is not None)

    def status(self, each: Ranked) -> str:
        """What became of a setting: `selected`, `exactly as good`, `out` (eliminated), `disqualified` (an expectation
        does not hold) or `in contention`.
        """
        if each.failed:
            return DISQUALIFIED
        if each.eliminated:
            return OUT
        if not self.decided:
            return IN_CONTENTION
        return SELECTED if each is self.ranked[0] else TIED

    def outcome(self, style: Signs = UNICODE) -> str:
        """How sure it is, or why it is not decided, in words."""
        if self.winner is None:
            return "none is selected: what the scenario expects holds for no setting"
        if self.decided and all(each.failed for each in self.ranked[1:]):
            return "selected, because what the scenario expects holds for no other setting"
        if self.decided:
            return (
                f"95 % sure to be the best, where the best is ahead of all others by {self.margin(style)} or more "
                "(Kim and Nelson)"
            )
        after, left = count(self.replications, "replication"), count(len(self.contention), "setting")
        if self.interrupted:
            return f"not decided: interrupted after {after}, with {left} still in contention"
        decides = "more replications, or a larger indifference, decide"
        return f"not decided after {after}: {left} still in contention; {decides}"

    def margin(self, style: Signs = UNICODE) -> str:
        """The indifference with its unit; for shares in percentage points."""
        text = quantity(self.indifference, self.metric.unit, style)
        return text.removesuffix("%") + "pp" if self.metric.unit == "fraction" else text

    @property
    def plot(self) -> SelectionPictures:
        """Pictures, as matplotlib axes: `ranks()`."""
        from sim.experiments.selection.plot import SelectionPictures  # noqa: PLC0415 - only who draws needs matplotlib

        return SelectionPictures(self)

    @property
    def holds(self) -> bool:
        """Whether some setting meets the scenario's expectations, and no invariant was violated under any."""
        return not self.violations and self.winner is not None

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Tidy, a row for each setting: a column for each path (numbers where they are), rank, mean, low, high,
        replications, eliminated, disqualified, as_it_is, and of those that were judged on fresh replications
        fresh_mean, fresh_low, fresh_high, fresh_n, difference, difference_low, difference_high (the winner's value
        minus its own).
        """
        points = [each.point for each in self.ranked]
        rows = []
        for rank, each in enumerate(self.ranked, 1):
            told = (each.replications, each.eliminated, bool(each.failed), each.is_own)
            judged = (*_interval(each.fresh), 0 if each.fresh is None else each.fresh.n)
            rows.append((rank, *_interval(each.estimate), *told, *judged, *_interval(each.difference)))
        columns = ["rank", "mean", "low", "high", "replications", "eliminated", "disqualified", "as_it_is"]
        columns += [
            "fresh_mean",
            "fresh_low",
            "fresh_high",
            "fresh_n",
            "difference",
            "difference_low",
            "difference_high",
        ]
        values = pd.DataFrame({path: column(points, path) for path in self.paths})
        return pd.concat([values, pd.DataFrame(rows, columns=columns)], axis=1)

    def as_json(self) -> dict[str, Any]:
        """The selection as plain data, in the shape of `recovery-bench compare --grid … --json`."""
        return {
            **origin(self.scenario, self.seed),
            "metric": self.metric.name,
            "unit": self.metric.unit,
            "direction": self.metric.direction,
            "indifference": self.indifference,
            "confidence": CONFIDENCE,
            "first": self.first,
            "most": self.most,
            "replications": self.replications,
            "unobserved": self.unobserved,
            "fresh": list(self.fresh),
            "decided": self.decided,
            "interrupted": self.interrupted,
            "heavy_tails": {tail.path: tail.alpha for tail in heavy_tails(self.scenario)},
            "settings": [
                {
                    "values": as_values(each.point),
                    "rank": rank,
                    "mean": None if each.estimate is None else each.estimate.mean,
                    "ci95": list((each.estimate and each.estimate.ci95) or ()),
                    "replications": each.replications,
                    "eliminated": each.eliminated,
                    "disqualified": bool(each.failed),
                    "failed": [{"expression": one.expression, "observed": one.observed} for one in each.failed],
                    "ahead": _plain(each.ahead),
                    "as_it_is": each.is_own,
                    "fresh": _plain(each.fresh),
                    "difference": _plain(each.difference),
                }
                for rank, each in enumerate(self.ranked, 1)
            ],
            "violations": list(self.violations),
        }


def _interval(found: Estimate | None) -> tuple[float, float, float]:
    """Mean, low and high; not a number where there is none."""
    if found is None:
        return nan, nan, nan
    return found.mean, *(found.ci95 or (nan, nan))


def _plain(found: Estimate | None) -> dict[str, Any] | None:
    return None if found is None else {"mean": found.mean, "ci95": list(found.ci95 or ()), "n": found.n}
