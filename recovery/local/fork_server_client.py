"""Clients of the fork server: of the program that starts it, and of cores."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from recovery.errors import RecoveryBenchError
from recovery.local.attempt import Handler
from recovery.local.config import LocalConfig
from recovery.local.json_lines import Lines

ANSWER_SECONDS = 10.0
"""The time limit of the end of the fork server, in seconds."""
PROGRAM = "__recovery_local__"
"""`__name__` in a program from which the fork server imports the handler."""


_BE_ONE = """
import json, sys
sys.path[:] = json.loads(sys.argv[2])
from recovery.local.fork_server import main
main(int(sys.argv[1]))
"""


class ForkServerExited(RecoveryBenchError, RuntimeError):
    """The fork server, which starts all other processes, has ended."""


class ForkServerProcess:
    """The fork server of this program. Its processes end with it."""

    def __init__(self, url: str, handler: Handler | str, config: LocalConfig) -> None:
        """Raises ValueError if the handler cannot be imported there, RuntimeError if processes cannot fork."""
        if not hasattr(os, "fork"):
            raise RuntimeError("agents as processes need fork: Linux or macOS")
        setup = {"url": url, "config": config.model_dump_json(), "handler": _handler_spec(handler)}
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this Python with a module of this package
                [sys.executable, "-c", _BE_ONE, str(theirs.fileno()), json.dumps(sys.path)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the program, which ends its processes
            )
        self._lines = Lines(ours)
        wrong = self._ask(setup)
        if wrong is not None:
            self.close()
            raise ValueError(f"handler: {wrong}")

    def ask(self, do: str, **more: Any) -> Any:
        """Send a request, and return its answer. Raises ForkServerExited."""
        return self._ask({"do": do, **more})

    def _ask(self, asked: Any) -> Any:
        try:
            self._lines.send(asked)
            return self._lines.receive()
        except (OSError, EOFError):
            raise ForkServerExited("the fork server has ended, with all agents") from None

    def end(self, grace: float) -> None:
        """End all processes, each kind within `grace` seconds. Raises ForkServerExited, also without an answer."""
        self._lines.set_timeout(2 * grace + ANSWER_SECONDS)
        self.ask("end", grace=grace)

    def close(self) -> None:
        """Close the connection: remaining processes are killed. Returns when the fork server has ended.

        A fork server that does not end within `ANSWER_SECONDS`, for instance because it is stopped, is killed.
        """
        self._lines.hang_up()
        try:
            self._process.wait(ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class AsyncForkServerClient:
    """The fork server's client of a core."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._asking = asyncio.Lock()
        self._under_way: set[asyncio.Task[int]] = set()

    async def start_agent(self, name: str) -> int:
        """Start an agent in place of the one with this name; returns its process id."""
        asking = asyncio.ensure_future(self._ask_for_agent(name))
        self._under_way.add(asking)
        asking.add_done_callback(self._under_way.discard)
        return await asyncio.shield(asking)  # after a cancellation, the answer is still read

    async def _ask_for_agent(self, name: str) -> int:
        loop, line = asyncio.get_running_loop(), b""
        async with self._asking:
            await loop.sock_sendall(self._end, json.dumps({"do": "agent", "name": name}).encode() + b"\n")
            while not line.endswith(b"\n"):
                part = await loop.sock_recv(self._end, 64)
                if not part:
                    raise ForkServerExited("the fork server has ended")
                line += part
        pid: int = json.loads(line)
        return pid


def _handler_spec(handler: Handler | str) -> dict[str, str]:
    """The location of a handler: `module:function`, or a function of a module or of the running program."""
    if isinstance(handler, str):
        module, _, name = handler.partition(":")
        if not module or not name:
            raise ValueError(f"handler: {handler!r} is not the name of a function; valid: module:function")
        return {"module": module, "name": name, "path": ""}
    name = getattr(handler, "__qualname__", "")
    if not name or "<" in name:
        raise ValueError("handler: a nested function cannot be imported by agents; valid: a function of a module")
    if handler.__module__ != "__main__":
        return {"module": handler.__module__, "name": name, "path": ""}
    path = getattr(sys.modules["__main__"], "__file__", None)
    if path is None:
        raise ValueError("handler: agents cannot import from an interactive session; valid: a function of a module")
    return {"module": PROGRAM, "name": name, "path": str(Path(path).resolve())}
