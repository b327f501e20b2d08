"""How often the gate of a suite is wrong: false alarms over unchanged suites, and slower recoveries that it misses.

    python benchmarks/gate.py [--suites N] [--replications N] [--jobs N] [--keep FOLDER] > sim/baselines/power.md

Each suite has a baseline on a seed of its own. The later runs are on the same seed, and on that of the next suite, so
that both sides of a comparison are independent of each other. With `--keep`, the results of each seed are kept in a
folder, and an interrupted measurement continues there. Prints a page in Markdown, and ends with status 1 if
something does not hold.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import scenarios
import sim
from scenarios import Scenario
from sim.baselines import Judgment, ScenarioBaseline, Verdict, baseline_of, judge
from sim.baselines.judgment import LEVEL
from sim.experiments.runs.backends import Backend
from sim.experiments.runs.executor import summaries
from sim.experiments.runs.replications import Result
from sim.experiments.runs.summary import RunSummary

SUITES, REPLICATIONS = 200, 15
FALSE_ALARMS, CAUGHT = 0.01, 0.99
"""The share of unchanged suites with a regression is below the first one, that of slower suites at least the second."""
BASE = """
name: {name}
duration: {duration}
tasks: {{arrivals: {{poisson: {{rate: 0.5/s}}}}, work: {{exponential: {{mean: 3s}}}}{tasks}}}
agents: {{count: 6, restart_time: 20s}}
{rest}
"""
CRASH = "faults: [{agent_crash: {targets: 1, at: 30s}}, {agent_crash: {targets: 1, at: 90s}}]"
OUTAGE = (
    "resources: {gpu: {units: 4}}\n"
    "faults: [{resource_unavailable: {resource: gpu, units: 4, at: 1m, for: {uniform: {low: 10s, high: 40s}}}}]"
)
SCENARIOS = (
    BASE.format(name="crashes", duration="3m", tasks="", rest=CRASH),
    BASE.format(name="failures", duration="6m", tasks=", failure_probability: 0.1", rest=""),
    BASE.format(name="outage", duration="3m", tasks=", needs: {gpu: 1}", rest=OUTAGE),
)
SLOWER: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "crashes": ("a restart of an agent takes 23.25 s instead of 20 s", {"agents.restart_time": "23250ms"}),
    "failures": (
        "the delay before a retry is 33 s instead of 30 s",
        {"recovery.conditions.task_failure.retry_delay": "33s"},
    ),
}
"""Changes by scenario that make its mean recovery 10 % slower: from 32.5 s, and from 30 s."""


@dataclass(frozen=True)
class Row:
    """A figure of the page: in how many of the suites a regression was reported, and the bound on their share."""

    name: str
    replications: str
    found: int
    of: int
    bound: float
    at_least: bool

    @property
    def holds(self) -> bool:
        """Whether the share is on the right side of its bound."""
        share = self.found / self.of
        return share >= self.bound if self.at_least else share < self.bound


def results(works: Sequence[tuple[Scenario, int]], count: int, jobs: int) -> Iterator[Result]:
    """The results of scenarios on seeds, in order."""
    calls = [
        ((place, number), scenario, f"{seed}/{number}")
        for place, (scenario, seed) in enumerate(works)
        for number in range(count)
    ]
    done: dict[tuple[int, int], RunSummary] = dict(summaries(calls, Backend(jobs=jobs)))
    for place, (scenario, seed) in enumerate(works):
        yield Result(scenario, str(seed), tuple(done[place, number] for number in range(count)))


SAME, FRESH = "the replications of the baseline", "fresh seeds"


@dataclass(frozen=True)
class Group:
    """The results of all scenarios on one seed, as they are, and of some that are slower."""

    plain: tuple[Result, ...]
    slower: tuple[Result, ...]


def groups(suites: int, count: int, jobs: int, keep: Path | None) -> Iterator[Group]:
    """The results on the seed of each suite, and on one more; those in the folder `keep` are not run again."""
    loaded = [scenarios.loads(text) for text in SCENARIOS]
    changed = [scenario.with_values(SLOWER[scenario.name][1]) for scenario in loaded if scenario.name in SLOWER]
    every = (*loaded, *changed)
    for seed in range(1000, 1001 + suites):
        files = [] if keep is None else [keep / f"{seed}-{count}-{place}.json" for place in range(len(every))]
        if files and all(file.exists() for file in files):
            found = tuple(sim.load(file) for file in files)
        else:
            found = tuple(results([(each, seed) for each in every], count, jobs))
            for result, file in zip(found, files, strict=keep is not None):
                result.save(file)
        yield Group(found[: len(loaded)], found[len(loaded) :])


def measure(suites: int, count: int, jobs: int, keep: Path | None = None) -> tuple[list[Row], Counter[str]]:
    """The rows of the page, and the verdicts on the metrics of unchanged suites on fresh seeds."""
    alarms: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    for before, after in pairwise(groups(suites, count, jobs, keep)):
        baselines = {result.scenario.name: baseline_of(result) for result in before.plain}

        def judged(result: Result, baselines: Mapping[str, ScenarioBaseline] = baselines) -> Judgment:
            return judge(baselines[result.scenario.name], result, scenarios=len(baselines))

        unchanged = [judged(result) for result in after.plain]
        alarms[FRESH] += any(each.verdict is Verdict.REGRESSION for each in unchanged)
        verdicts.update(str(metric.verdict) for each in unchanged for metric in each.metrics)
        for kind, group in ((SAME, before), (FRESH, after)):
            for result in group.slower:
                alarms[f"{result.scenario.name} {kind}"] += judged(result).verdict is Verdict.REGRESSION
    rows = [Row(f"nothing | {FRESH}", str(count), alarms[FRESH], suites, FALSE_ALARMS, False)]
    rows += [
        Row(f"{said} | {kind}", str(count), alarms[f"{name} {kind}"], suites, CAUGHT, True)
        for name, (said, _) in SLOWER.items()
        for kind in (SAME, FRESH)
    ]
    return rows, verdicts


PAGE = """# Power of the gate

