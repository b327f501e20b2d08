"""The heap of the loop stays small, and an abandoned loop keeps no references."""

import asyncio
import gc
import logging

import pytest

from sim.loop import SimLoop

HOUR = 3600.0


def now():
    return asyncio.get_running_loop().time()


class TestHeap:
    def test_one_timer_is_one_event_and_ready_callbacks_are_none(self, loop):
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

    def test_cancelled_timers_do_not_accumulate(self, loop):
        async def main():
            most = 0
            for _ in range(20_000):
                async with asyncio.timeout(HOUR):  # noqa: ASYNC100 - it exits early
                    pass
                most = max(most, len(loop.env._queue))
            return most

        assert loop.run_until_complete(main()) <= 1001

    def test_cancelled_overdue_timers_do_not_accumulate(self, loop):
        for _ in range(5_000):
            loop.call_later(-1, print).cancel()
        assert len(loop.env._queue) <= 1001

    def test_live_timers_survive_a_cleanup(self, loop):
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

    def test_a_cancelled_timer_does_not_advance_the_clock(self, loop):
        def world():
            yield loop.env.timeout(3)

        loop.call_later(HOUR, print).cancel()
        loop.env.process(world())
        loop.env.run()
        assert loop.time() == 3.0

    def test_a_cancelled_timer_releases_its_references(self, loop):
        class Held:
            pass

        gc.collect()
        timer = loop.call_later(HOUR, print, Held())
        timer.cancel()
        assert timer.cancelled()
        assert not any(isinstance(each, Held) for each in gc.get_objects())


class TestAbandon:
    def test_an_abandoned_loop_is_silent_and_final(self, recwarn, capfd):
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

    def test_without_abandon_python_warns(self, caplog):
        loop = SimLoop()
        loop.create_task(asyncio.sleep(9))
        loop.env.run(until=1)
        loop.close()
        del loop
        with caplog.at_level(logging.ERROR, logger="asyncio"):
            gc.collect()
        assert "Task was destroyed but it is pending" in caplog.text

    def test_the_environment_continues_without_the_loop(self, loop):
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

    def test_a_run_until_a_time_excludes_events_at_that_time(self, loop):
        log = []
        loop.call_at(9, log.append, "before")
        loop.call_at(10, log.append, "at")
        loop.env.run(until=10)
        assert (log, loop.time()) == (["before"], 10.0)
