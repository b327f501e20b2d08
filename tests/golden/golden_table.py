"""The golden table: hash, verdicts and metrics of each shipped scenario at one seed, to detect changes of behavior.

`python -m tests.golden.golden_table` writes `golden.json` again, after a change of behavior that is meant.
"""

import json
from pathlib import Path

import scenarios
import sim

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
TABLE = FOLDER / "golden.json"
SEED = 7
METRICS = (
    "tasks.submitted",
    "tasks.completed",
    "tasks.failed",
    "tasks.sojourn.p95",
    "attempts.started",
    "retries.count",
    "recovery.count",
    "recovery.time.mean",
    "recovery.escalated",
    "detection.false_positives",
    "diagnosis.accuracy",
    "work.wasted_fraction",
    "queue.redeliveries",
    "consistency.violations",
)
SHIPPED = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "scenarios").rglob("*.scenario.yaml"))


def golden_row(file):
    """The row of one scenario file: the hash of its history, the verdict of each expectation, and some metrics."""
    scenario = scenarios.load(ROOT / file)
    result = sim.replicate(scenario, seed=SEED, replications=1)
    (run,) = result.runs
    return {
        "history_sha256": run.history_sha256,
        "events": run.events,
        "expectations": {each.expression: each.holds for each in result.expectations},
        "metrics": {name: run.metrics[name] for name in METRICS},
    }


if __name__ == "__main__":
    rows = {file: golden_row(file) for file in SHIPPED}
    TABLE.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n", encoding="utf-8")
