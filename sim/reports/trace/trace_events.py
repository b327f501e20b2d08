"""Events of the Trace Event Format: slices, instants, counters, asynchronous slices and flows, on named tracks.

Times are whole microseconds of virtual time, so that slices of a track either nest or are apart. A slice lasts at least
one microsecond: flows are bound to the slice that is open at their time. Events are in order of time; at one time
longer slices come first, so that nested ones follow them, and flows come last.

Format: "Trace Event Format", Google, section "Event Descriptions"; the phases X, i, C, b, e, s, t, f and M are used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sim.presentation.visible_text import visible

MICROSECONDS = 1_000_000
_AFTER_SLICES = 1
"""Place of flows among the events of one time; slices have minus their length, and all else has 0."""
Track = tuple[int, int]
"""Process and thread."""
Timed = tuple[int, int, int, dict[str, Any]]


def microseconds(seconds: float) -> int:
    """Whole microseconds."""
    return round(seconds * MICROSECONDS)


class TraceEvents:
    """The events of a trace, and its tracks. A process groups tracks, and a thread is one track."""

    def __init__(self) -> None:
        self._timed: list[Timed] = []
        self._processes: dict[str, int] = {}
        self._threads: dict[tuple[int, str], int] = {}
        self._flows = 0
        self._asynchronous = 0

    def process(self, name: str) -> int:
        """The number of a process; processes are shown in the order of their first use."""
        return self._processes.setdefault(name, len(self._processes) + 1)

    def track(self, process: str, name: str) -> Track:
        """A track of a process; tracks are shown in the order of their first use."""
        pid = self.process(process)
        return pid, self._threads.setdefault((pid, name), len(self._threads) + 1)

    def slice(self, track: Track, name: str, begin: int, end: int, /, **args: Any) -> None:
        """A slice of at least one microsecond."""
        lasts = max(1, end - begin)
        self._add(begin, -lasts, track, {"ph": "X", "name": visible(name), "dur": lasts, **_args(args)})

    def instant(self, track: Track, name: str, at: int, /, **args: Any) -> None:
        """An instant on a track."""
        self._add(at, 0, track, {"ph": "i", "s": "t", "name": visible(name), **_args(args)})

    def counter(self, process: str, name: str, changes: Iterable[tuple[int, float]]) -> None:
        """A counter of a process by its values from instants on; of equal instants the last counts."""
        pid, shown = self.process(process), visible(name)
        for at, value in dict(changes).items():
            self._add(at, 0, (pid, 0), {"ph": "C", "name": shown, "args": {"value": value}})

    def asynchronous(self, process: str, name: str, begin: int, end: int, /, **args: Any) -> None:
        """A slice that may overlap others of its name: the viewer places them below each other."""
        self._asynchronous += 1
        common = {"cat": visible(name), "id": self._asynchronous, "name": visible(name)}
        pid = self.process(process)
        self._add(begin, 0, (pid, 0), {"ph": "b", **common, **_args(args)})
        self._add(max(begin, end), 0, (pid, 0), {"ph": "e", **common})

    def flow(self, name: str, stations: list[tuple[Track, int]]) -> None:
        """An arrow along slices that are open at these instants, two or more in order of time."""
        if len(stations) < 2:
            return
        self._flows += 1
        last = len(stations) - 1
        for place, (track, at) in enumerate(stations):
            phase = {"ph": "s"} if place == 0 else {"ph": "f", "bp": "e"} if place == last else {"ph": "t", "bp": "e"}
            self._add(at, _AFTER_SLICES, track, {**phase, "cat": "recovery", "name": name, "id": self._flows})

    def _add(self, at: int, rank: int, track: Track, event: dict[str, Any]) -> None:
        event["ts"], (event["pid"], event["tid"]) = at, track
        self._timed.append((at, rank, len(self._timed), event))

    def events(self, window: tuple[int, int] | None = None) -> list[dict[str, Any]]:
        """The metadata, then all events in order; with a window (µs), those that are within it at least in part.

        A flow or an asynchronous slice of which a part is outside is left out, and so is a counter's value.
        """
        self._timed.sort(key=lambda timed: timed[:3])
        found = [event for _, _, _, event in self._timed]
        return [*self._metadata(), *(found if window is None else _within(found, *window))]

    def _metadata(self) -> Iterable[dict[str, Any]]:
        for name, pid in self._processes.items():
            yield {"ph": "M", "pid": pid, "tid": 0, "ts": 0, "name": "process_name", "args": {"name": name}}
            yield {"ph": "M", "pid": pid, "tid": 0, "ts": 0, "name": "process_sort_index", "args": {"sort_index": pid}}
        for (pid, name), tid in self._threads.items():
            at = {"ph": "M", "pid": pid, "tid": tid, "ts": 0}
            yield {**at, "name": "thread_name", "args": {"name": visible(name)}}
            yield {**at, "name": "thread_sort_index", "args": {"sort_index": tid}}


class Lanes:
    """Tracks for slices that may overlap: each is placed on the first track that is free. Slices come by begin."""

    def __init__(self, trace: TraceEvents, process: str, name: str) -> None:
        self._trace, self._process, self._name = trace, process, name
        self._free: list[int] = []

    def place(self, begin: int, end: int) -> Track:
        """The track for a slice."""
        until = max(end, begin + 1)
        for number, free in enumerate(self._free):
            if free <= begin:
                self._free[number] = until
                break
        else:
            number = len(self._free)
            self._free.append(until)
        return self._trace.track(self._process, self._name if number == 0 else f"{self._name} ({number + 1})")


def _args(args: dict[str, Any]) -> dict[str, Any]:
    """Arguments without the empty ones."""
    kept = {
        name: visible(value) if isinstance(value, str) else value
        for name, value in args.items()
        if value is not None and value != ""
    }
    return {"args": kept} if kept else {}


def _within(events: list[dict[str, Any]], begin: int, end: int) -> Iterable[dict[str, Any]]:
    grouped: dict[tuple[str, int], bool] = {}
    for event in events:
        if "id" in event:
            key = event["cat"], event["id"]
            grouped[key] = grouped.get(key, True) and begin <= event["ts"] <= end
    for event in events:
        at = event["ts"]
        if "id" in event:
            if grouped[event["cat"], event["id"]]:
                yield event
        elif at <= end and at + event.get("dur", 0) >= begin:
            yield event
