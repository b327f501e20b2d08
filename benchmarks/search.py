"""Speed of a search and of suites: examples per second, the collection of many files, and all shipped scenarios.

    python benchmarks/search.py [--json FILE] [--quick]

Prints one line for each figure with what must hold and the goal, and ends with status 1 if something does not hold.
An example is a run of a ten-minute world with five agents and random faults of all kinds, with all of its checks. One
of seven equals an earlier one, and is not run again.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import Row, main, ratio, seconds

import scenarios
from sim.experiments.search.search import search
from sim.simulation import run

EXAMPLES = 300
WORLD = """
name: ten-minutes
duration: 10m
tasks: {arrivals: {interval: {every: 20s}}, work: 8s, checkpoint: {every: 2s}, needs: {gpu: 1}}
agents: {count: 5, restart_time: 10s}
resources: {gpu: {units: 6}}
queue: {ack_timeout: 30s}
"""
FILES = 1_000
TRIVIAL = """
name: file-{number}
duration: 10s
tasks: {{arrivals: {{burst: {{size: 1}}}}, work: 1s}}
agents: {{count: 1}}
expect: [tasks.lost == 0]
"""


def searched(examples: int) -> None:
    """A search that finds nothing. Raises RuntimeError if it does, or if it runs fewer examples."""
    found = search(scenarios.loads(WORLD), examples, 1, invariants_only=True)
    if found.found is not None or found.examples != examples:
        raise RuntimeError(f"{found.examples} of {examples} examples, found: {found.found}")


def run_plainly(times: int) -> None:
    """The same world without faults, by `sim.run`."""
    scenario = scenarios.loads(WORLD)
    for number in range(times):
        run(scenario, number)


def wall_and_cpu(*command: str) -> tuple[float, float]:
    """Wall-clock and CPU seconds of a Python program from its start to its end, whatever its exit status."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], check=False, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, cpu


def collection(files: int) -> float:
    """CPU seconds in which pytest collects a folder with so many scenario files, from its start to its end."""
    command = ("-m", "pytest", "--collect-only", "-q")
    with tempfile.TemporaryDirectory() as folder:
        for number in range(files):
            Path(folder, f"file-{number}.scenario.yaml").write_text(TRIVIAL.format(number=number), encoding="utf-8")
        return min(wall_and_cpu(*command, folder)[1] for _ in range(2))


def shipped() -> float:
    """Wall-clock seconds of `recovery-bench suite` on two processes over all shipped scenarios, one seed each."""
    folder = str(Path(scenarios.__file__).parent)
    return wall_and_cpu("-m", "sim.cli", "suite", folder, "--jobs", "2", "--quiet")[0]


def rows(quick: bool) -> list[Row]:
    """Measure everything."""
    searched(20)  # imports, and what is computed once
    examples = 60 if quick else EXAMPLES
    each = min(seconds(lambda: searched(examples)) for _ in range(2)) / examples
    found = [
        Row("examples a second, ten minutes, five agents", 1 / each, 150, 200),
        Row(
            "an example / sim.run of the world without faults",
            ratio(lambda: searched(60), lambda: run_plainly(60), 3),
            3,
            1,
            False,
        ),
        Row(f"collection of {FILES:,} files, CPU seconds", collection(FILES), 4, 2, False),
        # Every start of pytest imports the plugins of all packages that are installed, such as nbmake and langsmith.
        Row("the same in an empty folder", collection(files=0), 4, 2, False),
    ]
    if not quick:
        found.append(Row("all shipped scenarios on two cores, seconds", shipped(), 60, 30, False))
    return found


if __name__ == "__main__":
    sys.exit(main(__doc__ or "", rows))
