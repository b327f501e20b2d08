"""Clients wait for the answer to a request, and may repeat it.

Each try of a request is a task of its own with the same work. Tasks are numbered in order of submission; the work is
drawn by the number of the request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import simpy

from recovery.policies.budget import RetryBudget
from recovery.policies.retry import RetryPolicy
from scenarios.sections.clients import ClientSettings
from sim.history import Event, History
from sim.loop.callbacks import Timer, after, after_all, disarm
from sim.randomness.streams import Repeated, Streams
from sim.world.listeners import ClientsListener, Connection


class Tasks(Protocol):
    """Accepts the tasks of clients: the world."""

    def submit(self, number: int, request: int) -> None:
        """Submit a task, which may be rejected at once."""

    def cancel(self, number: int) -> None:
        """Cancel a task."""


@dataclass(eq=False, slots=True)
class Terms:
    """How the clients of one kind of tasks wait and repeat; all of them share the budget."""

    settings: ClientSettings
    policy: RetryPolicy
    budget: RetryBudget | None

    @classmethod
    def of(cls, settings: ClientSettings) -> Terms:
        """The terms of clients with these settings."""
        policy = RetryPolicy(
            **settings.model_dump(include={"max_retries", "retry_delay", "backoff", "multiplier", "max_delay"}),
            **settings.model_dump(include={"jitter", "spread"}),
        )
        return cls(settings, policy, None if settings.budget is None else RetryBudget(settings.budget))


@dataclass(eq=False, slots=True)
class Request:
    """One request. `task` is the task that its client waits for, or waited for last."""

    number: int
    made_at: float
    terms: Terms
    task: int = -1
    waits: bool = False
    retries: int = 0
    delay: float | None = None
    listened: list[int] = field(default_factory=list)  # tasks whose completion answers the request
    timer: Timer | None = None  # of its timeout, or of its next try


class Clients:
    """The clients of all requests that have not ended."""

    listener: Connection[ClientsListener]

    def __init__(
        self,
        env: simpy.Environment,
        history: History,
        streams: Streams,
        settings: Mapping[str, ClientSettings],
        tasks: Tasks,
        kind_of: Callable[[int], str] | None = None,
    ) -> None:
        """`settings` by kind of tasks, and `kind_of` has that of a request; None: there is one, `""`.

        Kinds without clients of their own have those of `tasks.client`, with one budget.
        """
        self._env = env
        self._history = history
        self._tasks = tasks
        made: list[Terms] = []
        self._terms: dict[str, Terms] = {}
        for kind, each in settings.items():
            terms = next((one for one in made if one.settings is each), None)
            if terms is None:
                made.append(terms := Terms.of(each))
            self._terms[kind] = terms
        self._kind_of = kind_of
        self._jitter = Repeated(streams, "client.retry_jitter")
        self._numbers = 0
        self._of: dict[int, Request] = {}

    def request(self, number: int) -> None:
        """A client makes a new request."""
        kind = "" if self._kind_of is None else self._kind_of(number)
        self._make(Request(number, self._env.now, self._terms[kind]))

    def _make(self, request: Request) -> None:
        task = self._numbers
        self._numbers += 1
        if request.retries:
            self._history.record(Event.CLIENT_RETRIED, task, value=float(request.number))
        request.task, request.waits, request.timer = task, True, None
        request.listened.append(task)
        self._of[task] = request
        timeout = request.terms.settings.timeout
        if timeout is not None:
            request.timer = after_all(self._env, timeout, self._timed_out, request)
        self._tasks.submit(task, request.number)

    def _timed_out(self, timer: Timer) -> None:
        request: Request = timer._value
        self._history.record(Event.CLIENT_TIMED_OUT, request.task)
        request.waits, request.timer = False, None
        settings = request.terms.settings
        if settings.cancel or settings.late_answer == "drop":
            self._forget(request, request.task)
        if settings.cancel:
            self._tasks.cancel(request.task)
        self._ask_again(request)

    def _ask_again(self, request: Request, *, rejected: bool = False) -> None:
        retry, terms = request.retries + 1, request.terms
        if retry > terms.settings.max_retries or (terms.budget is not None and not terms.budget.spend()):
            if not request.listened:
                self._abandon(request, rejected=rejected)
            return
        request.retries = retry
        u = self._jitter.draw(request.number, retry)
        request.delay = terms.policy.unlimited_delay(retry, u, request.delay)
        request.timer = after(self._env, request.delay, lambda _: self._make(request))

    # ---------------------------------------------------------------------- what became of a task
    def answered(self, task: int) -> None:
        """A completed task answers its request, if the client still waits or accepts late answers."""
        request = self._of.get(task)
        if request is None:
            return
        in_time = request.waits and request.task == task
        seconds = self._env.now - request.made_at
        self._history.record(Event.CLIENT_ANSWERED, task, value=seconds, detail="in_time" if in_time else "late")
        if request.terms.budget is not None:
            request.terms.budget.succeeded()
        self._end(request)

    def failed(self, task: int, *, rejected: bool = False) -> None:
        """A rejected or abandoned task: the client may repeat the request."""
        request = self._of.get(task)
        if request is None:
            return
        self._forget(request, task)
        if request.task == task and request.waits:
            disarm(request.timer)
            request.waits, request.timer = False, None
            self._ask_again(request, rejected=rejected)
        elif not request.listened and request.timer is None:
            self._abandon(request)

    def _forget(self, request: Request, task: int) -> None:
        request.listened.remove(task)
        del self._of[task]

    def _abandon(self, request: Request, *, rejected: bool = False) -> None:
        self._history.record(Event.CLIENT_ABANDONED, request.task)
        self._end(request, rejected=rejected)

    def _end(self, request: Request, *, rejected: bool = False) -> None:
        disarm(request.timer)
        request.waits = False
        for task in request.listened:
            del self._of[task]
        self.listener.request_ended(request.number, rejected)
