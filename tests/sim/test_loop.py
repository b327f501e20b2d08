"""Unmodified asyncio programs in virtual time."""

import asyncio
import contextvars
import gc
import logging
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from math import inf, nan

import pytest

from sim.loop import Deadlock, Livelock, NoInputOutput, SimLoop, run

HOUR = 3600.0


@pytest.fixture
def loop():
    loop = SimLoop()
    yield loop
    loop.abandon()


def now():
    return asyncio.get_running_loop().time()


class TestTime:
    def test_starts_at_zero_which_is_a_float(self):
        async def main():
            return now()

        start = run(main())
        assert (start, type(start)) == (0.0, float)

    def test_passes_only_where_a_program_waits(self):
        log = []

        async def fox(name, nap):
            for _ in range(2):
                await asyncio.sleep(nap)
                log.append((now(), name))

        async def main():
            async with asyncio.TaskGroup() as group:
                group.create_task(fox("red", 2 * HOUR))
                group.create_task(fox("gray", 3 * HOUR))

        run(main())
        assert log == [(2 * HOUR, "red"), (3 * HOUR, "gray"), (4 * HOUR, "red"), (6 * HOUR, "gray")]

    def test_call_at_is_exact(self, loop):
        loop.call_later(0.1, lambda: loop.call_at(0.3, lambda: times.append(loop.time())))
        times = []
        loop.env.run()
        assert times == [0.3]  # 0.1 + (0.3 - 0.1) is another number

    def test_what_is_overdue_comes_first_the_longest_overdue_before_all(self, loop):
        log = []
        loop.env.run(until=10)
        loop.call_later(0, log.append, "due")
        loop.call_at(9, log.append, "a second late")
        loop.call_at(-inf, log.append, "ever late")
        loop.call_later(-5, log.append, "five seconds late")
        loop.env.run(until=11)
        assert log == ["ever late", "five seconds late", "a second late", "due"]

    @pytest.mark.parametrize("method", ["call_later", "call_at"])
    def test_no_time_is_not_a_number(self, loop, method):
        with pytest.raises(ValueError, match="cannot be due at nan"):
            getattr(loop, method)(nan, print)

    def test_timers_due_at_one_instant_run_before_the_wake_ups_that_they_cause(self, loop):
        log = []

        def first():
            log.append("first timer")
            loop.call_soon(log.append, "caused by the first")

        loop.call_at(5, first)
        loop.call_at(5, log.append, "second timer")
        loop.env.run()
        assert log == ["first timer", "second timer", "caused by the first"]

    def test_so_do_those_that_are_due_with_a_sleeper_and_after_it(self, loop):
        log = []

        async def main():
            await asyncio.sleep(5)
            log.append("awake")

        async def set_a_timer():
            loop.call_at(5, log.append, "timer")

        loop.run_until_complete(asyncio.wait([loop.create_task(main()), loop.create_task(set_a_timer())]))
        assert log == ["timer", "awake"]

    def test_a_timer_that_is_due_now_does_not_wait_for_a_coroutine_that_spins(self):
        async def main():
            rung = asyncio.Event()
            asyncio.get_running_loop().call_later(0, rung.set)
            turns = 0
            while not rung.is_set():
                turns += 1
                await asyncio.sleep(0)
            return turns

        assert run(main()) <= 2

    def test_timers_of_two_loops_in_one_environment_keep_to_their_loops(self, loop):
        other = SimLoop(loop.env)
        ran = []

        async def work(name, its_own):
            await asyncio.sleep(1)
            ran.append((name, asyncio.get_running_loop() is its_own, now()))

        tasks = [loop.create_task(work("one", loop)), other.create_task(work("other", other))]
        loop.env.run()
        assert ran == [("one", True, 1.0), ("other", True, 1.0)]
        assert all(task.done() for task in tasks)
        other.close()


