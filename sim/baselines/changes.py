"""How a scenario and the versions differ from those of a baseline, in words."""

from __future__ import annotations

from collections.abc import Iterator

from scenarios import Scenario
from scenarios.errors import shown
from sim.baselines.scenario_baseline import ScenarioBaseline, digest_of, versions
from sim.experiments.comparison.changed_keys import keys_of

NAMES = {"recovery_bench": "Recovery Bench", "python": "Python", "numpy": "NumPy"}
SHOWN = 10


def changes(baseline: ScenarioBaseline, scenario: Scenario) -> Iterator[str]:
    """Each difference in a line: keys of the scenario, and versions. Nothing when all are equal."""
    if baseline.digest != digest_of(scenario):
        found = list(_keys(baseline, scenario))
        yield from found[:SHOWN] or ["other defaults than those of the baseline"]
        if len(found) > SHOWN:
            yield f"and {len(found) - SHOWN} more keys"
    for name, now in versions().items():
        before = baseline.versions.get(name)
        if before != now:
            yield f"{NAMES[name]} {before} in the baseline, {now} now"


def _keys(baseline: ScenarioBaseline, scenario: Scenario) -> Iterator[str]:
    before, now = baseline.keys, keys_of(scenario, defaults=False)
    every = keys_of(scenario)
    for key in sorted({*before, *now}):
        if key not in now:
            default = f", now {shown(every[key])}" if key in every else ", not given now"
            yield f"{key}: {shown(before[key])} in the baseline{default}"
        elif key not in before:
            yield f"{key}: not given in the baseline, now {shown(now[key])}"
        elif before[key] != now[key]:
            yield f"{key}: {shown(before[key])} in the baseline, now {shown(now[key])}"
