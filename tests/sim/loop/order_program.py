"""Prints what depends on the order of asyncio's sets, by part: `python order_program.py cured|uncured NUMBER`."""

import asyncio
import json
import sys
import weakref
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
from sim.loop import SimLoop, order
from sim.loop.handles import Task

cured, scattered = sys.argv[1] == "cured", int(sys.argv[2])
memory = [bytearray(100 + scattered) for _ in range(3000)]
del memory[:: 2 + scattered % 3]


def scatter(n):
    memory.append(bytearray(scattered * (n % 50)))
    return n


if not cured:
    for kind in (order.Future, Task, asyncio.tasks._GatheringFuture):
        kind.__hash__ = object.__hash__
    order.number_classes_of = lambda kind: None
    order.Task = asyncio.Task
    del asyncio.tasks.set
    known = getattr(asyncio.tasks, "_all_tasks" if sys.version_info < (3, 12) else "_scheduled_tasks")
    known.data = set()


class Loop(SimLoop):
    def __init__(self):
        super().__init__()
        if not cured:
            self._asyncgens = weakref.WeakSet()


N = 300
kept_alive = []
here = asyncio.get_running_loop


async def indexes(items, iterated):
    place = {id(item): n for n, item in enumerate(items)}
    return [place[id(item)] for item in iterated]


async def executor_futures():
    futures = [here().run_in_executor(None, scatter, n) for n in range(N)]
    done, _ = await asyncio.wait(futures)
    return [future.result() for future in done]


async def created_futures():
    futures = [here().create_future() for n in range(N) if scatter(n) >= 0]
    return await indexes(futures, set(futures))


async def gathers():
    futures = [asyncio.gather(asyncio.sleep(scatter(n) * 0 + 1)) for n in range(N)]
    done, _ = await asyncio.wait(futures)
    return await indexes(futures, done)


async def tasks():
    tasks = [asyncio.create_task(asyncio.sleep(scatter(n) * 0 + 1)) for n in range(N)]
    return await indexes(tasks, set(tasks))


async def coroutines_as_completed():
    async def works(n):
        started.append(n)
        await asyncio.sleep(1)
        return n

    started = []
    await asyncio.wait_for(next(iter(asyncio.as_completed([works(scatter(n)) for n in range(N)]))), 5)
    return started


async def generators():
    async def numbers(n):
        try:
            yield n
            yield n
        finally:
            closed.append(n)

    closed, kept = [], [numbers(scatter(n)) for n in range(N)]
    for each in kept:
        await anext(each)
    await here().shutdown_asyncgens()
    return closed


async def group_of(factory):
    async def works(n):
        try:
            await asyncio.sleep(1 + scatter(n))
        except asyncio.CancelledError:
            cancelled.append(n)
            raise
        raise ZeroDivisionError

    cancelled = []
    here().set_task_factory(factory)
    try:
        async with asyncio.TaskGroup() as group:
            for n in range(N):
                group.create_task(works(n))
    except* ZeroDivisionError:
        pass
    return cancelled


class Own(asyncio.Task):
    pass


def custom_factory():
    return group_of(lambda loop, coro, **options: asyncio.Task(coro, loop=loop, **options))


def own_class():
    return group_of(lambda loop, coro, **options: Own(coro, loop=loop, **options))


def eager_factory():
    return group_of(asyncio.create_eager_task_factory(asyncio.Task))


def own_eager_class():
    return group_of(asyncio.create_eager_task_factory(Own))


async def left_over():
    async def works(n):
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            cancelled.append(n)

    kept_alive.extend(asyncio.create_task(works(scatter(n))) for n in range(N))
    await asyncio.sleep(1)
    return cancelled


def trace(program):
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(program())


programs = [executor_futures, created_futures, gathers, tasks, coroutines_as_completed, generators, custom_factory]
programs += [own_class]
if sys.version_info >= (3, 12):
    programs += [eager_factory, own_eager_class]
found = {program.__name__: trace(program) for program in programs}
for again in ("first", "second"):
    cancelled = []
    found["cancelled by the runner, " + again] = trace(left_over)
    if again == "first":  # tasks of another run, not yet collected, change nothing
        kept = [asyncio.Task(asyncio.sleep(1), loop=Loop()) for _ in range(scattered * 37 % 500)]
for task in locals().get("kept", ()):
    task.get_coro().close()
    task._log_destroy_pending = False
sys.stdout.write(json.dumps(found))
