"""The entities of the world: tasks, attempts at them, and the agents that execute them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf

from sim.loop.callbacks import Timer
from sim.world.resources import Allocation


@dataclass(eq=False, slots=True)
class Task:
    """One task, from its submission until the queue and every attempt have finished with it.

    `work` and `progress` are in work-seconds.
    """

    number: int
    name: str
    work: float
    needs: Mapping[str, int]  # units that an attempt holds, by pool
    draw: int  # its number in the random streams of its arrivals
    kind: str = ""  # its kind, if the scenario has kinds of tasks
    progress: float = 0.0  # where the next attempt starts when interrupted work is resumed
    redraws: int = 0
    observed: float = 0.0  # what ended attempts have shown: the work is more than this; infinite: it is known
    deliveries: int = 0
    void_deliveries: int = 0  # the core has queued the task again after this many of them
    lines: int = 0  # number of its entries in the queue
    duplicates: int = 0  # copies of duplicated deliveries that are still to be made
    leased: int = 0  # number of the delivery to be acknowledged; 0: none
    agent: Agent | None = None  # that received the latest delivery, until the queue releases the task
    keeper: Agent | None = None  # the agent that keeps a slot for its retry, in this incarnation
    keeper_incarnation: int = 0
    error: str | None = None
    poison: Callback | None = None  # called when an attempt at it starts, if the task is a poison task
    writes: int = 0  # checkpoint writes that were started so far
    attempts: list[Attempt] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Call:
    """A call to a downstream dependency, made at `since` (s). A call whose attempt has ended is not answered."""

    attempt: Attempt
    since: float
    answer: Callable[[Call, str | None, float | None], None]  # with an error, and a Retry-After, or None
    is_wanted: bool = True


@dataclass(eq=False, slots=True)
class Attempt:
    """One attempt at a task on an agent. Progress is in work-seconds; `deadline` and `due` are instants."""

    task: Task
    agent: Agent
    epoch: int
    delivery: int  # number of the task's delivery
    progress: float = 0.0
    base: float = 0.0  # progress at its start
    started: bool = False
    working_since: float | None = None
    target: float = 0.0
    end: float = 0.0
    fails: bool = False
    deadline: float = inf
    due: float = 0.0
    timer: Timer | None = None
    then: Callback | None = None
    frozen: bool = False
    allocation: Allocation | None = None
    withdraw_request: Callable[[], None] | None = None
    call: Call | None = None  # to a downstream dependency, while it is not answered
    called: int = 0  # calls that it has made
    retry_after: float | None = None  # seconds, of a rejected call
    slowness: float = 1.0  # seconds that a work-second takes


Callback = Callable[[Attempt], None]
"""The next step of an attempt."""


@dataclass(eq=False)
class Agent:
    """One agent. Its incarnation counts its starts; messages to an earlier incarnation are dropped."""

    number: int
    slots: int
    prefetch: int = 0  # deliveries that it takes beyond those that fill its slots
    up: bool = True
    hung: bool = False
    beating: bool = False  # while it hangs: a separate thread sends its heartbeats
    incarnation: int = 0
    clock_rate: float = 1.0  # rate of its clock
    free_slots: int = 0  # deliveries that it can still take, those beyond its slots included
    attempts: dict[Attempt, None] = field(default_factory=dict)
    holds: dict[Task, None] = field(default_factory=dict)  # delivered to it, and not settled
    unread: list[tuple[Task, int, int]] = field(default_factory=list)  # arrived while it hung
    prefetched: deque[tuple[Task, int]] = field(default_factory=deque)  # deliveries that wait in it for a free slot
    reserved: dict[Task, None] = field(default_factory=dict)  # with prefetch: tasks for whose retry a slot is kept
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = f"agent.{self.number}"
        self.free_slots = self.slots + self.prefetch

    @property
    def responding(self) -> bool:
        """Whether its process responds."""
        return self.up and not self.hung


def task_number(name: str) -> int:
    """172 of `task.172`."""
    return int(name.removeprefix("task."))
