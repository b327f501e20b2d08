"""Columns of numbers in CSV files: recorded arrivals and durations."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from recovery.errors import RecoveryBenchError
from recovery.input_file import InputFileError, check_regular, read_bytes
from scenarios.errors import instead, invalid, shown
from scenarios.fields.base import Form, Settings
from scenarios.fields.quantities import Quantity, seconds

EPOCH_SECONDS, EPOCH_MILLISECONDS = 1e8, 1e11
"""From these numbers on, instants are seconds, and milliseconds, since 1970 and not since the start of the run."""
DURATION = "a duration; valid: as in 2.5 (seconds) or 250ms"
INSTANT = "a time of arrival; valid: as in 2.5 (seconds), 250ms or 2026-03-01T12:00:00Z"
Numbers = NDArray[np.float64]
MOST_BYTES = 64 * 1024**2
"""Limit on the size of a file: some eight million recorded times."""
_CSV_PROBLEMS = {
    "field larger": "a field has more than 128 KiB; valid: shorter fields, and a quote after each that begins with one",
    "unexpected end": "a quote does not end; valid: a second quote, or none",
    "expected after": "a quote ends within a field; valid: a comma after it, or two quotes for one",
}
"""Parts of the messages of `csv`, and the problem that each stands for."""
FileName = Annotated[str, Quantity("file")]


class FromFile(Form):
    """A form whose numbers are a column of a CSV file; the file is read once, when the scenario is loaded.

    The first row may name the columns. A number is in seconds, or has a unit.
    """

    file: FileName = Field(description="CSV, relative to the scenario's file")
    column: Annotated[str, Quantity("text")] | None = Field(
        default=None, description="the column's name in the first row; null: the first column"
    )

    ordered: ClassVar[bool] = False
    """Whether the numbers must be in ascending order."""

    _values: Numbers = PrivateAttr(default_factory=lambda: np.empty(0))
    _sha256: str = PrivateAttr(default="")

    @property
    def values(self) -> Numbers:
        """The numbers, in seconds, in the order of the file."""
        return self._values

    @property
    def sha256(self) -> str:
        """SHA-256 of the file content."""
        return self._sha256

    @model_validator(mode="after")
    def _read(self, info: ValidationInfo) -> Self:
        path = Path((info.context or {}).get("folder", "."), self.file)
        try:
            stat = check_regular(path)
            self._values, self._sha256 = _column(path, self.column, self.ordered, stat.st_mtime_ns, stat.st_size)
        except InputFileError as error:
            raise invalid(f"{self.file}: {error}; valid: a CSV file", "file") from None
        except UnicodeDecodeError:
            raise invalid(f"{self.file}: is not UTF-8 text; valid: a CSV file", "file") from None
        except _WrongFile as error:
            raise invalid(f"{self.file}{error}", error.key) from None
        return self


class _WrongFile(RecoveryBenchError, ValueError):
    """An invalid CSV file; `key` is the scenario key to which the error belongs."""

    def __init__(self, problem: str, key: str = "file") -> None:
        super().__init__(problem)
        self.key = key


@lru_cache(maxsize=16)  # a sweep validates one scenario many times
def _column(path: Path, column: str | None, ordered: bool, changed_at: int, size: int) -> tuple[Numbers, str]:
    content = read_bytes(path, MOST_BYTES)
    rows = _rows(io.StringIO(content.decode("utf-8-sig"), newline=""))
    values = np.fromiter(_numbers(rows, column, ordered), dtype=np.float64)
    if not len(values):
        raise _WrongFile(": has no rows; valid: one number or more")
    values.flags.writeable = False
    return values, sha256(content).hexdigest()


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, each with the number of its first line, from 1.

    Raises _WrongFile for a quote that does not end, for a field above 128 KiB, and for a row that has more columns
    than the first one, as a decimal comma gives it.
    """
    reader = csv.reader(lines, strict=True)
    width = 0
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            problem = next((text for part, text in _CSV_PROBLEMS.items() if part in str(error)), str(error))
            raise _WrongFile(f", row {line}: {problem}") from None
        if row is None:
            return
        if not row or (len(row) == 1 and not row[0].strip()):
            continue
        width = width or len(row)
        if len(row) > width:
            raise _WrongFile(
                f", row {line}: has {len(row)} columns, where the first row has {width}; valid: as many columns, and "
                "decimals with a point"
            )
        yield line, row


def _numbers(rows: Iterable[tuple[int, list[str]]], column: str | None, ordered: bool) -> Iterator[float]:
    """The numbers of a column. Ordered ones may be instants, and are relative to the first of them then."""
    place, latest, has_names = 0, 0.0, False
    parse, valid = (_instant, INSTANT) if ordered else (_number, DURATION)
    origin: float | None = None
    for line, row in rows:
        if line == 1 and (column is not None or parse(row[0]) is None):
            place, has_names = _place(row, column), True
            continue
        if len(row) > 1 and not has_names:
            raise _WrongFile(
                f", row {line}: has {len(row)} columns without names; valid: one column, with a point in decimals, or "
                "the names of the columns in the first row"
            )
        number = parse(row[place]) if place < len(row) else None
        if number is None:
            found = shown(row[place]) if place < len(row) else "nothing"
            raise _WrongFile(f", row {line}: {found} is not {valid}")
        if ordered and number >= EPOCH_MILLISECONDS:
            raise _WrongFile(f", row {line}: {shown(row[place])} would be milliseconds; valid: seconds since 1970")
        if ordered and number < latest:
            raise _WrongFile(f", row {line}: {number:g} s comes after {latest:g} s; valid: in order of time")
        latest = number
        if origin is None:
            origin = number if ordered and number >= EPOCH_SECONDS else 0.0
        yield round(number - origin, 6) if origin else number


def _instant(text: str) -> float | None:
    """A number of seconds, or a date and time of ISO 8601 as seconds since 1970; without a time zone, UTC."""
    number = _number(text)
    if number is not None:
        return number
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()


def _place(row: Sequence[str], column: str | None) -> int:
    """The position of a column by the names in the first row."""
    names = [name.strip() for name in row]
    if column is None:
        return 0
    if column not in names:
        raise _WrongFile(f": has no column {shown(column)}; {instead(column, names, 'valid')}", "column")
    if names.count(column) > 1:
        raise _WrongFile(f": has {names.count(column)} columns {shown(column)}; valid: a name once", "column")
    return names.index(column)


def _number(text: str) -> float | None:
    try:
        return seconds(float(text))
    except (ValueError, PydanticCustomError):
        pass
    try:
        return seconds(text)
    except PydanticCustomError:
        return None


_WITHOUT_FILES = frozenset({bool, float, int, str, type(None)})


def files_sha256(settings: Settings) -> dict[str, str]:
    """SHA-256 by name of the files that a scenario uses: a run can be repeated only with equal files."""
    found: dict[str, str] = {}
    for value in settings.__dict__.values():  # the fields
        if type(value) in _WITHOUT_FILES:
            continue
        within = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else (value,)
        for each in within:
            if isinstance(each, FromFile):
                found[each.file] = each.sha256
            elif isinstance(each, Settings):
                found |= files_sha256(each)
    return found
