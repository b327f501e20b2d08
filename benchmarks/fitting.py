"""What a fit to a log of a million attempts costs, from CSV and from Parquet, in CPU seconds.

    python benchmarks/fitting.py [--json FILE] [--quick]

Prints one line for each figure with what must hold and the goal, and ends with status 1 if something does not hold.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from figures import Row, main, seconds

from sim.experiments.fitting.fit import fit

ROWS, FEWER = 1_000_000, 100_000
MOST_SECONDS, GOAL = 20.0, 10.0


def log(size: int) -> pd.DataFrame:
    """A week of tasks that follow the day, three of a hundred of which fail, on 40 agents."""
    draws = np.random.default_rng(3)
    at = np.sort(draws.uniform(0, 7 * 86_400, 2 * size))
    at = at[draws.random(2 * size) < (1 + 0.5 * np.cos(2 * np.pi * (at - 50_000) / 86_400)) / 1.5][:size]
    size = len(at)
    fails = draws.random(size) < 0.03
    started = at + draws.exponential(1, size) * (draws.random(size) < 0.3)
    times = {"submitted": at, "started": started, "ended": started + draws.lognormal(1, 0.8, size)}
    base = pd.Timestamp("2026-03-01", tz="UTC")
    return pd.DataFrame(
        {
            "task_id": [f"{number:032x}" for number in range(size)],
            **{
                name: (base + pd.to_timedelta(each, "s")).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
                for name, each in times.items()
            },
            "status": np.where(fails, "FAILURE", "SUCCESS"),
            "agent": [f"worker-{number}" for number in draws.integers(0, 40, size)],
            "error": np.where(fails, "ValueError", None),
            "attempt": 1,
        }
    )


def measure(quick: bool) -> list[Row]:
    """The CPU seconds of both formats, for a million rows."""
    frame = log(FEWER if quick else ROWS)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for suffix, write in (("csv", frame.to_csv), ("parquet", frame.to_parquet)):
            path = Path(folder, f"log.{suffix}")
            write(path, index=False)
            taken = seconds(lambda path=path: fit(path))  # type: ignore[misc]
            rows.append(
                Row(f"fit of {len(frame):,} rows of {suffix}, CPU s", taken, MOST_SECONDS, GOAL, at_least=False)
            )
    return rows


if __name__ == "__main__":
    sys.exit(main(__doc__ or "", measure))
