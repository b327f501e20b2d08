"""What experiments cost beyond their runs, and what the same luck saves: replications, sweeps and paired comparisons.

    python benchmarks/experiments.py [--json FILE] [--quick]

Prints one line for each figure with what must hold and the goal, and ends with status 1 if something does not hold.
CPU is that of all processes together, and does not depend on who else is at work; a speed-up is one of wall-clock time,
and needs two cores that nobody else uses.

The same luck saves least where a setting changes how much each stroke of bad luck costs: with a `retry_delay` of 5 s in
place of 30 s, every failure of a task costs 25 s less, and how many there are is luck that stays in the difference. It
is most in the tail, which consists of nothing but tasks that failed; p95 and p99 of execution-failure do not hold.
"""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from bench import loaded
from figures import ROUNDS, Row, main, seconds
from joblib.externals.loky import get_reusable_executor

import scenarios
from scenarios import Scenario
from sim.experiments.runs.replications import Result, replicate
from sim.simulation import run

RUNS = 100
TASKS = 25_000
"""Of a run that takes about half a second."""
SHORT = """
name: short
duration: 10s
tasks: {arrivals: {poisson: {rate: 2/s}}, work: {exponential: {mean: 1s}}}
agents: {count: 4, mtbf: 1m}
"""
"""A run that takes about 5 ms."""
MOST_TIMES = 1e6
"""Of replications saved. What is beyond is rounding: the difference is the same in every replication."""

SETTINGS = (
    ("agent-failure", "recovery.detection.heartbeat_interval", "2s"),
    ("agent-failure", "agents.restart_time", "5s"),
    ("resource-failure", "recovery.conditions.resource_failure.retry_delay", "30s"),
    ("resource-failure", "agents.count", 12),
    ("execution-failure", "recovery.conditions.task_failure.retry_delay", "5s"),
    ("execution-failure", "agents.count", 12),
    ("communication-failure", "queue.ack_timeout", "20s"),
    ("communication-failure", "agents.count", 12),
)
"""Each documented scenario with two settings that one would change."""
METRICS = ("recovery.time.mean", "tasks.sojourn.mean", "tasks.sojourn.p95", "tasks.sojourn.p99")


# ------------------------------------------------------------------------------- overhead
def bare_runs(scenario: Scenario, numbers: range) -> None:
    """Replications without the experiment layer."""
    for number in numbers:
        run(scenario, 7, replication=number)


def overhead_of_one() -> float:
    """CPU of replications over that of the bare runs, in this process: the median of rounds."""
    scenario, share = loaded(TASKS), RUNS // ROUNDS
    run(scenario, 7)
    return statistics.median(
        seconds(lambda: replicate(scenario, 7, replications=share)) / seconds(lambda: bare_runs(scenario, range(share)))
        for _ in range(ROUNDS)
    )


def _bare(numbers: range, pipe: object) -> None:
    scenario = loaded(TASKS)
    run(scenario, 7)
    pipe.send(seconds(lambda: bare_runs(scenario, numbers)))  # type: ignore[attr-defined]


def bare_of_two() -> float:
    """CPU of the bare runs alone in two processes at once, which slow each other down as two workers do."""
    context = multiprocessing.get_context("spawn")
    started = []
    for first in (0, 1):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_bare, args=(range(first, RUNS, 2), sender))
        process.start()
        started.append((process, receiver))
    found = sum(receiver.recv() for _, receiver in started)
    for process, _ in started:
        process.join()
    return float(found)


