"""Reads a task log as a table: CSV, Parquet, or the JSON of a known export.

Only regular files up to a limit are read, and nothing in them is executed. CSV columns are read as text and parsed
later, so that a row with another kind of value can be named.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from recovery.errors import argument
from recovery.input_file import InputFileError, check_regular, read_bytes
from scenarios.errors import shown
from sim.experiments.fitting.logs.errors import FIRST_ROW, FitError

MOST_BYTES = 1024**3
"""Limit on the size of a log: some eight million rows of CSV."""
MOST_JSON_BYTES = 256 * 1024**2
MOST_COLUMNS = 1_000
VALID = "valid: a task log, LOG.csv, LOG.parquet, or JSON of a known export"
_LEFT_OUT = b"left_out_rows"
_SEPARATORS = ",;\t|"
_PARQUET, _GZIP, _ZIP = b"PAR1", b"\x1f\x8b", b"PK\x03\x04"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BOM = b"\xef\xbb\xbf"


def read_log(path: Path, skip: int = 0) -> Any:
    """The content of a log: a pyarrow table, or for JSON the data. Raises FitError.

    Up to `skip` rows of CSV with another number of columns are left out (`left_out_rows`).
    """
    try:
        check_regular(path)
        content = read_bytes(path, MOST_BYTES)
    except InputFileError as error:
        raise FitError(f"{path}: {error}; {VALID}") from None
    content = content.removeprefix(_BOM)
    if not content.strip():
        raise FitError(f"{path}: is empty; {VALID}")
    if content.startswith((_GZIP, _ZIP)):
        raise FitError(f"{path}: is compressed; valid: decompress it first")
    if content.startswith(_UTF16):
        raise FitError(f"{path}: is UTF-16 text; valid: UTF-8")
    if content.startswith(_PARQUET):
        return _parquet(path, content)
    if path.suffix.lower() in {".parquet", ".pq"}:
        raise FitError(f"{path}: is not a Parquet file, or is damaged; {VALID}")
    if content.lstrip()[:1] in (b"{", b"["):
        return _json(path, content)
    return _csv(path, content, skip)


def _parquet(path: Path, content: bytes) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - only when a log is read
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        file = pq.ParquetFile(io.BytesIO(content))
        if file.metadata.num_columns > MOST_COLUMNS:
            raise FitError(f"{path}: has {file.metadata.num_columns:,} columns; valid: up to {MOST_COLUMNS:,}")
        table = file.read()
    except (OSError, ValueError, KeyError, NotImplementedError, pa.ArrowException) as error:
        if isinstance(error, FitError):
            raise
        raise FitError(f"{path}: is not a Parquet file, or is damaged ({type(error).__name__}); {VALID}") from None
    if not table.num_rows:
        raise FitError(f"{path}: has no rows; valid: one row for each attempt")
    return table


def _csv(path: Path, content: bytes, skip: int) -> Any:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.csv as pc  # noqa: PLC0415

    try:
        header = content.split(b"\n", 1)[0].decode()
    except UnicodeDecodeError:
        raise FitError(f"{path}: row 1 is not UTF-8 text; {VALID}") from None
    if "\0" in header:
        raise FitError(f"{path}: is not text; {VALID}")
    separator = max(_SEPARATORS, key=lambda sign: (header.count(sign), -_SEPARATORS.index(sign)))
    if content.count(b'"') % 2:
        raise FitError(f"{path}: a quote does not end; valid: a second quote, or none")
    wrong: list[Any] = []

    def remember(row: Any) -> str:
        wrong.append(row)
        return "skip" if len(wrong) <= skip else "error"

    parse = pc.ParseOptions(delimiter=separator, newlines_in_values=b'"' in content, invalid_row_handler=remember)
    # One thread: rows are numbered. All names are read first, so that every column is text.
    read = pc.ReadOptions(use_threads=False, block_size=1 << 24)
    names = _names(path, header, separator)
    kinds = dict.fromkeys(names, pa.string())
    try:
        table = pc.read_csv(
            io.BytesIO(content),
            read_options=read,
            parse_options=parse,
            convert_options=pc.ConvertOptions(
                column_types=kinds, strings_can_be_null=True, quoted_strings_can_be_null=True
            ),
        )
    except pa.ArrowException as error:
        if len(wrong) > skip:
            many = f" ({len(wrong):,} rows or more are wrong, {argument('skip', skip)})" if skip else ""
            raise FitError(f"{path}: {_other_shape(wrong[0])}{many}") from None
        if "UTF8" in str(error):
            raise FitError(f"{path}: {_not_utf8(content)} is not UTF-8 text; valid: UTF-8") from None
        raise FitError(f"{path}: is not a CSV file ({' '.join(str(error).split())[:120]}); {VALID}") from None
    if not table.num_rows:
        raise FitError(f"{path}: has no rows below the names of the columns; valid: one row for each attempt")
    left_out = {str(row.number): _other_shape(row) for row in wrong}
    return table.replace_schema_metadata({_LEFT_OUT: json.dumps(left_out)}) if left_out else table


def _other_shape(row: Any) -> str:
    what = "more" if row.actual_columns > row.expected_columns else "fewer"
    return (
        f"row {row.number}: has {row.actual_columns} columns, {what} than the {row.expected_columns} names of the "
        "first row; valid: as many columns, and decimals with a point"
    )


def left_out_rows(table: Any) -> dict[int, str]:
    """The numbers of the rows that were left out of a table when it was read, and what is wrong with each."""
    found = json.loads((table.schema.metadata or {}).get(_LEFT_OUT, b"{}"))
    return {int(number): problem for number, problem in found.items()}


def _names(path: Path, header: str, separator: str) -> list[str]:
    import csv  # noqa: PLC0415

    names = next(csv.reader([header.rstrip("\r\n")], delimiter=separator), [])
    if len(names) > MOST_COLUMNS:
        raise FitError(f"{path}: has {len(names):,} columns; valid: up to {MOST_COLUMNS:,}")
    return names


def _not_utf8(content: bytes) -> str:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return f"row {content[: error.start].count(bytes([10])) + 1}"
    return f"row {FIRST_ROW}"


def _json(path: Path, content: bytes) -> Any:
    """One JSON value, or one on each line."""
    if len(content) > MOST_JSON_BYTES:
        raise FitError(
            f"{path}: is too large: {len(content):,} bytes, where at most {MOST_JSON_BYTES:,} of JSON are read; "
            "valid: CSV or Parquet"
        )
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise FitError(f"{path}: {_not_utf8(content)} is not UTF-8 text; valid: UTF-8") from None
    try:
        return json.loads(text)
    except RecursionError:
        raise FitError(f"{path}: is nested too deeply; {VALID}") from None
    except ValueError as whole:
        values = []
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            try:
                values.append(json.loads(line))
            except (ValueError, RecursionError):
                where = f"row {number}" if values else f"line {getattr(whole, 'lineno', number)}"
                raise FitError(f"{path}: {where}: is not JSON: {shown(line.strip())}; {VALID}") from None
        return values
