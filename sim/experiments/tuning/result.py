"""The result of a search: what was tried, the best settings on fresh replications, and what they change."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from scenarios.exchange.policy_file import values_text
from sim.experiments.comparison.compare import Comparison
from sim.experiments.runs.provenance import origin
from sim.experiments.runs.replications import Result
from sim.experiments.sweeps.designs import as_values, column
from sim.experiments.tuning.finalist import Finalist
from sim.experiments.tuning.objectives import Across, Objective
from sim.experiments.tuning.policy_values import check_exportable, policy_values
from sim.experiments.tuning.race import Judged
from sim.experiments.tuning.recommendation import changes, is_worth_it
from sim.experiments.tuning.space import Dimension, TuneError
from sim.presentation.formatting import count, quantity
from sim.results.base import ResultBase

if TYPE_CHECKING:
    from sim.experiments.tuning.plot import TuningPictures


@dataclass(frozen=True, eq=False, repr=False)
class Tuning(ResultBase):
    """A search over settings of a scenario, or of several.

    `now`: the scenarios as they are, on the same fresh replications as the `finalists`; `judged`: everything that was
    tried; `chosen`: the place of the finalist that is proposed, None if none meets the expectations. `importance`: the
    share of each path in the variation of each objective. `replications` and `verified`: numbers of replications of the
    search and of the fresh ones; `runs`: all runs. `replaced`: as of a `Result`. `recommends`: the search was made
    without ranges and objectives. `chosen_as_asked`: the proposed finalist was chosen by its number.
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
    recommends: bool = False
    chosen_as_asked: bool = False

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
    def recommended(self) -> Finalist | None:
        """The proposed setting if it changes something and is shown to be better than now; None: nothing is."""
        best = self.best
        return best if best is not None and is_worth_it(self.now, self.space, self.objectives, best) else None

    def choose(self, number: int) -> Tuning:
        """The same search with another finalist as the proposed one, counted from 1 as in the table.

        Raises TuneError for one whose expectations do not hold, and for a number that there is not.
        """
        valid = [place + 1 for place, each in enumerate(self.finalists) if each.is_confirmed]
        if number not in valid:
            is_refused = 1 <= number <= len(self.finalists)
            problem = "its expectations do not hold" if is_refused else "there is no such setting"
            listed = ", ".join(map(str, valid)) or "none; no setting meets the expectations"
            raise TuneError(f"choose={number}: {problem}; valid: {listed}")
        return replace(self, chosen=number - 1, chosen_as_asked=True)

    def policy(self) -> str:
        """The proposed setting as the text of a policy file, for `run --policy`.

        Raises TuneError if there is none, and if a policy file cannot have what is varied.
        """
        best = self.recommended if self.recommends else self.best
        if best is None:
            problem = "no setting is shown to be better than now" if self.best else "no setting meets the expectations"
            raise TuneError(f"there is no policy to write: {problem}")
        scenarios = [result.scenario for result in self.now]
        check_exportable(scenarios, self.space)
        paths = [each.path for each in changes(self.now, self.space, best)] if self.recommends else self.paths
        values = policy_values(scenarios[0].with_values(as_values(best.point)), paths)
        return values_text(values, [*self._about(best)])

    def _about(self, best: Finalist) -> Iterator[str]:
        names = ", ".join(result.scenario.name for result in self.now)
        yield f"recovery-bench tune {names}, seed {self.seed}: {' and '.join(each.text() for each in self.objectives)}"
        for place, result in enumerate(self.now):
            for objective in self.objectives:
                estimates = [each.metrics.get(objective.metric) for each in (result, best.fresh[place])]
                before, after = (quantity(each.mean if each else None, objective.unit) for each in estimates)
                where = f"{result.scenario.name}: " if len(self.now) > 1 else ""
                fresh = count(self.verified, "fresh replication")
                yield f"{where}{objective.metric} {before} -> {after} on {fresh}"
        for each in best.surpassed:
            yield f"surpassed, and to be changed with the policy: {each.expression}"

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

    def _recommendation(self) -> dict[str, Any] | None:
        best = self.recommended
        if best is None:
            return None
        return {
            each.path: {
                "from": [None if text is None else json.loads(text) for text in each.now],
                "to": json.loads(each.then),
            }
            for each in changes(self.now, self.space, best)
        }

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
            **({"recommended": self._recommendation()} if self.recommends else {}),
            "now": [_metrics(result, self.objectives) for result in self.now],
            "front": [
                {
                    "values": as_values(each.point),
                    "searched": list(each.searched),
                    "fresh": [_metrics(result, self.objectives) for result in each.fresh],
                    "optimism": self.optimism(each),
                    "confirmed": each.is_confirmed,
                    "failed": [one.expression for one in each.failed],
                    "surpassed": [one.expression for one in each.surpassed],
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
