"""Celery: Flower's tasks (`/api/tasks`), dumps of events, and rows of the result backend.

Events: celery.events in Celery's documentation (`task-sent`, `-received`, `-started`, `-succeeded`, `-failed`,
`-retried`, `-revoked`, `-rejected`; `timestamp`, `uuid`, `hostname`, `runtime`, `exception`, `retries`). A retry
keeps the uuid. The kind of a task is its `name`, in Flower and in the events `task-sent` and `task-received`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sim.experiments.fitting.exports.attempt_rows import Attempt, word_of

COLUMNS = ("uuid", "received", "started", "state")
KIND = "name"
"""The field that is the kind of a task, unless another one is given."""
_ENDS = {
    "task-succeeded": "success",
    "task-failed": "failed",
    "task-retried": "retry",
    "task-revoked": "canceled",
    "task-rejected": "rejected",
}


def is_table(names: Sequence[str]) -> bool:
    """Whether a table has the columns of Flower's tasks."""
    return {"uuid", "state", "received", "started"} <= set(names)


def attempts_of(table: Any, _: str | None) -> tuple[Any, dict[str, str], tuple[str, ...]]:
    """A table of Flower's tasks: the end is that of `succeeded`, `failed` and `retried` which is there."""
    import pyarrow as pa  # noqa: PLC0415 - only when a log is read
    import pyarrow.compute as pc  # noqa: PLC0415

    from sim.experiments.fitting.logs.instants import text_of  # noqa: PLC0415

    ends = [
        text_of(table.column(name))
        for name in ("succeeded", "failed", "retried", "revoked")
        if name in table.schema.names
    ]
    columns = {"task": "uuid", "submitted": "received", "started": "started", "status": "state"}
    columns |= {
        meaning: name
        for meaning, name in {"agent": "worker", "error": "exception", "duration": "runtime", "kind": KIND}.items()
        if name in table.schema.names
    }
    if ends:
        ended = pc.coalesce(*ends)
        table = table.append_column("ended of celery", pa.chunked_array([ended]))
        columns["ended"] = "ended of celery"
    return table, columns, ()


def is_export(records: list[Any]) -> bool:
    """Whether JSON is Flower's tasks, or events."""
    first = records[0] if records else None
    if isinstance(first, dict) and str(first.get("type", "")).startswith(("task-", "worker-")):
        return True
    return any(isinstance(each, dict) and "uuid" in each and "state" in each for each in _tasks(records)[:5])


def attempts(records: list[Any], _: str | None, kind: str) -> list[Attempt]:
    """The attempts of Flower's tasks, or of events; `kind` is the field of the kind of a task."""
    if records and isinstance(records[0], dict) and "type" in records[0]:
        return _of_events(records, kind)
    return [each for task in _tasks(records) for each in _of_task(task, kind)]


def _tasks(records: list[Any]) -> list[Any]:
    """Flower gives tasks as a mapping by uuid."""
    found: list[Any] = []
    for each in records:
        if isinstance(each, dict) and "uuid" not in each and each and all(isinstance(of, dict) for of in each.values()):
            found += [{"uuid": uuid, **of} for uuid, of in each.items()]
        else:
            found.append(each)
    return found


def _of_task(task: Mapping[str, Any], kind: str) -> list[Attempt]:
    """Flower keeps the last attempt of a task."""
    ends = {"success": task.get("succeeded"), "failed": task.get("failed"), "retry": task.get("retried")}
    ends["canceled"] = task.get("revoked")
    state = str(task.get("state") or "").lower()
    ended = ends.get({"failure": "failed", "revoked": "canceled"}.get(state, state))
    started, runtime = task.get("started"), task.get("runtime")
    if started is None and ended is not None and runtime is not None:
        started = float(ended) - float(runtime)
    retries = task.get("retries")
    return [
        Attempt(
            str(task["uuid"]),
            task.get("received") or task.get("sent"),
            started,
            ended if started is not None else None,
            state or None,
            task.get("worker") or task.get("hostname"),
            task.get("exception") or None,
            None if retries in (None, "") else int(retries) + 1,
            word_of(task.get(kind)),
        )
    ]


def _of_events(records: list[Any], field: str) -> list[Attempt]:
    """A start opens an attempt of a task, and the next end closes it; a second start means that the worker was lost."""
    found: list[Attempt] = []
    submitted: dict[str, Any] = {}
    number: dict[str, int] = {}
    running: dict[str, Attempt] = {}
    kinds = {
        each.get("uuid"): word for each in records if isinstance(each, dict) and (word := word_of(each.get(field)))
    }
    ordered = sorted(
        (each for each in records if isinstance(each, dict) and "timestamp" in each),
        key=lambda each: float(each["timestamp"]),
    )
    for event in ordered:
        kind, task = str(event.get("type")), event.get("uuid")
        if kind == "worker-offline":
            for name in [name for name, each in running.items() if each.agent == event.get("hostname")]:
                lost = running.pop(name)
                lost.ended, lost.status, lost.error = event["timestamp"], "interrupted", "worker-offline"
        if task is None:
            continue
        if kind in {"task-sent", "task-received"}:
            submitted.setdefault(task, event["timestamp"])
        elif kind == "task-started":
            number[task] = number.get(task, 0) + 1
            if task in running:
                running[task].status = "interrupted"
            running[task] = Attempt(
                task,
                submitted.get(task),
                event["timestamp"],
                None,
                "running",
                event.get("hostname"),
                None,
                number[task],
                kinds.get(task),
            )
            found.append(running[task])
        elif kind in _ENDS and task in running:
            ended = running.pop(task)
            ended.ended, ended.status = event["timestamp"], _ENDS[kind]
            ended.error = event.get("exception") if kind in {"task-failed", "task-retried"} else None
    started = {each.task for each in found}
    waiting = [(task, at) for task, at in submitted.items() if task not in started]
    found += [Attempt(task, at, status="waiting", kind=kinds.get(task)) for task, at in waiting]
    return found