How often `recovery-bench suite --baseline` reports a regression where there is none, and finds one that is there.

`python benchmarks/gate.py --suites {suites} > sim/baselines/power.md` makes this page: {suites} suites of
{scenarios} scenarios, each with a baseline of {count} replications on a seed of its own, tolerances of 5 %, and a level
of {level:.1%} for all metrics of a suite at once. The scenarios are crashes of agents, failed tasks, and an outage of a
resource. A later run is on the replications of the baseline, or on the seed of the next suite.

| change of the recovery | later run | replications | regression reported | bound |
| --- | --- | ---: | ---: | --- |
{rows}

An unchanged system on the replications of the baseline is identical, without statistics. On fresh seeds,
{inconclusive:.0%} of the metrics of unchanged suites were INCONCLUSIVE: {count} replications are too few to detect a
change of 5 % in them.
"""


def page(rows: Sequence[Row], verdicts: Counter[str], suites: int, count: int) -> str:
    """The page in Markdown."""
    told = []
    for row in rows:
        bound = f"{'at least' if row.at_least else 'below'} {row.bound:.0%}"
        verdict = bound if row.holds else f"{bound}: **does not hold**"
        told.append(f"| {row.name} | {row.replications} | {row.found} of {row.of} | {verdict} |")
    return PAGE.format(
        suites=suites,
        scenarios=len(SCENARIOS),
        count=count,
        level=LEVEL,
        rows="\n".join(told),
        inconclusive=verdicts[str(Verdict.INCONCLUSIVE)] / sum(verdicts.values()),
    )


def main() -> int:
    """Measure, print the page, and say whether all holds."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--suites", type=int, default=SUITES, metavar="N")
    parser.add_argument("--replications", type=int, default=REPLICATIONS, metavar="N")
    parser.add_argument("--jobs", type=int, default=1, metavar="N")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    asked = parser.parse_args()
    if asked.keep is not None:
        asked.keep.mkdir(parents=True, exist_ok=True)
    rows, verdicts = measure(asked.suites, asked.replications, asked.jobs, asked.keep)
    print(page(rows, verdicts, asked.suites, asked.replications), end="")
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
