"""The gallery of racy programs, explored here and by simloom and detangle: runs to find each defect, and wall time.

    python benchmarks/exploration.py

Each tool runs each program with the same 11 seeds and with its own defaults, one after another in one process, until
it finds the first failing order; nothing is shrunk. Numbers are medians of the seeds. A tool that is not installed is
left out: `pip install simloom detangle` (simloom needs Python 3.12). The last line is the time of an order of a program
of ten tasks. Ends with status 1 if a defect is not found, a sound program fails, or the whole gallery takes longer here
than in the faster of the others.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

RUNS = 2000
SEEDS = range(1, 12)
TEN_TASKS = 500  # runs of the program of ten tasks
Program = Callable[[], Any]
Tool = Callable[[Program, Callable[[Any], bool], int, int], int | None]


def explore(program: Program, holds: Callable[[Any], bool], runs: int, seed: int) -> int | None:
    """Runs to find a failure, with `sim.explore`; None if there is none."""
    report = import_module("sim.programs.exploration.explore").explore(
        program, holds, runs=runs, seed=seed, shrink=False
    )
    return None if report.holds else int(report.runs)


def simloom(program: Program, holds: Callable[[Any], bool], runs: int, seed: int) -> int | None:
    """As `explore`, with simloom."""
    found = import_module("simloom").explore(_judged(program, holds), runs=runs, start_seed=seed * 100_000)
    return found.runs if found.failed else None


def detangle(program: Program, holds: Callable[[Any], bool], runs: int, seed: int) -> int | None:
    """As `explore`, with detangle."""
    module = import_module("detangle")
    try:
        module.explore(_judged(program, holds), runs=runs, seed=seed, shrink=False, database=False)
    except module.BugFound as found:
        return int(found.report.runs)
    return None


def _judged(program: Program, holds: Callable[[Any], bool]) -> Program:
    async def judged() -> None:
        result = await program()
        assert holds(result), result

    return judged


async def ten_tasks() -> None:
    """Ten tasks of ten awaits each, at the same instants."""

    async def task() -> None:
        for _ in range(10):
            await asyncio.sleep(0.1)

    await asyncio.gather(*(task() for _ in range(10)))


def timed(tool: Tool, program: Program, holds: Callable[[Any], bool], runs: int, seed: int) -> tuple[int | None, float]:
    """What a tool finds, and milliseconds of wall time."""
    gc.collect()
    begin = time.perf_counter()
    found = tool(program, holds, runs, seed)
    return found, (time.perf_counter() - begin) * 1000


def main() -> int:
    """Print the table."""
    logging.disable(logging.CRITICAL)
    gallery = import_module("tests.sim.programs.exploration.racy_programs").GALLERY
    tools: dict[str, Tool] = {"sim.explore": explore}
    for name, tool in (("simloom", simloom), ("detangle", detangle)):
        try:
            tools[f"{name} {version(name)}"] = tool
        except PackageNotFoundError:
            print(f"{name} is not installed and left out: pip install {name}", file=sys.stderr)
    print(f"Python {python_version()}; runs to find, and milliseconds: medians of {len(SEEDS)} seeds\n")
    print("| | " + " | ".join(tools) + " |")
    print("| --- |" + " --- |" * len(tools))
    bad, total = 0, dict.fromkeys(tools, 0.0)
    for tool in tools.values():  # imports and caches
        tool(gallery[0].racy, gallery[0].holds, 3, 1)
    for defect in gallery:
        cells = []
        for name, tool in tools.items():
            found = [timed(tool, defect.racy, defect.holds, RUNS, seed) for seed in SEEDS]
            runs = [RUNS if number is None else number for number, _ in found]
            spent = median(wall for _, wall in found)
            total[name] += spent
            missed = sum(number is None for number, _ in found)
            bad += missed if tool is explore else 0
            cells.append(
                f"{median(runs):g} · {spent:.1f}" + (f" ({missed} of {len(SEEDS)} seeds miss it)" if missed else "")
            )
        if explore(defect.sound, defect.holds, 200, 1) is not None:
            bad += 1
            cells[0] += " (the sound twin fails)"
        print(f"| {defect.__name__} | " + " | ".join(cells) + " |", flush=True)
    print("| all | " + " | ".join(f"{spent:.0f} ms" for spent in total.values()) + " |")
    speeds = [timed(tool, ten_tasks, lambda _: True, TEN_TASKS, 1)[1] / TEN_TASKS for tool in tools.values()]
    print("| an order of ten tasks | " + " | ".join(f"{spent:.2f} ms" for spent in speeds) + " |")
    others = [spent for name, spent in total.items() if tools[name] is not explore]
    return int(bool(bad) or (bool(others) and total["sim.explore"] > min(others)))


if __name__ == "__main__":
    sys.exit(main())
