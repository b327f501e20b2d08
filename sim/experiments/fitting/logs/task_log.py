"""A task log: one row for each attempt, sorted by task, as arrays of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recovery.errors import argument
from scenarios.errors import instead, shown
from sim.experiments.fitting.logs.columns import find_columns
from sim.experiments.fitting.logs.errors import BadRows, FitError
from sim.experiments.fitting.logs.files import left_out_rows
from sim.experiments.fitting.logs.instants import MICROS, MISSING, Clock, Micros, flags, instants, text_of
from sim.experiments.fitting.logs.words import Ending, ending_of, is_agent_lost, is_time_limit, own_words, short_error
from sim.presentation.formatting import count

Numbers = NDArray[np.float64]
Codes = NDArray[np.int64]
_COLUMNS = ("task", "submitted", "started", "ended", "ending", "agent", "error", "attempt", "pool", "units", "kind")
NOTHING = -1
"""The code of no task, agent, error or pool."""


@dataclass(frozen=True)
class Reading:
    """How a log is read: the columns by their meaning, the zone of times without one, the meanings of status words,
    how many bad rows are left out, and by how many seconds times may go backwards, as clocks that differ make them.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    zone: str = "UTC"
    words: Mapping[str, str] = field(default_factory=dict)
    skip: int = 0
    tolerance: float = 0.0


