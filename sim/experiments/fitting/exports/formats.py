"""The formats of logs: which one a file has, and the table of attempts in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from recovery.errors import argument
from scenarios.errors import instead
from sim.experiments.fitting.exports import airflow, celery, history, opentelemetry, temporal
from sim.experiments.fitting.exports.attempt_rows import Attempt, table_of_attempts
from sim.experiments.fitting.logs.columns import ONE_KIND
from sim.experiments.fitting.logs.errors import FIRST_ROW, FitError
from sim.experiments.fitting.logs.task_log import Reading

AUTO, PLAIN = "auto", "plain"
JSON: Mapping[str, Callable[[list[Any], str | None, str], list[Attempt]]] = {
    "celery": celery.attempts,
    "temporal": temporal.attempts,
    "otel": opentelemetry.attempts,
}
"""The formats of JSON, and what reads each."""
WRONG = (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError)
"""The errors of a record that has another shape than those of its export."""
_FIELDS = {"celery": celery.KIND, "temporal": temporal.KIND, "otel": opentelemetry.KIND}
_RECOGNIZED = {"celery": celery.is_export, "temporal": temporal.is_export, "otel": opentelemetry.is_export}
TABLES = {"airflow": airflow, "history": history, "otel": opentelemetry, "celery": celery}
"""The formats of CSV and Parquet files other than plain ones."""
FORMATS = (AUTO, PLAIN, "airflow", "celery", "history", "otel", "temporal")
Read = tuple[Any, str, int, Reading, tuple[str, ...]]


def table_of(log: Any, wanted: str, span: str | None, reading: Reading) -> Read:
    """A table of attempts, what its rows are called, the number of the first one, how to read it, and notes.

    Raises FitError for a format that the log does not have.
    """
    if wanted not in FORMATS:
        raise FitError(f"{argument('format', wanted)}: {instead(wanted, FORMATS, 'valid')}")
    if isinstance(log, list | dict):
        return _of_json(log, wanted, span, reading)
    names = tuple(log.schema.names)
    seen = next((name for name, each in TABLES.items() if each.is_table(names)), PLAIN)
    found = seen if wanted == AUTO else wanted
    if span is not None and found != "otel":
        given = argument("span", span, python=f"spans={span!r}")
        raise FitError(
            f"{given}: the log is no export of OpenTelemetry; valid: without {argument('span', python='it')}"
        )
    if found == PLAIN:
        return log, "row", FIRST_ROW, reading, ()
    if found not in TABLES or (wanted != AUTO and not TABLES[found].is_table(names)):
        valid = f"JSON of {found}" if found in JSON else f"its columns: {', '.join(TABLES[found].COLUMNS)}"
        given, plain = (argument("format", each) for each in (wanted, PLAIN))
        raise FitError(f"{given}: is not such an export; valid: {valid}, or {plain}")
    table, columns, notes = TABLES[found].attempts_of(log, span)
    used, said = _with_kind(table, {**columns, **reading.columns}, given=reading.columns.get("kind"))
    return table, "row", FIRST_ROW, replace(reading, columns=used), (_read_as(found), *notes, *said)


def _of_json(log: Any, wanted: str, span: str | None, reading: Reading) -> Read:
    records = log if isinstance(log, list) else [log]
    named = wanted if wanted != AUTO else next((name for name, known in _RECOGNIZED.items() if known(records)), None)
    if named is None:
        if records and all(isinstance(each, dict) for each in records) and wanted == AUTO:
            return _plain_json(records, reading)
        formats = argument("format", ", ".join(JSON), python=f"format: {', '.join(JSON)}")
        raise FitError(f"is JSON of no known export; valid: {formats}, CSV or Parquet")
    if named == PLAIN:
        return _plain_json(records, reading)
    if named not in JSON:
        raise FitError(f"{argument('format', named)}: is not JSON; valid for JSON: {', '.join(JSON)}")
    given = reading.columns.get("kind")
    field = _FIELDS[named] if given in (None, ONE_KIND) else str(given)
    try:
        attempts = JSON[named](records, span, field)
    except WRONG as error:
        if isinstance(error, FitError):
            raise
        what = f"{type(error).__name__}: {error}"
        wrong = (place for place, each in enumerate(records, start=1) if not _is_readable(named, each, field))
        where = f"object {place}: " if len(records) > 1 and (place := next(wrong, None)) is not None else ""
        raise FitError(f"{where}is not from an export of {named} ({' '.join(what.split())[:120]})") from None
    if not attempts:
        raise FitError(f"has no attempts of {named}; valid: an export with tasks that have started")
    table, columns = table_of_attempts(attempts)
    if given not in (None, ONE_KIND) and "kind" not in columns:
        kinds = argument("kind", given, python=f"columns={{'kind': {given!r}}}")
        raise FitError(f"{kinds}: no task has such a field; valid: {_field_hint(named)}")
    used = {**columns, **reading.columns} | ({"kind": "kind"} if "kind" in columns and given != ONE_KIND else {})
    used, said = _with_kind(table, used, given=given, field=field)
    return table, "attempt", 1, replace(reading, columns=used), (_read_as(named), *said)


def _field_hint(named: str) -> str:
    """What may be the kind of a task in an export."""
    return f"a field of its tasks, as {_FIELDS[named]}, or {ONE_KIND}"


def _with_kind(
    table: Any, columns: dict[str, str], *, given: str | None, field: str | None = None
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The columns, and a note if kinds of tasks were found that were not asked for."""
    if given == ONE_KIND and ONE_KIND not in table.schema.names:
        return {**columns, "kind": ONE_KIND}, ()
    name = columns.get("kind")
    if given is not None or name is None or name not in table.schema.names:
        return columns, ()
    if len(table.column(name).unique()) < 2:
        return columns, ()
    one = argument("kind", ONE_KIND, python=f"columns={{'kind': {ONE_KIND!r}}}")
    return columns, (f"kinds of tasks are those of {field or name}; {one} makes them one kind",)


def _is_readable(named: str, record: Any, field: str) -> bool:
    """Whether a record alone causes no error."""
    try:
        JSON[named]([record], None, field)
    except WRONG as error:
        return isinstance(error, FitError)
    return True


def _read_as(named: str) -> str:
    return f"read as an export of {named}"


def _plain_json(records: list[Any], reading: Reading) -> Read:
    """A list of objects whose values are plain: as a table of text."""
    import pyarrow as pa  # noqa: PLC0415 - only when a log is read

    names: dict[str, None] = {}
    for place, each in enumerate(records, start=1):
        if not isinstance(each, dict):
            raise FitError(f"object {place}: is no object; valid: one for each attempt")
        names.update(dict.fromkeys(each))
    columns = {
        name: pa.array([_plain_text(each.get(name)) for each in records], pa.string()) for name in names if records
    }
    if not columns:
        raise FitError("has no attempts; valid: one object for each attempt")
    return pa.table(columns), "object", 1, reading, ()


def _plain_text(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