class TestPrograms:
    def test_timeouts(self):
        async def main():
            told = []
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2):
                    await asyncio.sleep(3)
            told.append(now())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.sleep(9), 3)
            told.append(now())
            async with asyncio.timeout_at(7):
                told.append(await asyncio.wait_for(asyncio.sleep(1, "slept"), 3))
            return [*told, now()]

        assert run(main()) == [2.0, 5.0, "slept", 6.0]

    def test_locks_and_queues(self):
        async def main():
            log = []
            lock, gate, queue, slots = asyncio.Lock(), asyncio.Event(), asyncio.Queue(1), asyncio.Semaphore(2)
            condition = asyncio.Condition()

            async def locked(name):
                async with lock:
                    await asyncio.sleep(1)
                    log.append((now(), name))

            async def opens():
                await asyncio.sleep(5)
                gate.set()
                async with condition:
                    condition.notify_all()

            async def passes():
                await gate.wait()
                log.append((now(), "gate"))

            async def notified():
                async with condition:
                    await condition.wait()
                log.append((now(), "condition"))

            async def produces():
                for item in range(3):
                    await queue.put(item)
                    log.append((now(), f"put {item}"))

            async def consumes():
                for _ in range(3):
                    await asyncio.sleep(10)
                    log.append((now(), f"got {await queue.get()}"))

            async def served(name):
                async with slots:
                    await asyncio.sleep(100)
                log.append((now(), name))

            parts = [locked("a"), locked("b"), opens(), passes(), notified(), produces(), consumes()]
            await asyncio.gather(*parts, served("x"), served("y"), served("z"))
            return log

        assert run(main()) == [
            (0.0, "put 0"), (1.0, "a"), (2.0, "b"), (5.0, "gate"), (5.0, "condition"), (10.0, "got 0"), (10.0, "put 1"),
            (20.0, "got 1"), (20.0, "put 2"), (30.0, "got 2"), (100.0, "x"), (100.0, "y"), (200.0, "z"),
        ]  # fmt: skip

    def test_cancellation_and_shield(self):
        async def main():
            log = []

            async def inner():
                await asyncio.sleep(5)
                log.append((now(), "inner done"))

            async def outer(shielded):
                try:
                    await asyncio.shield(shielded)
                except asyncio.CancelledError:
                    log.append((now(), "outer cancelled"))
                    raise

            shielded = asyncio.create_task(inner())
            waiting = asyncio.create_task(outer(shielded))
            await asyncio.sleep(1)
            waiting.cancel()
            done, pending = await asyncio.wait([waiting, shielded], return_when=asyncio.FIRST_COMPLETED)
            log.append((now(), len(done), len(pending), waiting.cancelled()))
            await shielded
            return log

        assert run(main()) == [(1.0, "outer cancelled"), (1.0, 1, 1, True), (5.0, "inner done")]

    def test_a_failure_in_a_group_cancels_the_others(self):
        async def fails():
            await asyncio.sleep(1)
            raise ZeroDivisionError

        async def main():
            with pytest.raises(ExceptionGroup) as failure:  # noqa: PT012 - the group is what fails
                async with asyncio.TaskGroup() as group:
                    group.create_task(fails())
                    forever = group.create_task(asyncio.sleep(inf))
            return now(), forever.cancelled(), [type(error) for error in failure.value.exceptions]

        assert run(main()) == (1.0, True, [ZeroDivisionError])

    def test_context_variables_even_an_empty_context(self, loop):
        name = contextvars.ContextVar("name", default="nobody")
        seen = []
        name.set("caller")
        loop.call_soon(lambda: seen.append(name.get()))
        loop.call_later(1, lambda: seen.append(name.get()))
        for schedule in (loop.call_soon, lambda *args, **kw: loop.call_later(2, *args, **kw)):
            schedule(lambda: seen.append(name.get()), context=contextvars.Context())  # an empty one is falsy
        loop.env.run()
        assert seen == ["caller", "nobody", "caller", "nobody"]

    @pytest.mark.parametrize("runs", ["loop", "environment"])
    def test_asynchronous_generators_are_shut_down(self, loop, runs):
        log = []

        async def numbers():
            try:
                yield 1
                yield 2
            finally:
                await asyncio.sleep(1)
                log.append(loop.time())

        async def main():
            kept.append(numbers())
            async for _ in kept[0]:
                break

        kept = []
        task = loop.create_task(main())
        if runs == "loop":
            loop.run_until_complete(task)
        else:
            loop.env.run(until=loop.process(task))
        loop.run_until_complete(loop.shutdown_asyncgens())
        assert log == [1.0]

    def test_asyncio_runner(self):
        async def main():
            await asyncio.sleep(HOUR)
            return now()

        with asyncio.Runner(loop_factory=SimLoop, debug=True) as runner:
            assert [runner.run(main()) for _ in range(2)] == [HOUR, 2 * HOUR]

    def test_stop_lets_what_is_ready_run_and_no_more(self, loop):
        log = []
        loop.call_soon(loop.stop)
        loop.call_soon(lambda: (log.append("ready"), loop.call_soon(log.append, "later")))
        loop.run_forever()
        assert log == ["ready"]
        loop.stop()
        loop.run_forever()
        assert log == ["ready", "later"]

    def test_stop_ends_a_run_of_the_environment(self, loop):
        loop.call_later(5, loop.stop)
        loop.call_later(10, print)
        loop.env.run()
        assert loop.time() == 5.0
        loop.env.run()
        assert loop.time() == 10.0

    def test_a_loop_of_the_wall_clock_may_run_around_it(self):
        async def cell():  # as in a notebook
            outer = asyncio.get_running_loop()
            loop = SimLoop()
            slept = loop.run_until_complete(asyncio.sleep(HOUR, "slept"))
            loop.close()
            assert asyncio.get_running_loop() is outer
            assert run(asyncio.sleep(1, "too")) == "too"
            assert asyncio.get_running_loop() is outer
            return slept

        assert asyncio.run(cell()) == "slept"

    def test_another_virtual_loop_may_not(self):
        async def main():
            waiting = asyncio.sleep(1)
            other = SimLoop()
            try:
                other.run_until_complete(waiting)
            finally:
                waiting.close()
                other.close()

        with pytest.raises(RuntimeError, match="while another loop is running"):
            run(main())

    def test_the_environment_cannot_be_run_from_within(self, loop):
        async def main():
            loop.env.run(until=10)

        with pytest.raises(RuntimeError, match=r"await loop\.wait"):
            loop.run_until_complete(main())

    @pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
    def test_eager_tasks_have_names_and_numbers_of_the_loop(self):
        async def main():
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
            tasks = [asyncio.create_task(asyncio.sleep(1)) for _ in range(2)]
            await asyncio.wait(tasks)
            return [(task.get_name(), hash(task)) for task in tasks]

        assert [run(main()), run(main())] == [[("Task-2", 2), ("Task-3", 3)]] * 2

    def test_a_task_factory_of_ones_own(self, loop):
        class Named(asyncio.Task):
            pass

        loop.set_task_factory(lambda loop, coro, **options: Named(coro, loop=loop, **options))
        task = loop.create_task(asyncio.sleep(1), context=contextvars.copy_context())
        assert (type(task), task.get_name()) == (Named, "Task-1")
        loop.run_until_complete(task)


