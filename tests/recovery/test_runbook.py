"""The documented catalogue says what the guide says, and a wrong one is told where and how it is wrong."""

import inspect
from pathlib import Path

import pytest

from recovery import runbook
from recovery.commands import LEAVES, documented_commands
from recovery.config import RecoveryConfig
from recovery.model import FailureKind, Symptom
from recovery.policy import RetryPolicy
from recovery.runbook import RunbookError, documented, load, loads

TEXT = (Path(runbook.__file__).parent / "runbook.yaml").read_text(encoding="utf-8")


def told(entry_name: str) -> tuple[list, list, list]:
    entry = dict(documented().entries())[entry_name]
    return (
        [symptom for each in entry.symptoms for symptom in each.items()],
        [(each.name, each.command, list(each.args)) for each in entry.diagnosis],
        [(each.name, each.command, list(each.args)) for each in entry.recovery],
    )


def test_there_are_four_documented_failures():
    assert [name for name, _ in documented().entries()] == [
        "task_failures.execution_failure",
        "task_failures.resource_failure",
        "system_failures.agent_failure",
        "system_failures.communication_failure",
    ]


def test_execution_failure_is_documented():
    assert told("task_failures.execution_failure") == (
        [("task_status", "failed"), ("error_code", "present"), ("resource_state", "inconsistent")],
        [
            ("check_logs", "check_logs", ["path", "pattern"]),
            ("verify_resources", "check_resource_state", ["task_id", "resource_ids"]),
        ],
        [
            ("cleanup_resources", "release_resources", ["task_id"]),
            ("restore_state", "restore_checkpoint", ["task_id", "latest_checkpoint"]),
            ("retry_execution", "retry_task", ["task_id", "retry_count"]),
        ],
    )


def test_check_logs_carries_its_values():
    check_logs = dict(documented().entries())["task_failures.execution_failure"].diagnosis[0]
    assert check_logs.values == {"path": "/var/log/tasks/", "pattern": "ERROR.*task_id"}


def test_resource_failure_is_documented():
    assert told("task_failures.resource_failure") == (
        [("resource_status", "unavailable"), ("task_status", "blocked"), ("system_metrics", "degraded")],
        [
            ("check_resources", "verify_resource_health", ["resource_ids"]),
            ("analyze_metrics", "analyze_resource_metrics", ["resource_ids", "timeframe"]),
        ],
        [
            ("reallocate_resources", "allocate_new_resources", ["task_id", "requirements"]),
            ("migrate_task", "migrate_task", ["task_id", "new_resources"]),
        ],
    )


def test_agent_failure_is_documented():
    assert told("system_failures.agent_failure") == (
        [("agent_heartbeat", "missing"), ("task_progress", "stalled"), ("system_state", "inconsistent")],
        [
            ("check_agent_status", "verify_agent_health", ["agent_id"]),
            ("analyze_logs", "analyze_agent_logs", ["agent_id", "timeframe"]),
        ],
        [
            ("restart_agent", "restart_agent", ["agent_id"]),
            ("reassign_tasks", "reassign_agent_tasks", ["agent_id", "new_agent_id"]),
        ],
    )


def test_communication_failure_is_documented():
    assert told("system_failures.communication_failure") == (
        [("message_delivery", "failed"), ("queue_status", "blocked"), ("network_metrics", "degraded")],
        [
            ("check_connectivity", "verify_network_status", ["endpoints"]),
            ("analyze_queues", "check_queue_health", ["queue_ids"]),
        ],
        [
            ("restore_connectivity", "reset_connections", ["endpoints"]),
            ("reprocess_messages", "replay_messages", ["queue_ids", "timeframe"]),
        ],
    )


def test_two_kinds_have_a_documented_condition():
    assert documented().conditions() == {
        FailureKind.TASK: RetryPolicy(max_retries=3, retry_delay=30.0),
        FailureKind.RESOURCE: RetryPolicy(max_retries=2, retry_delay=15.0),
        FailureKind.AGENT: None,
        FailureKind.COMMUNICATION: None,
    }


def test_documented_conditions_are_fixed_delays_without_jitter():
    for condition in documented().automatic_recovery.conditions:
        assert (condition.backoff, condition.jitter, condition.max_delay) == ("fixed", "none", None)


def test_a_core_that_is_told_nothing_has_the_documented_conditions():
    assert RecoveryConfig().conditions == documented().conditions()


def test_automatic_procedures_are_documented():
    assert {name: list(each.steps) for name, each in documented().automatic_recovery.procedures.items()} == {
        "task_retry": ["cleanup_previous", "restore_checkpoint", "reallocate_resources", "restart_execution"],
        "resource_reallocation": [
            "release_old_resources",
            "allocate_new_resources",
            "update_task_state",
            "resume_execution",
        ],
    }


