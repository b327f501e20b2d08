"""`runbook check`: the contents of a runbook, or a one-line error."""

from pathlib import Path

import pytest

from recovery.runbook import catalogue
from sim.cli import main

TEXT = Path(catalogue.__file__).with_name("runbook.yaml").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def checked(capsys, content: str | bytes | None, name: str = "mine.yaml") -> tuple[int, str, str]:
    if content is not None:
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    status = main(["runbook", "check", name])
    return status, *capsys.readouterr()


def test_prints_the_contents_of_a_runbook(capsys):
    status, out, err = checked(capsys, f"# Mine\n\n```yaml\n{TEXT}```\n", "mine.md")
    assert (status, err) == (0, "")
    words = " ".join(out.split())
    assert words.startswith("mine.md is a runbook entries 4: task_failures.execution_failure, ")
    assert "commands 17: check_logs, check_resource_state, release_resources, " in words
    assert "conditions 2: task_failure, resource_failure" in words
    assert "automatic procedures 2: task_retry, resource_reallocation" in words
    assert "manual procedures 2: task_recovery, state_recovery" in words
    assert "best practices 12: implement_idempotency, " in words
    assert "considerations 8: minimize_downtime, " in words
    assert max(map(len, out.splitlines())) <= 80


def test_prints_missing_parts_of_a_runbook(capsys):
    _, out, _ = checked(capsys, TEXT[: TEXT.index("recovery_best_practices")])
    assert "considerations        none" in out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            TEXT.replace("command: retry_task", "command: retry_tasks"),
            (
                "mine.yaml:16: task_failures.execution_failure.recovery.2: unknown command 'retry_tasks'; "
                "did you mean 'retry_task'?"
            ),
        ),
        (
            TEXT.replace("retry_task, args: [task_id, retry_count]", "retry_task, args: [task_id]"),
            (
                "mine.yaml:16: task_failures.execution_failure.recovery.2: retry_task does not take [task_id]; "
                "valid: [task_id, retry_count]"
            ),
        ),
        ("- a list", "mine.yaml:1: the runbook: should be a mapping, `key: value`"),
        ("a: [", "mine.yaml:1: not valid YAML: expected the node content, but found '<stream end>'"),
        (b"a: \xff", "mine.yaml:1: is not UTF-8 text (byte 3); valid: a runbook in YAML, or a Markdown guide"),
        (None, "mine.yaml: no such file; valid: a runbook in YAML, or a Markdown guide (*.md) with ```yaml blocks"),
    ],
)
def test_an_invalid_runbook_is_reported_in_one_line(capsys, content, message):
    status, out, err = checked(capsys, content)
    assert (status, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_folder_is_rejected(capsys):
    status, _, err = checked(capsys, None, ".")
    assert status == 2
    assert ".: is a folder; valid: a runbook in YAML" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chek"], "no such command 'chek'; valid: check (nearest: 'check')"),
        (["check"], "missing argument 'FILE'; see recovery-bench runbook check --help"),
        (["--jsn"], "no such option '--jsn'; valid: --json, "),
        (["--json", "check", "mine.yaml"], "runbook --json: shows the runbook in force; valid: runbook check FILE"),
    ],
)
def test_an_invalid_command_line_is_reported(capsys, arguments, message):
    assert main(["runbook", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_every_problem_of_a_runbook_is_printed_at_once(capsys):
    text = TEXT.replace("max_retries: 3", "max_retrys: 3", 1).replace("max_retries: 2", "max_retries: -2", 1)
    status, _, told = checked(capsys, text + "surplus: 1\n")
    assert status == 2
    assert [line.partition("mine.yaml:")[2].split(": ")[1] for line in told.splitlines()] == [
        "automatic_recovery.conditions.0.max_retrys",
        "automatic_recovery.conditions.1.max_retries",
        "surplus",
    ]
