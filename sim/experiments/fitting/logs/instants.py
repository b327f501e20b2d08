"""Columns of times, as whole microseconds: ISO 8601, seconds, milliseconds, microseconds or nanoseconds since 1970, or
seconds since the start of the log.

A column has one format. A date and time without a zone is in the zone that the caller gives.
"""

from __future__ import annotations

from enum import Enum
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scenarios.errors import shown
from scenarios.fields.csv_columns import EPOCH_MILLISECONDS, EPOCH_SECONDS
from sim.experiments.fitting.logs.errors import BadRows, FitError

Micros = NDArray[np.int64]
MISSING = np.iinfo(np.int64).min
MICROS = 1_000_000
LARGEST = 4_102_444_800 * MICROS
"""The start of 2100: what is later, or before 1970, is no time of a log."""
VALID = "valid: ISO 8601, as in 2026-03-01T12:00:00Z, or seconds"
_ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?)?\s?(Z|UTC|[+-]\d{2}(:?\d{2})?)?$"
_ZONED = r"\d{2}:\d{2}.*(Z|UTC|[+-]\d{2}(:?\d{2})?)$"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
EMPTY = ("", "-", "null", "none", "nan", "nat", "\\n", "n/a", "na", "<null>")
"""Words for no value, in lower case."""


class Clock(Enum):
    """What the times of a log count from."""

    SINCE_START = "seconds since the start of the log"
    SINCE_1970 = "dates and times"


_UNITS = (
    (EPOCH_SECONDS, 1.0, "seconds"),
    (EPOCH_MILLISECONDS, 1e-3, "milliseconds"),
    (1e14, 1e-6, "microseconds"),
    (1e17, 1e-9, "nanoseconds"),
)
"""From which number on, a number since 1970 is in which unit."""


def text_of(column: Any) -> Any:
    """A column as text, without blanks at the ends; words for no value are null."""
    import pyarrow as pa  # noqa: PLC0415 - only when a log is read
    import pyarrow.compute as pc  # noqa: PLC0415

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], pa.string())
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not pa.types.is_string(column.type):
        try:
            column = column.cast(pa.string())
        except pa.ArrowException:
            raise FitError(f"a column has values of type {column.type}; valid: text and numbers") from None
    column = pc.utf8_trim_whitespace(column)
    empty = pc.is_in(pc.utf8_lower(column), pa.array(EMPTY))
    return pc.if_else(empty, pa.scalar(None, pa.string()), column)


def flags(mask: Any) -> NDArray[np.bool_]:
    """A boolean column as an array; null is false."""
    import pyarrow.compute as pc  # noqa: PLC0415

    found: NDArray[np.bool_] = np.asarray(pc.fill_null(mask, False), dtype=bool)
    return found


def instants(column: Any, name: str, zone: str, bad: BadRows) -> tuple[Micros, Clock | None]:
    """The times of a column, MISSING where there is none, and what they count from (None: no times at all)."""
    found, clock = _instants(column, name, zone, bad)
    if clock is Clock.SINCE_1970:
        beyond = (found != MISSING) & ((found < 0) | (found > LARGEST))
        bad.refuse(beyond, lambda _: f"{name}: is a time before 1970 or after 2100; {VALID}")
        found[beyond] = MISSING
    return found, clock


def _instants(column: Any, name: str, zone: str, bad: BadRows) -> tuple[Micros, Clock | None]:
    import pyarrow as pa  # noqa: PLC0415

    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _stamps(column, zone), Clock.SINCE_1970
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        values = column.cast(pa.float64(), safe=False).to_numpy()
        return _numbers(np.asarray(values, dtype=float), name, bad)
    if pa.types.is_null(kind):
        return np.full(len(column), MISSING), None
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind)):
        raise FitError(f"column {shown(name)} has values of type {kind}, which are no times; {VALID}")
    return _texts(text_of(column), name, zone, bad)


def _texts(text: Any, name: str, zone: str, bad: BadRows) -> tuple[Micros, Clock | None]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    quick = _quickly(text, name, zone, bad)
    if quick is not None:
        return quick
    present = flags(pc.is_valid(text)) & bad.keep
    if not present.any():
        return np.full(len(text), MISSING), None
    numbers = flags(pc.match_substring_regex(text, _NUMBER))
    dates = flags(pc.match_substring_regex(text, _ISO))

    def problem(place: int) -> str:
        value = text[place].as_py()
        if value.replace(",", "", 1).isdigit() and "," in value:
            return f"{name}: {shown(value)} has a decimal comma; valid: a decimal point"
        return f"{name}: {shown(value)} is not a time; {VALID}"

    bad.refuse(present & ~numbers & ~dates, problem)
    present &= bad.keep
    if not present.any():
        return np.full(len(text), MISSING), None
    first = int(np.flatnonzero(present)[0])
    are_dates = bool(dates[first])
    words = ("a date and time", "a number") if are_dates else ("a number", "a date and time")
    bad.refuse(
        present & (numbers if are_dates else dates),
        lambda place: (
            f"{name}: {shown(text[place].as_py())} is {words[1]}, where {bad.noun} {first + bad.first} has {words[0]}; "
            "valid: one format in a column"
        ),
    )
    present &= bad.keep
    if not are_dates:
        values = np.full(len(text), np.nan)
        values[present] = text.filter(pa.array(present)).cast(pa.float64()).to_numpy(zero_copy_only=False)
        return _numbers(values, name, bad)
    return _dates(text, present, name, zone, bad)


