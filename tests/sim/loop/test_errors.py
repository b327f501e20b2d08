"""Errors, deadlocks and livelocks on the loop, and their messages."""

import asyncio
import gc
import logging
from math import inf

import pytest

from sim.loop import Deadlock, Livelock, SimLoop, run


def now():
    return asyncio.get_running_loop().time()


class TestErrors:
    def test_an_unawaited_error_reaches_the_exception_handler(self, loop):
        told = []
        loop.set_exception_handler(lambda _, context: told.append((context["message"], repr(context["exception"]))))

        async def fails():
            raise ZeroDivisionError("at all")

        task = loop.create_task(fails())
        loop.call_later(1, [].pop)
        loop.env.run()
        del task
        gc.collect()
        callbacks, task = sorted(told)
        assert task == ("Task exception was never retrieved", "ZeroDivisionError('at all')")
        assert callbacks == ("Exception in callback list.pop()", "IndexError('pop from empty list')")

    def test_system_exit_ends_the_run_and_loses_nothing(self, loop):
        log = []

        def leaves():
            raise SystemExit(3)

        loop.call_soon(leaves)
        loop.call_soon(log.append, "next")
        with pytest.raises(SystemExit):
            loop.env.run()
        assert log == []
        loop.env.run()
        assert log == ["next"]

    def test_debug_mode_checks_callbacks_and_shows_their_origin(self, loop, caplog):
        loop.set_debug(True)
        with pytest.raises(TypeError, match="coroutines cannot be used"):
            loop.call_soon(sleeper)
        timer = loop.call_later(1, [].pop)
        assert "test_errors.py" in repr(timer)
        timer.cancel()
        assert "cancelled" in repr(timer)
        assert "created at" in repr(timer)
        handle = loop.call_soon([].pop)
        handle.cancel()
        assert all("list.pop" in repr(cancelled) for cancelled in (timer, handle))
        loop.call_soon([].pop)
        with caplog.at_level(logging.ERROR, logger="asyncio"):
            loop.env.run()
        assert "test_errors.py" in caplog.text

    def test_a_closed_loop_raises(self):
        loop = SimLoop()
        loop.close()
        loop.close()
        for schedule in (loop.call_soon, lambda callback: loop.call_later(1, callback)):
            with pytest.raises(RuntimeError, match="closed"):
                schedule(print)
        with pytest.raises(RuntimeError, match="closed"):
            loop.run_in_executor(None, print)


async def sleeper():
    await asyncio.sleep(1)


class TestDeadlock:
    def test_a_deadlock_names_tasks_and_what_they_await(self):
        async def takes(lock):
            await lock.acquire()

        async def reads(queue):
            await queue.get()

        async def main():
            lock = asyncio.Lock()
            await lock.acquire()
            async with asyncio.TaskGroup() as group:
                group.create_task(takes(lock), name="taker")
                group.create_task(reads(asyncio.Queue()), name="reader")
                group.create_task(asyncio.sleep(inf), name="sleeper")
                joined = group.create_task(asyncio.Event().wait(), name="joined")
                group.create_task(asyncio.wait_for(joined, None), name="joiner")
                group.create_task(waits(asyncio.get_running_loop()), name="simulated")

        async def waits(loop):
            await asyncio.sleep(7)
            await loop.wait(loop.env.event())

        with pytest.raises(Deadlock) as deadlock:
            run(main())
        lines = str(deadlock.value).splitlines()
        assert lines[0] == "nothing is scheduled at 7 s, but 7 task(s) wait:"
        here = [line for line in lines if "test_errors.py:" in line]
        assert [line.split()[0] for line in here] == ["Task-1", "taker", "reader", "simulated"]
        for who, what in {
            "Task-1 (": "waits on TaskGroup.__aexit__() of <TaskGroup",
            "taker (": "waits on Lock.acquire() of <asyncio.locks.Lock",
            "reader (": "waits on Queue.get() of <Queue",
            "sleeper (": "waits on asyncio.sleep(inf)",
            "joined (": "waits on Event.wait() of <asyncio.locks.Event",
            "joiner (": "waits on joined",
            "simulated (": "waits on SimPy's <Event() object",
        }.items():
            assert any(line.strip().startswith(who) and what in line for line in lines), (who, lines)

    def test_gather_and_wait_name_their_awaitables(self):
        async def gathers():
            await asyncio.gather(asyncio.create_task(asyncio.sleep(inf), name="one"), asyncio.sleep(1))

        async def main():
            await asyncio.wait(
                [asyncio.create_task(gathers(), name="gathering"), asyncio.create_task(asyncio.sleep(2))]
            )

        with pytest.raises(Deadlock) as deadlock:
            run(main())
        assert "gather() of one" in str(deadlock.value)
        assert "wait() for gathering" in str(deadlock.value)

    def test_an_endless_sleep_is_no_deadlock_while_events_remain(self):
        async def main():
            forever = asyncio.create_task(asyncio.sleep(inf))
            await asyncio.sleep(5)
            forever.cancel()
            return now()

        assert run(main()) == 5.0

    def test_a_deadlock_behind_an_infinite_timeout_is_detected(self, loop):
        async def main():
            async with asyncio.timeout(inf):
                await asyncio.Event().wait()

        with pytest.raises(Deadlock):
            loop.run_until_complete(main())

    def test_waiting_for_an_impossible_event_is_a_deadlock(self, loop):
        task = loop.create_task(asyncio.Event().wait(), name="waiter")
        with pytest.raises(Deadlock, match=r"(?s)waiter.*env.run\(\) waits for <Event"):
            loop.env.run(until=loop.process(task))

    def test_a_simulation_error_is_not_a_deadlock(self, loop):
        def breaks():
            yield loop.env.timeout(1)
            raise RuntimeError("the world's own")

        loop.env.process(breaks())
        with pytest.raises(RuntimeError, match="the world's own") as error:
            loop.env.run(until=loop.env.event())
        assert not isinstance(error.value, Deadlock)

    def test_run_forever_with_nothing_to_do_is_a_deadlock(self, loop):
        with pytest.raises(Deadlock, match="no task waits"):
            loop.run_forever()