class TestErrors:
    def test_an_error_that_nobody_awaits_reaches_the_exception_handler(self, loop):
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

    def test_an_exit_ends_the_run_and_loses_nothing(self, loop):
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

    def test_debug_mode_checks_callbacks_and_tells_where_they_come_from(self, loop, caplog):
        loop.set_debug(True)
        with pytest.raises(TypeError, match="coroutines cannot be used"):
            loop.call_soon(sleeper)
        timer = loop.call_later(1, [].pop)
        assert "test_loop.py" in repr(timer)
        timer.cancel()
        assert "cancelled" in repr(timer)
        assert "created at" in repr(timer)
        handle = loop.call_soon([].pop)
        handle.cancel()
        assert all("list.pop" in repr(cancelled) for cancelled in (timer, handle))
        loop.call_soon([].pop)
        with caplog.at_level(logging.ERROR, logger="asyncio"):
            loop.env.run()
        assert "test_loop.py" in caplog.text

    def test_a_closed_loop_refuses(self):
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
    def test_names_who_waits_on_what_and_where(self):
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
        here = [line for line in lines if "test_loop.py:" in line]
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

    def test_gather_and_wait_name_what_they_wait_for(self):
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

    def test_sleep_forever_is_none_as_long_as_something_can_happen(self):
        async def main():
            forever = asyncio.create_task(asyncio.sleep(inf))
            await asyncio.sleep(5)
            forever.cancel()
            return now()

        assert run(main()) == 5.0

    def test_is_seen_behind_a_timeout_that_never_comes(self, loop):
        async def main():
            async with asyncio.timeout(inf):
                await asyncio.Event().wait()

        with pytest.raises(Deadlock):
            loop.run_until_complete(main())

    def test_until_an_event_that_cannot_come(self, loop):
        task = loop.create_task(asyncio.Event().wait(), name="waiter")
        with pytest.raises(Deadlock, match=r"(?s)waiter.*env.run\(\) waits for <Event"):
            loop.env.run(until=loop.process(task))

    def test_an_error_of_the_world_is_no_deadlock(self, loop):
        def breaks():
            yield loop.env.timeout(1)
            raise RuntimeError("the world's own")

        loop.env.process(breaks())
        with pytest.raises(RuntimeError, match="the world's own") as error:
            loop.env.run(until=loop.env.event())
        assert not isinstance(error.value, Deadlock)

    def test_running_forever_with_nothing_to_do(self, loop):
        with pytest.raises(Deadlock, match="no task waits"):
            loop.run_forever()


