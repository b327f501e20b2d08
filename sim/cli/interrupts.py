"""Handles Ctrl-C even where Python loses it: an exception in a callback of the garbage collector is dropped."""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(slots=True)
class TimeLimit:
    """The time limit of a command. `is_over` is whether it has interrupted the command."""

    seconds: float | None
    is_over: bool = False

    @property
    def reason(self) -> str:
        """Why the command was interrupted."""
        return "--max-time is over" if self.is_over else "interrupted"


@contextmanager
def time_limit(seconds: float | None) -> Iterator[TimeLimit]:
    """Inside, the command is interrupted after so many seconds of wall time, as by Ctrl-C; None: no limit."""
    limit = TimeLimit(seconds)
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield limit
        return
    ended, lock, command = threading.Event(), threading.Lock(), threading.get_ident()

    def expire() -> None:
        with lock:
            if not ended.is_set():
                limit.is_over = True
                _interrupt(command)

    timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), expire)
    timer.daemon = True
    try:
        timer.start()
        yield limit
    finally:
        try:
            with lock:
                ended.set()
        except KeyboardInterrupt:  # the limit was reached at this moment
            ended.set()
        timer.cancel()
        timer.join()
        if limit.is_over:
            _received.clear()


def _interrupt(thread: int) -> None:
    """Interrupt the main thread, also while it waits."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(thread, signal.SIGINT)
    else:
        _thread.interrupt_main()


def _remember(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    raise KeyboardInterrupt