class TestLivelock:
    def test_a_livelock_names_the_task_and_loses_nothing(self, loop):
        loop.max_callbacks = 1000
        turns = []

        async def spins():
            while len(turns) < 1500:
                turns.append(loop.time())
                await asyncio.sleep(0)

        task = loop.create_task(spins(), name="spinner")
        with pytest.raises(Livelock, match=r"(?s)1000 callbacks at 0 s.*spinner \(.*spins\) at .*test_errors.py:\d+"):
            loop.run_until_complete(task)
        loop.run_until_complete(task)
        assert len(turns) == 1500

    @pytest.mark.parametrize("kind", ["timer", "event"])
    def test_a_livelock_across_events_of_one_instant_is_detected(self, loop, kind):
        loop.max_callbacks = 1000

        async def spins():
            while True:
                if kind == "event":
                    await loop.wait(loop.env.timeout(0))
                else:
                    done = loop.create_future()
                    loop.call_later(0, done.set_result, None)
                    await done

        with pytest.raises(Livelock):
            loop.run_until_complete(spins())

    def test_the_livelock_limit_applies_per_instant(self, loop):
        loop.max_callbacks = 1000

        async def works():
            for _ in range(5000):
                await asyncio.sleep(0.001)

        loop.run_until_complete(works())

    def test_many_tasks_at_one_instant_are_no_livelock(self, loop):
        loop.max_callbacks = 1000

        async def main():
            await asyncio.gather(*(asyncio.sleep(1) for _ in range(5000)))

        loop.run_until_complete(main())
        assert loop.time() == 1.0

    @pytest.mark.parametrize("schedule", ["call_soon", "call_later"])
    def test_a_livelock_names_a_plain_callback(self, loop, schedule):
        loop.max_callbacks = 1000

        def again():
            loop.call_soon(again) if schedule == "call_soon" else loop.call_later(0, again)

        again()
        with pytest.raises(Livelock, match=r"callback .*again\(\) at .*test_errors.py:\d+") as livelock:
            loop.run_forever()
        assert "0x" not in str(livelock.value)

    def test_a_livelock_in_an_asynchronous_generator_names_its_line(self, loop):
        loop.max_callbacks = 1000

        async def spins():
            while True:
                await asyncio.sleep(0)
                yield

        async def main():
            async for _ in spins():
                pass

        line = spins.__code__.co_firstlineno + 2
        with pytest.raises(Livelock, match=rf"main\) at .*test_errors.py:{line}"):
            loop.run_until_complete(main())


class TestDeadlockInside:
    @pytest.mark.parametrize("kind", ["async for", "anext", "anext with default", "asend", "aclose", "nested"])
    def test_an_asynchronous_generator_is_named_by_its_line(self, kind):
        async def waits():
            try:
                if kind == "aclose":
                    yield
                await asyncio.Event().wait()
                yield
            finally:
                if kind == "aclose":
                    await asyncio.Event().wait()

        async def outer():
            async for each in waits():
                yield each

        async def main():
            generator = outer() if kind == "nested" else waits()
            if kind == "anext":
                await anext(generator)
            elif kind == "anext with default":
                await anext(generator, None)
            elif kind == "asend":
                await generator.asend(None)
            elif kind == "aclose":
                await anext(generator)
                await generator.aclose()
            else:
                async for _ in generator:
                    pass

        line = waits.__code__.co_firstlineno + (8 if kind == "aclose" else 4)
        with pytest.raises(Deadlock) as deadlock:
            run(main())
        assert f"test_errors.py:{line} waits on Event.wait() of <asyncio.locks.Event object [unset" in str(
            deadlock.value
        )

    def test_a_message_has_no_addresses(self):
        async def main():
            await asyncio.get_running_loop().create_future()

        with pytest.raises(Deadlock, match="waits on <Future pending") as deadlock:
            run(main())
        assert "0x" not in str(deadlock.value)
