"""A local system on the wall clock: agents and cores are processes of one machine, with a queue in a store."""

from recovery.local.attempt import Attempt, Fenced
from recovery.local.config import LocalConfig
from recovery.local.system import LocalSystem

__all__ = ["Attempt", "Fenced", "LocalConfig", "LocalSystem"]
