"""The documented catalogue matches the guide, and an invalid catalogue is reported with its position."""

import inspect
import json
from pathlib import Path

import pytest

from recovery.actions.commands import documented_commands
from recovery.config import RecoveryConfig
from recovery.model import FailureKind
from recovery.runbook import catalogue
from recovery.runbook.catalogue import RunbookError, documented, load, loads
from recovery.runbook.instructions import PROVIDES

TEXT = (Path(catalogue.__file__).parent / "runbook.yaml").read_text(encoding="utf-8")


def test_the_default_config_has_the_documented_conditions():
    assert RecoveryConfig().conditions == documented().conditions()


def test_every_automatic_command_accepts_the_arguments_of_the_runbook():
    commands = documented_commands()
    assert tuple(commands) == catalogue.command_names()
    for name, command in commands.items():
        _, *arguments = inspect.signature(command).parameters
        assert tuple(arguments) == catalogue.ARGUMENTS[name][0]


def test_a_command_result_is_an_argument_of_another_command():
    taken = {name for forms in catalogue.ARGUMENTS.values() for form in forms for name in form}
    assert [name for names in PROVIDES.values() for name in names if name not in taken] == []


def test_an_entry_lists_its_symptoms_as_pairs():
    entry = dict(documented().entries())["task_failures.execution_failure"]
    assert entry.pairs() == (("task_status", "failed"), ("error_code", "present"), ("resource_state", "inconsistent"))


def test_the_catalogue_round_trips_as_plain_data():
    assert catalogue.Runbook.model_validate(documented().as_dict()) == documented()
    assert loads(json.dumps(documented().as_dict(), indent=2)) == documented()


