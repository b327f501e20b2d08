"""Exports of Celery, Temporal, Airflow and OpenTelemetry, and histories: attempts are found without options."""

import json

import pandas as pd
import pytest

import sim
from sim.cli import main
from sim.experiments.fitting.fit import fit
from tests.sim.experiments.fitting.logs import known_run

AT = 1_772_359_200
COLUMNS = ["submitted", "started", "ended", "status", "agent", "error", "attempt"]


def read(path, **options):
    """The attempts of a log, times relative to AT."""
    logs = []
    fit(path, on_log=logs.append, **options)
    frame = logs[0].frame()
    for name in ("submitted", "started", "ended"):
        seconds = (frame[name] - pd.Timestamp(AT, unit="s", tz="UTC")).dt.total_seconds()
        frame[name] = seconds.round(3)
    rows = frame.sort_values(["submitted", "attempt"])[COLUMNS].astype(object)
    return [tuple(None if pd.isna(value) else value for value in row) for row in rows.itertuples(index=False)]


def iso(seconds):
    return pd.Timestamp(AT + seconds, unit="s", tz="UTC").isoformat().replace("+00:00", "Z")


def test_celery_events_keep_every_attempt_and_a_lost_worker(tmp_path):
    def event(kind, at, uuid=None, **more):
        return {"type": kind, "timestamp": AT + at, "uuid": uuid, "hostname": "celery@a", **more}

    events = [
        event("task-received", 0, "one"),
        event("task-started", 1, "one"),
        event("task-retried", 3, "one", exception="ValueError('no')"),
        event("task-started", 9, "one"),
        event("task-succeeded", 12, "one", runtime=3.0),
        event("task-received", 2, "two"),
        event("task-started", 13, "two"),
        event("worker-offline", 15),
        event("task-started", 20, "two"),
        event("task-succeeded", 24, "two"),
        event("task-received", 23, "three"),
    ]
    (tmp_path / "events.json").write_text("\n".join(map(json.dumps, events)))
    assert read(tmp_path / "events.json") == [
        (0, 1, 3, "failed", "celery@a", "ValueError", 1),
        (0, 9, 12, "success", "celery@a", None, 2),
        (2, 13, 15, "interrupted", "celery@a", "worker-offline", 1),
        (2, 20, 24, "success", "celery@a", None, 2),
        (23, None, None, "waiting", None, None, 1),
    ]


def test_flower_tasks_are_read_from_json_and_from_a_table(tmp_path):
    tasks = {
        "one": {"state": "SUCCESS", "received": AT, "started": AT + 1, "succeeded": AT + 4, "worker": "w",
                "retries": 0},
        "two": {"state": "FAILURE", "received": AT + 2, "started": AT + 3, "failed": AT + 5, "worker": "w",
                "retries": 1, "exception": "KeyError('x')"},
        "three": {"state": "STARTED", "received": AT + 3, "started": AT + 5, "worker": "w"},
    }  # fmt: skip
    (tmp_path / "flower.json").write_text(json.dumps(tasks))
    expected = [
        (0, 1, 4, "success", "w", None),
        (2, 3, 5, "failed", "w", "KeyError"),
        (3, 5, None, "running", "w", None),
    ]
    assert [row[:6] for row in read(tmp_path / "flower.json")] == expected
    table = pd.DataFrame([{"uuid": uuid, **of} for uuid, of in tasks.items()])
    table.to_csv(tmp_path / "flower.csv", index=False)
    assert [row[:6] for row in read(tmp_path / "flower.csv")] == expected


@pytest.mark.parametrize("is_new", [True, False])
def test_temporal_histories_give_the_last_attempt_of_each_activity(is_new, tmp_path):
    def kind(name):
        return f"EVENT_TYPE_{name}" if is_new else name.title().replace("_", "")

    def event(number, name, at, **about):
        key = f"{name.title().replace('_', '')}EventAttributes"
        return {"eventId": str(number), "eventTime": iso(at), "eventType": kind(name), key[0].lower() + key[1:]: about}

    events = [
        event(1, "WORKFLOW_EXECUTION_STARTED", 0),
        event(5, "ACTIVITY_TASK_SCHEDULED", 1, activityId="5"),
        event(6, "ACTIVITY_TASK_STARTED", 2, scheduledEventId="5", identity="7@worker", attempt=3),
        event(7, "ACTIVITY_TASK_COMPLETED", 6, scheduledEventId="5", startedEventId="6"),
        event(11, "ACTIVITY_TASK_SCHEDULED", 7, activityId="11"),
        event(12, "ACTIVITY_TASK_STARTED", 8, scheduledEventId="11", identity="7@worker", attempt=1),
        event(13, "ACTIVITY_TASK_FAILED", 9, scheduledEventId="11", startedEventId="12",
              failure={"message": "no", "applicationFailureInfo": {"type": "BadInput"}}),
        event(15, "ACTIVITY_TASK_SCHEDULED", 10, activityId="15"),
        event(16, "ACTIVITY_TASK_STARTED", 11, scheduledEventId="15", identity="8@worker", attempt=1),
        event(17, "ACTIVITY_TASK_TIMED_OUT", 14, scheduledEventId="15", startedEventId="16",
              failure={"timeoutFailureInfo": {"timeoutType": "TIMEOUT_TYPE_HEARTBEAT"}}),
    ]  # fmt: skip
    (tmp_path / "workflow.json").write_text(json.dumps({"events": events}))
    assert read(tmp_path / "workflow.json") == [
        (1, 2, 6, "success", "7@worker", None, 3),
        (7, 8, 9, "failed", "7@worker", "BadInput", 1),
        (10, 11, 14, "interrupted", "8@worker", "heartbeat timeout", 1),
    ]


