"""What a search of policies finds, and what it costs: gains over the guide's defaults, and runs against a full grid.

    python benchmarks/tuning.py [--json FILE] [--quick]

Prints the gains on the documented scenarios, each with its 95 % interval on fresh paired replications, then one line
for each figure with what must hold and the goal. Ends with status 1 if something does not hold. With --quick the grid
is not run: its optimum is that of the closed form.

The optimum of agent-failure by the 95th percentile of the recovery time is known: a crash is detected m·h − U after it,
with U uniform over the heartbeat interval h and m missed heartbeats, and the restart takes 20 s. Its region is
everything within 5 % of the best point of the grid.
"""

from __future__ import annotations

import sys
import time
from itertools import product

from figures import Row, main

import scenarios
import sim
from sim.experiments.tuning.recommendation import changes
from sim.presentation.formatting import UNICODE, difference, quantity

RESTART = 20.0
INTERVALS = [float(second) for second in range(1, 11)]
MISSED = range(1, 6)
GRID_REPLICATIONS = 8
NEAR = 1.05
DETECTION = "recovery.detection"
VARY = (f"{DETECTION}.heartbeat_interval=1s..10s", f"{DETECTION}.missed_heartbeats=1..5")
P95 = "recovery.agent_failure.time.p95"


def expected(interval: float, missed: float) -> float:
    """The 95th percentile of the recovery time of a crash, in seconds."""
    return missed * interval - 0.05 * interval + RESTART


def gains() -> list[Row]:
    """What is recommended in place of the guide's defaults, 3 × 30 s and 2 × 15 s, and what it gains."""
    found = []
    for name in ("execution-failure", "resource-failure"):
        tuned = sim.tune(scenarios.load(name), jobs=2)
        best = tuned.recommended
        if best is None:
            found.append(Row(f"{name}: tasks in time, gain in percentage points", 0.0, 0.0, 1.0))
            continue
        told = [f"{each.path}: {each.now[0]} -> {each.then}" for each in changes(tuned.now, tuned.space, best)]
        print(f"{name}: {', '.join(told)}")
        found.append(_gain(name, tuned, best, tuned.objectives[0].metric))
    return found


def _gain(name: str, tuned: sim.Tuning, best: object, metric: str) -> Row:
    comparison = tuned.comparison(best)  # type: ignore[arg-type]
    for shown in (metric, "tasks.sojourn.mean", "tasks.sojourn.p95", "recovery.time.p95"):
        each = comparison.differences.get(shown)
        if each is not None:
            a, b = (quantity(value, each.unit, UNICODE) for value in (each.a, each.b))
            print(f"  {shown} {a} -> {b} ({difference(each.difference)}, {each.verdict})")
    each = comparison.differences[metric]
    assert each.difference is not None
    assert each.difference.ci95 is not None
    sign = 1 if each.direction == "higher" else -1
    least = min(sign * end for end in each.difference.ci95)
    return Row(f"{name}: {metric}, least gain by its interval", least, 0.0, 0.0)


def optimum(quick: bool) -> list[Row]:
    """Two parameters of agent-failure: the distance to the optimum, the time, and the runs against those of a grid."""
    scenario = scenarios.load("agent-failure")
    began = time.perf_counter()
    tuned = sim.tune(scenario, VARY, minimize=[P95], trials=12, replications=GRID_REPLICATIONS, fresh=8, jobs=2)
    took = time.perf_counter() - began
    best = tuned.best
    assert best is not None
    print(f"agent-failure: {best.point}")
    gained = _gain("agent-failure", tuned, best, P95)
    reached = best.fresh[0].metrics[P95].mean
    points = list(product(INTERVALS, MISSED))
    least = min(expected(*point) for point in points)
    if not quick:
        axes = {f"{DETECTION}.heartbeat_interval": INTERVALS, f"{DETECTION}.missed_heartbeats": list(MISSED)}
        least = min(
            sim.replicate(
                scenario.with_values(dict(zip(axes, point, strict=True))), replications=GRID_REPLICATIONS, jobs=2
            )
            .metrics[P95]
            .mean
            for point in points
        )
    return [
        gained,
        Row("agent-failure: p95 of the recovery time / best of the grid", reached / least, NEAR, 1.0, False),
        Row("the same search, seconds on two processes", took, 180, 60, False),
        Row("its runs / those of the grid", tuned.runs / (len(points) * GRID_REPLICATIONS), 0.25, 0.2, False),
    ]


def rows(quick: bool) -> list[Row]:
    """Measure everything."""
    return [*gains(), *optimum(quick)]


if __name__ == "__main__":
    sys.exit(main(__doc__ or "", rows))
