"""`recover demo`: its faults on real processes, and its output."""

import contextlib
import io
import json
import os
from dataclasses import replace

import pytest

from recovery.local import demo
from recovery.stores.database import Database
from sim.cli import main
from tests.recovery.local.stories import failed

ALL = [f"task.{number}" for number in range(100)]


@pytest.fixture(scope="module")
def demonstrated(tmp_path_factory):
    """What a demonstration prints, and its folder."""
    folder = tmp_path_factory.mktemp("demo")
    arguments = ["--store", f"sqlite:///{folder}/store.db", "--json", str(folder / "demo.json")]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert main(["recover", "demo", "--tasks", "24", *arguments]) == 0
    return printed.getvalue(), folder


@pytest.mark.long
def test_the_demo_reports_events_and_ends_with_every_effect(demonstrated):
    out, folder = demonstrated
    for told in (
        "killed (SIGKILL",
        "corrupted",
        "checkpoint.rejected",
        "stopped (SIGSTOP",
        "continued late (SIGCONT)",
        "was refused, its epoch is fenced",
        "the leading core killed during that recovery",
        "recovery.taken_up",
    ):
        assert told in out
    found = json.loads((folder / "demo.json").read_text())
    assert f"{found['tasks']} of {found['tasks']} tasks have their effect exactly once, and it is right" in out
    assert (found["right"], found["left_running"], found["audit_wrong"]) == (found["tasks"], 0, None)
    assert found["refused"] >= 1
    assert len(found["repaired"]) == 3
    assert all(repaired["seconds"] > 0 for repaired in found["repaired"])


@pytest.mark.long
def test_a_store_can_be_kept_and_reused(demonstrated, capsys):
    _, folder = demonstrated
    assert main(["recover", "demo", "--tasks", "8", "--quiet", "--store", f"sqlite:///{folder}/store.db"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tasks", "0"], "--tasks 0: not a number of tasks; valid: a whole number, 1 or more"),
        (["--tasks", "1001"], "--tasks 1001: are more than anybody waits for; valid: up to 1,000"),
        (["--store", "nowhere"], "--store nowhere: is not the URL of a store; valid: sqlite:///FILE or postgresql://…"),
        (["--store", "sqlite:////nowhere/store.db"], "--store store.db: cannot be opened; valid: a file in a folder"),
        (["--json", "/nowhere/demo.json"], "--json /nowhere/demo.json: there is no folder"),
    ],
)
def test_an_impossible_request_is_reported_in_one_line(arguments, message, capsys):
    assert main(["recover", "demo", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(message)


@pytest.mark.long
def test_a_store_with_other_tasks_is_left_unchanged(tmp_path, capsys):
    url = f"sqlite:///{tmp_path}/store.db"
    database = Database(url)
    failed(database)
    database.close()
    assert main(["recover", "demo", "--store", url]) == 2
    assert capsys.readouterr().err == "--store has unfinished tasks; valid: an empty store, or none\n"


@pytest.mark.long
def test_failed_checks_are_reported_with_status_1(monkeypatch, capsys):
    monkeypatch.setattr("recovery.local.demo._runs", lambda pid: True)
    monkeypatch.setattr("recovery.stores.sql_audit.SqlAudit.first_wrong", lambda trail: "line 3 is missing")
    monkeypatch.setattr("recovery.local.system.LocalSystem.effects", lambda system: dict.fromkeys(ALL, 0))
    assert main(["recover", "demo", "--tasks", "8", "--quiet"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    for message in ("processes are left running", "line 3 is missing", "have a wrong effect, or none"):
        assert message in err


@pytest.mark.parametrize("wrong", [{"right": 7}, {"audit_wrong": "line 3 is missing"}, {"left_running": 1}])
def test_each_check_alone_decides(wrong):
    found = demo.Findings(tasks=8, right=8)
    assert found.holds
    assert not replace(found, **wrong).holds


def test_a_running_process_is_recognized():
    assert demo._runs(os.getpid())


@pytest.mark.long
def test_a_missing_event_is_reported_with_status_1(monkeypatch, capsys):
    monkeypatch.setattr(demo, "PATIENCE", 0.0)
    monkeypatch.setattr(demo, "_at_work", lambda connection: [])
    assert main(["recover", "demo", "--tasks", "8", "--quiet"]) == 1
    assert "recover demo: did not happen within 0 s: an agent works on a task" in capsys.readouterr().err
