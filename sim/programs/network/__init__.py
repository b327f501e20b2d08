"""A simulated network between tasks of one loop: asyncio's streams and protocols, by host name."""

from sim.programs.network.network import Network

__all__ = ["Network"]
