"""Coroutines and SimPy processes wait for each other."""

import asyncio

import pytest
import simpy

from sim.loop import SimLoop


@pytest.fixture(params=["its own", "plain"])
def loop(request):
    loop = SimLoop() if request.param == "its own" else SimLoop(simpy.Environment())
    yield loop
    loop.abandon()


class Refused(Exception):
    """An exception whose `args` are incomplete."""

    def __init__(self, *, code):
        super().__init__()
        self.code = code


def waiting(loop, ask):
    """A task that awaits the result of `ask`."""

    async def waits():
        return await loop.wait(ask())

    task = loop.create_task(waits())
    loop.env.run(until=loop.time() + 1)
    return task


def cancel_when_granted(task, gives, granted):
    """Cancel a task at the instant at which its request is granted, before it wakes up."""

    def cancel(_):
        assert granted()
        assert not task.done()
        task.cancel()

    gives.callbacks.append(cancel)


class TestCoroutinesWaitForEvents:
    def test_wait_returns_at_the_time_of_the_event_with_its_value(self, loop):
        async def main():
            value = await loop.wait(loop.env.timeout(3, "value"))
            return value, loop.time(), loop.env.now

        assert loop.run_until_complete(main()) == ("value", 3.0, 3.0)

    def test_wait_for_a_processed_event_returns_immediately(self, loop):
        event = loop.env.event().succeed("long ago")
        loop.env.run(until=1)
        assert loop.run_until_complete(loop.wait(event)) == "long ago"

    def test_wait_for_conditions_and_processes(self, loop):
        def works():
            yield loop.env.timeout(2)
            return "done"

        async def main():
            process = loop.env.process(works())
            either = await loop.wait(loop.env.timeout(1) | process)
            return len(either.events), await loop.wait(process), loop.time()

        assert loop.run_until_complete(main()) == (1, "done", 2.0)

    def test_wait_works_with_gather_and_timeouts(self, loop):
        async def main():
            env = loop.env
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(loop.wait(env.timeout(9)), 1)
            async with asyncio.TaskGroup() as group:
                slept = [group.create_task(loop.wait(env.timeout(n, n))) for n in (3, 2)]
            return [task.result() for task in slept], await asyncio.gather(loop.wait(env.timeout(1, "x"))), loop.time()

        assert loop.run_until_complete(main()) == ([3, 2], ["x"], 5.0)

    def test_several_waiters_wake_in_order(self, loop):
        log = []

        async def waits(name, event):
            log.append((name, await loop.wait(event), loop.time()))

        event = loop.env.timeout(4, "now")
        tasks = [loop.create_task(waits(name, event)) for name in "abc"]
        loop.env.run()
        assert log == [(name, "now", 4.0) for name in "abc"]
        assert all(task.done() for task in tasks)

    def test_wait_raises_the_original_exception(self, loop):
        error = Refused(code=7)

        def fails():
            yield loop.env.timeout(1)
            raise error

        async def main():
            with pytest.raises(Refused) as told:
                await loop.wait(loop.env.process(fails()))
            return told.value

        assert loop.run_until_complete(main()) is error

    def test_wait_rejects_events_of_another_environment(self, loop):
        for other in (simpy.Environment().event(), 3):
            with pytest.raises(ValueError, match="own SimPy environment"):
                loop.run_until_complete(loop.wait(other))

    def test_a_cancelled_wait_leaves_no_callback(self, loop):
        event = loop.env.event()
        task = loop.create_task(loop.wait(event))
        loop.env.run(until=1)
        assert len(event.callbacks) == 1
        task.cancel()
        loop.env.run()
        assert task.cancelled()
        assert event.callbacks == []

    def test_wait_wakes_within_the_event(self, loop):
        log = []

        async def waits():
            await loop.wait(event)
            log.append("coroutine")

        def follows(_):
            log.append("event that came after")

        event = loop.env.timeout(1)
        task = loop.create_task(waits())
        loop.env.timeout(1).callbacks.append(follows)
        loop.env.run()
        assert log == ["coroutine", "event that came after"]
        assert task.done()

    def test_wait_wakes_within_the_event_in_either_loop_of_an_environment(self, loop):
        other, log = SimLoop(loop.env), []

        def process():
            log.append("process")
            yield loop.env.timeout(1)

        async def waits(its_own):
            event = loop.env.timeout(1)
            event.callbacks.append(lambda _: loop.env.process(process()))
            await its_own.wait(event)
            log.append("coroutine")

        tasks = [its_own.create_task(waits(its_own)) for its_own in (loop, other)]
        loop.run_until_complete(asyncio.sleep(5))
        assert log == ["coroutine", "process"] * 2
        assert all(task.done() for task in tasks)
        other.close()

    def test_a_coroutine_cancelled_by_the_event_continues_after_what_the_event_started_before(self, loop):
        log, event = [], loop.env.timeout(1)

        def process():
            log.append("process")
            yield loop.env.timeout(1)

        def cancel(_):
            loop.env.process(process())
            task.cancel()

        async def waits():
            try:
                await loop.wait(event)
            finally:
                log.append("coroutine")

        event.callbacks.append(cancel)
        task = loop.create_task(waits())
        loop.env.run()
        assert log == ["process", "coroutine"]

    def test_waiters_of_an_event_that_ends_a_run_continue_in_the_next_run(self, loop):
        env, event, log = loop.env, loop.env.event(), []

        async def waits():
            log.append(await loop.wait(event))

        def process():
            log.append((yield event))

        async def fires():
            await asyncio.sleep(1)
            event.succeed("value")

        env.process(process())  # both begin to wait after the run does
        tasks = [loop.create_task(waits()), loop.create_task(fires())]
        assert env.run(until=event) == "value"
        assert log == []
        env.run()
        assert log == ["value", "value"]
        assert all(task.done() for task in tasks)

    def test_all_waiters_of_an_event_wake_at_its_time(self, loop):
        """Also when the first of them leaves nothing else to do at that instant, and a timer is due later."""
        env, woke = loop.env, []
        event = env.event()

        async def waits(name):
            await loop.wait(event)
            woke.append((loop.time(), name))
            await asyncio.sleep(5)

        def process():
            yield event
            woke.append((env.now, "process"))

        tasks = [loop.create_task(waits(name)) for name in ("first", "second")]
        loop.call_later(2, lambda: env.process(process()))
        loop.call_later(4, event.succeed)
        loop.call_later(6, woke.append, "later")
        env.run(until=20)
        assert woke == [(4.0, "first"), (4.0, "second"), (4.0, "process"), "later"]
        assert all(task.done() for task in tasks)


