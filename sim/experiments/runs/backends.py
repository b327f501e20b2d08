"""Backends that execute runs: processes of this machine, a Dask cluster, or a Ray cluster."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from itertools import islice
from math import ceil
from queue import Empty
from time import perf_counter  # noqa: TID251 - sizes batches; no result depends on it
from typing import Any, Literal, TypeVar

from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from recovery.errors import RecoveryBenchError, argument

Name = Literal["loky", "dask", "ray"]
NAMES: tuple[Name, ...] = ("loky", "dask", "ray")
ANSWER_SECONDS = 10
"""Timeout for the answer of a scheduler."""
BATCH_SECONDS = 0.2
"""Short runs are sent to a process in batches of about this duration: each message costs a millisecond or two in both
processes. A batch is lost if its process dies.
"""
BATCH_MOST = 8
"""Maximum number of runs in a batch: their results, 5 KB each, fit into a pipe (64 KB) and are sent in one write. A
process that is killed during a longer write would block the other processes and this one.
"""
BATCHES_AHEAD = 2
"""Batches that each process has in advance, so that it never waits for this one."""
AHEAD_LEAST = 16
"""Minimum number of runs that are submitted to Dask in advance: a cluster may get more workers while it runs."""
STUCK_SECONDS = 5.0
"""A dead process is detected at once, unless it was sending a result: then it is detected when nothing arrives for this
long.
"""
RAY_ROUND = 64
"""Runs that are given to Ray at once: joblib has no stream of its results."""
T = TypeVar("T")


class BackendError(RecoveryBenchError):
    """A backend cannot be used. One line: why, and what would be valid."""


class WorkersDied(RecoveryBenchError):
    """Worker processes have died, and died again when their runs were repeated."""


@dataclass(frozen=True)
class Backend:
    """`loky`: `jobs` processes of this machine. `dask`, `ray`: a cluster at the address `scheduler`; None: a local one
    that is started for the runs.
    """

    name: Name = "loky"
    jobs: int = 1
    scheduler: str | None = None

    @property
    def is_here(self) -> bool:
        """Whether all runs are executed in this process."""
        return self.name == "loky" and self.jobs == 1

    def each(
        self, work: Callable[..., T], arguments: Sequence[tuple[Any, ...]], on_lost: Callable[[int], None] | None = None
    ) -> Iterator[tuple[int, T]]:
        """The result of `work` for each of these arguments, with its place, as soon as it is finished, in any order.

        Runs of a process that has died are repeated once; `on_lost` is called with the number of unfinished runs.
        Raises BackendError, and WorkersDied when a process dies again.
        """
        left = dict(enumerate(arguments))
        again = False
        while left:
            try:
                for place, found in self._each(work, left):
                    del left[place]
                    yield place, found
            except TerminatedWorkerError:
                if again:
                    raise WorkersDied(
                        "processes that execute runs have died twice: they were killed, or there is too little memory; "
                        f"valid: fewer {argument('jobs')}"
                    ) from None
                again = True
                if on_lost is not None:
                    on_lost(len(left))

    def _each(self, work: Callable[..., T], left: dict[int, tuple[Any, ...]]) -> Iterator[tuple[int, T]]:
        calls = list(left.items())
        with warnings.catch_warnings():
            # Closing the generator early (Ctrl-C) is our way to stop; joblib says that it aborts the rest.
            warnings.filterwarnings("ignore", module="joblib")
            if self.name == "loky":
                yield from self._on_loky(work, calls)
            elif self.name == "dask":
                yield from self._on_dask(work, calls)
            else:
                yield from self._on_ray(work, calls)

    def _on_loky(self, work: Callable[..., T], calls: list[tuple[int, tuple[Any, ...]]]) -> Iterator[tuple[int, T]]:
        """Uses loky's executor: joblib's own stream of results never ends when a process dies."""
        workers = min(self.jobs, len(calls))
        executor = get_reusable_executor(max_workers=workers)
        under_way: set[Future[tuple[float, list[tuple[int, T]]]]] = set()
        given, size, whole = 0, 1, False
        try:
            while given < len(calls) or under_way:
                while given < len(calls) and len(under_way) < BATCHES_AHEAD * workers:
                    batch = calls[given : given + min(size, ceil((len(calls) - given) / (2 * workers)))]
                    under_way.add(executor.submit(_timed, work, batch))
                    given += len(batch)
                done, under_way = wait(under_way, STUCK_SECONDS, return_when=FIRST_COMPLETED)
                if not done and not all(process.is_alive() for process in list(executor._processes.values())):
                    _let_go(executor)
                    raise TerminatedWorkerError("a process died while it sent what it had found")
                for future in sorted(done, key=lambda each: each.exception() is not None):
                    seconds, found = future.result()
                    size = batch_size(size, seconds / len(found))
                    yield from found
            whole = True
        finally:
            if not whole:  # on Ctrl-C, for example: do not wait for current runs
                _forget_calls(executor)
                executor.shutdown(wait=False, kill_workers=True)

    def _on_dask(self, work: Callable[..., T], calls: list[tuple[int, tuple[Any, ...]]]) -> Iterator[tuple[int, T]]:
        """Dask itself repeats the runs of a worker that has died.

        Only a few runs for each thread are submitted ahead, so that a scheduler holds few scenarios at a time.
        """
        try:
            from distributed import Client, KilledWorker, as_completed  # noqa: PLC0415 - an extra
        except ModuleNotFoundError:
            raise BackendError("dask: is not installed; valid: after pip install 'recovery-bench[dask]'") from None
        here = {"n_workers": self.jobs, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": "CRITICAL"}
        client, refused = None, "" if self.scheduler is None else _dask_refusal(self.scheduler)
        if not refused:
            try:
                with _started_without_interrupts() if self.scheduler is None else nullcontext():
                    client = Client(self.scheduler, timeout=ANSWER_SECONDS, **({} if self.scheduler else here))
            except (OSError, ValueError) as error:
                refused = _in_one_line(error)
        if client is None:
            # A rejected client closes itself when it is collected. If that happened in the thread that starts the next
            # client, which holds the lock that closing needs, both would block.
            gc.collect()
            raise BackendError(
                f"{self.scheduler}: no Dask scheduler answers there within {ANSWER_SECONDS} s ({refused})"
            )
        with client:
            ahead = max(AHEAD_LEAST, BATCHES_AHEAD * sum(client.nthreads().values()))
            submitted = (client.submit(_placed, work, place, list(given), pure=False) for place, given in calls)
            completed = as_completed(list(islice(submitted, ahead)), with_results=True)
            try:
                for _, found in completed:
                    completed.update(list(islice(submitted, 1)))
                    yield found
            except KilledWorker as error:
                raise WorkersDied(f"{_in_one_line(error)}; valid: workers with more memory") from None

    def _check_answers(self) -> None:
        """Raise BackendError when the address of a Ray cluster does not accept connections: Ray itself would wait
        forever.
        """
        where = None if self.scheduler is None else _host_and_port(self.scheduler)
        if where is None:
            return
        try:
            socket.create_connection(where, ANSWER_SECONDS).close()
        except OSError as error:
            raise BackendError(
                f"{self.scheduler}: no Ray cluster answers there within {ANSWER_SECONDS} s ({error.strerror or error})"
            ) from None

    def _on_ray(self, work: Callable[..., T], calls: list[tuple[int, tuple[Any, ...]]]) -> Iterator[tuple[int, T]]:
        try:
            import ray  # noqa: PLC0415 - an extra
            from ray.util.joblib import register_ray  # noqa: PLC0415
        except ModuleNotFoundError:
            raise BackendError("ray: is not installed; valid: after pip install 'recovery-bench[ray]'") from None
        self._check_answers()
        try:
            ray.init(
                address=self.scheduler, num_cpus=self.jobs if self.scheduler is None else None, log_to_driver=False
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            said = " ".join(str(error).split())
            raise BackendError(f"{self.scheduler}: no Ray cluster answers there ({said})") from None
        try:
            register_ray()
            for first in range(0, len(calls), RAY_ROUND):
                with parallel_config(backend="ray"):
                    parallel = Parallel(n_jobs=-1)
                yield from parallel(
                    delayed(_placed)(work, place, arguments) for place, arguments in calls[first : first + RAY_ROUND]
                )
        finally:
            ray.shutdown()


def _dask_refusal(address: str) -> str:
    """Why no Dask scheduler can be reached; empty: it can. The client itself waits for a peer that sends nothing."""
    from distributed.comm.core import connect  # noqa: PLC0415 - an extra

    async def greet() -> None:
        comm = await asyncio.wait_for(connect(address, timeout=ANSWER_SECONDS), ANSWER_SECONDS)
        comm.abort()

    try:
        with ThreadPoolExecutor(1) as aside:  # in a notebook a loop is running in this thread
            aside.submit(asyncio.run, greet()).result()
    except (OSError, ValueError, TimeoutError) as error:
        return _in_one_line(error)
    except Exception:  # noqa: BLE001 - whatever comes of reading another protocol as if it were Dask's
        return "what answers there is something else"
    return ""


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or "it says nothing"


@contextmanager
def _started_without_interrupts() -> Iterator[None]:
    """Processes that are started inside ignore Ctrl-C: this process handles it and stops them.

    This process ignores Ctrl-C as well while they start, because they inherit what it ignores. Blocking the signal has
    no effect, because `multiprocessing` unblocks it before it starts a process.
    """
    if threading.current_thread() is not threading.main_thread():  # signals can only be handled there
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _host_and_port(address: str) -> tuple[str, int] | None:
    """Host and port of `host:6379` or `ray://host:10001`; None for an address without them, such as `auto`."""
    host, found, port = address.rpartition("://")[2].rpartition(":")
    return (host, int(port)) if found and host and port.isdecimal() and int(port) < 1 << 16 else None


def _forget_calls(executor: Any) -> None:
    """Removes calls that loky's thread has not yet taken: in a shutdown it drops all calls and then fails on these."""
    with suppress(Empty):
        while True:
            executor._work_ids.get_nowait()


def _let_go(executor: Any) -> None:
    """Ends the thread that waits for the rest of a dead process's message: without a writer it reads end of file."""
    for process in list(executor._processes.values()):
        process.terminate()
    executor._result_queue._writer.close()


def batch_size(before: int, seconds: float) -> int:
    """Number of runs in the next batch, from the duration of each: at most twice the number before."""
    in_time = int(BATCH_SECONDS / seconds) if seconds > 0 else BATCH_MOST
    return max(1, min(2 * before, in_time, BATCH_MOST))


def _timed(work: Callable[..., T], calls: Sequence[tuple[int, tuple[Any, ...]]]) -> tuple[float, list[tuple[int, T]]]:
    """Results of several runs, and their duration in seconds."""
    began = perf_counter()
    found = [_placed(work, place, arguments) for place, arguments in calls]
    return perf_counter() - began, found


def _placed(work: Callable[..., T], place: int, arguments: Sequence[Any]) -> tuple[int, T]:
    return place, work(*arguments)
