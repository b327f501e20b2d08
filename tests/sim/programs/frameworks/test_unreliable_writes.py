"""Writes that take time, and are lost, torn or stored after a later one; what a power cut makes of them."""

import asyncio
import random  # noqa: TID251 - generators with a seed
from functools import partial

import pytest

from sim.loop import run
from sim.programs.durable import Durable, Survives
from sim.programs.frameworks.errors import InvalidFault
from sim.programs.frameworks.unreliable_writes import UnreliableWrites


class Store:
    """A list of what is stored; of "abc" the part is "a"."""

    def __init__(self, durable=None, **faults):
        self.stored = []
        self.writes = UnreliableWrites(durable, **faults)

    async def put(self, name):
        await self.writes.write(partial(self.stored.append, name), lambda _: self.stored.append(name[0]))

    async def put_all(self, *names):
        for name in names:
            await self.put(name)


def test_a_write_is_stored_after_half_of_its_latency_and_acknowledged_after_the_other_half():
    async def main():
        store, loop = Store(latency=2.0), asyncio.get_running_loop()
        writing = asyncio.create_task(store.put("abc"))
        await asyncio.sleep(0.99)
        before = [*store.stored]
        await asyncio.sleep(0.02)
        after = [*store.stored]
        await writing
        return before, after, loop.time()

    assert run(main()) == ([], ["abc"], 2.0)


@pytest.mark.parametrize(
    ("faults", "stored"),
    [({}, ["abc", "def"]), ({"lost": 1}, []), ({"torn": 1}, ["a", "d"]), ({"reordered": 1}, ["abc"])],
)
def test_what_becomes_of_a_write(faults, stored):
    store = Store(latency=0.1, **faults)
    run(store.put_all("abc", "def"))
    assert store.stored == stored


def test_a_reordered_write_is_stored_after_the_next_one_or_before_a_read():
    orders = []
    for seed in range(40):
        store = Store(reordered=0.5, seed=seed)
        run(store.put_all("a", "b", "c"))
        run(store.writes.before_read())
        orders.append("".join(store.stored))
    assert {*orders} == {"abc", "bac", "acb"}


def test_writes_of_different_latency_overtake_each_other():
    async def main(seed):
        store = Store(latency=(0.1, 0.9), seed=seed)
        await asyncio.gather(store.put("a"), store.put("b"))
        return "".join(store.stored)

    assert {run(main(seed)) for seed in range(9)} == {"ab", "ba"}
    assert run(main(1)) == run(main(1))


@pytest.mark.parametrize(
    ("survives", "faults", "stored"),
    [
        (Survives.LOST, {}, {""}),
        (Survives.KEPT, {}, {"abc def"}),
        (Survives.KEPT, {"lost": 1}, {""}),
        (Survives.TORN, {}, {"", "abc", "def", "abc def"}),
        (Survives.TORN, {"torn": 1e-9}, {"", "abc", "def", "abc def", "a", "d", "a def", "abc d", "a d"}),
    ],
)
def test_a_power_cut_loses_keeps_or_tears_what_is_not_stored(survives, faults, stored):
    found = set()
    for seed in range(60):
        durable = Durable()
        store = Store(durable, latency=1.0, **faults)
        begun = [store.put("abc"), store.put("def")]
        run(_begin(begun))
        assert durable.unsynced() == ({*()} if "lost" in faults else {Survives.TORN, Survives.KEPT})
        durable.cut_power(survives, random.Random(seed))
        assert durable.unsynced() == frozenset()
        found.add(" ".join(store.stored))
    assert found == stored


async def _begin(coroutines):
    tasks = [asyncio.create_task(each) for each in coroutines]
    await asyncio.sleep(0.1)
    for each in tasks:
        each.cancel()


def test_what_stores_asynchronously_is_stored_at_a_cut():
    durable = Durable()
    store = Store(durable, latency=1.0)

    async def append():
        await asyncio.sleep(1)
        store.stored.append("abc")

    run(_begin([store.writes.write(append, lambda _: None)]))
    durable.cut_power(Survives.KEPT)
    assert store.stored == ["abc"]


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ({"durable": {}}, "durable={}: must be a sim.Durable"),
        ({"latency": -1}, "latency=-1: must be 0 seconds or more"),
        ({"latency": (2, 1)}, "latency=(2, 1): the first number must not be above the second"),
        ({"latency": (1,)}, "latency=(1,): must be a number of seconds, or a pair of them: (low, high)"),
        ({"lost": 2}, "lost=2: must be a probability from 0 to 1"),
        ({"torn": "x"}, "torn='x': must be a probability from 0 to 1"),
        ({"reordered": -0.1}, "reordered=-0.1: must be a probability from 0 to 1"),
        ({"seed": None}, "seed=None: must be a whole number from 0"),
    ],
)
def test_invalid_faults_are_named(faults, message):
    with pytest.raises(InvalidFault) as raised:
        UnreliableWrites(**faults)
    assert str(raised.value) == message


def test_a_part_without_the_methods_of_a_part_is_refused():
    with pytest.raises(TypeError, match=r"^part=7: has no method unsynced and no method cut_power$"):
        Durable().add(7)
