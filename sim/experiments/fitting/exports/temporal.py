"""Temporal: histories of workflows as JSON (`temporal workflow show --output json`, or several of them).

A task is an activity. Its `Scheduled` event is the submission; the history has one `Started` event for it, of the last
attempt, with the number of the attempt and the failure before it. Earlier attempts are not in a history. The kind of a
task is the type of its activity (`activityType`), or that of its workflow (`workflowType`), or its `taskQueue`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sim.experiments.fitting.exports.attempt_rows import Attempt, word_of

KIND = "activityType"
"""The field that is the kind of a task, unless another one is given."""
_ENDS = {
    "activity_task_completed": "success",
    "activity_task_failed": "failed",
    "activity_task_timed_out": "timeout",
    "activity_task_canceled": "canceled",
}


def is_export(records: list[Any]) -> bool:
    """Whether JSON is a history, or several."""
    return any(True for _ in _histories(records))


def _histories(records: list[Any]) -> Iterator[list[Mapping[str, Any]]]:
    if records and all(isinstance(each, dict) and ("eventType" in each or "event_type" in each) for each in records):
        yield records
        return
    for each in records:
        if isinstance(each, dict):
            events = each.get("events") or (each.get("history") or {}).get("events")
            if isinstance(events, list):
                yield events


def _kind(event: Mapping[str, Any]) -> str:
    """`activity_task_started` of EVENT_TYPE_ACTIVITY_TASK_STARTED and ActivityTaskStarted."""
    text = str(event.get("eventType") or event.get("event_type"))
    if text.isupper() or "_" in text:
        return text.lower().removeprefix("event_type_")
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in text).lstrip("_")


def _about(event: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((value for key, value in event.items() if key.lower().endswith("attributes")), {}) or {}


def attempts(records: list[Any], _: str | None, kind_field: str) -> list[Attempt]:
    """The activities of all histories, by their last attempts. The field of the kind is one of the activity when it is
    scheduled, or else of the start of its workflow.
    """
    found: list[Attempt] = []
    for place, events in enumerate(_histories(records)):
        open_: dict[str, Attempt] = {}
        of_workflow: str | None = None
        for event in events:
            kind, about = _kind(event), _about(event)
            at = event.get("eventTime") or event.get("event_time") or event.get("timestamp")
            key = str(about.get("scheduledEventId") or about.get("scheduled_event_id") or "")
            if kind == "workflow_execution_started":
                of_workflow = _named(about, kind_field)
            elif kind == "activity_task_scheduled":
                key = str(event.get("eventId") or event.get("event_id"))
                of_task = _named(about, kind_field) or of_workflow
                open_[key] = Attempt(f"{place}/{key}", at, status="waiting", kind=of_task)
                found.append(open_[key])
            elif kind == "activity_task_started" and key in open_:
                attempt = open_[key]
                attempt.started, attempt.status = at, "running"
                attempt.agent = about.get("identity") or None
                attempt.attempt = int(about.get("attempt") or 1)
            elif kind in _ENDS and key in open_:
                attempt = open_.pop(key)
                attempt.status, attempt.ended = _ENDS[kind], at
                failure = about.get("failure") or {}
                attempt.error = _error(failure) if kind != "activity_task_completed" else None
                if attempt.started is None:  # timed out while it was waiting
                    attempt.status, attempt.ended = "waiting", None
    return found


def _named(about: Mapping[str, Any], field: str) -> str | None:
    """A field in either spelling: a text, or the name of a type or of a task queue."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in field)
    value = about.get(field, about.get(snake))
    return word_of(value.get("name") if isinstance(value, dict) else value)


def _error(failure: Mapping[str, Any]) -> str | None:
    """The type of a failure; of a timeout, which one: a missed heartbeat means that the worker was lost."""
    application = failure.get("applicationFailureInfo") or failure.get("application_failure_info") or {}
    timeout = failure.get("timeoutFailureInfo") or failure.get("timeout_failure_info") or {}
    kind = str(timeout.get("timeoutType") or timeout.get("timeout_type") or "")
    if "heartbeat" in kind.lower():
        return "heartbeat timeout"
    return application.get("type") or kind or failure.get("message") or None
