"""Messages over a socket, each a line of JSON."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any


class Lines:
    """One end of a socket."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._file = end.makefile("rb")

    def send(self, message: Any) -> None:
        """Send a message. Raises OSError if the other end is closed."""
        self._end.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> Any:
        """Receive the next message. Raises EOFError if the other end is closed."""
        try:
            line = self._file.readline()
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            raise EOFError
        return json.loads(line)

    def set_timeout(self, seconds: float) -> None:
        """Limit the time of each message. One that is too late ends the connection."""
        self._end.settimeout(seconds)

    def fileno(self) -> int:
        """The socket's file descriptor."""
        return self._end.fileno()

    def close(self) -> None:
        """Close this end in this process only."""
        self._file.close()
        self._end.close()

    def hang_up(self) -> None:
        """Close the connection, also for other processes with this end."""
        with suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)
        self.close()
