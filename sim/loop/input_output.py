"""Input and output of a loop: refused, unless a simulated network is in force that has it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final

from sim.loop.errors import NoInputOutput

network: ContextVar[Any] = ContextVar("network", default=None)
"""The simulated network in force: an object with the methods of a loop that it replaces, which take the loop first."""

# fmt: off
_INPUT_OUTPUT: Final = (
    "add_reader", "remove_reader", "add_writer", "remove_writer", "add_signal_handler", "remove_signal_handler",
    "sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into", "sock_sendall", "sock_sendto",
    "sock_connect", "sock_accept", "sock_sendfile", "sendfile", "start_tls", "create_connection",
    "create_server", "create_unix_connection", "create_unix_server", "create_datagram_endpoint",
    "connect_accepted_socket", "connect_read_pipe", "connect_write_pipe", "subprocess_shell", "subprocess_exec",
    "getaddrinfo", "getnameinfo",
)
# fmt: on


def refuse_input_output(loop: type) -> type:
    """Class decorator for loops: every method for input and output raises NoInputOutput, or is that of the network."""
    for name in _INPUT_OUTPUT:
        setattr(loop, name, _refusal(name))
    return loop


def _refusal(name: str) -> Any:
    def refuse(self: object, *args: Any, **options: Any) -> Any:
        simulated = getattr(network.get(), name, None)
        if simulated is not None:
            return simulated(self, *args, **options)
        raise NoInputOutput(
            f"SimLoop has no input or output, and so no {name}(): virtual time knows no sockets, pipes, subprocesses "
            "or signals. Model the other side with SimPy's events and await loop.wait(event), or call something "
            "that blocks inline, with asyncio.to_thread(). Streams between tasks of one loop: sim.Network"
        )

    refuse.__name__ = refuse.__qualname__ = name
    return refuse
