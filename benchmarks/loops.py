"""The same small programs on several event loops with virtual time: what each loop does, as a table.

    python benchmarks/loops.py

Each program runs in a process of its own, with a limit of twenty seconds. A loop that is not installed is left out:
`pip install simloom detangle seedloop looptime async-solipsism` (two of them need Python 3.12). The last row is a
measurement, the median of three; ends with status 1 if SimLoop takes longer there than another loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from statistics import median
from typing import Any

ROOT = Path(__file__).parent.parent
LIMIT = 20.0
NAMES = ("SimLoop", "simloom", "detangle", "seedloop", "looptime", "async-solipsism", "asyncio")
Main = Callable[[], Coroutine[Any, Any, Any]]


def run_on(name: str, main: Main) -> None:
    """Run a program to its end on a loop."""
    if name == "SimLoop":
        sys.path.insert(0, str(ROOT))
        import_module("sim.loop").run(main())
    elif name == "simloom":
        import_module("simloom").run(main, seed=1)
    elif name == "detangle":
        import_module("detangle").run(main)
    elif name == "seedloop":
        import_module("seedloop").check(lambda _: main(), seeds=1)
    elif name == "asyncio":
        asyncio.run(main())
    else:
        new_loop = (
            import_module("looptime").new_event_loop
            if name == "looptime"
            else import_module("async_solipsism").EventLoop
        )
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(main())


# ---------------------------------------------------------------------------------------------------------- programs


async def sleeps_an_hour() -> str:
    """Virtual time, and how long it takes."""
    begin, loop = time.perf_counter(), asyncio.get_running_loop()
    start = loop.time()
    await asyncio.sleep(3600)
    return f"{loop.time() - start:g} s" + (" at once" if time.perf_counter() - begin < 1 else "")


async def exact_deadlines() -> str:
    """A thousand timers of 0.1 s one after another end at 100 s."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    for _ in range(1000):
        await asyncio.sleep(0.1)
    error = abs(loop.time() - start - 100)
    return "exact" if error < 1e-6 else f"{error:.2g} s late"


async def deadlock() -> str:
    """Waits for an event that nothing sets."""

    async def worker(event: asyncio.Event) -> None:
        await event.wait()

    await asyncio.gather(worker(asyncio.Event()), worker(asyncio.Event()))
    return ""


async def livelock() -> str:
    """Loops at one instant."""
    while True:  # noqa: ASYNC110 - the program of the test
        await asyncio.sleep(0)


async def to_thread() -> str:
    """A function that asyncio runs in a thread."""
    return "runs" if await asyncio.to_thread(sum, [1, 2]) == 3 else "fails"


async def foreign_thread() -> str:
    """Another thread sets a future."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    threading.Thread(target=lambda: loop.call_soon_threadsafe(future.set_result, 1), daemon=True).start()
    await future
    return "waits for it"


async def streams() -> str:
    """A server and a client in one process."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 28281)
    host, port = server.sockets[0].getsockname()[:2]
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"hello\n")
    answer = await reader.readline()
    writer.close()
    server.close()
    return "runs" if answer == b"hello\n" else "fails"


async def many_sleeps() -> str:
    """Milliseconds for 1,000 tasks of 20 sleeps each."""

    async def sleeper(nap: float) -> None:
        for _ in range(20):
            await asyncio.sleep(nap)

    begin = time.perf_counter()
    await asyncio.gather(*(sleeper(1 + number / 1000) for number in range(1000)))
    return f"{(time.perf_counter() - begin) * 1000:.0f}"


PROGRAMS: dict[str, Main] = {
    "`sleep(3600)`": sleeps_an_hour,
    "1,000 times `sleep(0.1)`": exact_deadlines,
    "all tasks wait for an event": deadlock,
    "a loop of `sleep(0)`": livelock,
    "`asyncio.to_thread`": to_thread,
    "another thread sets a future": foreign_thread,
    "a server and a client": streams,
    "1,000 tasks of 20 sleeps, ms": many_sleeps,
}


# -------------------------------------------------------------------------------------------------------- the table


def one(name: str, program: Main) -> str:
    """What a program says, or how it fails, in this process."""
    said: list[str] = []

    async def main() -> None:
        said.append(await program())

    try:
        with contextlib.redirect_stderr(io.StringIO()):
            run_on(name, main)
    except BaseException as error:  # noqa: BLE001 - what a loop does with the program
        return said[0] if said else f"{type(error).__name__}"
    return said[0]


def outcome(name: str, title: str) -> str:
    """As `one`, in a new process."""
    try:
        done = subprocess.run(  # noqa: S603 - this program
            [sys.executable, __file__, name, title], capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return f"over {LIMIT:g} s"
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "fails"


def row(title: str, names: list[str]) -> list[str]:
    """The cells of a program."""
    if PROGRAMS[title] is many_sleeps:
        measured = [[outcome(name, title) for _ in range(3)] for name in names]
        return [
            f"{median(map(float, each)):.0f}" if all(cell.isdigit() for cell in each) else each[0] for each in measured
        ]
    return [outcome(name, title) for name in names]


def main() -> int:
    """Print the table."""
    heads = {}
    for name in NAMES:
        try:
            heads[name] = name if name in {"SimLoop", "asyncio"} else f"{name} {version(name)}"
        except PackageNotFoundError:
            print(f"{name} is not installed and left out: pip install {name}", file=sys.stderr)
    print(f"Python {python_version()}\n\n| | {' | '.join(heads.values())} |\n| --- |{' --- |' * len(heads)}")
    cells: list[str] = []
    for title in PROGRAMS:
        cells = row(title, [*heads])
        print(f"| {title} | {' | '.join(cells)} |", flush=True)
    times = [float(cell) if cell.isdigit() else LIMIT * 1000 for cell in cells]
    return int(times[0] > min(times[:-1] if len(times) > 1 else times))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(one(sys.argv[1], PROGRAMS[sys.argv[2]]))
    else:
        sys.exit(main())