class TestProcessesWaitForCoroutines:
    def test_process_returns_the_result(self, loop):
        async def works():
            await asyncio.sleep(2)
            return "result"

        def waits():
            value = yield loop.process(works())
            return value, loop.env.now

        assert loop.env.run(until=loop.env.process(waits())) == ("result", 2.0)

    def test_process_accepts_tasks_and_futures(self, loop):
        def waits():
            first = yield loop.process(task)
            loop.call_later(1, future.set_result, "set")
            second = yield loop.process(future)
            return first, second

        task = loop.create_task(asyncio.sleep(1, "slept"))
        future = loop.create_future()
        assert loop.env.run(until=loop.env.process(waits())) == ("slept", "set")

    def test_process_raises_the_original_exception_with_its_cause(self, loop):
        cause, error = KeyError("cause"), Refused(code=7)

        async def fails():
            await asyncio.sleep(1)
            raise error from cause

        def waits():
            try:
                yield loop.process(fails())
            except Refused as told:
                return told

        told = loop.env.run(until=loop.env.process(waits()))
        assert told is error
        assert told.__cause__.__cause__ is cause
        assert "raised in a coroutine" in str(told.__cause__)

    def test_simpy_alone_would_copy_the_exception(self):
        env = simpy.Environment()

        def fails():
            yield env.timeout(1)
            raise Refused(code=7)

        def waits():
            yield env.process(fails())

        with pytest.raises(TypeError, match="code"):
            env.run(until=env.process(waits()))

    def test_results_pass_from_coroutine_through_event_to_coroutine(self, loop):
        async def fails():
            raise Refused(code=7)

        async def main():
            with pytest.raises(Refused) as told:
                await loop.wait(loop.process(fails()))
            return told.value.code

        assert loop.run_until_complete(main()) == 7

    def test_an_unobserved_failure_ends_the_run(self, loop):
        async def fails():
            raise Refused(code=7)

        loop.process(fails())
        with pytest.raises(Refused) as told:
            loop.env.run()
        assert told.value.code == 7

    def test_a_cancellation_is_no_failure_but_reaches_waiters(self, loop):
        def waits():
            try:
                yield loop.process(task)
            except asyncio.CancelledError:
                return "told"

        alone = loop.create_task(asyncio.sleep(9))
        loop.process(alone)
        alone.cancel()
        task = loop.create_task(asyncio.sleep(9))
        process = loop.env.process(waits())
        loop.call_later(1, task.cancel)
        assert loop.env.run(until=process) == "told"

    def test_simpy_processes_set_asyncio_futures(self, loop):
        async def reads():
            return [(await queue.get(), loop.time()) for _ in range(2)]

        def writes():
            for item in "ab":
                yield loop.env.timeout(1)
                queue.put_nowait(item)

        queue = asyncio.Queue()
        loop.env.process(writes())
        assert loop.run_until_complete(reads()) == [("a", 1.0), ("b", 2.0)]


