"""`recover task|state|audit|operator`: commands, output and refusals."""

import json
import re
from pathlib import Path

import pytest
from sqlalchemy import delete, update

import recovery
from recovery.checkpoints import sealed
from recovery.runbook import catalogue
from recovery.stores.database import Database
from recovery.stores.sql_tasks import SqlTaskStore
from recovery.stores.tables import AUDIT, CHECKPOINTS, META
from sim.cli import main
from sim.cli.recover.access import TOKEN
from sim.cli.recover.state import file_name
from tests.recovery.local.stories import given_up

pytestmark = pytest.mark.usefixtures("quick_hashes")
FOLDER_ESCAPES = (
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    "a/b",
    "näme",
    "x" * 400,
    "x" * 401,
    "'; drop table tasks; --",
)


def test_the_task_procedure_from_analysis_to_verification(desk):
    status, out, _ = desk.say("escalations")
    assert (status, "task.7: task_failure, retries exhausted" in out) == (0, True)
    status, out, _ = desk.say("task", "analyze", "task.7")
    assert (status, "task.7: escalated, epoch 1, 3 checkpoints" in out) == (0, True)
    assert "error code: out_of_memory" in out
    status, out, _ = desk.say("task", "plan", "task.7", "--out", "plan.json")
    assert (status, "3. retry_execution: retry_task(" in out) == (0, True)
    status, out, _ = desk.say("task", "execute", "plan.json", "--dry-run")
    assert (status, "nothing was done: --dry-run" in out) == (0, True)
    with desk.database() as database:
        assert SqlTaskStore(database).status("task.7") == "escalated"
    status, out, _ = desk.say("task", "execute", "plan.json", "--yes")
    assert (status, "done; now: recovery-bench recover task verify task.7" in out) == (0, True)
    assert desk.say("task", "verify", "task.7")[:2] == (0, "task.7: is recovered: queued\n")
    assert desk.say("escalations")[:2] == (0, "no open escalations\n")
    assert desk.refused("task", "verify", "task.7").startswith("alice: the token was used for recover task task.7")
    status, out, _ = desk.say("audit", "--verify")
    assert (status, "all unchanged" in out) == (0, True)


def test_the_state_procedure(desk):
    status, out, _ = desk.say("state", "backup", "task.8", "--folder", ".")
    assert (status, out.splitlines()) == (
        0,
        ["task.8: checkpoint 4, progress 3", "backup: task-task.8.checkpoint-4.json"],
    )
    written = json.loads((desk.folder / "task-task.8.checkpoint-4.json").read_text())
    assert (written["task_id"], written["state"]) == ("task.8", {"rows": 3})
    status, out, _ = desk.say("state", "restore", "task.8", "--checkpoint", "2", "--dry-run")
    assert (status, out.splitlines()[1:]) == (0, ["it is intact", "nothing was done: --dry-run"])
    assert desk.say("state", "restore", "task.8", "--checkpoint", "2", "--yes")[0] == 0
    with desk.database() as database:
        assert SqlTaskStore(database).restore_point("task.8").state == {"rows": 2}
    status, out, _ = desk.say("state", "verify", "task.8", "--json", "-")
    assert (status, json.loads(out)["verified"]) == (0, True)
    assert desk.refused("state", "verify", "task.8").startswith("alice: the token was used for recover state task.8")


def test_a_damaged_checkpoint_is_reported(desk):
    with desk.database() as database:
        database.write(lambda connection: connection.execute(update(CHECKPOINTS).values(progress=9)))
    assert desk.say("state", "restore", "task.8", "--checkpoint", "2", "--dry-run")[:2][0] == 1
    status, _, err = desk.say("state", "restore", "task.8", "--checkpoint", "2", "--yes")
    assert (status, err) == (1, "task.8: checkpoint 2 is damaged and was not chosen\n")


def test_a_plan_is_refused_and_recorded_after_a_state_change(desk):
    desk.say("task", "plan", "task.7", "--out", "plan.json")
    with desk.database() as database:
        SqlTaskStore(database).count_retry("task.7", "task_failure", 4)
    message = desk.refused("task", "execute", "plan.json", "--yes")
    assert message.startswith("task.7: its state has changed since the plan was made: retries was {} and is {")
    assert desk.refusals() == [f"alice not_possible: {message}"]
    with desk.database() as database:
        assert SqlTaskStore(database).status("task.7") == "escalated"


