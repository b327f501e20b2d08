"""Detects functions that block the loop's thread for ever: those that it runs inline and that wait for a thread.

`threading.Event`, `Condition`, `Semaphore` and `Barrier`, `queue.Queue` and `concurrent.futures.Future` wait with
`threading.Condition.wait`, which is replaced while such a function runs. A wait on a bare `threading.Lock`, or on a
`queue.SimpleQueue`, is not detected.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE = 5.0
"""Seconds of wall time after which a wait for another thread is reported. No result depends on it."""
_wait = threading.Condition.wait
_lock = threading.Lock()
_depth: dict[int, int] = {}
"""By thread, the number of functions that run inline in it, one inside another."""
_ADVICE = "a function that SimLoop runs inline waits for another thread"


@contextmanager
def detected() -> Iterator[None]:
    """Inside, a wait in this thread raises RuntimeError if there is no other thread that could end it.

    If there is one, a wait of more than `PATIENCE` is a RuntimeWarning. A wait with a timeout is left alone.
    """
    me = threading.get_ident()
    with _lock:
        _depth[me] = _depth.get(me, 0) + 1
        threading.Condition.wait = _checked_wait  # type: ignore[method-assign]
    try:
        yield
    finally:
        with _lock:
            _depth[me] -= 1
            if not _depth[me]:
                del _depth[me]
            if not _depth:
                threading.Condition.wait = _wait  # type: ignore[method-assign]


def _checked_wait(self: threading.Condition, timeout: float | None = None) -> Any:
    if timeout is not None or threading.get_ident() not in _depth:
        return _wait(self, timeout)
    if threading.active_count() == 1:
        raise RuntimeError(
            f"{_ADVICE}, and there is none: it would wait for ever. The loop cannot go on before the function returns. "
            "Await what it waits for outside the function"
        )
    if _wait(self, PATIENCE):
        return True
    text = f"{_ADVICE} for more than {PATIENCE:g} s: if it waits for the loop, it waits for ever"
    warnings.warn(text, RuntimeWarning, stacklevel=3)
    return _wait(self)
