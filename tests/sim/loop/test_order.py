"""What asyncio keeps in sets has one order on a SimLoop, whatever the memory addresses and the hash seed."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim.loop import SimLoop, run
from sim.loop.handles import by_number

PROGRAM = Path(__file__).parent / "order_program.py"


def traces(measure, runs):
    """The traces of the program, by part, of processes with different hash seeds and memory layouts."""
    found = []
    for seed in range(1, runs + 1):
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        command = [sys.executable, str(PROGRAM), measure, str(seed)]
        shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found.append(json.loads(shown.stdout))
    return found


@pytest.mark.parametrize("runs", [2, pytest.param(8, marks=pytest.mark.long)])
def test_order_is_the_same_in_every_process(runs):
    first, *others = traces("cured", runs)
    for other in others:
        assert other == first
    assert all(len(trace) >= 299 for trace in first.values())
    in_order = ("executor_futures", "coroutines_as_completed", "generators", "cancelled by the runner, second")
    assert {part: first[part] for part in in_order} == {part: [*range(300)] for part in in_order}


@pytest.mark.parametrize("runs", [3, pytest.param(8, marks=pytest.mark.long)])
def test_without_the_cure_every_order_varies(runs):
    first, *others = traces("uncured", runs)
    constant = {part for part in first if all(other[part] == first[part] for other in others)}
    assert constant == set()


def test_futures_hash_by_number_in_their_loop():
    async def main():
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in range(3)]
        assert list({*reversed(futures)}) == futures[::-1]  # numbered when they are first hashed
        return [hash(future) for future in futures]

    assert [run(main()), run(main())] == [[3, 2, 1]] * 2


def test_other_loops_keep_their_hashes():
    async def main():
        gathered = asyncio.gather(asyncio.sleep(0))
        await gathered
        return hash(gathered) == object.__hash__(gathered)

    assert asyncio.run(main())


def test_tasks_of_a_factory_with_its_own_reference_are_sorted_all_the_same():
    own = asyncio.Task
    loop = SimLoop()
    loop.set_task_factory(lambda loop, coro, **options: own(coro, loop=loop, **options))
    tasks = [loop.create_task(asyncio.sleep(1)) for _ in range(30)]
    assert by_number(asyncio.all_tasks(loop)) == tasks
    loop.abandon()


@pytest.mark.parametrize("own", [False, True])
def test_tasks_of_a_custom_factory_hash_by_number(loop, own):
    class Own(asyncio.Task):
        pass

    def factory(loop, coro, **options):
        return (Own if own else asyncio.Task)(coro, loop=loop, **options)

    loop.set_task_factory(factory)
    tasks = [loop.create_task(asyncio.sleep(1)) for _ in range(3)]
    assert [(hash(task), task.get_name()) for task in tasks] == [(1, "Task-1"), (2, "Task-2"), (3, "Task-3")]


def test_a_create_future_of_a_subclass_is_used():
    class Counting(SimLoop):
        created = 0

        def create_future(self):
            self.created += 1
            return super().create_future()

    with asyncio.Runner(loop_factory=Counting) as runner:
        runner.run(asyncio.sleep(1))
        assert runner.get_loop().created == 1