class TestResources:
    def test_a_cancelled_request_is_withdrawn(self, loop):
        resource = simpy.Resource(loop.env, 1)

        async def uses():
            with resource.request() as slot:
                await loop.wait(slot)
                await asyncio.sleep(10)

        first, second, third = (loop.create_task(uses()) for _ in range(3))
        loop.call_later(1, second.cancel)
        loop.env.run(until=15)
        assert (first.done(), second.cancelled(), third.done()) == (True, True, False)
        assert (len(resource.queue), resource.count) == (0, 1)
        loop.env.run()
        assert resource.count == 0

    @pytest.mark.parametrize("with_block", [True, False])
    def test_a_slot_granted_at_the_instant_of_the_cancel_is_returned(self, loop, with_block):
        resource = simpy.Resource(loop.env, 1)
        held = resource.request()

        async def uses():
            if with_block:
                with resource.request() as slot:
                    await loop.wait(slot)
            else:
                await loop.wait(resource.request())

        task = loop.create_task(uses())
        loop.env.run(until=1)
        cancel_when_granted(task, resource.release(held), lambda: resource.count == 1)
        loop.env.run()
        assert task.cancelled()
        assert resource.count == 0

    @pytest.mark.parametrize(
        ("kind", "items", "left"),
        [
            (simpy.Store, ["a", "b"], ["a", "b"]),
            (simpy.PriorityStore, [1, 2], [1, 2]),
            (simpy.FilterStore, ["a"], ["a"]),
        ],
    )
    def test_an_item_taken_at_the_instant_of_the_cancel_is_returned(self, loop, kind, items, left):
        store = kind(loop.env)
        task = waiting(loop, store.get)
        puts = [store.put(item) for item in items]
        cancel_when_granted(task, puts[0], lambda: store.items == left[1:])
        loop.env.run()
        assert task.cancelled()
        assert store.items == left
        assert store.get_queue == []

    def test_a_returned_item_goes_to_the_next_waiter(self, loop):
        store = simpy.Store(loop.env)
        first, second = waiting(loop, store.get), waiting(loop, store.get)
        cancel_when_granted(first, store.put("item"), lambda: store.items == [])
        loop.env.run()
        assert first.cancelled()
        assert second.result() == "item"

    def test_an_amount_taken_from_a_container_is_returned(self, loop):
        tank = simpy.Container(loop.env, 10)
        task = waiting(loop, lambda: tank.get(4))
        cancel_when_granted(task, tank.put(5), lambda: tank.level == 1)
        loop.env.run()
        assert task.cancelled()
        assert tank.level == 5

    def test_a_waiting_put_is_withdrawn_and_a_completed_put_stays(self, loop):
        store = simpy.Store(loop.env, 1)
        loop.run_until_complete(loop.wait(store.put("first")))
        waiting(loop, lambda: store.put("second")).cancel()
        loop.env.run()
        assert (store.items, store.put_queue) == (["first"], [])
        task = waiting(loop, lambda: store.put("third"))
        cancel_when_granted(task, store.get(), lambda: store.items == ["third"])
        loop.env.run()
        assert task.cancelled()
        assert store.items == ["third"]

    @pytest.fixture
    def preemption(self, loop):
        """A coroutine that loses its resource to a more important request at 5 s."""
        resource = simpy.PreemptiveResource(loop.env, 1)

        async def loses():
            with resource.request(priority=1) as slot:
                await loop.wait(slot)
                try:
                    await asyncio.sleep(10)
                except asyncio.CancelledError as error:
                    asyncio.current_task().uncancel()
                    return error.args[0], loop.time()

        def takes():
            yield loop.env.timeout(5)
            with resource.request(priority=0) as slot:
                yield slot
                yield loop.env.timeout(1)

        task = loop.create_task(loses())
        return resource, task, takes

    def test_a_coroutine_is_preempted_by_a_process(self, loop, preemption):
        resource, task, takes = preemption
        process = loop.env.process(takes())
        loop.env.run()
        preempted, at = task.result()
        assert isinstance(preempted, simpy.resources.resource.Preempted)
        assert (preempted.by, preempted.usage_since, preempted.resource, at) == (process, 0.0, resource, 5.0)
        assert resource.count == 0