@pytest.mark.parametrize(
    ("right", "wrong", "line", "problem"),
    [
        (
            "command: release_resources",
            "command: release_resource",
            14,
            (
                "task_failures.execution_failure.recovery.0: unknown command 'release_resource'; "
                "did you mean 'release_resources'?"
            ),
        ),
        (
            "args: [task_id, resource_ids]",
            "args: [task_id]",
            12,
            (
                "task_failures.execution_failure.diagnosis.1: check_resource_state does not take [task_id]; "
                "valid: [task_id, resource_ids]"
            ),
        ),
        (
            "release_resources, args: [task_id]",
            "release_resources, args: [task_id], twice: 1",
            14,
            "task_failures.execution_failure.recovery.0: unknown key 'twice'; valid: command, args, on_failure, undo",
        ),
        (
            "latest_checkpoint",
            "checkpoint_id",
            15,
            (
                "task_failures.execution_failure.recovery.1: restore_checkpoint "
                "[task_id, checkpoint_id] is for manual procedures only; valid: [task_id, latest_checkpoint]"
            ),
        ),
        (
            "diagnosis:",
            "diagnoses:",
            10,
            "task_failures.execution_failure.diagnoses: unknown key; did you mean 'diagnosis'?",
        ),
        (
            "task_failures:",
            "extra: 1\ntask_failures:",
            4,
            "extra: unknown key; valid: task_failures, system_failures, automatic_recovery, manual_recovery",
        ),
        (
            "    diagnosis:\n",
            "    diagnosis: []\n    diagnosis:\n",
            11,
            "task_failures.execution_failure.diagnosis: duplicate key; first defined on line 10; valid: one of",
        ),
        ("    symptoms:\n", "    symptoms: failed\n    was:\n", 7, "task_failures.execution_failure.was: unknown key"),
        ("- task_status: failed", "- task_status: 3", 7, "symptoms.0.task_status: should be a text"),
        ("- task_status: failed", "- task_status", 7, "symptoms.0: should be a mapping, `key: value`"),
        ("- task_status: failed", "- {task_status: failed, x: y}", 7, "symptoms.0: should be one `key: value`"),
        ("- task_status: failed", "- {}", 7, "symptoms.0: should not be empty"),
        ("steps: [cleanup_previous", "steps: [[cleanup_previous]", 61, "steps.0: should be a text"),
        (
            "type: task_failure",
            "type: task_falure",
            57,
            "automatic_recovery.conditions.0.type: unknown type 'task_falure'; did you mean 'task_failure'?",
        ),
        (
            "type: task_failure",
            "type: resource_failure",
            58,
            "conditions.1: a second condition for resource_failure; valid: one for each kind of failure",
        ),
        (
            "retry_delay: 30s",
            "retry_delay: 30x",
            57,
            (
                "automatic_recovery.conditions.0.retry_delay: '30x' is not a duration; "
                "valid: 250ms, 30s, 5m, 2h, 1d or a number of seconds"
            ),
        ),
        (
            "max_retries: 3",
            "max_retries: -3",
            57,
            "conditions.0.max_retries: Input should be greater than or equal to 0",
        ),
        (
            "max_retries: 3, ",
            "",
            57,
            (
                "conditions.0.max_retries: missing; the keys are max_retries, retry_delay, backoff, multiplier, "
                "max_delay, jitter, spread, jitter_width, deadline, try_timeout, honor_retry_after, "
                "budget, breaker, type"
            ),
        ),
        (
            "type: task_failure",
            "type: 7",
            57,
            "conditions.0.type: unknown type 7; valid: task_failure, resource_failure, agent_failure, communication",
        ),
        (
            "cleanup_previous, restore",
            "cleanup_previos, restore",
            61,
            "procedures.task_retry.steps.0: unknown step 'cleanup_previos'; did you mean 'cleanup_previous'?",
        ),
        (
            "restart_execution]",
            "resource_reallocation]\n    extra: {steps: [task_retry]}\n    more:\n      steps: [extra, more]",
            64,
            "procedures.more.steps.1: a cycle: more → more; valid: steps that do not lead back",
        ),
        (
            "update_task_state, resume_execution]",
            (
                "task_retry]\n    task_retry_again: {steps: [task_retry]}\n    a: {steps: [b]}\n    b:\n      steps:\n"
                "        - cleanup_previous\n        - a"
            ),
            69,
            "procedures.b.steps.1: a cycle: a → b → a; valid: steps that do not lead back",
        ),
        (
            "allocate_new_resources, update_task_state, resume_execution]",
            "resume_execution, allocate_new_resources]",
            63,
            (
                "procedures.resource_reallocation.steps.1: resume_execution needs new_resources, which only the later "
                "allocate_new_resources provides; valid: allocate_new_resources before resume_execution"
            ),
        ),
        (
            "    resource_reallocation:",
            "    resume_execution:",
            62,
            "procedures.resume_execution: 'resume_execution' is the name of a step; valid: another name",
        ),
        (
            (
                "      - reallocate_resources: {command: allocate_new_resources, args: [task_id, requirements]}\n"
                "      - migrate_task: {command: migrate_task, args: [task_id, new_resources]}\n"
            ),
            (
                "      - migrate_task: {command: migrate_task, args: [task_id, new_resources]}\n"
                "      - reallocate_resources: {command: allocate_new_resources, args: [task_id, requirements]}\n"
            ),
            27,
            (
                "resource_failure.recovery.0: migrate_task needs new_resources, which only the later "
                "allocate_new_resources provides; valid: allocate_new_resources before migrate_task"
            ),
        ),
        (
            "      - reallocate_resources: {command: allocate_new_resources, args: [task_id, requirements]}\n",
            "",
            27,
            "resource_failure.recovery.0: migrate_task needs new_resources, which no step provides; valid: ",
        ),
        (
            "        - assess_failure: {command: analyze_task_failure, args: [task_id]}\n",
            "",
            73,
            "manual_recovery.procedures.task_recovery.steps.0: create_recovery_plan needs analysis, which no step",
        ),
        ("task_failures:", "task_failures: [", 6, "not valid YAML: expected ',' or ']'"),
        ("task_failures:", "task_failures: \x01", 1, "not valid YAML: unacceptable character"),
    ],
)
def test_an_invalid_runbook_is_rejected_in_one_line_with_its_position(right, wrong, line, problem):
    assert right in TEXT
    with pytest.raises(RunbookError) as told:
        loads(TEXT.replace(right, wrong, 1), "mine.yaml")
    message = str(told.value)
    assert message.startswith(f"mine.yaml:{line}: ")
    assert problem in message
    assert "\n" not in message


