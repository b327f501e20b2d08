"""How the nursery is asked: by the program that made it, and by cores."""

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

PROGRAM = "__recovery_local__"
"""What `__name__` is in a program of which the nursery takes the handler."""


_BE_ONE = """
import json, sys
sys.path[:] = json.loads(sys.argv[2])
from recovery.local.fork_server import main
main(int(sys.argv[1]))
"""


class NurseryGone(RecoveryBenchError, RuntimeError):
    """The process that starts all others has ended."""


class Nursery:
    """The nursery, as the program sees it that made it. Its processes end with it."""

    def __init__(self, url: str, handler: Handler | str, config: LocalConfig) -> None:
        """Raises ValueError for a handler that cannot be imported there, RuntimeError where processes cannot fork."""
        if not hasattr(os, "fork"):
            raise RuntimeError("agents as processes need fork: Linux or macOS")
        told = {"url": url, "config": config.model_dump_json(), "handler": _told(handler)}
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this very Python, with a module of ours
                [sys.executable, "-c", _BE_ONE, str(theirs.fileno()), json.dumps(sys.path)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the program, which ends them in order
            )
        self._lines = Lines(ours)
        wrong = self._ask(told)
        if wrong is not None:
            self.close()
            raise ValueError(f"handler: {wrong}")

    def ask(self, do: str, **more: Any) -> Any:
        """Have something done. Raises NurseryGone."""
        return self._ask({"do": do, **more})

    def _ask(self, asked: Any) -> Any:
        try:
            self._lines.send(asked)
            return self._lines.receive()
        except (OSError, EOFError):
            raise NurseryGone("the nursery has ended, and the agents with it") from None

    def close(self) -> None:
        """Hang up: what is still there is killed. Returns when nothing is."""
        self._lines.hang_up()
        self._process.wait()


class AsyncNursery:
    """The nursery, as a core sees it."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._asking = asyncio.Lock()
        self._under_way: set[asyncio.Task[int]] = set()

    async def start_agent(self, name: str) -> int:
        """Have an agent started in place of the one of this name; returns its process id."""
        asking = asyncio.ensure_future(self._ask_for_agent(name))
        self._under_way.add(asking)
        asking.add_done_callback(self._under_way.discard)
        return await asyncio.shield(asking)  # whoever does not wait any more leaves no answer for the next one to read

    async def _ask_for_agent(self, name: str) -> int:
        loop, line = asyncio.get_running_loop(), b""
        async with self._asking:
            await loop.sock_sendall(self._end, json.dumps({"do": "agent", "name": name}).encode() + b"\n")
            while not line.endswith(b"\n"):
                part = await loop.sock_recv(self._end, 64)
                if not part:
                    raise NurseryGone("the nursery has ended")
                line += part
        pid: int = json.loads(line)
        return pid


def _told(handler: Handler | str) -> dict[str, str]:
    """Where to find a handler: `module:function`, or a function of a module or of the program that runs."""
    if isinstance(handler, str):
        module, _, name = handler.partition(":")
        if not module or not name:
            raise ValueError(f"handler: {handler!r} names no function; valid: module:function")
        return {"module": module, "name": name, "path": ""}
    name = getattr(handler, "__qualname__", "")
    if not name or "<" in name:
        raise ValueError("handler: a function inside of another cannot be found by agents; valid: one of a module")
    if handler.__module__ != "__main__":
        return {"module": handler.__module__, "name": name, "path": ""}
    path = getattr(sys.modules["__main__"], "__file__", None)
    if path is None:
        raise ValueError("handler: agents do not see what was typed in; valid: a function of a module")
    return {"module": PROGRAM, "name": name, "path": str(Path(path).resolve())}
