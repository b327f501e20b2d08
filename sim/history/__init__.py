"""The history of a run: append-only typed events, their storage, and the hash of their canonical bytes."""

from sim.history.events import Event
from sim.history.recorder import History, Watcher
from sim.history.storage import HistoryNotKept

__all__ = ["Event", "History", "HistoryNotKept", "Watcher"]
