"""Pools: atomic FIFO allocation, and units that fail while held."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sim.history import Event, History
from sim.world.resources import Allocation, Pools


def pools(**units: int) -> tuple[Pools, list[str]]:
    """Pools and a log into which grants go."""
    return Pools(History(), units), []


def test_a_request_that_does_not_fit_waits_and_is_not_overtaken() -> None:
    """A small request behind a large one waits as well."""
    made, log = pools(gpu=4)
    first: list[Allocation] = []
    made.request(1, 1, {"gpu": 3}, first.append)
    made.request(2, 1, {"gpu": 2}, lambda _: log.append("large"))
    made.request(3, 1, {"gpu": 1}, lambda _: log.append("small"))
    assert log == []
    made.release(first[0])
    assert log == ["large", "small"]


def test_units_of_several_pools_are_allocated_atomically() -> None:
    """Nothing is held while units are missing, so that tasks cannot deadlock each other."""
    made, log = pools(gpu=1, cpu=1)
    held: list[Allocation] = []
    made.request(1, 1, {"cpu": 1}, held.append)
    made.request(2, 1, {"gpu": 1, "cpu": 1}, lambda _: log.append("both"))
    assert made.pools["gpu"].free == 1
    made.release(held[0])
    assert log == ["both"]


def test_a_withdrawn_request_unblocks_the_next() -> None:
    """An attempt that was interrupted while it waited does not block the queue."""
    made, log = pools(gpu=2)
    made.request(1, 1, {"gpu": 1}, lambda _: None)
    withdraw = made.request(2, 1, {"gpu": 2}, lambda _: log.append("large"))
    made.request(3, 1, {"gpu": 1}, lambda _: log.append("small"))
    assert withdraw is not None
    withdraw()
    assert log == ["small"]


def test_a_second_release_has_no_effect() -> None:
    """Releasing is idempotent: units are not made of nothing."""
    made, _ = pools(gpu=2)
    made.request(1, 1, {"gpu": 2}, lambda _: None)
    assert made.release_all(1) == {"gpu": 2}
    assert made.release_all(1) == {}
    assert made.pools["gpu"].free == 2


def test_failed_units_are_taken_from_holders_and_return_free() -> None:
    """All four units fail: both holders lose theirs, and the pool is whole when they return."""
    made, log = pools(gpu=4)
    made.request(1, 1, {"gpu": 1}, lambda _: None)
    made.request(2, 1, {"gpu": 2}, lambda _: None)
    count, hit = made.disable("gpu", 9, np.random.default_rng(1))
    assert (count, sorted(allocation.task for allocation in hit)) == (4, [1, 2])
    assert made.held(1) == {"gpu": 0}
    made.request(3, 1, {"gpu": 1}, lambda _: log.append("granted"))
    assert log == []
    made.release_all(1)
    made.release_all(2)
    assert made.pools["gpu"].free == 0
    made.enable("gpu", 4)
    assert log == ["granted"]
    assert made.pools["gpu"].free == 3


@given(st.lists(st.tuples(st.sampled_from("ardeg"), st.integers(0, 9), st.integers(1, 4)), max_size=60))
def test_units_are_conserved(steps: list[tuple[str, int, int]]) -> None:
    """Free, held and unavailable units add up to the size of the pool, for any sequence of operations."""
    history = History()
    made = Pools(history, {"gpu": 6})
    pool, chance, down = made.pools["gpu"], np.random.default_rng(1), []
    for step, task, units in steps:
        if step == "a":
            made.request(task, 1, {"gpu": units}, lambda _: None)
        elif step == "g":
            made.allocate_now(task, {"gpu": units})
        elif step == "r":
            made.release_all(task)
        elif step == "d":
            down.append(made.disable("gpu", units, chance)[0])
        elif down:
            made.enable("gpu", down.pop())
        held = sum(made.held(number).get("gpu", 0) for number in range(10))
        assert pool.free >= 0
        assert pool.free + held + pool.unavailable == 6
    allocated = history.table["value"][history.table["event"] == Event.RESOURCE_ALLOCATED].sum()
    released = history.table["value"][history.table["event"] == Event.RESOURCE_RELEASED].sum()
    assert allocated - released == held if steps else True
