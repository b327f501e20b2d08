"""Where the core keeps what it must not forget."""

from recovery.stores.plain import PlainTaskStore, inline, threaded

__all__ = ["PlainTaskStore", "inline", "threaded"]
