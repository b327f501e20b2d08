"""Limited concurrency of recoveries with round-robin service of failure kinds."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.concurrency.fair_semaphore import FairSemaphore
from sim.loop import run


def order_of(size: int | None, arrivals: list[str], *, seconds: float = 1.0) -> list[tuple[float, str]]:
    """When each caller gets its slot; all arrive in this order at 0 s and hold their slot for a while."""
    slots, got = FairSemaphore(size), []

    async def one(name: str) -> None:
        async with slots.hold(name[0]):
            got.append((asyncio.get_running_loop().time(), name))
            await asyncio.sleep(seconds)

    async def main() -> None:
        await asyncio.gather(*(one(name) for name in arrivals))

    run(main())
    return got


def test_same_kind_is_served_in_fifo_order():
    assert order_of(2, ["t1", "t2", "t3", "t4", "t5"]) == [(0, "t1"), (0, "t2"), (1, "t3"), (1, "t4"), (2, "t5")]


def test_without_a_limit_there_is_no_waiting():
    assert order_of(None, ["t1", "t2", "a1"]) == [(0, "t1"), (0, "t2"), (0, "a1")]


def test_an_agent_gets_the_next_slot_before_waiting_tasks():
    tasks = [f"t{number}" for number in range(1000)]
    got = order_of(1, [*tasks, "a1"])
    assert got.index((1.0, "a1")) == 1
    assert len(got) == 1001


def test_kinds_are_served_round_robin():
    got = order_of(1, ["t1", "t2", "t3", "t4", "r1", "r2", "a1"])
    assert [name for _, name in got] == ["t1", "r1", "t2", "a1", "r2", "t3", "t4"]


def test_an_error_releases_the_slot():
    async def main() -> None:
        slots = FairSemaphore(1)
        with pytest.raises(ZeroDivisionError):
            async with slots.hold("t"):
                raise ZeroDivisionError
        async with asyncio.timeout(1), slots.hold("t"):
            pass

    run(main())


@pytest.mark.parametrize("same_instant", [True, False])
def test_a_cancelled_waiter_blocks_no_slot(same_instant):
    """At the same instant the slot is granted first, and then the waiter is cancelled."""
    got: list[str] = []

    async def main() -> None:
        slots = FairSemaphore(1)

        async def hold(name: str, seconds: float) -> None:
            async with slots.hold("t"):
                got.append(name)
                await asyncio.sleep(seconds)
            if name == "first" and same_instant:
                second.cancel()

        first = asyncio.create_task(hold("first", 2))
        await asyncio.sleep(1)
        second, third = asyncio.create_task(hold("second", 1)), asyncio.create_task(hold("third", 1))
        await asyncio.sleep(0.5)
        if not same_instant:
            second.cancel()
        async with asyncio.timeout(10):
            await asyncio.gather(first, second, third, return_exceptions=True)

    run(main())
    assert got == ["first", "third"]


def test_all_waiters_can_be_cancelled_at_once():
    async def main() -> None:
        slots = FairSemaphore(1)

        async def hold() -> None:
            async with slots.hold("t"):
                await asyncio.sleep(10)

        held = [asyncio.create_task(hold()) for _ in range(5)]
        await asyncio.sleep(1)
        for task in held:
            task.cancel()
        assert all(
            isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*held, return_exceptions=True)
        )
        async with asyncio.timeout(1), slots.hold("t"):
            pass

    run(main())


ARRIVALS = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from("tra"), st.integers(0, 3), st.none() | st.integers(0, 6)), max_size=30
)


@given(size=st.integers(1, 4), arrivals=ARRIVALS)
def test_the_limit_holds_and_no_free_slot_has_waiters(size, arrivals):
    """With any order of arrivals, kinds, durations and cancellations."""
    holding, most, waiting, late = 0, 0, {}, []

    async def main() -> None:
        slots = FairSemaphore(size)
        loop = asyncio.get_running_loop()

        async def one(number: int, at: int, kind: str, seconds: int) -> None:
            nonlocal holding, most
            await asyncio.sleep(at)
            waiting[number] = kind
            try:
                async with slots.hold(kind):
                    del waiting[number]
                    holding += 1
                    most = max(most, holding)
                    try:
                        await asyncio.sleep(seconds)
                    finally:
                        holding -= 1
            finally:
                waiting.pop(number, None)

        def look() -> None:
            if waiting and holding < size:
                late.append(loop.time())

        tasks = []
        for number, (at, kind, seconds, cancel_at) in enumerate(arrivals):
            tasks.append(loop.create_task(one(number, at, kind, seconds)))
            if cancel_at is not None:
                loop.call_later(cancel_at, tasks[-1].cancel)
        for at in range(200):
            loop.call_later(at + 0.5, look)
        await asyncio.gather(*tasks, return_exceptions=True)

    run(main())
    assert most <= size
    assert not late