@dataclass(frozen=True)
class TaskLog:
    """Attempts, sorted by task and time. Times are seconds since `origin`, NaN where there is none.

    `origin`: seconds since 1970 of the midnight before the first time, in `zone`; None when the times count from the
    start of the log. `task`, `agent`, `error`, `pool` and `kind` are codes, NOTHING for none. `has`: the meanings that
    have a column. `resolution`: the step to which the times are rounded, in seconds. `notes`: what was adapted.
    """

    task: Codes
    submitted: Numbers
    started: Numbers
    ended: Numbers
    ending: NDArray[np.int8]
    agent: Codes
    error: Codes
    attempt: Codes
    pool: Codes
    units: Codes
    kind: Codes
    agents: tuple[str, ...]
    errors: tuple[str, ...]
    pools: tuple[str, ...]
    kinds: tuple[str, ...]
    origin: float | None
    zone: str
    resolution: float
    has: frozenset[str]
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.task)

    @property
    def duration(self) -> Numbers:
        """Of each attempt; NaN where it has no start or no end."""
        return self.ended - self.started

    @property
    def is_linked(self) -> bool:
        """Whether the attempts of one task are known."""
        return "task" in self.has

    @property
    def end(self) -> float:
        """The latest time of the log."""
        return float(np.nanmax([np.nanmax(each) for each in (self.submitted, self.started, self.ended) if _any(each)]))

    @property
    def begin(self) -> float:
        """The earliest time of the log."""
        return float(np.nanmin([np.nanmin(each) for each in (self.submitted, self.started, self.ended) if _any(each)]))

    def frame(self) -> pd.DataFrame:
        """The log in plain columns: task, attempt, submitted, started, ended, status, agent, error, and kind if
        there are any. Times are seconds, or dates in UTC where the log has dates.
        """
        times = {name: getattr(self, name) for name in ("submitted", "started", "ended")}
        if self.origin is not None:
            micros = {name: np.rint((each + self.origin) * MICROS) for name, each in times.items()}
            times = {name: pd.to_datetime(each, unit="us", utc=True) for name, each in micros.items()}
        words = np.array([each.word for each in Ending], dtype=object)
        agents, errors = (np.array([*names, None], dtype=object) for names in (self.agents, self.errors))
        columns = {"task": [f"task.{code}" for code in self.task.tolist()], "attempt": self.attempt, **times}
        made = pd.DataFrame(columns | {"status": words[self.ending], "agent": agents[self.agent]})
        made = made.assign(error=errors[self.error])
        return made.assign(kind=np.array([*self.kinds, None], dtype=object)[self.kind]) if self.kinds else made

    def among(self, chosen: NDArray[np.bool_]) -> TaskLog:
        """The log of some rows alone: of all attempts at some tasks."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in _COLUMNS})

    def is_first(self) -> NDArray[np.bool_]:
        """Whether a row is the first of its task; without tasks, whether it is a first attempt."""
        if not self.is_linked:
            return self.attempt <= (self.attempt.min() if len(self) else 0)
        return np.append(True, self.task[1:] != self.task[:-1])[: len(self)]

    def follows(self) -> NDArray[np.bool_]:
        """Whether the next row is another attempt at the same task."""
        if not self.is_linked:
            return np.zeros(len(self), dtype=bool)
        return np.append(self.task[1:] == self.task[:-1], False)[: len(self)]


def _any(values: Numbers) -> bool:
    return bool(np.isfinite(values).any())


def task_log_of(table: Any, reading: Reading, noun: str = "row", first: int = 2) -> TaskLog:
    """The log in a pyarrow table. `noun` and `first` name its rows in messages. Raises FitError."""
    columns = find_columns(table.schema.names, reading.columns)
    gaps = left_out_rows(table)
    bad = BadRows(table.num_rows, reading.skip - len(gaps), noun, first, gaps)
    notes: list[str] = []
    taken = {meaning: table.column(table.schema.names.index(name)) for meaning, name in columns.items()}
    repeated = _repeated_header(taken, columns)
    if repeated.any():
        notes.append(f"{count(int(repeated.sum()), 'row')} with the names of the columns again: left out")
        bad.keep &= ~repeated
        bad.most += int(repeated.sum())
    _check_zone(reading.zone)
    times, clock = _times(taken, columns, reading.zone, bad)
    errors, error = _words(taken.get("error"), table.num_rows, shorten=True)
    ending = _endings(taken, columns, times, errors, error, reading.words, bad)
    _check_order(times, columns, ending, reading, bad, notes)
    left_out = bad.left_out - int(repeated.sum()) + len(gaps)
    if left_out:
        notes.append(f"{count(left_out, 'wrong row')} left out; the first: {bad.first_problem}")
    kept = bad.keep & (ending != Ending.IGNORED)
    if not kept.any():
        raise FitError("has no attempts; valid: one row for each attempt")
    return _sorted(taken, columns, times, clock, ending, error, errors, kept, reading, notes, bad)


def _repeated_header(taken: Mapping[str, Any], columns: Mapping[str, str]) -> NDArray[np.bool_]:
    """Rows that repeat the names of the columns, as joined files have them."""
    import pyarrow as pa  # noqa: PLC0415 - only when a log is read
    import pyarrow.compute as pc  # noqa: PLC0415

    found: NDArray[np.bool_] | None = None
    for meaning, column in taken.items():
        if not pa.types.is_string(column.type):
            return np.zeros(len(column), dtype=bool)
        same = flags(pc.equal(text_of(column), columns[meaning].strip()))
        found = same if found is None else found & same
        if not found.any():
            break
    return np.zeros(0, dtype=bool) if found is None else found


def _check_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError
        raise FitError(
            f"{argument('zone', zone)}: is no time zone; valid: a name such as Europe/Berlin or UTC"
        ) from None
    except KeyError:
        from zoneinfo import available_timezones  # noqa: PLC0415 - reads a folder

        known = sorted(available_timezones())
        near = instead(zone, known).rpartition("(nearest")[2]
        hint = f" (nearest{near}" if near and "'" in near and "known" not in near else ""
        raise FitError(
            f"{argument('zone', zone)}: is no time zone; valid: a name such as Europe/Berlin or UTC{hint}"
        ) from None


def _times(
    taken: Mapping[str, Any], columns: Mapping[str, str], zone: str, bad: BadRows
) -> tuple[dict[str, Micros], Clock]:
    times: dict[str, Micros] = {}
    clocks: dict[str, Clock] = {}
    for meaning in ("submitted", "started", "ended"):
        if meaning in taken:
            times[meaning], clock = instants(taken[meaning], columns[meaning], zone, bad)
            if clock is not None:
                clocks[meaning] = clock
    if len(set(clocks.values())) > 1:
        one, first = next(iter(clocks.items()))
        other, second = next(pair for pair in clocks.items() if pair[1] is not first)
        raise FitError(
            f"column {shown(columns[one])} has {first.value}, and column {shown(columns[other])} {second.value}; "
            "valid: the same in all columns"
        )
    if not clocks:
        raise FitError("has no times; valid: times in the columns of starts and ends")
    if "duration" in taken and not ("started" in taken and "ended" in taken):
        lasted = _durations(taken["duration"], columns["duration"], bad)
        base, made = ("started", "ended") if "started" in times else ("ended", "started")
        sign = 1 if base == "started" else -1
        known = (times[base] != MISSING) & (lasted != MISSING)
        times[made] = np.where(known, times[base] + sign * np.where(known, lasted, 0), MISSING)
    rows = len(bad.keep)
    times.setdefault("submitted", np.full(rows, MISSING))
    return times, next(iter(clocks.values()))


def _durations(column: Any, name: str, bad: BadRows) -> Micros:
    """Durations in microseconds."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    if pa.types.is_duration(column.type):
        values = column.cast(pa.duration("us"), safe=False).cast(pa.int64())
        return np.asarray(pc.fill_null(values, MISSING).to_numpy(), dtype=np.int64)
    text = text_of(column)
    numbers = flags(pc.match_substring_regex(text, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"))
    present = flags(pc.is_valid(text)) & bad.keep
    bad.refuse(
        present & ~numbers,
        lambda place: f"{name}: {shown(text[place].as_py())} is not a duration; valid: a number of seconds, as in 2.5",
    )
    present &= bad.keep
    scale = MICROS / 1000 if name.strip().lower().endswith(("_ms", "(ms)", "millis")) else MICROS
    values = np.full(len(text), MISSING)
    seconds = text.filter(pa.array(present)).cast(pa.float64()).to_numpy(zero_copy_only=False)
    values[present] = np.rint(np.clip(seconds * scale, -4e15, 4e15)).astype(np.int64)
    bad.refuse(
        present & (values < 0),
        lambda place: f"{name}: {shown(text[place].as_py())} is a negative duration; valid: 0 or more",
    )
    return values


def _words(column: Any, rows: int, *, shorten: bool = False) -> tuple[tuple[str, ...], Codes]:
    """The different words of a column, and the code of each row."""
    if column is None:
        return (), np.full(rows, NOTHING)
    encoded = text_of(column).dictionary_encode()
    words = [str(word) for word in encoded.dictionary.to_pylist()]
    codes = np.asarray(encoded.indices.fill_null(NOTHING).to_numpy(zero_copy_only=False), dtype=np.int64)
    if not shorten:
        return tuple(words), codes
    short = [short_error(word) for word in words]
    kinds = list(dict.fromkeys(short))
    places = {kind: place for place, kind in enumerate(kinds)}
    table = np.array([*(places[each] for each in short), NOTHING], dtype=np.int64)
    return tuple(kinds), table[codes]


def _endings(
    taken: Mapping[str, Any],
    columns: Mapping[str, str],
    times: Mapping[str, Micros],
    errors: tuple[str, ...],
    error: Codes,
    explained: Mapping[str, str],
    bad: BadRows,
) -> NDArray[np.int8]:
    own = own_words(explained)
    has_started, has_ended = times["started"] != MISSING, times["ended"] != MISSING
    words, codes = _words(taken.get("status"), len(bad.keep))
    meanings = [ending_of(word, own) for word in words]
    unknown = np.array([*(meaning is None for meaning in meanings), False])
    bad.refuse(unknown[codes], lambda place: _unknown_word(columns["status"], words[codes[place]]))
    known = np.array([*(NOTHING if meaning is None else int(meaning) for meaning in meanings), NOTHING], dtype=np.int8)
    ending = known[codes]
    guessed = np.where(error != NOTHING, Ending.FAILED, Ending.SUCCESS)
    guessed = np.where(has_ended, guessed, np.where(has_started, Ending.RUNNING, Ending.WAITING))
    ending = np.where(ending == NOTHING, guessed, ending).astype(np.int8)
    ending = np.where((ending == Ending.WAITING) & has_started & has_ended, guessed, ending).astype(np.int8)
    ending = np.where((ending == Ending.WAITING) & has_started, Ending.RUNNING, ending).astype(np.int8)
    lost = np.array([*map(is_agent_lost, errors), False])[error]
    late = np.array([*map(is_time_limit, errors), False])[error]
    failed = ending == Ending.FAILED
    failed |= ending == Ending.TIMEOUT
    ending = np.where(failed & lost, Ending.INTERRUPTED, np.where(failed & late, Ending.TIMEOUT, ending)).astype(
        np.int8
    )
    over = (ending == Ending.SUCCESS) | (ending == Ending.FAILED) | (ending == Ending.TIMEOUT)
    bad.refuse(
        over & has_started & ~has_ended,
        lambda place: f"the attempt is {Ending(int(ending[place])).word}, and has no end; valid: a time when it ended",
    )
    bad.refuse(
        (ending == Ending.SUCCESS) & ~has_started,
        lambda place: (
            f"the attempt is {Ending(int(ending[place])).word}, and has no start; valid: a time when it started"
        ),
    )
    return ending


def _unknown_word(name: str, word: str) -> str:
    known = [each.word for each in Ending]
    meant = argument("word", f"{shown(word)}=MEANING", python=f"words={{{word!r}: MEANING}}")
    return f"{name}: unknown status {shown(word)}; {instead(word, known, 'valid')}, or {meant}"


def _check_order(
    times: dict[str, Micros],
    columns: Mapping[str, str],
    ending: NDArray[np.int8],
    reading: Reading,
    bad: BadRows,
    notes: list[str],
) -> None:
    """Times of a row that go backwards; by less than the tolerance, they are made equal."""
    tolerance = round(reading.tolerance * MICROS)
    for earlier, later in (("submitted", "started"), ("started", "ended"), ("submitted", "ended")):
        first, second = times[earlier], times[later]
        both = (first != MISSING) & (second != MISSING)
        apart = np.where(both, second - np.where(both, first, 0), 0)
        bad.refuse(
            both & (apart < -tolerance),
            lambda place, apart=apart, earlier=earlier, later=later: (  # type: ignore[misc]
                f"{later} is {-apart[place] / MICROS:g} s before {earlier} "
                f"({', '.join(columns.get(each, 'duration') for each in (later, earlier))}); "
                f"valid: in order, or {argument('tolerance')} for clocks that differ"
            ),
        )
        small = both & (apart < 0) & bad.keep
        if small.any():
            largest = -apart[small].min() / MICROS
            notes.append(
                f"{int(small.sum()):,} times of {later} are up to {largest:g} s before {earlier}: taken as equal"
            )
            times[later] = np.where(small, first, second)


def _sorted(
    taken: Mapping[str, Any],
    columns: Mapping[str, str],
    times: Mapping[str, Micros],
    clock: Clock,
    ending: NDArray[np.int8],
    error: Codes,
    errors: tuple[str, ...],
    kept: NDArray[np.bool_],
    reading: Reading,
    notes: list[str],
    bad: BadRows,
) -> TaskLog:
    rows = len(kept)
    _, task = _words(taken.get("task"), rows)
    agents, agent = _words(taken.get("agent"), rows)
    pools, pool = _words(taken.get("pool"), rows)
    kinds, kind = _words(taken.get("kind"), rows)
    attempt = _whole(taken.get("attempt"), columns.get("attempt", ""), rows, 1, bad)
    units = _whole(taken.get("units"), columns.get("units", ""), rows, 1, bad)
    kept = kept & bad.keep
    has = frozenset(
        meaning for meaning in taken if meaning not in times or (times[meaning][kept] != MISSING).any()
    ) | frozenset(meaning for meaning in ("started", "ended") if meaning in times)
    if "task" in has:
        alone = kept & (task == NOTHING)
        task = np.where(alone, len(task) + np.arange(rows), task)
    else:
        task = np.arange(rows)
    least = min(int(each[kept & (each != MISSING)].min(initial=np.iinfo(np.int64).max)) for each in times.values())
    base = 0 if clock is Clock.SINCE_START else round(_midnight(least / MICROS, reading.zone)) * MICROS
    seconds = {
        name: np.where(each == MISSING, np.nan, (each - np.where(each == MISSING, 0, base)) / MICROS)[kept]
        for name, each in times.items()
    }
    when = np.where(np.isnan(seconds["started"]), seconds["submitted"], seconds["started"])
    order = np.lexsort((np.where(np.isnan(when), np.inf, when), attempt[kept], task[kept]))
    made = TaskLog(
        task[kept][order],
        seconds["submitted"][order],
        seconds["started"][order],
        seconds["ended"][order],
        ending[kept][order],
        agent[kept][order],
        error[kept][order],
        attempt[kept][order],
        pool[kept][order],
        units[kept][order],
        kind[kept][order],
        agents,
        errors,
        pools,
        kinds,
        None if clock is Clock.SINCE_START else base / MICROS,
        reading.zone,
        _resolution([each[kept & (each != MISSING)] for each in times.values()]),
        has,
        tuple(notes),
    )
    return _superseded(made)


def _whole(column: Any, name: str, rows: int, default: int, bad: BadRows) -> Codes:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    if column is None:
        return np.full(rows, default)
    text = text_of(column)
    is_whole = flags(pc.match_substring_regex(text, r"^\d{1,9}(\.0*)?$"))
    bad.refuse(
        flags(pc.is_valid(text)) & ~is_whole,
        lambda place: f"{name}: {shown(text[place].as_py())} is not a whole number; valid: such as 1",
    )
    found = np.full(rows, default, dtype=np.int64)
    values = text.filter(pa.array(is_whole)).cast(pa.float64()).to_numpy(zero_copy_only=False)
    found[is_whole] = values.astype(np.int64)
    return found


def _midnight(at: float, zone: str) -> float:
    """The start of the day in a zone, in seconds since 1970."""
    local = datetime.fromtimestamp(at, ZoneInfo(zone))
    return local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def _resolution(times: list[Micros]) -> float:
    """The largest of 1 min, 1 s, 100 ms, … 1 µs of which nearly all times are multiples, in seconds."""
    sample = np.concatenate([each[:: max(1, len(each) // 10_000)] for each in times if len(each)])
    for step in (60 * MICROS, MICROS, 100_000, 10_000, 1_000, 100, 10):
        if len(sample) >= 3 and (sample % step == 0).mean() > 0.98:
            return step / MICROS
    return 1e-6


def _superseded(log: TaskLog) -> TaskLog:
    """Attempts without an end that another attempt at their task follows: their agents were lost."""
    lost = log.follows() & (log.ending == Ending.RUNNING) & np.isnan(log.ended)
    if not lost.any():
        return log
    note = f"{int(lost.sum()):,} attempts have no end, and another attempt follows: their agents were lost"
    ending = np.where(lost, Ending.INTERRUPTED, log.ending).astype(np.int8)
    return replace(log, ending=ending, notes=(*log.notes, note))