def test_without_a_confirmation_nothing_is_executed(desk):
    desk.say("task", "plan", "task.7", "--out", "plan.json")
    assert desk.refused("task", "execute", "plan.json") == ("a confirmation needs a terminal; valid: --yes")
    with desk.database() as database:
        assert SqlTaskStore(database).status("task.7") == "escalated"


def test_a_forged_token_is_refused_recorded_and_locked_out(desk):
    desk.monkeypatch.setenv(TOKEN, "00000000.forged")
    for _ in range(5):
        assert desk.refused("task", "analyze", "task.7").startswith("alice: unknown operator, or wrong token")
    desk.another_token()
    assert re.match(r"alice: too many attempts; valid: in \d+ s$", desk.refused("task", "analyze", "task.7"))
    assert len(desk.refusals()) == 6


def test_a_non_admin_is_refused(desk):
    desk.say("operator", "add", "bob", "--role", "viewer")
    _, token, _ = desk.say("operator", "token", "bob")
    desk.monkeypatch.setenv(TOKEN, token.strip())
    for arguments in (
        ("task", "analyze", "task.7"),
        ("task", "plan", "task.7", "--out", "plan.json"),
        ("task", "verify", "task.7"),
        ("state", "backup", "task.7"),
        ("state", "restore", "task.7", "--checkpoint", "1"),
        ("state", "verify", "task.7"),
    ):
        assert desk.refused(*arguments, "--operator", "bob") == "bob: has the role viewer; valid: admin"
    assert len(desk.refusals()) == 6
    assert not (desk.folder / "plan.json").exists()


def test_a_removed_operator_is_refused(desk):
    desk.say("operator", "remove", "alice")
    assert desk.refused("task", "analyze", "task.7").startswith("alice: unknown operator, or wrong token")
    assert desk.say("operator", "list")[:2] == (0, "")


def test_operators_are_listed_without_secrets(desk):
    token = desk.another_token()
    status, out, _ = desk.say("operator", "list")
    assert (status, out) == (0, "alice: admin, tokens that have not expired: 2\n")
    assert token not in (desk.folder / "operators.json").read_text()


@pytest.mark.parametrize("line", ["changed", "removed", "moved", "cut off"])
def test_a_modified_audit_trail_is_detected(desk, line):
    tampered = {
        "changed": [update(AUDIT).where(AUDIT.c.number == 3).values(subject="task.9")],
        "removed": [delete(AUDIT).where(AUDIT.c.number == 3)],
        "moved": [
            update(AUDIT).where(AUDIT.c.number == before).values(number=after)
            for before, after in ((3, 0), (4, 3), (0, 4))
        ],
        "cut off": [delete(AUDIT).where(AUDIT.c.number > 3)],
    }
    for _ in range(2):
        assert desk.say("task", "analyze", "task.7")[0] == 0
    with desk.database() as database:
        for statement in tampered[line]:
            database.write(lambda connection, statement=statement: connection.execute(statement))
    status, out, err = desk.say("audit", "--verify")
    assert (status, out) == (1, "")
    assert re.match(r"audit trail: (line 3 is|lines are missing after line 3)", err)
    assert json.loads(desk.say("audit", "--verify", "--json", "-")[1])["wrong"] in err


