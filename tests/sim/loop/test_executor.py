"""The loop has no threads and no input or output."""

import asyncio
import contextlib
import contextvars
import queue
import signal
import socket
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from sim.loop import Deadlock, NoInputOutput, SimLoop, blocking_waits, run


def now():
    return asyncio.get_running_loop().time()


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

    def test_other_tasks_continue_during_inline_polling(self):
        async def main():
            polls, ready = 0, []
            asyncio.get_running_loop().call_soon(ready.append, True)
            while not await asyncio.to_thread(bool, ready):
                polls += 1
            return polls

        assert run(main()) <= 2

    def test_an_inline_function_behaves_as_in_its_own_thread(self):
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

    def test_an_inline_function_cannot_wait_for_the_loop(self, loop):
        work = asyncio.sleep(1)

        async def main():
            await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(work, loop).result())

        with pytest.raises(RuntimeError, match="Await the coroutine outside the function"):
            loop.run_until_complete(main())
        work.close()

    def test_an_inline_function_runs_in_an_empty_context(self):
        name = contextvars.ContextVar("name", default="nothing")

        async def main():
            name.set("caller")
            loop = asyncio.get_running_loop()

            def function():
                seen = name.get()
                name.set("function")
                return seen

            return await loop.run_in_executor(None, function), await asyncio.to_thread(function), name.get()

        assert run(main()) == ("nothing", "caller", "caller")

    @pytest.mark.parametrize(
        "waits",
        [
            lambda: threading.Event().wait(),
            lambda: threading.Semaphore(0).acquire(),
            lambda: queue.Queue().get(),
            lambda: Future().result(),
        ],
    )
    def test_an_inline_function_cannot_wait_for_a_thread_that_does_not_exist(self, loop, monkeypatch, waits):
        monkeypatch.setattr(threading, "active_count", lambda: 1)
        with pytest.raises(RuntimeError, match="waits for another thread, and there is none"):
            loop.run_until_complete(asyncio.to_thread(waits))

    def test_an_inline_function_can_wait_for_other_threads(self, loop, monkeypatch):
        monkeypatch.setattr(blocking_waits, "PATIENCE", 0.001)
        release = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(release.wait)

            def waits():
                threading.Timer(0.05, release.set).start()
                return slow.result()

            with pytest.warns(RuntimeWarning, match=r"waits for another thread for more than 0\.001 s"):
                assert loop.run_until_complete(asyncio.to_thread(waits))

    def test_waits_with_a_timeout_and_outside_of_inline_functions_are_left_alone(self, loop, monkeypatch):
        monkeypatch.setattr(threading, "active_count", lambda: 1)
        wait = threading.Condition.wait
        assert not loop.run_until_complete(asyncio.to_thread(threading.Event().wait, 0.001))
        assert threading.Condition.wait is wait

    @pytest.mark.parametrize("ended", [False, True])
    def test_a_deadlock_names_threads_of_the_program(self, loop, ended):
        release = threading.Event()

        async def main():
            done = loop.create_future()

            def works():
                if not ended:
                    release.wait(60)
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(done.set_result, None)

            thread = threading.Thread(target=works, name="worker of a library")
            threads.append(thread)
            thread.start()
            if ended:
                thread.join()
            await done

        threads = []
        try:
            with pytest.raises(Deadlock, match=r"other threads: 'worker of a library'\. SimLoop runs in one thread"):
                loop.run_until_complete(main())
        finally:
            release.set()
            threads[0].join()

    def test_a_deadlock_without_threads_mentions_none(self, loop):
        with pytest.raises(Deadlock) as deadlock:
            loop.run_until_complete(asyncio.Event().wait())
        assert "thread" not in str(deadlock.value)

    def test_a_timeout_around_an_inline_function_never_fires(self):
        async def main():
            await asyncio.wait_for(asyncio.to_thread(sum, range(10_000)), 1e-9)
            return now()

        assert run(main()) == 0.0

    def test_another_thread_is_rejected(self, loop):
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

    def test_a_loop_can_be_created_in_one_thread_and_run_in_another(self, loop):
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
    def test_input_and_output_are_rejected_with_advice(self, loop, ask):
        async def main():
            await ask(loop)

        with pytest.raises(NoInputOutput, match=r"no input or output.*await loop\.wait\(event\)"):
            loop.run_until_complete(main())

    def test_signals_and_readers_are_rejected(self, loop):
        with socket.socket() as sock:
            for refused in (
                lambda: loop.add_signal_handler(signal.SIGTERM, print),
                lambda: loop.add_reader(sock, print),
                lambda: loop.remove_writer(sock),
            ):
                with pytest.raises(NotImplementedError, match="SimLoop"):
                    refused()

    def test_every_io_method_of_asyncio_is_rejected(self):
        words = ("sock", "connection", "server", "pipe", "subprocess", "signal", "reader", "writer", "tls", "sendfile")
        words += ("addrinfo", "nameinfo", "datagram")
        asked = [name for name in dir(asyncio.AbstractEventLoop) if any(word in name for word in words)]
        assert len(asked) > 20
        for name in asked:
            with pytest.raises(NoInputOutput):
                getattr(SimLoop, name)(None)
