"""A program has one trace, independent of process, hash seed and memory layout."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim.loop import SimLoop, run

RUNS = 10

PROGRAM = """
import asyncio, hashlib, sys

sys.path.insert(0, {root!r})
from sim.loop import SimLoop
from sim.loop.handles import Task

measure, scattered = sys.argv[1], int(sys.argv[2])
if measure == "tasks hashed by address":
    Task.__hash__ = asyncio.Task.__hash__
memory = [bytearray(100 + scattered) for _ in range(3000)]
del memory[:: 2 + scattered % 3]
log = []

async def works(n):
    try:
        await asyncio.sleep(1 + n % 7)
        if n == 252:
            raise ZeroDivisionError
    except asyncio.CancelledError:
        log.append(asyncio.current_task().get_name() + " cancelled")
        raise

async def main():
    try:
        async with asyncio.TaskGroup() as group:
            for n in range(300):
                memory.append(bytearray(scattered * n))
                group.create_task(works(n))
    except* ZeroDivisionError:
        log.append("failed")
    done, _ = await asyncio.wait([asyncio.create_task(asyncio.sleep(n % 3, n)) for n in range(100)])
    log.extend(str(task.result()) for task in done)

with asyncio.Runner(loop_factory=SimLoop if measure != "asyncio's own loop" else Quick) as runner:
    runner.run(main())
print(len(log), hashlib.sha256("\\n".join(log).encode()).hexdigest())
"""
QUICK = """
class Quick(asyncio.SelectorEventLoop):
    def time(self):  # its clock leaps to the next timer
        return max(self.now, self._scheduled[0]._when) if self._scheduled and not self._ready else self.now

    now = 0.0

    def _run_once(self):
        self.now = self.time()
        super()._run_once()

measure, scattered"""


def traces(measure):
    """The traces of the program of processes with different hash seeds and memory layouts, one after another."""
    root = str(Path(__file__).parents[3])
    program = PROGRAM.format(root=root).replace("measure, scattered", QUICK.strip(), 1)
    for seed in range(RUNS):
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        command = [sys.executable, "-c", program, measure, str(seed)]
        shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        yield shown.stdout.strip()


@pytest.mark.long
def test_ten_processes_give_one_trace():
    found = [*traces("SimLoop")]
    assert int(found[0].split()[0]) > 300
    assert found == found[:1] * RUNS


@pytest.mark.parametrize("measure", ["tasks hashed by address", "asyncio's own loop"])
def test_without_a_determinism_measure_traces_differ(measure):
    found = traces(measure)
    first = next(found)
    assert any(other != first for other in found)


async def names():
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(asyncio.sleep(1)) for _ in range(3)]
    return [task.get_name() for task in tasks]


def test_a_second_run_in_a_process_repeats_the_names():
    assert [run(names()), run(names())] == [["Task-2", "Task-3", "Task-4"]] * 2
    assert asyncio.run(names()) != asyncio.run(names())


def test_tasks_hash_by_their_number_in_the_loop():
    loop = SimLoop()
    tasks = [loop.create_task(asyncio.sleep(1)) for _ in range(3)]
    assert [hash(task) for task in tasks] == [1, 2, 3]
    assert list({*reversed(tasks)}) == tasks
    loop.abandon()
