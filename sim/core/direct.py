"""A core that no fault can hit: the world calls it directly, without any cost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NoReturn

from recovery import Supervisor
from sim.core.own_cores import as_called
from sim.world.clocks import Clock
from sim.world.listeners import Core


class DirectHost:
    """Implements `sim.core.host.CoreHost` for a core without a machine of its own."""

    def __init__(self, core: Supervisor) -> None:
        self._supervisor = core
        self.core: Core = as_called(core)
        self.is_up = True

    def receive(self, arrive: Callable[[], None]) -> None:
        """The core takes every message at once."""
        arrive()

    def network_healed(self) -> None:
        """No message waits for a connection."""

    def boot(self) -> Awaitable[None]:
        """Start the core."""
        return self._supervisor.start()

    def leading(self) -> str:
        """The name of the core."""
        return "core"

    def crash(self, core: str) -> NoReturn:
        """Raise RuntimeError: the core has no machine."""
        raise _unsupported("crash")

    def restart(self, core: str) -> NoReturn:
        """Raise RuntimeError: the core has no machine."""
        raise _unsupported("restart")

    def hang(self, core: str) -> NoReturn:
        """Raise RuntimeError: the core has no machine."""
        raise _unsupported("hang")

    def wake(self, core: str) -> NoReturn:
        """Raise RuntimeError: the core has no machine."""
        raise _unsupported("wake up")

    def clocks(self) -> Mapping[str, Clock]:
        """Empty: there is no lease."""
        return {}

    def slow_down(self, delay: Callable[[], float]) -> NoReturn:
        """Raise RuntimeError: the core has no mailbox."""
        raise _unsupported("be slow")


def _unsupported(action: str) -> RuntimeError:
    return RuntimeError(f"a core that is called directly cannot {action}: it needs a single node or a cluster")
