"""Tuning of Python's cyclic garbage collection during a run.

A run creates few cycles and many long-lived objects: events, tasks and timers. With CPython's default threshold of 700
new objects, the garbage collector takes a quarter of the time of a loaded run and finds nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

NEW_OBJECTS = 10_000
"""New objects before a collection of the youngest generation; measurements show little gain above this value."""

_lock = Lock()
_usual: list[tuple[int, int, int]] = []  # the thresholds to restore, one per active run


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect rarely within the block and as before after it. Disabled or rarer collection is kept.

    The thresholds are per process: of runs in several threads, the last one to end restores them.
    """
    with _lock:
        usual = gc.get_threshold()
        _usual.append(_usual[0] if _usual else usual)
        if 0 < usual[0] < NEW_OBJECTS:
            gc.set_threshold(NEW_OBJECTS, *usual[1:])
    try:
        yield
    finally:
        with _lock:
            before = _usual.pop()
            if not _usual:
                gc.set_threshold(*before)
