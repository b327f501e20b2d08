"""The result of a search: what was tried, the best settings on fresh replications, and what they change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from sim.experiments.comparison.compare import Comparison
from sim.experiments.runs.provenance import origin
from sim.experiments.runs.replications import Result
from sim.experiments.sweeps.designs import as_values, column
from sim.experiments.tuning.finalist import Finalist
from sim.experiments.tuning.objectives import Across, Objective
from sim.experiments.tuning.race import Judged
from sim.experiments.tuning.space import Dimension
from sim.presentation.formatting import count
from sim.results.base import ResultBase

if TYPE_CHECKING:
    from sim.experiments.tuning.plot import TuningPictures


@dataclass(frozen=True, eq=False, repr=False)
class Tuning(ResultBase):
    """A search over settings of a scenario, or of several.

    `now`: the scenarios as they are, on the same fresh replications as the `finalists`; `judged`: everything that was
    tried; `chosen`: the place of the finalist that is proposed, None if none meets the expectations. `importance`: the
    share of each path in the variation of each objective. `replications` and `verified`: numbers of replications of the
    search and of the fresh ones; `runs`: all runs. `replaced`: as of a `Result`.
    """

    now: tuple[Result, ...]
    seed: str
    space: tuple[Dimension, ...]
    objectives: tuple[Objective, ...]
    across: Across
    judged: tuple[Judged, ...]
    finalists: tuple[Finalist, ...]
    chosen: int | None
    importance: tuple[Mapping[str, float], ...]
    replications: int
    verified: int
    runs: int
    interrupted: bool = False
    replaced: str | None = None

    def title(self) -> str:
        """A one-line summary: scenarios and number of settings."""
        names = ", ".join(result.scenario.name for result in self.now)
        return f"{names}, seed {self.seed}: {count(len(self.judged), 'setting')} by {self.goal}"

    @property
    def goal(self) -> str:
        """The objectives in words."""
        return " and ".join(each.metric for each in self.objectives)

    @property
    def paths(self) -> tuple[str, ...]:
        """The varied paths."""
        return tuple(each.path for each in self.space)

    @property
    def best(self) -> Finalist | None:
        """The proposed setting; None if no setting meets the expectations."""
        return None if self.chosen is None else self.finalists[self.chosen]

    @property
    def holds(self) -> bool:
        """Whether there is a setting that meets the expectations."""
        return self.best is not None

    @cached_property
    def nearest(self) -> Judged | None:
        """The setting that comes nearest to the expectations, where none meets them."""
        if any(each.is_feasible for each in self.judged) or not self.judged:
            return None
        return min(self.judged, key=lambda each: (sum(each.distances), len(each.failed)))

    def comparison(self, of: Finalist, scenario: int = 0) -> Comparison:
        """A finalist against the scenario as it is now, on the fresh replications, in pairs."""
        now = self.now[scenario]
        fresh = of.fresh[scenario]
        own = as_values(of.point)
        return Comparison(now, fresh, {}, own, added=tuple(each.metric for each in self.objectives))

    def optimism(self, of: Finalist) -> list[float | None]:
        """By how much the search's value of each objective is better than the fresh one; None of several scenarios."""
        if len(self.now) > 1:
            return [None] * len(self.objectives)
        found: list[float | None] = []
        for objective, searched in zip(self.objectives, of.searched, strict=True):
            (fresh,) = of.estimates(objective)
            if fresh is None or searched is None:
                found.append(None)
            else:
                found.append(objective.loss(fresh.mean) - objective.loss(searched))
        return found

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row for each setting that was tried: a column for each path, one for each objective, replications, stopped,
        feasible, finalist.
        """
        points = [each.point for each in self.judged]
        names = [each.point for each in self.finalists]
        return pd.DataFrame(
            {
                **{path: column(points, path) for path in self.paths},
                **{
                    objective.metric: [each.values[place] for each in self.judged]
                    for place, objective in enumerate(self.objectives)
                },
                "replications": [each.replications for each in self.judged],
                "stopped": [each.is_stopped for each in self.judged],
                "feasible": [each.is_feasible for each in self.judged],
                "finalist": [each.point in names for each in self.judged],
            }
        )

    @property
    def plot(self) -> TuningPictures:
        """Pictures, as matplotlib axes: `front()`."""
        from sim.experiments.tuning.plot import TuningPictures  # noqa: PLC0415 - only who draws needs matplotlib

        return TuningPictures(self)

    def as_json(self) -> dict[str, Any]:
        """The search as plain data, in the shape of `recovery-bench tune --json`."""
        first = self.now[0].scenario
        return {
            **origin(first, self.seed),
            "scenarios": [result.scenario.name for result in self.now],
            "vary": [each.text() for each in self.space],
            "objectives": [
                {"metric": each.metric, "unit": each.unit, "maximize": each.maximize} for each in self.objectives
            ],
            "across": self.across,
            "interrupted": self.interrupted,
            **({} if self.replaced is None else {"replaced": self.replaced}),
            "replications": self.replications,
            "fresh": self.verified,
            "runs": self.runs,
            "chosen": None if self.best is None else as_values(self.best.point),
            "now": [_metrics(result, self.objectives) for result in self.now],
            "front": [
                {
                    "values": as_values(each.point),
                    "searched": list(each.searched),
                    "fresh": [_metrics(result, self.objectives) for result in each.fresh],
                    "optimism": self.optimism(each),
                    "confirmed": each.is_confirmed,
                    "failed": [one.expression for one in each.failed],
                    "differences": [
                        self.comparison(each, place).as_json()["metrics"] for place in range(len(self.now))
                    ],
                }
                for each in self.finalists
            ],
            "importance": {
                objective.metric: dict(shares)
                for objective, shares in zip(self.objectives, self.importance, strict=True)
            },
            "tried": [
                {
                    "values": as_values(each.point),
                    "objectives": list(each.values),
                    "replications": each.replications,
                    "stopped": each.is_stopped,
                    "feasible": each.is_feasible,
                    "failed": list(each.failed),
                }
                for each in self.judged
            ],
        }


def _metrics(result: Result, objectives: tuple[Objective, ...]) -> dict[str, Any]:
    found = {}
    for objective in objectives:
        of = result.metrics.get(objective.metric)
        found[objective.metric] = of and {
            "mean": of.mean,
            "ci95": of.ci95 and list(of.ci95),
            "n": of.n,
            "unit": of.unit,
        }
    return found
