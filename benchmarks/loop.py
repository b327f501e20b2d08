"""asyncio on SimLoop against SimPy, each doing the same in virtual time, in one run: ratios of medians of five.

    python benchmarks/loop.py [--json FILE] [--quick]

Prints one line for each figure with what must hold and the goal, and ends with status 1 if something does not hold.
Every workload tells what came of it, to the last digit of virtual time: both sides have to agree before they are timed.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tracemalloc
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from typing import Any

import simpy
from figures import Row, main, ratio

from sim.loop import SimLoop, run

TRIES = 5
LIMIT = 1.0  # seconds that a try may take
BACKOFF = 0.5  # seconds before the second try; twice that before the third, and so on
SERVERS = 10

Tries = list[tuple[float, bool]]  # of each try: how long the call takes, and whether it then succeeds
Customers = list[tuple[float, float]]  # of each customer: when it comes, and how long it is served


# ------------------------------------------------------------------------------------------------------------ sleeps


def processes_sleep(sleepers: int, times: int) -> float:
    """Processes that yield timeouts; no two are due at once."""
    env = simpy.Environment()

    def sleep(nap: float) -> Any:
        for _ in range(times):
            yield env.timeout(nap)

    for number in range(sleepers):
        env.process(sleep(1 + number / sleepers))
    env.run()
    return env.now


def coroutines_sleep(sleepers: int, times: int) -> float:
    """The same as coroutines that await `asyncio.sleep`."""

    async def sleep(nap: float) -> None:
        for _ in range(times):
            await asyncio.sleep(nap)

    async def all_sleep() -> float:
        await asyncio.gather(*(sleep(1 + number / sleepers) for number in range(sleepers)))
        return asyncio.get_running_loop().time()

    return run(all_sleep())


# ----------------------------------------------------------------------------------------------------------- retries


def drawn_tries(tasks: int) -> list[Tries]:
    """Calls of which about one in five takes too long and one in three fails."""
    chance = random.Random(7)
    return [[(chance.expovariate(1.6), chance.random() < 2 / 3) for _ in range(TRIES)] for _ in range(tasks)]


def processes_retry(tasks: list[Tries]) -> tuple[int, list[float]]:
    """Written by hand for SimPy: a call is a process, raced against its time limit. Tries, and when tasks end."""
    env = simpy.Environment()
    tries, ends = 0, []

    def call(takes: float, succeeds: bool) -> Any:
        try:
            yield env.timeout(takes)
        except simpy.Interrupt:
            return
        if not succeeds:
            raise ConnectionError

    def task(outcomes: Tries) -> Any:
        nonlocal tries
        backoff = BACKOFF
        for takes, succeeds in outcomes:
            tries += 1
            attempt = env.process(call(takes, succeeds))
            try:
                yield attempt | env.timeout(LIMIT)
                if attempt.triggered:
                    break
                attempt.interrupt()
            except ConnectionError:
                pass
            yield env.timeout(backoff)
            backoff *= 2
        ends.append(env.now)

    for outcomes in tasks:
        env.process(task(outcomes))
    env.run()
    return tries, ends


def coroutines_retry(tasks: list[Tries]) -> tuple[int, list[float]]:
    """The same as asyncio has it: a call raises, or is cancelled by the timeout around it."""
    tries, ends = 0, []

    async def call(takes: float, succeeds: bool) -> None:
        await asyncio.sleep(takes)
        if not succeeds:
            raise ConnectionError

    async def task(outcomes: Tries) -> None:
        nonlocal tries
        backoff = BACKOFF
        for takes, succeeds in outcomes:
            tries += 1
            try:
                async with asyncio.timeout(LIMIT):
                    await call(takes, succeeds)
                break
            except (TimeoutError, ConnectionError):
                await asyncio.sleep(backoff)
                backoff *= 2
        ends.append(asyncio.get_running_loop().time())

    async def all_retry() -> None:
        async with asyncio.TaskGroup() as group:
            for outcomes in tasks:
                group.create_task(task(outcomes))

    run(all_retry())
    return tries, ends


# ------------------------------------------------------------------------------------------------------------ queues


def drawn_customers(count: int) -> Customers:
    """M/M/10 at load 0.9."""
    chance = random.Random(7)
    arrivals = accumulate(chance.expovariate(0.9 * SERVERS) for _ in range(count))
    return [(arrival, chance.expovariate(1.0)) for arrival in arrivals]


def processes_queue(customers: Customers) -> list[float]:
    """The queue as a SimPy model: a process for each customer. How long each of them waits."""
    env, waits = simpy.Environment(), []
    servers = simpy.Resource(env, SERVERS)

    def customer(service: float) -> Any:
        came = env.now
        with servers.request() as server:
            yield server
            waits.append(env.now - came)
            yield env.timeout(service)

    def door() -> Any:
        for arrival, service in customers:
            yield env.timeout(arrival - env.now)
            env.process(customer(service))

    env.process(door())
    env.run()
    return waits


def coroutines_queue_for_semaphore(customers: Customers) -> list[float]:
    """The same queue as an asyncio program that knows nothing of SimPy."""
    waits = []

    async def customer(servers: asyncio.Semaphore, clock: Callable[[], float], service: float) -> None:
        came = clock()
        async with servers:
            waits.append(clock() - came)
            await asyncio.sleep(service)

    async def door() -> None:
        servers, clock = asyncio.Semaphore(SERVERS), asyncio.get_running_loop().time
        async with asyncio.TaskGroup() as group:
            for arrival, service in customers:
                await asyncio.sleep(arrival - clock())
                group.create_task(customer(servers, clock, service))

    run(door())
    return waits


def coroutines_queue_for_resource(customers: Customers) -> list[float]:
    """The same queue with coroutines that await the requests of a SimPy resource."""
    loop, waits = SimLoop(), []
    servers = simpy.Resource(loop.env, SERVERS)

    async def customer(service: float) -> None:
        came = loop.time()
        with servers.request() as server:
            await loop.wait(server)
            waits.append(loop.time() - came)
            await asyncio.sleep(service)

    async def door() -> None:
        async with asyncio.TaskGroup() as group:
            for arrival, service in customers:
                await asyncio.sleep(arrival - loop.time())
                group.create_task(customer(service))

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(door())
    return waits


# ------------------------------------------------------------------------------------------------------------ memory


def bytes_per_sleeper(loop_factory: Callable[[], asyncio.AbstractEventLoop], sleepers: int = 10_000) -> float:
    """What a task that sleeps occupies, with its coroutine, its timer and its place in the loop."""

    async def settle() -> None:
        for _ in range(3):
            await asyncio.sleep(0)

    async def measure() -> float:
        await settle()
        before = tracemalloc.get_traced_memory()[0]
        tasks = [asyncio.create_task(asyncio.sleep(1 + number)) for number in range(sleepers)]
        await settle()
        occupied = tracemalloc.get_traced_memory()[0] - before
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes), "all were asleep"
        return occupied / sleepers

    tracemalloc.start()
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(measure())
    finally:
        tracemalloc.stop()


def largest_heap(blocks: int) -> int:
    """The most entries that the environment's heap ever has while `asyncio.timeout` blocks come to nothing."""
    loop = SimLoop()
    largest = 0

    async def exit_early() -> float:
        nonlocal largest
        for _ in range(blocks):
            async with asyncio.timeout(1e9):
                await asyncio.sleep(0.5)
            largest = max(largest, len(loop.env._queue))
        return loop.time()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(exit_early()) == blocks / 2
    return largest


