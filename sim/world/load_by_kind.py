"""The load of several kinds of tasks: some share the arrivals, others have arrivals of their own."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

import simpy

from scenarios.sections.tasks import TaskSettings
from sim.randomness.streams import Streams
from sim.world.load import Load, Submit


def stream_of(kind: str, settings: TaskSettings) -> str:
    """What the names of the random streams of a kind begin with: of one with arrivals of its own, the kind's name.

    The streams of kinds that share the arrivals have the same names, and a task has its own number in them: with other
    shares, a task that remains of its kind has the same work.
    """
    return f"kind.{kind}." if settings.kinds[kind].arrivals is not None else ""


@dataclass(frozen=True, slots=True)
class Origin:
    """The kind of a request, the load that has made it, and its number in this load."""

    kind: str
    load: Load
    number: int


def _always(kind: str, number: int) -> str:
    return kind


class LoadByKind(Load):
    """Numbers the requests of all kinds in their order, and has the kind and the load of each until it ends."""

    def __init__(self, env: simpy.Environment, streams: Streams, settings: TaskSettings, submit: Submit) -> None:
        self._request = submit
        self._made = 0
        self._origins: dict[int, Origin] = {}
        self._loads: list[Load] = []
        shares = settings.shares
        if shares:
            names, bounds = list(shares), list(accumulate(shares.values()))[:-1]
            drawn = streams.indexed("tasks.kind")
            self._add(env, streams, settings, "", lambda number: names[bisect_right(bounds, drawn[number])])
        for kind in settings.kinds:
            stream = stream_of(kind, settings)
            if stream:
                self._add(env, streams, settings.of_kind(kind), stream, partial(_always, kind))

    def _add(
        self,
        env: simpy.Environment,
        streams: Streams,
        settings: TaskSettings,
        stream: str,
        kind_of: Callable[[int], str],
    ) -> None:
        def submit(number: int) -> None:
            request = self._made
            self._made += 1
            self._origins[request] = Origin(kind_of(number), load, number)
            self._request(request)

        load = Load(env, streams, settings, submit, stream)
        self._loads.append(load)

    def origin(self, request: int) -> Origin:
        """The origin of a request that has not ended."""
        return self._origins[request]

    def start(self) -> None:
        """Starts to submit tasks of all kinds."""
        for load in self._loads:
            load.start()

    def stop(self) -> None:
        """Submits nothing more."""
        for load in self._loads:
            load.stop()

    def surge(self, factor: float) -> Callable[[], None]:
        """Multiplies all arrival rates from now on; returns the function that ends it."""
        ends = [load.surge(factor) for load in self._loads]

        def end() -> None:
            for each in ends:
                each()

        return end

    def ended(self, number: int) -> None:
        """A request has ended: its closed client continues."""
        origin = self._origins.pop(number, None)
        if origin is not None:
            origin.load.ended(origin.number)

    def rejected(self, number: int) -> None:
        """A request did not fit into the queue: its closed client continues. Raises ScenarioError as `Load` does."""
        origin = self._origins.pop(number, None)
        if origin is not None:
            origin.load.rejected(origin.number)
