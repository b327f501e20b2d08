"""The baseline of one scenario: its metrics, with a value for each replication."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.metadata import version
from typing import Any

from scenarios import Scenario
from scenarios.fields.metrics import lookup
from sim.baselines.tolerances import tolerance_asked
from sim.experiments.comparison.changed_keys import keys_of
from sim.experiments.comparison.compare import CORE
from sim.experiments.comparison.pooled import pooled_values
from sim.experiments.runs.provenance import installed_version
from sim.experiments.runs.replications import Result
from sim.experiments.runs.summary import RunSummary
from sim.stats.intervals import Interval

Versions = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric over the replications of a scenario.

    `values` has one for each replication, in their order; None: not observed. Of a mean, a percentile or a share of a
    distribution, `pooled` are the pseudo-values behind the estimate over all observations. `mean` and `ci95` are
    rounded to six digits, for people; the values are exact.
    """

    metric: str
    unit: str
    mean: float
    ci95: Interval | None
    n: int
    values: tuple[float | None, ...]
    pooled: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ScenarioBaseline:
    """What a scenario measured in replications 0 … `replications` - 1 of a seed.

    `digest` is the SHA-256 of all of its values that have an effect on a run, and `keys` are those that differ from the
    defaults, by path. `versions` are those of Recovery Bench, of Python and of NumPy.
    """

    scenario: str
    seed: int
    replications: int
    digest: str
    versions: Versions
    keys: Mapping[str, Any]
    metrics: Mapping[str, Measured]

    @property
    def names(self) -> list[str]:
        """The names of the replications."""
        return [f"{self.seed}/{number}" for number in range(self.replications)]


def digest_of(scenario: Scenario) -> str:
    """The SHA-256 of all values of a scenario that have an effect on a run, except its seed."""
    text = json.dumps(keys_of(scenario), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def versions() -> dict[str, str]:
    """The versions on which the values of a run may depend."""
    found = {"recovery_bench": installed_version(), "python": platform.python_version(), "numpy": version("numpy")}
    return {name: text for name, text in found.items() if text}


def baseline_of(result: Result) -> ScenarioBaseline:
    """The baseline that a result gives. Raises ValueError for other replications than the first ones of a seed."""
    if not result.seed.isdecimal() or [run.seed for run in result.runs] != [
        f"{result.seed}/{number}" for number in range(len(result.runs))
    ]:
        raise ValueError(f"{result.scenario.name}: a baseline has replications 0, 1, 2 … of a seed")
    scenario = result.scenario
    names = metrics_of(scenario, result.metrics)
    return ScenarioBaseline(
        scenario.name,
        int(result.seed),
        len(result.runs),
        digest_of(scenario),
        versions(),
        keys_of(scenario, defaults=False),
        {each.metric: each for each in measured(result, names)},
    )


def metrics_of(scenario: Scenario, observed: Iterable[str]) -> list[str]:
    """The metrics of a baseline, sorted: those that `compare` compares, and those of expectations and tolerances.

    A metric of which neither more nor less is better is one of them only if the scenario gives it a tolerance.
    """
    observed = list(observed)
    asked = [each.metric for each in scenario.expect]
    asked += [name for name in scenario.tolerances if "*" not in name]
    patterns = [name for name in scenario.tolerances if "*" in name]
    asked += [name for name in observed for pattern in patterns if fnmatchcase(name, pattern)]
    every = dict.fromkeys((*(name for name in CORE if name in observed), *asked))
    pools = scenario.parts
    return sorted(
        name
        for name in every
        if lookup(name, pools).direction is not None or tolerance_asked(name, scenario.tolerances) is not None
    )


def measured(result: Result, names: Sequence[str], pool: bool = True) -> Iterator[Measured]:
    """These metrics of a result, without those that no replication observed. `pool`: with pooled values."""
    pools = result.scenario.parts
    for name in names:
        found = result.metrics.get(name)
        if found is None:
            continue
        ci95 = None if found.ci95 is None else (_rounded(found.ci95[0]), _rounded(found.ci95[1]))
        values = tuple(run.metrics.get(name) for run in result.runs)
        pooled = _pooled(result.runs, name) if pool else ()
        yield Measured(name, lookup(name, pools).unit, _rounded(found.mean), ci95, found.n, values, pooled)


def _pooled(runs: Sequence[RunSummary], name: str) -> tuple[float, ...]:
    found = pooled_values(runs, name)
    return () if found is None else tuple(map(float, found[1]))


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
