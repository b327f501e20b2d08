"""Hosts, latency, partitions and losses of a simulated network."""

from __future__ import annotations

import asyncio
import errno
import random  # noqa: TID251 - a generator with a seed
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any, Final

from sim.loop.errors import NoInputOutput
from sim.loop.input_output import network
from sim.programs.network.server import SimulatedServer
from sim.programs.network.transport import Address, SimulatedTransport

CLIENT: Final = "client"
"""The host of tasks that are on no other one."""
FIRST_PORT: Final = 49152
_LOCAL: Final = ("", "0.0.0.0", "::", "localhost", "127.0.0.1", "::1")  # noqa: S104 - names, nothing is bound
_host: ContextVar[str] = ContextVar("host", default=CLIENT)


class Network:
    """A network between the tasks of one loop. `asyncio.open_connection` and `start_server`, and the methods
    `create_connection` and `create_server` of the loop, go over it where it is in force; nothing leaves the process.

        with sim.Network(latency=0.05) as network:
            ...

    It is in force in the block and in tasks that are created there. `latency` is that of one direction, in seconds.
    `loss` is the probability that a write resets its connection, drawn from `seed`. A connection to a host that is not
    reached fails after `connect_timeout` seconds. Callbacks and handlers run on the host that has created their end.
    """

    def __init__(
        self, *, latency: float = 0.0, loss: float = 0.0, seed: int = 0, connect_timeout: float = 127.0
    ) -> None:
        if not latency >= 0:
            raise ValueError(f"latency={latency!r}: must be 0 seconds or more")
        if not 0 <= loss <= 1:
            raise ValueError(f"loss={loss!r}: must be between 0 and 1")
        self._latency = latency
        self._loss = loss
        self._connect_timeout = connect_timeout
        self._source = random.Random(f"{seed}/network")  # noqa: S311 - reproducible
        self._links: dict[frozenset[str], float] = {}
        self._cuts: dict[tuple[str, str], list[tuple[SimulatedTransport, Callable[[], object]]]] = {}
        self._servers: dict[Address, SimulatedServer] = {}
        self._server_of: dict[SimulatedTransport, SimulatedServer] = {}
        self._ends: dict[SimulatedTransport, None] = {}
        self._down: dict[str, None] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._last_port = FIRST_PORT - 1
        self._token: Token[Any] | None = None

    def __enter__(self) -> Network:
        self._token = network.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._token is not None
        network.reset(self._token)

    # ---------------------------------------------------------------------------------------------------- faults

    @contextmanager
    def host(self, name: str) -> Iterator[None]:
        """Inside, connections are opened from this host, also by tasks that are created there."""
        token = _host.set(name)
        try:
            yield
        finally:
            _host.reset(token)

    def set_latency(self, one: str, other: str, seconds: float) -> None:
        """Another latency between two hosts, in both directions."""
        self._links[frozenset((one, other))] = seconds

    def set_loss(self, probability: float) -> None:
        """Another probability that a write resets its connection."""
        self._loss = probability

    def partition(self, one: str, other: str, *, one_way: bool = False) -> None:
        """Nothing arrives between two hosts until `heal`; what is sent meanwhile arrives then, as TCP sends it again.

        With `one_way`, only what `one` sends does not arrive.
        """
        self._cuts.setdefault((one, other), [])
        if not one_way:
            self._cuts.setdefault((other, one), [])

    def heal(self) -> None:
        """End all partitions."""
        cuts, self._cuts = self._cuts, {}
        for held in cuts.values():
            for sender, arrive in held:
                self.carry(sender, arrive)
        self._wake()

    def crash(self, host: str) -> None:
        """A host loses its power: its connections vanish, and the other ends notice nothing. They stay half open until
        they write after `restart`, which answers with a reset. Its servers are gone.
        """
        self._down[host] = None
        for end in [*self._ends]:
            if end.own[0] == host:
                end.has_vanished = True
                self.ended(end)
        for address in [each for each in self._servers if each[0] == host]:
            del self._servers[address]

    def restart(self, host: str) -> None:
        """A host has power again; its servers are to be started anew."""
        self._down.pop(host, None)
        self._wake()

    # ------------------------------------------------------------------------------------------ methods of a loop

    async def create_connection(
        self, loop: Any, factory: Callable[[], Any], host: str | None = None, port: int | None = None, **options: Any
    ) -> tuple[SimulatedTransport, Any]:
        """As the loop's. Raises ConnectionRefusedError if no server listens, and TimeoutError if none is reached."""
        _refuse("create_connection", options, ("ssl", "sock"))
        if host is None or port is None:
            raise ValueError("host and port was not specified and no sock specified")
        own = (_host.get(), self._next_port())
        address = (_name(host), int(port))
        await self._reach(loop, own[0], address[0])
        server = self._servers.get(address)
        if server is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed {address}")
        protocol = factory()
        end = SimulatedTransport(loop, self, protocol, own, address)
        other = server.accept(end)
        end.other, other.other = other, end
        self._ends[end] = self._ends[other] = None
        self._server_of[other] = server
        loop.call_soon(other.get_protocol().connection_made, other, context=other.context)
        loop.call_soon(protocol.connection_made, end)
        await asyncio.sleep(0)
        return end, protocol

    async def create_server(
        self,
        loop: Any,
        factory: Callable[[], Any],
        host: Any = None,
        port: int | None = None,
        *,
        start_serving: bool = True,
        **options: Any,
    ) -> SimulatedServer:
        """As the loop's: at a host name, or at the host of the task. Raises OSError if the port is taken."""
        _refuse("create_server", options, ("ssl", "sock"))
        if isinstance(host, list | tuple):
            (host,) = host
        named = _host.get() if host is None or _is_local(host) else _name(host)
        server = SimulatedServer(loop, self, factory, (named, int(port) if port else self._next_port()))
        if start_serving:
            await server.start_serving()
        return server

    async def getaddrinfo(self, loop: Any, host: Any, port: Any, **_: Any) -> list[Any]:
        """One address, of which the host is the name."""
        named = host.decode() if isinstance(host, bytes) else host
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (named, int(port or 0)))]

    # ------------------------------------------------------------------------------- for servers and transports

    def listen(self, server: SimulatedServer) -> None:
        """Accept connections. Raises OSError if another server does at this address."""
        if server.address in self._servers:
            raise OSError(errno.EADDRINUSE, f"error while attempting to bind on address {server.address}")
        self._servers[server.address] = server

    def stop_listening(self, server: SimulatedServer) -> None:
        """Accept no more connections."""
        self._servers.pop(server.address, None)

    def ended(self, end: SimulatedTransport) -> None:
        """An end of a connection is closed."""
        self._ends.pop(end, None)
        server = self._server_of.pop(end, None)
        if server is not None:
            server.forget(end)

    def drops(self, end: SimulatedTransport) -> bool:
        """Whether a write is lost for good, and the connection with it."""
        return self._loss > 0 and self._source.random() < self._loss

    def is_up(self, host: str) -> bool:
        """Whether a host has power."""
        return host not in self._down

    def carry(self, sender: SimulatedTransport, arrive: Callable[[], object]) -> None:
        """Call `arrive` at the other end after the latency, or when the partition ends."""
        assert sender.other is not None
        way = sender.own[0], sender.peer_address[0]
        held = self._cuts.get(way)
        if held is not None:
            held.append((sender, arrive))
            return

        def at_the_end() -> None:
            held = self._cuts.get(way)  # a partition that began on the way
            if held is None:
                arrive()
            else:
                held.append((sender, arrive))

        latency = self._between(*way)
        sender.loop.call_at(sender.arrives_at(latency), at_the_end, context=sender.other.context)

    # ---------------------------------------------------------------------------------------------------- inside

    async def _reach(self, loop: Any, one: str, other: str) -> None:
        """The round trip of a new connection."""
        try:
            async with asyncio.timeout(self._connect_timeout):
                while not self._reaches(one, other):
                    woken = loop.create_future()
                    self._waiting.append(woken)
                    await woken
                await asyncio.sleep(2 * self._between(one, other))
        except TimeoutError:
            raise TimeoutError(errno.ETIMEDOUT, f"Connect call failed: no answer from {other}") from None

    def _reaches(self, one: str, other: str) -> bool:
        return self.is_up(other) and (one, other) not in self._cuts and (other, one) not in self._cuts

    def _between(self, one: str, other: str) -> float:
        return self._links.get(frozenset((one, other)), self._latency)

    def _next_port(self) -> int:
        self._last_port += 1
        return self._last_port

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)


def _name(host: Any) -> str:
    """The name of a host; every name of the own machine is the host of the task."""
    named = host.decode() if isinstance(host, bytes) else str(host)
    return _host.get() if _is_local(named) else named


def _is_local(host: Any) -> bool:
    return host in _LOCAL


def _refuse(method: str, options: dict[str, Any], names: tuple[str, ...]) -> None:
    given = [name for name in names if options.get(name)]
    if given:
        raise NoInputOutput(f"{method}({given[0]}=…): a simulated network has host names and ports only")