class TestLivelock:
    def test_names_who_spins_and_loses_nothing(self, loop):
        loop.max_callbacks = 1000
        turns = []

        async def spins():
            while len(turns) < 1500:
                turns.append(loop.time())
                await asyncio.sleep(0)

        task = loop.create_task(spins(), name="spinner")
        with pytest.raises(Livelock, match=r"(?s)1000 callbacks at 0 s.*spinner \(.*spins\) at .*test_loop.py:\d+"):
            loop.run_until_complete(task)
        loop.run_until_complete(task)
        assert len(turns) == 1500

    @pytest.mark.parametrize("kind", ["timer", "event"])
    def test_is_seen_across_events_of_one_instant(self, loop, kind):
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

    def test_the_bound_is_that_of_one_instant(self, loop):
        loop.max_callbacks = 1000

        async def works():
            for _ in range(5000):
                await asyncio.sleep(0.001)

        loop.run_until_complete(works())


class TestThreads:
    def test_a_blocking_function_runs_inline(self):
        async def main():
            here = threading.get_ident()
            told = [await asyncio.to_thread(threading.get_ident) == here]
            with ThreadPoolExecutor(1) as pool:
                told.append(await asyncio.get_running_loop().run_in_executor(pool, threading.get_ident) == here)
            with pytest.raises(KeyError):
                await asyncio.to_thread({}.__getitem__, "missing")
            return told, now()

        assert run(main()) == ([True, True], 0.0)

    def test_others_go_on_while_one_polls_inline(self):
        async def main():
            polls, ready = 0, []
            asyncio.get_running_loop().call_soon(ready.append, True)
            while not await asyncio.to_thread(bool, ready):
                polls += 1
            return polls

        assert run(main()) <= 2

    def test_inline_it_is_as_in_a_thread_of_its_own(self):
        name = contextvars.ContextVar("name")

        async def main():
            name.set("caller")
            loop = asyncio.get_running_loop()
            rung = asyncio.Event()

            def blocks():
                loop.call_soon_threadsafe(rung.set)
                with pytest.raises(RuntimeError, match="no running event loop"):
                    asyncio.get_running_loop()
                return name.get()

            caller = await asyncio.to_thread(blocks)
            await rung.wait()
            return caller

        assert run(main()) == "caller"

    def test_inline_nothing_can_wait_for_the_loop_itself(self, loop):
        work = asyncio.sleep(1)

        async def main():
            await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(work, loop).result())

        with pytest.raises(RuntimeError, match="Await the coroutine outside the function"):
            loop.run_until_complete(main())
        work.close()

    def test_another_thread_is_refused(self, loop):
        told = []

        def foreign():
            try:
                loop.call_soon_threadsafe(print)
            except RuntimeError as error:
                told.append(str(error))

        thread = threading.Thread(target=foreign)
        thread.start()
        thread.join()
        assert told
        assert "virtual time cannot wait for threads" in told[0]
        loop.call_soon_threadsafe(told.clear)
        loop.env.run()
        assert told == []

    def test_a_loop_may_be_made_in_one_thread_and_run_in_another(self, loop):
        told = []

        def elsewhere():
            loop.call_later(1, loop.call_soon_threadsafe, told.append, "there")
            loop.env.run()

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert told == ["there"]

    def test_executors_shut_down(self, loop):
        loop.set_default_executor(ThreadPoolExecutor(1))
        loop.run_until_complete(loop.shutdown_default_executor())
        with pytest.raises(RuntimeError, match="shutdown"):
            loop.run_in_executor(None, print)


