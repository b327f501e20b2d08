"""A server of a simulated network."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import Any

from sim.programs.network.carrier import Carrier
from sim.programs.network.transport import Address, SimulatedSocket, SimulatedTransport


class SimulatedServer(asyncio.AbstractServer):
    """Accepts connections at a host name and port, as the server that `asyncio.start_server` returns."""

    def __init__(self, loop: asyncio.AbstractEventLoop, network: Carrier, factory: Any, address: Address) -> None:
        self._loop, self._network, self._factory = loop, network, factory
        self.address = address
        self._context = copy_context()
        self._connections: dict[SimulatedTransport, None] = {}
        self._is_serving = False
        self._closed: asyncio.Future[None] | None = None
        self._forever: asyncio.Future[None] | None = None

    @property
    def sockets(self) -> tuple[SimulatedSocket, ...]:
        """One socket, which has the address."""
        return (SimulatedSocket(self.address, None),) if self._is_serving else ()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the server is on."""
        return self._loop

    def is_serving(self) -> bool:
        """Whether connections are accepted."""
        return self._is_serving

    async def start_serving(self) -> None:
        """Accept connections. Raises OSError if the port is taken."""
        if not self._is_serving:
            self._network.listen(self)
            self._is_serving = True

    async def serve_forever(self) -> None:
        """Accept connections until canceled, and close the server then."""
        await self.start_serving()
        self._forever = self._loop.create_future()
        try:
            await self._forever
        finally:
            self._forever = None
            self.close()
            await self.wait_closed()

    def accept(self, client: SimulatedTransport) -> SimulatedTransport:
        """The server's end of a new connection."""
        end = self._context.copy().run(self._end, client)
        self._connections[end] = None
        return end

    def _end(self, client: SimulatedTransport) -> SimulatedTransport:
        return SimulatedTransport(self._loop, self._network, self._factory(), self.address, client.own)

    def forget(self, end: SimulatedTransport) -> None:
        """A connection has ended."""
        self._connections.pop(end, None)
        self._wake()

    def close(self) -> None:
        """Accept no more connections; those that exist go on."""
        if self._is_serving:
            self._is_serving = False
            self._network.stop_listening(self)
        if self._forever is not None and not self._forever.done():
            self._forever.cancel()
        self._wake()

    def close_clients(self) -> None:
        """Close every connection."""
        for end in [*self._connections]:
            end.close()

    def abort_clients(self) -> None:
        """Reset every connection."""
        for end in [*self._connections]:
            end.abort()

    async def wait_closed(self) -> None:
        """Wait until the server is closed and its connections have ended."""
        if self._is_serving or self._connections:
            if self._closed is None:
                self._closed = self._loop.create_future()
            await asyncio.shield(self._closed)

    def _wake(self) -> None:
        if self._closed is not None and not (self._is_serving or self._connections or self._closed.done()):
            self._closed.set_result(None)
