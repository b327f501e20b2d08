"""Unmodified asyncio programs in virtual time."""

import asyncio
import contextvars
import math
import sys
from math import inf, nan

import pytest

from sim.loop import SimLoop, run

HOUR = 3600.0


def now():
    return asyncio.get_running_loop().time()


class TestTime:
    def test_time_starts_at_float_zero(self):
        async def main():
            return now()

        start = run(main())
        assert (start, type(start)) == (0.0, float)

    def test_time_advances_only_when_the_program_waits(self):
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

    def test_overdue_timers_run_first_in_order_of_their_due_time(self, loop):
        log = []
        loop.env.run(until=10)
        loop.call_later(0, log.append, "due")
        loop.call_at(9, log.append, "a second late")
        loop.call_at(-inf, log.append, "ever late")
        loop.call_later(-5, log.append, "five seconds late")
        loop.env.run(until=11)
        assert log == ["ever late", "five seconds late", "a second late", "due"]

    @pytest.mark.parametrize("method", ["call_later", "call_at"])
    def test_a_nan_delay_is_rejected(self, loop, method):
        with pytest.raises(ValueError, match="cannot be due at nan"):
            getattr(loop, method)(nan, print)

    def test_timers_due_at_one_instant_run_before_wake_ups(self, loop):
        log = []

        def first():
            log.append("first timer")
            loop.call_soon(log.append, "caused by the first")

        loop.call_at(5, first)
        loop.call_at(5, log.append, "second timer")
        loop.env.run()
        assert log == ["first timer", "second timer", "caused by the first"]

    def test_timers_due_with_or_after_a_sleeper_run_before_wake_ups(self, loop):
        log = []

        async def main():
            await asyncio.sleep(5)
            log.append("awake")

        async def set_a_timer():
            loop.call_at(5, log.append, "timer")

        loop.run_until_complete(asyncio.wait([loop.create_task(main()), loop.create_task(set_a_timer())]))
        assert log == ["timer", "awake"]

    def test_a_due_timer_runs_despite_a_spinning_coroutine(self):
        async def main():
            rung = asyncio.Event()
            asyncio.get_running_loop().call_later(0, rung.set)
            turns = 0
            while not rung.is_set():
                turns += 1
                await asyncio.sleep(0)
            return turns

        assert run(main()) <= 2

    def test_two_loops_in_one_environment_keep_their_timers_separate(self, loop):
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

    def test_a_failure_in_a_task_group_cancels_the_others(self):
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

    def test_context_variables_and_an_empty_context(self, loop):
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

    def test_stop_runs_only_the_callbacks_that_are_ready(self, loop):
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

    def test_a_stop_before_a_run_of_the_environment_waits_for_a_callback(self, loop):
        loop.env.timeout(3)
        loop.call_later(5, print)
        loop.stop()
        loop.env.run()
        assert loop.time() == 5.0

    def test_a_run_that_ends_at_once_leaves_no_event(self, loop):
        env, log = loop.env, []
        event = env.timeout(1)
        env.run()
        loop.call_later(3, log.append, "timer")
        env.run(until=event)
        with pytest.raises(ValueError, match="must be greater"):
            env.run(until=1)
        assert env.peek() == 4.0
        env.step()
        assert log == ["timer"]

    def test_tasks_at_the_beginning_of_a_run_start_after_processes_that_were_created_before(self, loop):
        env, log = loop.env, []

        def second():
            log.append("process")
            yield env.timeout(1)

        async def task():
            log.append("task")

        def first():
            env.process(second())
            yield loop.process(task())

        env.process(first())
        env.run()
        assert log == ["process", "task"]

    def test_it_can_run_inside_a_wall_clock_loop(self):
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

    def test_it_cannot_run_inside_another_virtual_loop(self):
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

    def test_the_environment_cannot_be_run_from_a_callback(self, loop):
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

    @pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
    @pytest.mark.parametrize("has_factory", [False, True])
    def test_eager_tasks_that_are_made_without_the_loop_have_its_names_and_numbers(self, has_factory):
        def make(loop, coro, **options):
            return asyncio.eager_task_factory(loop, coro, **options)

        async def inner():
            return await make(asyncio.get_running_loop(), asyncio.sleep(1, "slept"))

        async def main():
            loop = asyncio.get_running_loop()
            if has_factory:
                loop.set_task_factory(make)
            tasks = [asyncio.create_task(inner()) if has_factory else make(loop, inner()) for _ in range(2)]
            await asyncio.wait(tasks)
            assert [task.result() for task in tasks] == ["slept"] * 2
            return [(task.get_name(), hash(task)) for task in tasks]

        numbers = (2, 4)
        assert [run(main()), run(main())] == [[(f"Task-{number}", number) for number in numbers]] * 2

    def test_a_custom_task_factory_is_used(self, loop):
        class Named(asyncio.Task):
            pass

        loop.set_task_factory(lambda loop, coro, **options: Named(coro, loop=loop, **options))
        task = loop.create_task(asyncio.sleep(1), context=contextvars.copy_context())
        assert (type(task), task.get_name()) == (Named, "Task-1")
        loop.run_until_complete(task)


def test_the_clock_resolves_neighboring_floats(loop):
    """asyncio calls timers early by the resolution of its clock; this one has none."""
    instants = []
    for when in (math.nextafter(10.0, 11.0), 10.0, 10.0):
        loop.call_at(when, lambda: instants.append(loop.time()))
    loop.env.run()
    assert instants == [10.0, 10.0, 10.0 + math.ulp(10.0)]
    assert loop._clock_resolution == 0.0
