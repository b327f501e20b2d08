"""The fork server: a process with all modules loaded, which forks agents and cores in a few milliseconds.

It starts them, reaps them, and restarts a core that has ended. It ends with the program that started it, however that
ends, and ends all of its children. If it is killed itself, its children are killed by the system (Linux), or notice
that and end.

It accepts requests as lines of JSON over a socket, from the program that started it and from the cores.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from runpy import run_path
from typing import Any

from recovery.local import agent_process, core_process, fork_server_client
from recovery.local.attempt import Handler
from recovery.local.beat_memory import BeatMemory
from recovery.local.config import LocalConfig
from recovery.local.json_lines import Lines

TICK = 0.1
"""The seconds between checks of the children while there are no requests."""
RESTART_AFTER = 1.0
"""The seconds after which a core that has ended is restarted."""
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Child:
    """A child process."""

    pid: int
    kind: str
    name: str


class ForkServer:
    """Forks processes. `control` is the socket of the program that started the server."""

    def __init__(self, control: Lines, url: str, handler: Handler, config: LocalConfig) -> None:
        self._control = control
        self._url = url
        self._handler = handler
        self._config = config
        self._beats = BeatMemory(config.agents)
        self._children: dict[int, Child] = {}
        self._cores_due: list[tuple[float, str]] = []
        self._ending = False
        self._lifeline, self._held = os.pipe()  # children read the first, which ends when the second is closed
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)

    def serve(self) -> None:
        """Serve requests until the program that started it has ended, or requests the end."""
        while not self._ending:
            for key, _ in self._selector.select(TICK):
                self._hear(key.fileobj)
            self._reap()
            due = [name for at, name in self._cores_due if at <= time.monotonic()]
            self._cores_due = [each for each in self._cores_due if each[1] not in due]
            for name in due:
                self._start("core", name)
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        while self._children:
            self._reap(wait=True)

    # ------------------------------------------------------------------------------------------------- requests
    def _hear(self, lines: Any) -> None:
        try:
            asked = lines.receive()
        except EOFError:
            self._selector.unregister(lines)
            self._ending = self._ending or lines is self._control
            lines.close()
            return
        with suppress(OSError):  # the other end may be closed
            lines.send(self._answer(asked))

    def _answer(self, asked: Mapping[str, Any]) -> Any:
        match asked["do"]:
            case "agent":
                self._reap()
                for child in self._children.values():
                    if child.kind == "agent" and child.name == asked["name"]:
                        os.kill(child.pid, signal.SIGTERM)
                return self._start("agent", asked["name"])
            case "core":
                return self._start("core", asked["name"])
            case "signal":
                self._reap()
                if asked["pid"] in self._children:  # and not a later process with the same id
                    os.kill(asked["pid"], asked["signal"])
                    return True
                return False
            case "processes":
                self._reap()
                return [[child.pid, child.kind, child.name] for child in self._children.values()]
            case "end":
                self._end(asked["grace"])
                return True
        raise ValueError(asked["do"])

    def _end(self, grace: float) -> None:
        """End cores at once, and agents when they have finished their tasks, each kind within `grace` seconds.

        A process that is stopped is continued, so that it can end, and release the lock of the store for the others.
        """
        self._ending = True
        for kind in ("core", "agent"):
            until = time.monotonic() + grace
            for child in list(self._children.values()):
                if child.kind == kind:
                    os.kill(child.pid, signal.SIGTERM)
            for child in self._children.values():
                os.kill(child.pid, signal.SIGCONT)
            while any(child.kind == kind for child in self._children.values()) and time.monotonic() < until:
                self._reap()
                time.sleep(0.005)

    # ------------------------------------------------------------------------------------------------- children
    def _start(self, kind: str, name: str) -> int:
        if kind == "agent":
            self._beats.slot(name)  # so that each process has the same slots
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            self._be(kind, name, ours, theirs)
        theirs.close()
        self._children[pid] = Child(pid, kind, name)
        self._selector.register(Lines(ours), selectors.EVENT_READ)
        return pid

    def _be(self, kind: str, name: str, ours: socket.socket, theirs: socket.socket) -> None:
        """Run an agent or a core in the child process. Does not return."""
        status = 1
        try:
            ours.close()
            os.close(self._held)
            for key in list(self._selector.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]
            self._selector.close()
            _end_with_parent(self._lifeline)
            if kind == "agent":
                detection = self._config.recovery.detection
                agent_process.Agent(
                    self._url,
                    name,
                    self._handler,
                    detection.heartbeat_interval,
                    self._config.poll,
                    self._beats.slot(name),
                ).run()
            else:
                start = fork_server_client.AsyncForkServerClient(theirs).start_agent
                holder = str(core_process.CoreName(name, os.getpid()))
                core_process.run(self._url, holder, self._config, start, self._beats)
            status = 0
        except Exception:  # noqa: BLE001 - a child must not continue as its parent
            traceback.print_exc()
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def _reap(self, *, wait: bool = False) -> None:
        """Reap children that have ended."""
        while self._children:
            pid, _ = os.waitpid(-1, 0 if wait else os.WNOHANG)
            if pid == 0:
                return
            child = self._children.pop(pid, None)  # a module of the user may have processes of its own
            if child is not None and child.kind == "core" and not self._ending:
                self._cores_due.append((time.monotonic() + RESTART_AFTER, child.name))


def _end_with_parent(lifeline: int) -> None:
    """Let this process end with its parent, even if it is stopped, where the system supports that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        os.read(lifeline, 1)
        os._exit(1)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def found_handler(spec: Mapping[str, str]) -> Handler:
    """The handler. Raises any error of its import."""
    if spec["path"]:  # a program, without its main block
        names = run_path(spec["path"], run_name=spec["module"])
        found: Any = names[spec["name"]]
    else:
        found = import_module(spec["module"])
        for part in spec["name"].split("."):
            found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"{spec['module']}:{spec['name']} is not a function")
    handler: Handler = found
    return handler


def main(descriptor: int) -> None:
    """Run the fork server at the other end of a socket."""
    control = Lines(socket.socket(fileno=descriptor))
    setup = control.receive()
    try:
        handler = found_handler(setup["handler"])
        if setup["url"].startswith("postgresql"):
            import_module("psycopg")
    except Exception as error:  # noqa: BLE001 - the module of the user may raise anything
        control.send("".join(traceback.format_exception_only(error)).strip())
        return
    try:
        control.send(None)
    except OSError:  # the program that started it has ended
        return
    ForkServer(control, setup["url"], handler, LocalConfig.model_validate_json(setup["config"])).serve()
