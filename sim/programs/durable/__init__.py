"""What survives a power cut of a program: stores, files, queues, databases, and effects on the outside world."""

from sim.programs.durable.durable import Durable, created
from sim.programs.durable.loss import Part, Survives

__all__ = ["Durable", "Part", "Survives", "created"]