# ------------------------------------------------------------------------------------------------------------ figures


def speed(coroutines: Callable[[], object], processes: Callable[[], object]) -> float:
    """How fast coroutines are by the measure of SimPy processes that do the very same."""
    assert coroutines() == processes(), "both sides do the same at the same virtual times"
    return ratio(processes, coroutines)


def rows(quick: bool) -> list[Row]:
    """Measure everything."""
    fewer = 10 if quick else 1
    tries = drawn_tries(10_000 // fewer)
    customers = drawn_customers(50_000 // fewer)
    queue = partial(processes_queue, customers)
    sleeps = speed(partial(coroutines_sleep, 1_000, 1_000 // fewer), partial(processes_sleep, 1_000, 1_000 // fewer))
    retries = speed(partial(coroutines_retry, tries), partial(processes_retry, tries))
    semaphore = speed(partial(coroutines_queue_for_semaphore, customers), queue)
    awaiting = speed(partial(coroutines_queue_for_resource, customers), queue)
    memory = bytes_per_sleeper(SimLoop) / bytes_per_sleeper(asyncio.new_event_loop)
    heap = largest_heap(1_000_000 // fewer)
    return [
        Row("asyncio.sleep / SimPy timeouts, 1,000 sleepers", sleeps, 0.24, 0.32),
        Row("retries with asyncio.timeout / SimPy by hand", retries, 0.90, 1.10),
        Row("M/M/10, asyncio.Semaphore / SimPy Resource", semaphore, 0.60, 0.80),
        Row("M/M/10, await of a request / SimPy Resource", awaiting, 0.40, 0.60),
        Row("memory per sleeping task / stock asyncio", memory, 1.25, 1.05, at_least=False),
        Row("heap entries at most, asyncio.timeout in vain", heap, 3_000, 1_500, at_least=False),
    ]


if __name__ == "__main__":
    sys.exit(main(__doc__ or "", rows))