class TestInputAndOutput:
    @pytest.mark.parametrize(
        "ask",
        [
            lambda loop: asyncio.open_connection("localhost", 1),
            lambda loop: asyncio.start_server(print, "localhost", 1),
            lambda loop: asyncio.create_subprocess_exec("true"),
            lambda loop: loop.getaddrinfo("localhost", 1),
            lambda loop: loop.connect_read_pipe(asyncio.Protocol, None),
            lambda loop: loop.sock_recv(None, 1),
        ],
    )
    def test_is_refused_with_advice(self, loop, ask):
        async def main():
            await ask(loop)

        with pytest.raises(NoInputOutput, match=r"no input or output.*await loop\.wait\(event\)"):
            loop.run_until_complete(main())

    def test_signals_and_readers_are_refused(self, loop):
        with socket.socket() as sock:
            for refused in (
                lambda: loop.add_signal_handler(signal.SIGTERM, print),
                lambda: loop.add_reader(sock, print),
                lambda: loop.remove_writer(sock),
            ):
                with pytest.raises(NotImplementedError, match="SimLoop"):
                    refused()

    def test_every_method_that_asyncio_has_for_it_is_refused(self):
        words = ("sock", "connection", "server", "pipe", "subprocess", "signal", "reader", "writer", "tls", "sendfile")
        words += ("addrinfo", "nameinfo", "datagram")
        asked = [name for name in dir(asyncio.AbstractEventLoop) if any(word in name for word in words)]
        assert len(asked) > 20
        for name in asked:
            with pytest.raises(NoInputOutput):
                getattr(SimLoop, name)(None)


