"""Persistent state of the core: tasks, checkpoints, journal, audit trail and leases, in memory or in a database."""

from recovery.stores.sync_adapter import PlainTaskStore, inline, threaded

__all__ = ["PlainTaskStore", "inline", "threaded"]