def test_a_duplicate_key_is_reported_without_its_content():
    with pytest.raises(RunbookError, match=r"^<text>:2: task_failures: duplicate key; first defined on line 1; "):
        loads("task_failures: {a: 1}\ntask_failures: {b: 2}")


def test_a_manual_command_cannot_be_automated():
    text = TEXT.replace("command: retry_task, args: [task_id, retry_count]", "command: backup_state, args: [task_id]")
    with pytest.raises(
        RunbookError, match=r"^<text>:16: .*recovery\.2: 'backup_state' is for manual procedures only; valid: "
    ):
        loads(text)


@pytest.mark.parametrize("text", ["", "- a list", "a text", "3"])
def test_other_yaml_is_rejected_as_no_catalogue(text):
    with pytest.raises(RunbookError, match=r"^<text>:1: the runbook: should be a mapping, `key: value`$"):
        loads(text)


def test_a_missing_section_is_reported():
    with pytest.raises(RunbookError, match=r"^<text>:1: system_failures: missing; the keys are task_failures, "):
        loads("task_failures: {}")


def many_steps(doublings: int) -> str:
    doubled = "".join(f"    p{n}: {{steps: [p{n + 1}, p{n + 1}]}}\n" for n in range(doublings))
    return TEXT.replace(
        "  procedures:\n", f"  procedures:\n{doubled}    p{doublings}: {{steps: [cleanup_previous]}}\n", 1
    )


def test_procedure_expansion_is_bounded():
    assert len(loads(many_steps(9)).automatic_recovery.procedures) == 12
    with pytest.raises(RunbookError, match=r"procedures\.p0\.steps: more than 1000 steps; valid: fewer$"):
        loads(many_steps(40))


def test_a_catalogue_that_expands_without_bound_is_rejected():
    text = "a: &a0 [x, x]\n" + "".join(f"b{n}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(40))
    with pytest.raises(RunbookError, match=r"^<text>:\d+: \S+: too large or too deeply nested for a runbook; valid: "):
        loads(text)


def test_a_step_with_its_own_value_waits_for_no_other():
    text = TEXT.replace(
        "migrate_task: {command: migrate_task, args: [task_id, new_resources]}",
        "migrate_task: {task_id: task.7, new_resources: spare}",
    ).replace("      - reallocate_resources: {command: allocate_new_resources, args: [task_id, requirements]}\n", "")
    assert [step.command for step in loads(text).task_failures["resource_failure"].recovery] == ["migrate_task"]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("none.yaml", None, ": no such file; valid: a runbook in YAML, or a Markdown guide"),
        (".", None, ": is a folder; valid: a runbook in YAML, or a Markdown guide"),
        ("latin.yaml", "a: 1\nb: é".encode("latin-1"), ":2: is not UTF-8 text (byte 8); valid: a runbook in YAML"),
        ("nul\0.yaml", None, "nul\\x00.yaml: cannot be read: embedded null byte; valid: "),
    ],
)
def test_an_unreadable_file_is_reported(tmp_path, name, content, problem):
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RunbookError) as told:
        load(file)
    assert problem in str(told.value)


def test_a_custom_runbook_is_read_from_its_file(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(TEXT.replace("max_retries: 3", "max_retries: 7"), encoding="utf-8")
    assert load(mine).conditions()[FailureKind.TASK].max_retries == 7
