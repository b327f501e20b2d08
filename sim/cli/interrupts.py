"""Handles Ctrl-C even where Python loses it: an exception in a callback of the garbage collector is dropped."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
"""Exit status of an interrupted command."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_received: list[int] = []


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, an interrupt or a termination raises KeyboardInterrupt, and `check` raises it again if it was lost."""
    _received.clear()
    if threading.current_thread() is not threading.main_thread():  # signals can only be handled there
        yield
        return
    before = [signal.signal(number, _remember) for number in _SIGNALS]
    try:
        yield
    finally:
        for number, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(number, handler)


def check() -> None:
    """Raise KeyboardInterrupt if there was an interrupt since the last call."""
    if _received:
        _received.clear()
        raise KeyboardInterrupt


def _remember(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    raise KeyboardInterrupt