def _quickly(text: Any, name: str, zone: str, bad: BadRows) -> tuple[Micros, Clock | None] | None:
    """The times of a column in which all have one usual format; None for another column."""
    import pyarrow as pa  # noqa: PLC0415

    for kind in (pa.timestamp("us", "UTC"), pa.timestamp("us")):
        try:
            return _stamps(text.cast(kind), zone), Clock.SINCE_1970
        except pa.ArrowException:
            continue
    try:
        values = text.cast(pa.float64())
    except pa.ArrowException:
        return None
    return _numbers(np.asarray(values.to_numpy(zero_copy_only=False), dtype=float), name, bad)


def _dates(text: Any, present: NDArray[np.bool_], name: str, zone: str, bad: BadRows) -> tuple[Micros, Clock | None]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    zoned = flags(pc.match_substring_regex(text, _ZONED))
    first = int(np.flatnonzero(present)[0])
    here, there = ("a", "none") if not zoned[first] else ("no", "one")
    bad.refuse(
        present & (zoned != zoned[first]),
        lambda place: (
            f"{name}: {shown(text[place].as_py())} has {here} time zone, where {bad.noun} {first + bad.first} has "
            f"{there}; valid: all with one, or none"
        ),
    )
    present = present & bad.keep
    chosen = pc.replace_substring(text.filter(pa.array(present)), ",", ".")
    chosen = pc.replace_substring_regex(chosen, r"\s?(UTC|Z)$", "Z")
    chosen = pc.replace_substring_regex(chosen, r"(:\d{2}(?:\.\d+)?)\s?([+-]\d{2})$", r"\1\2:00")
    parsed = pd.to_datetime(pd.Series(chosen.to_pandas()), format="ISO8601", errors="coerce", utc=bool(zoned[first]))
    found = np.full(len(text), MISSING)
    wrong = np.zeros(len(text), dtype=bool)
    wrong[present] = parsed.isna().to_numpy()
    bad.refuse(wrong, lambda place: f"{name}: {shown(text[place].as_py())} is no date and time that exists; {VALID}")
    found[present] = _micros(parsed, zone)
    found[wrong] = MISSING
    return found, Clock.SINCE_1970


def _stamps(column: Any, zone: str) -> Micros:
    """The times of a column of dates, MISSING where there is none."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    if not pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us"))
    zoned = column.type.tz
    if zoned is None and zone != "UTC":
        missing = ~flags(pc.is_valid(column))
        found = _micros(pd.Series(column.to_pandas()).ffill().bfill(), zone)
    else:
        missing = ~flags(pc.is_valid(column))
        found = np.array(
            column.cast(pa.timestamp("us", zoned), safe=False).cast(pa.int64()).fill_null(0).to_numpy(), dtype=np.int64
        )
    found[missing] = MISSING
    return found


def _micros(times: pd.Series, zone: str) -> Micros:
    """Microseconds since 1970. Those without a zone are in `zone`; of an hour that occurs twice the second."""
    times = pd.to_datetime(times)
    if times.dt.tz is None and zone != "UTC":
        local = times.dt.tz_localize(ZoneInfo(zone), ambiguous=np.zeros(len(times), bool), nonexistent="shift_forward")
        times = local.dt.tz_convert("UTC")
    if times.dt.tz is not None:
        times = times.dt.tz_convert("UTC").dt.tz_localize(None)
    values: Micros = times.to_numpy("datetime64[us]").astype(np.int64)
    return values


def _numbers(values: NDArray[np.float64], name: str, bad: BadRows) -> tuple[Micros, Clock | None]:
    present = np.isfinite(values) & bad.keep
    bad.refuse(np.isinf(values), lambda _: f"{name}: is infinite; {VALID}")
    if not present.any():
        return np.full(len(values), MISSING), None
    size = np.abs(values)
    unit = np.zeros(len(values), dtype=np.int8)
    for place, (least, _, _) in enumerate(_UNITS, start=1):
        unit[size >= least] = place
    common = int(np.bincount(unit[present]).argmax())
    if common:
        present &= values != 0  # how some exports write that there is no time
    words = ["seconds since the start", *(f"{text} since 1970" for *_, text in _UNITS)]
    bad.refuse(
        present & (unit != common),
        lambda place: (
            f"{name}: {values[place]:.15g} would be {words[unit[place]]}, where other rows have {words[common]}; "
            "valid: one format in a column"
        ),
    )
    present &= bad.keep
    found = np.full(len(values), MISSING)
    scale = 1.0 if not common else _UNITS[common - 1][1]
    found[present] = np.rint(values[present] * (scale * MICROS)).astype(np.int64)
    return found, Clock.SINCE_START if not common else Clock.SINCE_1970
