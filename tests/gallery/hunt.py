"""`make hunt`: thousands of schedules and orders against the sound core. A schedule is saved in scenarios/found."""

from __future__ import annotations

import sys
from pathlib import Path

import scenarios
import sim
from sim.experiments.search.search import search
from tests.gallery.core_orders import consistent, recoveries

EXAMPLES = 2000
ORDERS = 20_000
"""Orders of concurrent recoveries for each strategy."""
SEED = 1
FOLDER = Path(scenarios.__file__).parent / "found"
WORLDS = (
    """
name: hunted
duration: 10m
tasks: {arrivals: {interval: {every: 20s}}, work: 8s, checkpoint: {every: 2s}, needs: {gpu: 1}}
agents: {count: 5, restart_time: 10s}
resources: {gpu: {units: 6}}
queue: {ack_timeout: 30s}
""",
    """
name: hunted-slow-steps
duration: 10m
tasks: {arrivals: {interval: {every: 10s}}, work: 20s, checkpoint: {every: 2s}, failure_probability: 5%}
agents: {count: 5, restart_time: 5s}
recovery:
  cores: {count: 2}
  conditions: {task_failure: {max_retries: 2, retry_delay: 5s}}
  costs: {restore_checkpoint: 2s, retry_task: 2s, reassign_agent_tasks: 2s}
""",
)


def main() -> int:
    """The number of worlds, and of strategies of an exploration, that break."""
    broken = 0
    for text in WORLDS:
        scenario = scenarios.loads(text)
        result = search(scenario, EXAMPLES, SEED, invariants_only=True)
        found, missed = result.found, result.coverage.missed
        print(f"{scenario.name}: {result.examples} examples, {len(result.coverage.cells)} cells", end="")  # noqa: T201
        print(f"; not reached: {', '.join(missed)}" if missed else "; all marks reached", flush=True)  # noqa: T201
        if found is not None:
            broken += 1
            print(f"  breaks {found.name}: {found.breaks[0].message}; saved: {found.save(FOLDER)}")  # noqa: T201
    return broken + broken_orders()


def broken_orders() -> int:
    """The number of strategies that find an order of concurrent recoveries that breaks."""
    reports = [sim.explore(recoveries, consistent, strategy, ORDERS) for strategy in ("random", "pct", "bounded")]
    for report in reports:
        print(report, flush=True)  # noqa: T201
    return sum(not report.holds for report in reports)


if __name__ == "__main__":
    sys.exit(main())