def test_airflow_task_instances_are_tasks_of_a_run_with_a_pool(tmp_path):
    frame = pd.DataFrame(
        [
            ("etl", "load", "r1", -1, 0, 1, 4, "success", "h1", 1, "default_pool", 2),
            ("etl", "load", "r2", -1, 5, 6, 9, "up_for_retry", "h1", 1, "default_pool", 2),
            ("etl", "load", "r2", -1, 5, 12, 15, "success", "h2", 2, "default_pool", 2),
            ("etl", "skip", "r2", -1, 5, None, None, "skipped", None, 0, "default_pool", 2),
        ],
        columns=["dag_id", "task_id", "run_id", "map_index", "queued_dttm", "start_date", "end_date", "state",
                 "hostname", "try_number", "pool", "pool_slots"],
    )  # fmt: skip
    for name in ("queued_dttm", "start_date", "end_date"):
        frame[name] = [
            None if pd.isna(value) else str(pd.Timestamp(AT + value, unit="s", tz="UTC")) for value in frame[name]
        ]
    frame.to_csv(tmp_path / "task_instance.csv", index=False)
    assert [row[:5] + row[6:] for row in read(tmp_path / "task_instance.csv")] == [
        (0, 1, 4, "success", "h1", 1),
        (5, 6, 9, "failed", "h1", 1),
        (5, 12, 15, "success", "h2", 2),
    ]
    found = sim.fit(tmp_path / "task_instance.csv")
    assert found.scenario.tasks.needs == {"default_pool": 2}


def test_opentelemetry_spans_are_attempts_submitted_by_their_producers(tmp_path):
    def span(number, kind, start, end, parent=None, code=0, name="process", **attributes):
        return {
            "traceId": "t", "spanId": f"s{number}", "parentSpanId": parent, "name": name, "kind": kind,
            "startTimeUnixNano": str((AT + start) * 10**9), "endTimeUnixNano": str((AT + end) * 10**9),
            "status": {"code": code},
            "attributes": [
                {"key": key.replace("_", "."), "value": {"stringValue": value}} for key, value in attributes.items()
            ],
        }  # fmt: skip

    spans = [
        span(1, 4, 0, 1, name="publish"),
        span(2, 5, 2, 5, parent="s1"),
        span(3, "SPAN_KIND_PRODUCER", 3, 4, name="publish"),
        span(4, "SPAN_KIND_CONSUMER", 6, 8, parent="s3", code="STATUS_CODE_ERROR", error_type="TimeoutError"),
        span(5, 4, 4, 5, name="publish"),
        span(6, 5, 8, 9, parent="s5", code=2, error_type="ValueError"),
    ]
    resource = {"attributes": [{"key": "service.instance.id", "value": {"stringValue": "pod-1"}}]}
    document = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}
    (tmp_path / "spans.json").write_text(json.dumps(document))
    assert [row[:6] for row in read(tmp_path / "spans.json")] == [
        (0, 2, 5, "success", "pod-1", None),
        (3, 6, 8, "failed", "pod-1", "TimeoutError"),
        (4, 8, 9, "failed", "pod-1", "ValueError"),
    ]
    with pytest.raises(sim.FitError, match=r"spans='proces': the log has no such spans; valid: publish, process"):
        sim.fit(tmp_path / "spans.json", spans="proces")


def test_a_history_is_a_log_and_is_written_in_plain_columns(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run = known_run("2m")
    (tmp_path / "known.scenario.yaml").write_text(
        "name: known\nduration: 2m\ntasks: {arrivals: {poisson: {rate: 1/s}}, work: {exponential: {mean: 1s}}}\n"
        "agents: {count: 4}\n"
    )
    assert main(["run", "known.scenario.yaml", "--history", "history.parquet", "--quiet"]) == 0
    assert main(["fit", "history.parquet", "--task-log", "log.csv", "--quiet"]) == 0
    one, other = sim.fit("history.parquet"), sim.fit("log.csv")
    assert one.figures == other.figures
    assert len(pd.read_csv("log.csv")) == one.attempts > 50
    log = sim.task_log(run)
    events = run.history["event"].value_counts()
    ends = log["status"].value_counts()
    assert ends["success"] == events["attempt.succeeded"]
    assert ends["failed"] == events["attempt.failed"]
    assert ends["interrupted"] == events["attempt.interrupted"]
    assert log["started"].notna().sum() == events["attempt.started"]
