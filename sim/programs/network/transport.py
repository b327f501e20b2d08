"""One end of a simulated connection: an asyncio transport whose bytes arrive at the other end later."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from contextvars import copy_context
from typing import Any, Final

from sim.programs.network.carrier import Carrier

HIGH_WATER: Final = 64 * 1024
Address = tuple[str, int]


class SimulatedSocket:
    """Stands for the socket of a transport, for programs that ask for its addresses or set options."""

    family, type, proto = socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP

    def __init__(self, own: Address, peer: Address | None) -> None:
        self._own, self._peer = own, peer

    def getsockname(self) -> Address:
        """Host name and port of this end."""
        return self._own

    def getpeername(self) -> Address:
        """Host name and port of the other end. Raises OSError for a server's socket."""
        if self._peer is None:
            raise OSError("a listening socket has no peer")
        return self._peer

    def setsockopt(self, *_: Any) -> None:
        """Nothing: there are no options."""

    def getsockopt(self, *_: Any) -> int:
        """0: there are no options."""
        return 0

    def fileno(self) -> int:
        """-1: there is no file descriptor."""
        return -1


class SimulatedTransport(asyncio.Transport):
    """An end of a connection.

    What is written arrives in order, after the latency of the network. What the other end has not read yet counts as
    written and not sent: above the high-water mark the protocol is paused, as by a real slow reader.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, network: Carrier, protocol: Any, own: Address, peer: Address
    ) -> None:
        super().__init__({"sockname": own, "peername": peer, "socket": SimulatedSocket(own, peer)})
        self.loop, self._network, self._protocol = loop, network, protocol
        self.context = copy_context()  # in which its protocol is called
        self.own, self.peer_address = own, peer
        self.other: SimulatedTransport | None = None
        self.is_lost = False  # connection_lost() is called or scheduled
        self.has_vanished = False  # its host has lost its power: it sends nothing any more
        self._is_closing = False
        self._sent_eof = self._got_eof = False
        self._is_reading = True
        self._unread: list[bytes | None] = []  # that arrived while reading is paused; None is the end
        self._outstanding = 0  # bytes that the other end has not read
        self._low, self._high = HIGH_WATER // 4, HIGH_WATER
        self._writing_paused = False
        self._last_arrival = 0.0

    # ------------------------------------------------------------------------------------------ asyncio's interface

    def get_protocol(self) -> Any:
        """The protocol that is called."""
        return self._protocol

    def set_protocol(self, protocol: Any) -> None:
        """Call another protocol."""
        self._protocol = protocol

    def is_closing(self) -> bool:
        """Whether the transport is closed or will be."""
        return self._is_closing

    def is_reading(self) -> bool:
        """Whether what arrives is passed to the protocol."""
        return self._is_reading and not self._is_closing

    def pause_reading(self) -> None:
        """Keep what arrives."""
        self._is_reading = False

    def resume_reading(self) -> None:
        """Pass on what has arrived meanwhile, and what arrives."""
        self._is_reading = True
        self.loop.call_soon(self._deliver, context=self.context)

    def get_write_buffer_size(self) -> int:
        """Bytes that the other end has not read."""
        return self._outstanding

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Bytes at which writing is resumed and paused."""
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the bytes at which writing is paused and resumed. Raises ValueError unless 0 <= low <= high."""
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._low, self._high = low, high

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes to the other end."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data must be bytes-like, not {type(data).__name__}")
        if self._sent_eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._is_closing or not data:
            return
        self._outstanding += len(data)
        self._send(bytes(data))
        if self._outstanding > self._high and not self._writing_paused:
            self._writing_paused = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send several pieces at once."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """True: a connection may be closed in one direction."""
        return True

    def write_eof(self) -> None:
        """Tell the other end that nothing more is written; it may still write."""
        if not (self._sent_eof or self._is_closing):
            self._sent_eof = True
            self._send(None)

    def close(self) -> None:
        """Close this end after what is written has been sent."""
        if self._is_closing:
            return
        if not self._sent_eof:
            self._send(None)
        self._is_closing = True
        self.lose(None)

    def abort(self) -> None:
        """Close this end at once; the other end sees a reset."""
        if not self._is_closing:
            self._is_closing = True
            self.reset_other()
            self.lose(None)

    # ------------------------------------------------------------------------------------------------ the network

    def lose(self, error: Exception | None) -> None:
        """Close this end: the protocol's connection is lost, soon."""
        self._is_closing = True
        self._unread.clear()
        if not (self.is_lost or self.has_vanished):
            self.is_lost = True
            self.loop.call_soon(self._protocol.connection_lost, error, context=self.context)
            self._network.ended(self)

    def reset_other(self) -> None:
        """Let the other end see a reset, after the latency."""
        other = self.other
        if other is not None:
            self._network.carry(self, lambda: other.lose(ConnectionResetError(104, "Connection reset by peer")))

    def arrives_at(self, latency: float) -> float:
        """When something that is sent now arrives: not before what was sent earlier."""
        self._last_arrival = max(self.loop.time() + latency, self._last_arrival)
        return self._last_arrival

    def _send(self, data: bytes | None) -> None:
        other = self.other
        if other is not None and not self.has_vanished:
            if data is not None and self._network.drops(self):
                self.reset_other()
                self.lose(ConnectionResetError(104, "Connection reset by peer"))
                return
            self._network.carry(self, lambda: other.arrive(data))

    def arrive(self, data: bytes | None) -> None:
        """Bytes arrive from the other end, or its end of file."""
        if self.has_vanished:
            if self._network.is_up(self.own[0]):  # it was restarted, and has no such connection
                self.reset_other()
            return
        if self._is_closing:
            if data is not None:
                self.reset_other()
            return
        self._unread.append(data)
        if self._is_reading:
            self._deliver()

    def _deliver(self) -> None:
        while self._unread and self._is_reading and not self._is_closing:
            data = self._unread.pop(0)
            if data is None:
                self._got_eof = True
                if not self._protocol.eof_received() and not self._is_closing:
                    self.close()
                continue
            self._read(data)
            if self.other is not None:
                self.other.was_read(len(data))

    def _read(self, data: bytes) -> None:
        if isinstance(self._protocol, asyncio.BufferedProtocol):
            view = memoryview(data)
            while view:
                buffer = memoryview(self._protocol.get_buffer(len(view)))
                size = min(len(buffer), len(view))
                buffer[:size] = view[:size]
                self._protocol.buffer_updated(size)
                view = view[size:]
        else:
            self._protocol.data_received(data)

    def was_read(self, size: int) -> None:
        """The other end has read so many bytes."""
        self._outstanding -= size
        if self._writing_paused and self._outstanding <= self._low:
            self._writing_paused = False
            if not self._is_closing:
                self._protocol.resume_writing()

    def __repr__(self) -> str:
        return f"<SimulatedTransport {self.own[0]}:{self.own[1]} to {self.peer_address[0]}:{self.peer_address[1]}>"
