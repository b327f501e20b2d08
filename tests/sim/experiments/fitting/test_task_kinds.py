"""Logs of several kinds of tasks, and rows of CSV with other numbers of columns."""

import json

import numpy as np
import pandas as pd
import pytest

import scenarios
import sim
from sim.cli import main
from tests.sim.experiments.fitting.logs import contains, rows

FLEET = """\
name: fleet
duration: 20m
tasks:
  arrivals: {poisson: {rate: 2/s}}
  kinds:
  - {name: chat, share: 60%, work: {exponential: {mean: 2s}}, failure_probability: 10%, retry: {max_retries: 2, retry_delay: 3s}}
  - {name: report, share: 30%, work: {lognormal: {mean: 6s, cv: 1}}}
  - {name: mail, share: 10%, work: 1s, failure_probability: 30%, retry: {max_retries: 1, retry_delay: 1s}}
agents: {count: 20}
"""  # noqa: E501 - one line for each kind


@pytest.fixture(scope="module")
def log():
    return sim.task_log(sim.run(scenarios.loads(FLEET), seed=7))


def test_the_kinds_that_the_bench_has_logged_are_found_within_their_intervals(log):
    found = sim.fit(log)
    for path, value in (
        ("tasks.arrivals.poisson.rate", 2),
        ("tasks.kinds.chat.share", 0.6),
        ("tasks.kinds.report.share", 0.3),
        ("tasks.kinds.mail.share", 0.1),
        ("tasks.kinds.chat.work.exponential.mean", 2),
        ("tasks.kinds.report.work.lognormal.mean", 6),
        ("tasks.kinds.report.work.lognormal.cv", 1),
        ("tasks.kinds.chat.failure_probability", 0.1),
        ("tasks.kinds.mail.failure_probability", 0.3),
    ):
        assert contains(found, path, value), path
    kinds = found.scenario.tasks.kinds
    assert list(kinds) == ["chat", "report", "mail"]
    assert sum(kind.share for kind in kinds.values()) == pytest.approx(1)
    assert kinds["mail"].work.constant == pytest.approx(1)
    assert (kinds["chat"].retry.max_retries, kinds["mail"].retry.max_retries) == (2, 1)
    assert kinds["mail"].retry.retry_delay == pytest.approx(1, rel=0.1)
    assert kinds["report"].retry is None
    assert not kinds["report"].failure_probability