def test_the_audit_trail_can_be_filtered_by_subject(desk):
    status, out, _ = desk.say("audit", "--subject", "task.7", "--json", "-")
    lines = json.loads(out)["lines"]
    assert (status, {line["subject"] for line in lines}) == (0, {"task.7"})
    assert lines[-1]["event"] == "recovery.escalated"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("task", "analyze", "task.9"), "task.9: there is no task with this name in store.db"),
        (("task", "analyze", "'; drop table tasks; --"), "'; drop table tasks; --: there is no task with this name"),
        (("task", "plan", "task.7", "--out", "nowhere/plan.json"), "--out nowhere/plan.json: there is no folder"),
        (("task", "execute", "plan.json"), "plan.json: no such file; valid: a file from recover task plan"),
        (
            ("task", "analyze", "task.7", "--runbook", "cycle.yaml"),
            "a cycle: task_retry → task_retry; valid: steps that do not lead back",
        ),
        (("task", "analyze", "task.7", "--runbook", "nowhere.yaml"), "--runbook nowhere.yaml: there is no such file"),
        (
            ("task", "analyze", "task.7", "--store", "sqlite:///nowhere.db"),
            "nowhere.db: there is no store; valid: the URL",
        ),
        (("task", "analyze", "task.7", "--store", "nowhere"), "nowhere: is not the URL of a store"),
        (("task", "analyze", "task.7", "--operators", "nobody.json"), "nobody.json: there is no such file"),
        (
            ("state", "restore", "task.8", "--checkpoint", "9"),
            "--checkpoint 9: task.8 has no such checkpoint; valid: 1, 2, 3",
        ),
        (("state", "backup", "task.8", "--folder", "nowhere"), "--folder nowhere: there is no such folder"),
        (("operator", "add", "alice"), "there is already an operator alice"),
        (("operator", "add", "bob", "--role", "king"), "--role king: not a role; valid: admin, viewer"),
        (
            ("operator", "token", "alice", "--for", "soon"),
            "--for soon: not a duration above 0; valid: such as 90s, 30m or 8h",
        ),
        (("operator", "token", "bob"), "there is no operator bob; valid: alice"),
        (
            ("task", "analize", "task.7"),
            "recovery-bench recover task: no such command 'analize'; valid: analyze, plan, execute, verify",
        ),
    ],
)
def test_an_impossible_request_is_one_line_and_changes_nothing(desk, arguments, message):
    text = Path(catalogue.__file__).with_name("runbook.yaml").read_text()
    (desk.folder / "cycle.yaml").write_text(text.replace("cleanup_previous", "resource_reallocation, task_retry", 1))
    before = _content(desk)
    assert message in desk.refused(*arguments)
    assert _content(desk) == before


def _content(desk):
    with desk.database() as database:
        tasks = SqlTaskStore(database)
        return [(tasks.status(name), tasks.epoch(name), tasks.restore_point(name)) for name in ("task.7", "task.8")]


@pytest.mark.parametrize("group", [(), ("task",), ("state",), ("operator",)])
def test_a_group_without_a_command_lists_its_commands(group, capsys):
    assert main(["recover", *group]) == 0
    out, err = capsys.readouterr()
    assert f"Usage: {' '.join(('recovery-bench', 'recover', *group))} [OPTIONS] COMMAND" in out
    assert err == ""


@pytest.mark.parametrize("missing", ["STORE", "OPERATOR", "TOKEN"])
def test_a_missing_value_is_reported_with_the_ways_to_give_it(desk, missing):
    desk.monkeypatch.delenv(f"RECOVERY_BENCH_{missing}")
    message = desk.refused("task", "analyze", "task.7")
    assert f"RECOVERY_BENCH_{missing}" in message
    assert "missing" in message


def test_a_store_of_a_later_version_is_left_unchanged(desk):
    with desk.database() as database:
        newer = update(META).where(META.c.name == "version").values(value="99")
        database.write(lambda connection: connection.execute(newer))
    before = (desk.folder / "store.db").read_bytes()
    assert "has version 99 of the tables" in desk.refused("audit")
    assert (desk.folder / "store.db").read_bytes() == before


def test_a_backup_name_stays_within_its_folder(tmp_path):
    names = [file_name(sealed(task, 3, 1, 1.0)) for task in FOLDER_ESCAPES]
    assert len(set(names)) == len(names)
    for name in names:
        (tmp_path / name).touch()
        assert (tmp_path / name).resolve().parent == tmp_path
        assert len(name) < 255
    assert len(list(tmp_path.iterdir())) == len(names)


def test_a_plan_is_written_through_a_link_and_to_stdout(desk):
    (desk.folder / "link.json").symlink_to(desk.folder / "plan.json")
    assert desk.say("task", "plan", "task.7", "--out", "link.json")[0] == 0
    assert (desk.folder / "link.json").is_symlink()
    assert json.loads((desk.folder / "plan.json").read_text())["task"] == "task.7"
    status, out, _ = desk.say("task", "plan", "task.7", "--out", "-")
    assert (status, json.loads(out)["task"]) == (0, "task.7")


def test_the_chosen_checkpoint_is_part_of_the_plan(desk):
    status, out, _ = desk.say("task", "plan", "task.7", "--checkpoint", "2", "--out", "plan.json")
    assert (status, "from checkpoint 2" in out) == (0, True)
    assert desk.say("task", "execute", "plan.json", "--yes")[0] == 0
    with desk.database() as database:
        assert SqlTaskStore(database).restore_point("task.7").state == {"rows": 2}
    desk.another_token()
    assert "checkpoint 9 does not exist; valid: 1, 2, 3" in desk.refused(
        "task", "plan", "task.7", "--checkpoint", "9", "--out", "p.json"
    )


