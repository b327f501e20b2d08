"""Attributes of the event loop that the other modules of this package use."""

from __future__ import annotations

import asyncio
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar

import simpy

from sim.loop.private_names import check_private_names

T = TypeVar("T")
check_private_names()


class LoopBase(asyncio.BaseEventLoop):
    """Declares the attributes of a `sim.loop.SimLoop` that its SimPy bridge, executor and environment use."""

    env: simpy.Environment
    max_callbacks: int
    _ready: Any  # attributes of asyncio.BaseEventLoop that its type stubs lack, as the next
    _closed: bool
    _debug: bool
    _stopping: bool
    _thread_id: int | None
    _task_factory: Any
    _check_closed: Callable[[], None]
    _owner: int  # the thread that owns the loop
    _earlier_threads: frozenset[threading.Thread]  # that ran when the loop was created
    _foreign_threads: dict[str, None]  # names of threads that called call_soon_threadsafe(), the first one first
    _in_executor: bool  # a function passed to run_in_executor runs
    _task_numbers: Iterator[int]
    _future_numbers: Iterator[int]  # of futures, and of tasks that the loop has not created
    _made_number: int | None  # the number of the task that a custom factory creates at this moment
    _awake: bool  # a drain is running, or an event on the heap will start one
    followers: ClassVar[list[Callable[[LoopBase], object]]] = []  # called with each loop when it begins to run
    _advances: bool  # the drain may move the clock: inside a run, not inside a lone env.step()

    @abstractmethod
    def _drain(self) -> None:
        """Run everything that is ready at this instant."""

    @abstractmethod
    def _run_environment(self, run: Callable[[], T]) -> T:
        """Call `run` with this loop as the running one."""