def cpu_of_children() -> float:
    """CPU seconds of the processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def layer_of_two() -> float:
    """CPU of the same replications on two processes: this one, and theirs from their start to their end."""
    get_reusable_executor(max_workers=2).shutdown(wait=True)
    scenario, before = loaded(TASKS), cpu_of_children()

    def whole() -> None:
        replicate(scenario, 7, replications=RUNS, jobs=2)
        get_reusable_executor(max_workers=2).shutdown(wait=True)

    return seconds(whole) + cpu_of_children() - before


def overhead_of_two(rounds: int) -> float:
    """CPU of replications on two processes over that of the bare runs in two: the median of rounds."""
    return statistics.median(layer_of_two() / bare_of_two() for _ in range(rounds))


# ------------------------------------------------------------------------------- two cores
def speed_up(scenario: Scenario, replications: int) -> float:
    """Wall-clock time of replications on one process over that on two, in turns: the median of three."""

    def wall(jobs: int) -> float:
        if jobs > 1:
            replicate(scenario, 7, replications=replications, jobs=jobs)  # every worker has started, and imported all
        began = time.perf_counter()
        replicate(scenario, 7, replications=replications, jobs=jobs)
        return time.perf_counter() - began

    return statistics.median(wall(1) / wall(2) for _ in range(3))


# ------------------------------------------------------------------------------- sweeps
def cpu_of(*command: str) -> float:
    """CPU seconds of a Python program from its start to its end."""
    before = cpu_of_children()
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
    return cpu_of_children() - before


def resumed() -> tuple[float, float]:
    """CPU seconds of the command that goes on with a finished grid of 50 × 20 points, and that over what it imports."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "short.scenario.yaml")
        file.write_text(SHORT, encoding="utf-8")
        restart = "agents.restart_time=" + ",".join(f"{second}s" for second in range(1, 51))
        count = "agents.count=" + ",".join(map(str, range(4, 24)))
        space = ("--grid", restart, "--grid", count, "--replications", "1")
        sweep = ("-m", "sim.cli", "sweep", str(file), *space, "--out", str(Path(folder, "out")))
        cpu_of(*sweep, "--jobs", "2")
        pairs = [
            (cpu_of(*sweep), cpu_of("-c", "import sim.cli.app, sim.experiments.sweeps.sweep, sim.reports.sweep"))
            for _ in range(ROUNDS)
        ]
    return statistics.median(pair[0] for pair in pairs), statistics.median(whole / bare for whole, bare in pairs)


# ------------------------------------------------------------------------------- the same luck
def times_saved(a: Result, b: Result, independent: Result, metric: str) -> float | None:
    """How many times as many replications independent luck needs for the same interval.

    (Var a + Var b') / Var(b − a), with b' on seeds of its own. None where there is no luck at all to begin with, or
    where the setting changes nothing in any replication.
    """
    one, other, apart = (
        np.array([np.nan if (value := each.metrics.get(metric)) is None else value for each in result.runs])
        for result in (a, b, independent)
    )
    pairs = np.isfinite(one) & np.isfinite(other)
    spread, without = (other - one)[pairs].var(ddof=1), one[pairs].var(ddof=1) + apart[np.isfinite(apart)].var(ddof=1)
    rounding = (1e-12 * float(np.abs(one[pairs]).mean())) ** 2
    if not without > rounding or not (np.abs(other - one)[pairs].max() ** 2 > rounding):
        return None
    return min(MOST_TIMES, float(without / spread)) if spread > rounding else MOST_TIMES


def savings(replications: int) -> list[Row]:
    """What the same luck saves for each setting and metric, then the median and the least of them."""
    found = []
    known: dict[str, Result] = {}
    for name, path, value in SETTINGS:
        scenario = scenarios.load(name)
        changed = scenario.with_values({path: value})
        a = known.setdefault(name, replicate(scenario, 7, replications=replications, jobs=2))
        b = replicate(changed, 7, replications=replications, jobs=2)
        independent = replicate(changed, 8, replications=replications, jobs=2)
        for metric in METRICS:
            times = times_saved(a, b, independent, metric)
            if times is not None:
                found.append(Row(f"{name}, {path.rpartition('.')[2]}={value}: {metric}", times, 3, 10))
    every = [row.measured for row in found]
    return [
        *found,
        Row("replications saved by the same luck, times: the median", statistics.median(every), 3, 10),
        Row("the same, the least", min(every), 3, 10),
    ]


def rows(quick: bool) -> list[Row]:
    """Measure everything."""
    command, share = resumed()
    return [
        Row(f"CPU of {RUNS} replications of 0.5 s / bare runs", overhead_of_one(), 1.05, 1.01, False),
        Row("the same on two processes, their start included", overhead_of_two(1 if quick else 3), 1.05, 1.03, False),
        Row(f"{RUNS} replications, two processes / one", speed_up(loaded(5_000), RUNS), 1.8, 1.95),
        Row("1,000 replications of 5 ms, two processes / one", speed_up(scenarios.loads(SHORT), 1_000), 1.5, 1.8),
        Row("finished grid of 1,000 points gone on with, CPU s", command, 2, 1.2, False),
        Row("the same / importing what it imports", share, 2, 1.3, False),
        *savings(20 if quick else 60),
    ]


if __name__ == "__main__":
    sys.exit(main(__doc__ or "", rows))