class TestHeap:
    def test_one_timer_is_one_event_and_what_is_ready_is_none(self, loop):
        async def main():
            sizes = [len(loop.env._queue)]
            timer = loop.call_later(1, print)
            sizes.append(len(loop.env._queue))
            ready = loop.create_future()
            loop.call_soon(ready.set_result, None)
            await ready
            await asyncio.gather(*(asyncio.sleep(0) for _ in range(10)))
            sizes.append(len(loop.env._queue))
            timer.cancel()
            return sizes, next(loop.env._eid)

        sizes, events = loop.run_until_complete(main())
        assert [size - sizes[0] for size in sizes] == [0, 1, 1]
        assert events <= 2  # the timer, and perhaps the wake-up that started it all

    def test_cancelled_timers_do_not_pile_up(self, loop):
        async def main():
            most = 0
            for _ in range(20_000):
                async with asyncio.timeout(HOUR):  # noqa: ASYNC100 - it exits early
                    pass
                most = max(most, len(loop.env._queue))
            return most

        assert loop.run_until_complete(main()) <= 1001

    def test_nor_do_those_that_were_overdue(self, loop):
        for _ in range(5_000):
            loop.call_later(-1, print).cancel()
        assert len(loop.env._queue) <= 1001

    def test_those_that_live_survive_the_sweeps(self, loop):
        async def main():
            naps = [asyncio.create_task(asyncio.sleep(10 + n, n)) for n in range(1500)]
            most = 0
            for _ in range(10_000):
                async with asyncio.timeout(HOUR):
                    await asyncio.sleep(0)
                most = max(most, len(loop.env._queue))
            return most, await asyncio.gather(*naps), now()

        most, slept, end = loop.run_until_complete(main())
        assert most <= 2 * 1501 + 1
        assert (slept, end) == (list(range(1500)), 1509.0)

    def test_a_cancelled_timer_does_not_drag_the_clock(self, loop):
        def world():
            yield loop.env.timeout(3)

        loop.call_later(HOUR, print).cancel()
        loop.env.process(world())
        loop.env.run()
        assert loop.time() == 3.0

    def test_a_cancelled_timer_lets_go_of_what_it_held(self, loop):
        class Held:
            pass

        gc.collect()
        timer = loop.call_later(HOUR, print, Held())
        timer.cancel()
        assert timer.cancelled()
        assert not any(isinstance(each, Held) for each in gc.get_objects())


class TestAbandon:
    def test_a_power_cut_is_silent_and_final(self, recwarn, capfd):
        loop = SimLoop()
        log = []

        async def works(name):
            try:
                while True:
                    await asyncio.sleep(1)
                    log.append((loop.time(), name))
            finally:
                await asyncio.sleep(1)
                log.append("never")

        async def cleans_up():
            try:
                await asyncio.Event().wait()
            finally:
                asyncio.create_task(works("never"))  # noqa: RUF006

        async def never_started():
            log.append("never")

        async def swallows():
            while True:
                try:
                    await asyncio.sleep(1)
                except BaseException:  # noqa: BLE001
                    if loop.is_closed():
                        return

        loop.create_task(works("a"))
        loop.create_task(cleans_up())
        loop.create_task(swallows())
        loop.env.run(until=2.5)
        loop.create_task(never_started())
        loop.abandon()
        assert loop.is_closed()
        before = len(log)
        gc.collect()
        loop.env.run()
        assert log == [(1.0, "a"), (2.0, "a")]
        assert len(log) == before
        assert loop.time() == 2.5
        assert [str(warning.message) for warning in recwarn] == []
        assert capfd.readouterr() == ("", "")

    def test_without_it_python_complains(self, caplog):
        loop = SimLoop()
        loop.create_task(asyncio.sleep(9))
        loop.env.run(until=1)
        loop.close()
        del loop
        with caplog.at_level(logging.ERROR, logger="asyncio"):
            gc.collect()
        assert "Task was destroyed but it is pending" in caplog.text

    def test_the_world_goes_on_without_the_loop(self, loop):
        log = []

        def world():
            for _ in range(3):
                yield loop.env.timeout(1)
                log.append(loop.env.now)
            signal_event.succeed()
            yield signal_event

        async def waits():
            await loop.wait(signal_event)
            log.append("never")

        signal_event = loop.env.event()
        loop.env.process(world())
        loop.create_task(waits())
        loop.env.run(until=1.5)
        loop.abandon()
        loop.env.run()
        assert log == [1.0, 2.0, 3.0]

    def test_a_running_loop_cannot_be_abandoned(self, loop):
        async def main():
            loop.abandon()

        with pytest.raises(RuntimeError, match="running"):
            loop.run_until_complete(main())

    def test_a_horizon_leaves_what_is_due_at_it(self, loop):
        log = []
        loop.call_at(9, log.append, "before")
        loop.call_at(10, log.append, "at")
        loop.env.run(until=10)
        assert (log, loop.time()) == (["before"], 10.0)
