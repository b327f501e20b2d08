"""OpenTelemetry: spans as OTLP JSON (`resourceSpans`), one document or one on each line, or as rows of a table.

A span is an attempt. Its task is the attribute `messaging.message.id` or `task.id` when it has one; it was submitted
when its parent, a producer span, started. Its agent is `service.instance.id`, `k8s.pod.name` or `host.name` of the
resource. Its kind is its name, or an attribute.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from recovery.errors import argument
from scenarios.errors import instead
from sim.experiments.fitting.exports.attempt_rows import Attempt, word_of
from sim.experiments.fitting.logs.errors import FitError

KIND = "name"
"""What is the kind of a task, unless an attribute is given: the name of its span."""
COLUMNS = ("span_id", "start_time", "end_time")
_TASK = ("messaging.message.id", "task.id", "celery.task_id", "job.id", "temporalActivityID", "messaging.message_id")
_AGENT = ("service.instance.id", "k8s.pod.name", "host.name", "celery.hostname", "container.id", "service.name")
_ATTEMPT = ("task.attempt", "celery.retries", "messaging.delivery_attempt", "http.request.resend_count")
_ERROR = ("error.type", "exception.type")
_PRODUCER, _CONSUMER = ("4", "SPAN_KIND_PRODUCER", "PRODUCER"), ("5", "SPAN_KIND_CONSUMER", "CONSUMER")
_STATUS = {"0": "success", "1": "success", "2": "failed", "STATUS_CODE_ERROR": "failed", "ERROR": "failed"}
_STARTS = ("start_time", "startTime", "start", "timestamp", "start_time_unix_nano", "startTimeUnixNano")
_NAMES = ("name", "span_name", "SpanName")
_ENDS = ("end_time", "endTime", "end", "end_time_unix_nano", "endTimeUnixNano")


def is_table(names: Sequence[str]) -> bool:
    """Whether a table has columns of spans."""
    has = set(names)
    return bool(has & {"span_id", "spanId", "SpanId"}) and bool(has & {*_STARTS, "Timestamp"})


def attempts_of(table: Any, span: str | None) -> tuple[Any, dict[str, str], tuple[str, ...]]:
    """Rows of spans, of one name or of all."""
    import pyarrow.compute as pc  # noqa: PLC0415 - only when a log is read

    names = table.schema.names
    if span is not None:
        name = _one(names, _NAMES)
        if name is None:
            raise FitError(
                f"{argument('span', python='spans')}: the log has no column of names of spans; "
                "valid: a column name, span_name or SpanName"
            )
        table = table.filter(pc.fill_null(pc.equal(table.column(name), span), False))
        if not table.num_rows:
            raise FitError(f"{_given(span)}: the log has no such spans; valid: a name in the column {name}")
    wanted = {
        "started": (*_STARTS, "Timestamp"),
        "ended": _ENDS,
        "duration": ("duration", "duration_s", "duration_ms"),
        "status": ("status_code", "status.code", "StatusCode", "status"),
        "agent": _AGENT,
        "error": _ERROR,
        "task": _TASK,
        "kind": _NAMES,
    }
    columns = {meaning: name for meaning, known in wanted.items() if (name := _one(names, known)) is not None}
    return table, columns, ()


def _given(span: str) -> str:
    return argument("span", span, python=f"spans={span!r}")


def _one(names: Sequence[str], known: Sequence[str]) -> str | None:
    return next((name for name in known if name in names), None)


def is_export(records: list[Any]) -> bool:
    """Whether JSON is OTLP."""
    return any(isinstance(each, dict) and ("resourceSpans" in each or "resource_spans" in each) for each in records[:5])


def attempts(records: list[Any], span: str | None, kind: str) -> list[Attempt]:
    """The spans of one name. Without a name: all consumer spans, or all spans when there are none.

    Consumer spans of several names are kinds of tasks. Spans of several names, none of which is a consumer, may contain
    each other, and are refused. `kind` is `name`, or the attribute that has the kind of a task.
    """
    spans = list(_spans(records))
    by_id = {each.get("spanId") or each.get("span_id"): each for each, _ in spans}
    names = [str(each.get("name")) for each, _ in spans]
    if span is not None:
        chosen = [pair for pair, name in zip(spans, names, strict=True) if name == span]
        if not chosen:
            known = list(dict.fromkeys(names))[:20]
            raise FitError(f"{_given(span)}: the log has no such spans; {instead(span, known, 'valid')}")
    else:
        consumers = [pair for pair in spans if str(pair[0].get("kind")) in _CONSUMER]
        chosen = consumers or spans
        different = list(dict.fromkeys(str(each.get("name")) for each, _ in chosen))
        if len(different) > 1 and not consumers:
            shown = ", ".join(different[:8]) + (", …" if len(different) > 8 else "")
            raise FitError(
                f"has spans of {len(different)} names; valid: {argument('span', python='spans')} with one of {shown}"
            )
    return [_of_span(each, resource, by_id, kind) for each, resource in chosen]


def _spans(records: list[Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    for document in records:
        for of_resource in document.get("resourceSpans") or document.get("resource_spans") or ():
            resource = _attributes((of_resource.get("resource") or {}).get("attributes"))
            scopes = of_resource.get("scopeSpans") or of_resource.get("scope_spans")
            for scope in scopes or of_resource.get("instrumentationLibrarySpans") or ():
                for each in scope.get("spans") or ():
                    yield each, resource


def _attributes(given: Any) -> dict[str, Any]:
    if isinstance(given, dict):
        return given
    return {each["key"]: next(iter((each.get("value") or {"": None}).values()), None) for each in given or ()}


def _of_span(each: Mapping[str, Any], resource: Mapping[str, Any], by_id: Mapping[Any, Any], kind: str) -> Attempt:
    attributes = _attributes(each.get("attributes"))
    parent = by_id.get(each.get("parentSpanId") or each.get("parent_span_id"))
    submitted = _first(parent, _STARTS) if parent and str(parent.get("kind")) in _PRODUCER else None
    code = str((each.get("status") or {}).get("code", "0"))
    status = _STATUS.get(code, code) if _first(each, _ENDS) not in (None, "0", 0) else "running"
    error = _first(attributes, _ERROR) or _exception(each)
    number = _first(attributes, _ATTEMPT)
    return Attempt(
        None if (task := _first(attributes, _TASK)) is None else str(task),
        submitted,
        _first(each, _STARTS),
        _first(each, _ENDS) if status != "running" else None,
        status,
        None if (agent := _first({**resource, **attributes}, _AGENT)) is None else str(agent),
        str(error) if error is not None and status == "failed" else None,
        None if number is None else int(number),
        word_of(attributes.get(kind, resource.get(kind, each.get("name") if kind == KIND else None))),
    )


def _exception(each: Mapping[str, Any]) -> Any:
    for event in each.get("events") or ():
        if event.get("name") == "exception":
            return _attributes(event.get("attributes")).get("exception.type")
    return (each.get("status") or {}).get("message")


def _first(values: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((values[name] for name in names if values.get(name) not in (None, "")), None)
