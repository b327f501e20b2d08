"""Ctrl-C, also where Python swallows it: what is raised in a callback of the garbage collector reaches nobody."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
"""Exit status of a command that was."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_received: list[int] = []


@contextmanager
def interruptible() -> Iterator[None]:
    """Within, an interrupt or a termination raises KeyboardInterrupt, and `check` raises it again if that got lost."""
    _received.clear()
    if threading.current_thread() is not threading.main_thread():  # only there can signals be handled
        yield
        return
    before = [signal.signal(number, _remember) for number in _SIGNALS]
    try:
        yield
    finally:
        for number, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(number, handler)


def check() -> None:
    """Raise KeyboardInterrupt if there was one since the last time."""
    if _received:
        _received.clear()
        raise KeyboardInterrupt


def _remember(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    raise KeyboardInterrupt
