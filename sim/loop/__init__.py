"""An asyncio event loop whose clock is a SimPy environment."""

from sim.loop.environment import VirtualEnvironment
from sim.loop.errors import Deadlock, Livelock, NoInputOutput
from sim.loop.event_loop import SimLoop, run

__all__ = ["Deadlock", "Livelock", "NoInputOutput", "SimLoop", "VirtualEnvironment", "run"]
