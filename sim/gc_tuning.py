"""How often Python looks for cyclic garbage while a run is simulated.

A run makes few cycles and many objects that stay: its events, tasks and timers. With CPython's usual threshold of 700
new objects, a quarter of a loaded run's time goes into looking through them for cycles that are not there.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

NEW_OBJECTS = 10_000
"""Objects that come to be before the youngest are looked through; beyond this, measured, there is little to gain."""

_lock = Lock()
_usual: list[tuple[int, int, int]] = []  # the thresholds to come back to, one for each run that is under way


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect rarely within the block, and as before after it. Who has turned collection off, or made it rarer, rules.

    The thresholds are the process's: of runs in several threads, the last one to end restores them.
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
