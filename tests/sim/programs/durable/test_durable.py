"""What is durable has the semantics of real stores, files, queues and databases when the power is cut."""

import asyncio

import pytest

from sim import Durable
from sim.loop import run
from sim.programs.durable import Survives

LOST, TORN, KEPT, NAMES = Survives


def torn(durable, look):
    """What `look` sees after a cut, for each of many seeds; `durable` makes the state before the cut."""
    found = set()
    for seed in range(60):
        each = durable()
        each.cut_power(TORN, seed)
        found.add(look(each))
    return found


def writes(values, *, synced):
    durable = Durable()

    async def write():
        store = durable.store(synced=synced)
        for value in values:
            await store.write({"a": value, "b": value})

    run(write())
    return durable


def test_writes_of_a_store_are_durable_unless_it_is_to_be_synced():
    durable = writes([1, 2], synced=True)
    assert durable.unsynced() == frozenset()
    durable.cut_power(LOST)
    assert durable.store()["a"] == 2


def test_a_store_loses_its_last_unsynced_writes_in_order_and_each_as_a_whole():
    durable = writes([1, 2, 3], synced=False)
    assert durable.unsynced() == {TORN, KEPT}
    seen = torn(lambda: writes([1, 2, 3], synced=False), lambda each: tuple(run(each.store().items()).values()))
    assert seen == {(), (1, 1), (2, 2), (3, 3)}
    run(durable.store().sync())
    durable.cut_power(LOST)
    assert durable.store()["b"] == 3


def test_values_are_copied_and_a_conditional_write_compares():
    store, value = Durable().store(), [1]
    run(store.put("a", value))
    value.append(2)
    run(store.get("a")).append(3)
    assert store["a"] == [1]
    assert [run(store.put_if("a", 5, is_now=now)) for now in ([2], [1], 5)] == [False, True, True]
    run(store.delete("a"))
    assert "a" not in store
    assert len(store) == 0


def appended():
    durable = Durable()

    async def append():
        await durable.file("log").append("synced")
        await durable.file("log").fsync()
        await durable.file("log").append("ABC")

    run(append())
    return durable


def test_a_file_keeps_what_was_synced_and_perhaps_a_beginning_of_the_rest():
    assert torn(appended, lambda each: each.file("log").content) == {b"synced", b"syncedA", b"syncedAB"}
    for survives, content in ((LOST, b"synced"), (KEPT, b"syncedABC")):
        durable = appended()
        durable.cut_power(survives)
        assert durable.file("log").content == content


def renamed(*, fsync):
    durable = Durable()

    async def replace():
        old, new = durable.file("state"), durable.file("state.new")
        await old.write("old")
        await old.fsync()
        await new.write("new!")
        if fsync:
            await new.fsync()
        await new.rename("state")

    run(replace())
    return durable


def test_a_new_name_may_survive_without_the_content_unless_that_was_synced():
    for fsync, content in ((False, b""), (True, b"new!")):
        durable = renamed(fsync=fsync)
        assert NAMES in durable.unsynced()
        durable.cut_power(NAMES)
        assert durable.file("state").content == content
    assert torn(lambda: renamed(fsync=True), lambda each: each.file("state").content) == {b"old", b"new!"}
    assert {b"old", b"", b"new"} <= torn(lambda: renamed(fsync=False), lambda each: each.file("state").content)


def test_a_removed_or_missing_file_is_not_found():
    durable = renamed(fsync=True)
    run(durable.file("state").remove())
    for missing in (lambda: durable.file("state").content, lambda: run(durable.file("state").fsync())):
        with pytest.raises(FileNotFoundError, match="state: there is no such file"):
            missing()
    durable.cut_power(LOST)
    assert durable.file("state").content == b"old"


def test_a_queue_delivers_again_what_is_not_acknowledged_in_time():
    queue = Durable().queue(visibility=10)

    async def consume():
        await queue.put("a")
        first = await queue.get()
        assert await queue.get_nowait() is None
        again = await queue.get()
        assert (asyncio.get_running_loop().time(), again.body, again.delivery) == (10, "a", 2)
        assert not await first.ack()
        assert await again.nack(5)
        third = await queue.get()
        assert asyncio.get_running_loop().time() == 15
        assert await third.ack()
        return len(queue)

    assert run(consume()) == 0


def test_a_queue_wakes_who_waits_for_a_message():
    queue = Durable().queue()

    async def main():
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(queue.get())
            await asyncio.sleep(3)
            await queue.put("late")
        return waiting.result().body

    assert run(main()) == "late"


def test_a_request_has_its_effect_while_the_program_waits_and_once_for_a_key():
    durable = Durable(latency=2)

    async def main():
        request = asyncio.create_task(durable.request("charged", idempotency_key="a"))
        counts = []
        for seconds in (0.5, 1, 1):
            await asyncio.sleep(seconds)
            counts.append((dict(durable.effects), request.done()))
        return counts, await durable.request("charged", idempotency_key="a"), await durable.request("charged")

    assert run(main()) == ([({}, False), ({"charged": 1}, False), ({"charged": 1}, True)], 1, 2)


@pytest.mark.parametrize("make", [lambda: Durable(latency=-1), lambda: Durable().queue(visibility=0)])
def test_impossible_times_are_refused(make):
    with pytest.raises(ValueError, match="must be"):
        make()