def test_manual_recovery_is_documented():
    manual = documented().manual_recovery
    assert manual.prerequisites == (
        {"system_access": "admin"},
        {"documentation": "recovery_guide"},
        {"tools": "recovery_toolkit"},
    )
    steps = {
        name: [(step.name, step.command, list(step.args)) for step in procedure.steps]
        for name, procedure in manual.procedures.items()
    }
    assert steps == {
        "task_recovery": [
            ("assess_failure", "analyze_task_failure", ["task_id"]),
            ("plan_recovery", "create_recovery_plan", ["task_id", "analysis"]),
            ("execute_recovery", "execute_recovery_plan", ["task_id", "plan"]),
            ("verify_recovery", "verify_task_state", ["task_id"]),
        ],
        "state_recovery": [
            ("backup_current", "backup_state", ["task_id"]),
            ("restore_checkpoint", "restore_checkpoint", ["task_id", "checkpoint_id"]),
            ("verify_state", "verify_state", ["task_id"]),
        ],
    }


def test_every_automatic_command_takes_the_arguments_that_the_runbook_gives_it():
    commands = documented_commands()
    assert tuple(commands) == runbook.command_names()
    for name, command in commands.items():
        _, _, *arguments = inspect.signature(command).parameters
        assert tuple(arguments) == runbook.ARGUMENTS[name][0]


def test_what_a_command_leaves_is_taken_by_another():
    taken = {name for forms in runbook.ARGUMENTS.values() for form in forms for name in form}
    assert [name for names in LEAVES.values() for name in names if name not in taken] == []


def test_confidence_is_the_share_of_symptoms_that_was_observed():
    entry = dict(documented().entries())["task_failures.execution_failure"]
    failed, error = Symptom("task_status", "failed", "task.1"), Symptom("error_code", "present", "task.1")
    other = Symptom("task_status", "blocked", "task.1")
    assert entry.confidence(()) == 0
    assert entry.confidence((failed, other)) == pytest.approx(1 / 3)
    assert entry.confidence((failed, failed, error)) == pytest.approx(2 / 3)
    assert entry.matches((other, error)) == (error,)


def test_the_catalogue_as_plain_data_is_a_valid_catalogue_again():
    assert runbook.Runbook.model_validate(documented().as_dict()) == documented()


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
            "task_failures.execution_failure.recovery.0: unknown key 'twice'; valid: command, args",
        ),
        (
            "latest_checkpoint",
            "checkpoint_id",
            15,
            (
                "task_failures.execution_failure.recovery.1: only an operator gives restore_checkpoint "
                "[task_id, checkpoint_id]; valid: [task_id, latest_checkpoint]"
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
            'not valid YAML: found duplicate key "diagnosis"',
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
            (
                "automatic_recovery.conditions.0.type: Input should be 'task_failure', 'resource_failure', "
                "'agent_failure' or 'communication_failure'"
            ),
        ),
        (
            "type: task_failure",
            "type: resource_failure",
            56,
            "automatic_recovery.conditions: 2 conditions for resource_failure; valid: one for each kind of failure",
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
                "max_delay, jitter, spread, deadline, try_timeout, budget, breaker, type"
            ),
        ),
        ("task_failures:", "task_failures: [", 6, "not valid YAML: expected ',' or ']'"),
        ("task_failures:", "task_failures: \x01", 1, "not valid YAML: unacceptable character"),
    ],
)
def test_a_wrong_runbook_is_told_in_one_line_with_its_place_and_what_would_be_valid(right, wrong, line, problem):
    assert right in TEXT
    with pytest.raises(RunbookError) as told:
        loads(TEXT.replace(right, wrong, 1), "mine.yaml")
    message = str(told.value)
    assert message.startswith(f"mine.yaml:{line}: ")
    assert problem in message
    assert "\n" not in message


def test_a_key_that_is_there_twice_is_named_and_not_all_that_is_below_it():
    with pytest.raises(RunbookError, match=r'^<text>:2: not valid YAML: found duplicate key "task_failures"$'):
        loads("task_failures: {a: 1}\ntask_failures: {b: 2}")


def test_a_command_of_operators_cannot_be_automated():
    text = TEXT.replace("command: retry_task, args: [task_id, retry_count]", "command: backup_state, args: [task_id]")
    with pytest.raises(
        RunbookError, match=r"^<text>:16: .*recovery\.2: only an operator gives 'backup_state'; valid: "
    ):
        loads(text)


@pytest.mark.parametrize("text", ["", "- a list", "a text", "3"])
def test_what_is_no_catalogue_at_all_is_told_so(text):
    with pytest.raises(RunbookError, match=r"^<text>:1: the runbook: should be a mapping, `key: value`$"):
        loads(text)


def test_a_section_that_is_missing_is_named():
    with pytest.raises(RunbookError, match=r"^<text>:1: system_failures: missing; the keys are task_failures, "):
        loads("task_failures: {}")


def test_a_file_that_cannot_be_read_is_told_so(tmp_path):
    with pytest.raises(RunbookError, match=r"none\.yaml: cannot be read: "):
        load(tmp_path / "none.yaml")


def test_a_runbook_of_ones_own_is_read_from_its_file(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(TEXT.replace("max_retries: 3", "max_retries: 7"), encoding="utf-8")
    assert load(mine).conditions()[FailureKind.TASK].max_retries == 7