def test_an_escalated_task_is_backed_up_only_to_a_file(desk):
    status, _, err = desk.say("state", "backup", "task.7")
    assert (status, "no checkpoint can be added, since it is escalated; valid: --folder" in err) == (1, True)
    assert desk.say("state", "backup", "task.7", "--folder", ".")[0] == 0
    assert (desk.folder / "task-task.7.checkpoint-3.json").exists()
    with desk.database() as database:
        database.write(lambda connection: connection.execute(update(CHECKPOINTS).values(progress=9)))
    status, _, err = desk.say("state", "backup", "task.7")
    assert (status, err) == (1, "task.7: has no intact checkpoint, and starts from the beginning\n")


def test_a_mistyped_name_consumes_no_token(desk):
    assert desk.refused("task", "analyze", "task.9") == "task.9: there is no task with this name in store.db"
    assert desk.say("task", "analyze", "task.7")[0] == 0


@pytest.mark.parametrize("name", ["zed\n2026-11-25 22:00:00.000  recovery.verified job.3", "\x1b[31mred"])
def test_control_characters_in_names_are_escaped(desk, name):
    message = desk.refused("task", "analyze", "task.7", "--operator", name)
    _, out, _ = desk.say("audit")
    for text in (message, out):
        assert "\x1b" not in text
        assert not any(line.startswith("2026-11-25 22:00:00.000  recovery.verified") for line in text.splitlines())


def test_invalid_text_is_rejected_in_one_line(desk):
    assert "there is no task with this name" in desk.refused("task", "analyze", "\udcff")
    assert "is not a valid name of an operator" in desk.refused("task", "analyze", "task.7", "--operator", "\udcff")
    desk.monkeypatch.setenv(TOKEN, "ab.\udcff")
    assert desk.refused("task", "analyze", "task.7").startswith("alice: unknown operator, or wrong token")


def test_an_edited_plan_is_refused_before_a_token_is_used(desk):
    desk.say("task", "plan", "task.7", "--out", "plan.json")
    desk.another_token()
    plan, before = json.loads((desk.folder / "plan.json").read_text()), desk.say("audit")[1]
    plan["task"] = "task.8"
    (desk.folder / "plan.json").write_text(json.dumps(plan))
    message = desk.refused("task", "execute", "plan.json", "--yes")
    assert message == "plan.json: was changed after it was written; valid: a file from recover task plan"
    assert desk.say("audit")[1] == before


def test_a_plan_for_a_store_of_the_same_name_is_refused(desk, tmp_path_factory):
    desk.say("task", "plan", "task.7", "--out", "plan.json")
    other = tmp_path_factory.mktemp("other") / "store.db"
    database = Database(f"sqlite:///{other}")
    given_up(database)
    database.close()
    message = desk.refused("task", "execute", "plan.json", "--yes", "--store", f"sqlite:///{other}")
    assert message == "the plan is for another store, which is called store.db as well"


PAGE = Path(recovery.__file__).with_name("README.md").read_text(encoding="utf-8")


def alike(text):
    """The text without varying parts: times, and the number of lines."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", "THEN", text)
    return re.sub(r"\d+ lines", "N lines", text)


def test_the_page_shows_the_exact_output_of_the_commands(tmp_path, monkeypatch, capsys):
    """The shown output of a command is complete."""
    section = PAGE.partition("\n## Manual recovery\n")[2].partition("\n## ")[0]
    block = re.search(r"^```text\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)[1]
    monkeypatch.chdir(tmp_path)
    database = Database("sqlite:///jobs.db")
    given_up(database, "job.3")
    database.close()
    monkeypatch.setattr("sim.cli.recover.access.confirmed", lambda question, *, yes: None)  # confirmed
    shown_by = 0
    for part in block.split("$ ")[1:]:
        command, _, shown = part.partition("\n")
        if command.startswith("export "):
            for name, value in re.findall(r"(\w+)=(\$\([^)]*\)|\S+)", command):
                if value.startswith("$("):
                    assert main(value[2:-1].split()[1:]) == 0
                    value = capsys.readouterr().out.strip()  # noqa: PLW2901 - what it stands for
                monkeypatch.setenv(name, value)
            continue
        capsys.readouterr()
        status = main(command.split()[1:])
        out, err = capsys.readouterr()
        assert (status, err) == (0, "")
        if shown.strip():
            assert alike(out.strip()) == alike(shown.strip())
            shown_by += 1
    assert shown_by == 3
