"""Where the core keeps what it must not forget."""

from recovery.stores.sync_adapter import PlainTaskStore, inline, threaded

__all__ = ["PlainTaskStore", "inline", "threaded"]