def test_the_column_of_kinds_may_have_any_name_and_kinds_any_words(log, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = {"chat": "app.tasks.send: now!", "report": "true", "mail": "wait"}
    other = log.rename(columns={"kind": "function"}).assign(function=log["kind"].map(words))
    other.to_csv("log.csv", index=False)
    assert main(["fit", "log.csv", "--kind", "function", "--out", "own.scenario.yaml"]) == 0
    assert "tasks.kinds" not in capsys.readouterr().err
    kinds = scenarios.load(tmp_path / "own.scenario.yaml").tasks.kinds
    assert list(kinds) == ["app-tasks-send-now", "kind-true", "wait-task"]
    assert main(["fit", "log.csv", "--kind", "funktion"]) == 2
    assert "the log has no such column" in capsys.readouterr().err


def test_kinds_that_are_too_few_are_others(log):
    rare = log.assign(kind=[f"rare {place % 9}" if place < 60 else kind for place, kind in enumerate(log["kind"])])
    found = sim.fit(rare)
    assert [*found.scenario.tasks.kinds] == ["chat", "report", "mail", "others"]
    assert any("fewer than 30 successful attempts are the kind others: rare 0" in note for note in found.notes)
    assert not any("kinds" in entry.path for entry in sim.fit(log.assign(kind="chat")).entries)


GOOD = "started,ended,status\n" + "".join(f"{second},{second + 1.5},success\n" for second in range(1, 40, 3))
"""Thirteen rows; another one below is row 15."""


def test_rows_with_other_numbers_of_columns_are_left_out_up_to_a_number(tmp_path):
    lines = GOOD.splitlines()
    lines[3:3] = ["7,8", "7,8,success,x"]  # rows 4 and 5
    lines.insert(9, "22,21,success")  # row 10
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    found = sim.fit(tmp_path / "log.csv", skip=3)
    assert found.attempts == 13
    assert any(
        "3 wrong rows left out; the first: row 4: has 2 columns, fewer than the 3" in each for each in found.notes
    )
    for skip, message in (
        (0, "row 4: has 2 columns, fewer"),
        (1, r"row 4: has 2 columns.*2 rows or more are wrong, skip=1"),
        (2, r"row 4: .*\(3 rows are wrong, skip=2\)"),
    ):
        with pytest.raises(sim.FitError, match=message):
            sim.fit(tmp_path / "log.csv", skip=skip)


@pytest.mark.parametrize(("wrong", "first"), [(2, 2), (9, 4)])
def test_the_first_of_the_wrong_rows_is_named_whatever_is_wrong_with_it(wrong, first, tmp_path):
    lines = GOOD.splitlines()
    lines[wrong - 1] = "50,49,success"
    lines[3] = "7,8"
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(sim.FitError, match=rf"row {first}: .*\(2 rows are wrong, skip=1\)"):
        sim.fit(tmp_path / "log.csv", skip=1)


def test_the_fit_of_a_log_without_kinds_is_unchanged():
    assert not sim.fit(rows(200)).scenario.tasks.kinds


AT = 1_772_359_200
TASKS = [(number, "load" if number % 3 else "send", f"pipeline-{number % 2}") for number in range(135)]
"""Ninety tasks of one kind, of a second, and 45 of another, of three seconds; one every four seconds."""


def times(number, kind):
    return AT + 4 * number, AT + 4 * number + 1, AT + 4 * number + (2 if kind == "load" else 4)


def flower():
    rows = [(number, kind, flow, *times(number, kind)) for number, kind, flow in TASKS]
    return {
        f"id-{number}": {"name": kind, "routing_key": flow, "state": "SUCCESS", "received": received,
                         "started": started, "succeeded": ended, "worker": "w"}
        for number, kind, flow, received, started, ended in rows
    }  # fmt: skip


def celery_events():
    found = []
    for number, kind, flow in TASKS:
        received, started, ended = times(number, kind)
        event = {"uuid": f"id-{number}", "hostname": "w"}
        found += [
            {"type": "task-received", "timestamp": received, "name": kind, "routing_key": flow, **event},
            {"type": "task-started", "timestamp": started, **event},
            {"type": "task-succeeded", "timestamp": ended, **event},
        ]
    return found


def temporal_histories():
    found = []
    for number, kind, flow in TASKS:
        scheduled, started, ended = (
            pd.Timestamp(at, unit="s", tz="UTC").isoformat().replace("+00:00", "Z") for at in times(number, kind)
        )
        key = {"scheduledEventId": "5"}
        events = [
            ("WORKFLOW_EXECUTION_STARTED", scheduled, {"workflowType": {"name": flow}}),
            ("ACTIVITY_TASK_SCHEDULED", scheduled, {"activityType": {"name": kind}, "taskQueue": {"name": flow}}),
            ("ACTIVITY_TASK_STARTED", started, {**key, "identity": "w"}),
            ("ACTIVITY_TASK_COMPLETED", ended, key),
        ]
        found.append(
            {"events": [{"eventId": str(place), "eventTime": at, "eventType": f"EVENT_TYPE_{name}", "ofAttributes": of}
                        for place, (name, at, of) in enumerate(events, start=4)]}
        )  # fmt: skip
    return found


def spans():
    made = []
    for number, kind, flow in TASKS:
        _, started, ended = times(number, kind)
        attributes = [{"key": "flow", "value": {"stringValue": flow}}]
        made.append(
            {"spanId": f"s{number}", "name": kind, "kind": 5, "startTimeUnixNano": str(started * 10**9),
             "endTimeUnixNano": str(ended * 10**9), "attributes": attributes}
        )  # fmt: skip
    return [{"resourceSpans": [{"scopeSpans": [{"spans": made}]}]}]


def task_instances():
    rows = [(flow, kind, f"r{number}", *times(number, kind)) for number, kind, flow in TASKS]
    frame = pd.DataFrame(rows, columns=["dag_id", "task_id", "run_id", "queued_dttm", "start_date", "end_date"])
    return frame.assign(state="success", hostname="w")


@pytest.mark.parametrize(
    ("export", "field", "other"),
    [
        (flower, "name", "routing_key"),
        (celery_events, "name", "routing_key"),
        (temporal_histories, "activityType", "workflowType"),
        (spans, "name", "flow"),
        (task_instances, "task_id", "dag_id"),
    ],
)
def test_the_kinds_of_an_export_are_its_types_of_tasks_or_another_field(export, field, other, tmp_path):
    made = export()
    if isinstance(made, pd.DataFrame):
        made.to_csv(path := tmp_path / "log.csv", index=False)
    else:
        (path := tmp_path / "log.json").write_text(json.dumps(made))
    found = sim.fit(path)
    kinds = found.scenario.tasks.kinds
    assert {name: (kind.share, kind.work.mean) for name, kind in kinds.items()} == {
        "load": (pytest.approx(2 / 3, abs=1e-6), pytest.approx(1)),
        "send": (pytest.approx(1 / 3, abs=1e-6), pytest.approx(3)),
    }
    assert any(f"kinds of tasks are those of {field}; " in note for note in found.notes)
    assert [*sim.fit(path, columns={"kind": other}).scenario.tasks.kinds] == ["pipeline-0", "pipeline-1"]
    assert not sim.fit(path, columns={"kind": "none"}).scenario.tasks.kinds
    with pytest.raises(sim.FitError, match=r"'?shape'?.*(no task has such a field|the log has no such column)"):
        sim.fit(path, columns={"kind": "shape"})


def mixture(fails):
    """Tasks of two kinds in turn. `fails` says whether an attempt at a task fails, by its kind, number and attempt."""
    found = []
    for number in range(600):
        kind = "ab"[number % 2]
        for attempt in range(4):
            failed = fails(kind, number, attempt)
            start = 10.0 * number + 2 * attempt
            found.append((f"t{number}", kind, start, start + 1, "failed" if failed else "success", attempt + 1))
            if not failed:
                break
    return pd.DataFrame(found, columns=["task", "kind", "started", "ended", "status", "attempt"])


def chance(number, attempt):
    return np.random.default_rng([number, attempt]).random()


def by_kind(kind, number, attempt):
    return chance(number, attempt) < {"a": 0.05, "b": 0.6}[kind]


def by_task(kind, number, attempt):
    return chance(number, 0) < 0.3 and chance(number, attempt) < 0.9


@pytest.mark.parametrize(
    ("fails", "column", "cause"),
    [
        (by_kind, "kind", "the kinds fail with different probabilities, and within each the difference is no larger"),
        (by_task, "kind", "also within a kind"),
        (by_kind, "none", "which a column of kinds would separate"),
    ],
)
def test_the_cause_of_retries_that_fail_more_often_is_within_kinds_or_between_them(fails, column, cause):
    found = sim.fit(mixture(fails), columns={"kind": column})
    (note,) = [note for note in found.notes if note.startswith("retries fail with probability")]
    assert cause in note
