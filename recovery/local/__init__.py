"""Recovery on the wall clock: agents are processes of one machine, on a queue in a store, and cores look after them."""

from recovery.local.attempt import Attempt, Fenced
from recovery.local.config import LocalConfig
from recovery.local.system import LocalSystem

__all__ = ["Attempt", "Fenced", "LocalConfig", "LocalSystem"]
