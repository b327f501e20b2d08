"""The guide: its classes and methods, its catalogue, the stages of its diagrams, and its recommendations."""

import re
from importlib import import_module
from inspect import iscoroutinefunction
from pathlib import Path

import pytest

from recovery.actions.commands import documented_commands
from recovery.actions.procedures import STEPS
from recovery.audit import AUDIT_EVENTS, MemoryAudit
from recovery.diagnosis import analyst
from recovery.engine.engine import RecoveryEngine
from recovery.manual.operator_commands import manual_commands
from recovery.model import FailureKind
from recovery.policies.retry import RetryPolicy
from recovery.runbook.catalogue import documented
from tests.recovery.small_system import SmallSystem
from tests.recovery.supervised import at_once, report, supervise

HERE = Path(__file__).parent
GUIDE = {
    "engine.engine.RecoveryEngine": "recover_task _analyze_failure _select_recovery_strategy _execute_recovery "
    "_verify_recovery _handle_recovery_failure _prepare_recovery _execute_recovery_step _finalize_recovery "
    "_handle_step_failure",
    "actions.state.StateRecovery": "recover_state _find_latest_checkpoint _validate_checkpoint _restore_state "
    "_verify_state_consistency _handle_state_recovery_failure _update_related_states _handle_restore_failure",
    "actions.state.StateStore": "prepare_restore restore_from_checkpoint",
    "actions.state.StateManager": "",
    "actions.state.CheckpointManager": "",
    "actions.resources.ResourceRecovery": "recover_resources _release_failed_resources _get_resource_requirements "
    "_allocate_new_resources _update_task_allocation _handle_resource_recovery_failure",
    "actions.resources.ResourceManager": "",
    "actions.resources.AllocationManager": "",
    "actions.tasks.TaskManager": "",
    "diagnosis.verification.RecoveryVerification": "verify_recovery _verify_task_state _verify_resources "
    "_verify_execution "
    "_handle_verification_failure",
    "monitoring.monitor.RecoveryMonitor": "monitor_recovery _start_monitoring _is_recovery_active "
    "_collect_recovery_metrics "
    "_analyze_metrics _should_alert _send_alert _generate_recovery_report _handle_monitoring_failure",
    "monitoring.alerts.AlertManager": "",
    "monitoring.snapshot.MetricsCollector": "",
    "diagnosis.verification.StateVerifier": "",
    "diagnosis.verification.ResourceVerifier": "",
}


@pytest.mark.parametrize("name", GUIDE)
def test_the_guides_classes_and_stages_exist(name):
    module, _, class_name = name.rpartition(".")
    found = getattr(import_module(f"recovery.{module}"), class_name)
    assert [stage for stage in GUIDE[name].split() if not iscoroutinefunction(getattr(found, stage, None))] == []


def test_the_audit_trail_has_exactly_the_documented_events():
    times = iter([1.0, 2.0])
    audit = MemoryAudit(lambda: next(times))
    for event in AUDIT_EVENTS[:2]:
        audit.record(event, -1, "agent.1")
    assert [(entry.at, entry.event) for entry in audit.entries] == [(1.0, AUDIT_EVENTS[0]), (2.0, AUDIT_EVENTS[1])]
    with pytest.raises(ValueError, match=r"unknown audit event 'recovery\.hoped'"):
        audit.record("recovery.hoped", -1, "agent.1")


def entry_parts(entry_name: str) -> tuple[list, list, list]:
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
    assert entry_parts("task_failures.execution_failure") == (
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
    assert entry_parts("task_failures.resource_failure") == (
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
    assert entry_parts("system_failures.agent_failure") == (
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
    assert entry_parts("system_failures.communication_failure") == (
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


def test_advice_is_documented():
    data = documented().as_dict()
    assert data["recovery_best_practices"] == {
        "design": ["implement_idempotency", "maintain_audit_trail", "ensure_consistency", "minimize_recovery_time"],
        "implementation": ["use_checkpoints", "validate_states", "handle_partial_failures", "monitor_progress"],
        "verification": ["verify_completeness", "check_consistency", "validate_resources", "test_functionality"],
    }
    assert data["performance_considerations"] == {
        "recovery_time": ["minimize_downtime", "optimize_restoration", "parallel_recovery", "efficient_checkpointing"],
        "resource_usage": ["manage_recovery_resources", "optimize_state_transfer", "balance_load", "control_impact"],
    }


STAGES = {
    "failure detection": ("Supervisor.report", "recovery.opened"),
    "failure analysis": ("RecoveryEngine._analyze_failure", "recovery.analyzed"),
    "failure impact": ("analysis.impact_of", None),
    "failure response": ("RecoveryEngine._execute_recovery", "step.started"),
    "recovery planning": ("RecoveryEngine._analyze_failure", "recovery.analyzed"),
    "recovery strategy": ("RecoveryEngine._select_recovery_strategy", None),
    "recovery execution": ("RecoveryEngine._execute_recovery", "recovery.executed"),
    "recovery validation": ("RecoveryEngine._verify_recovery", "recovery.verified"),
    "state assessment": ("StateRecovery._find_latest_checkpoint", None),
    "state recovery": ("StateRecovery._restore_state", None),
    "state verification": ("StateRecovery._verify_state_consistency", None),
    "state consistency": ("StateRecovery.recover_state", "checkpoint.restored"),
}
"""What performs each stage of the three diagrams, and the event that says so, where there is one."""
DIAGRAMS = {
    "detection": ("failure detection", "failure analysis", "failure impact", "failure response"),
    "process": ("recovery planning", "recovery strategy", "recovery execution", "recovery validation"),
    "state": ("state assessment", "state recovery", "state verification", "state consistency"),
}
HOMES = {
    "Supervisor": "supervision.supervisor",
    "RecoveryEngine": "engine.engine",
    "StateRecovery": "actions.state",
}


@pytest.fixture
def happened(monkeypatch):
    """What one recovery of a failed task with a checkpoint went through: calls as they end, and the audit trail."""
    seen: list[str] = []
    for place in dict.fromkeys(place for place, _ in STAGES.values()):
        home, method = place.split(".")
        owner = getattr(import_module(f"recovery.{HOMES[home]}"), home) if home in HOMES else analyst
        monkeypatch.setattr(owner, method, noted(seen, place, getattr(owner, method)))
    monkeypatch.setattr(MemoryAudit, "record", noted(seen, None, MemoryAudit.record))
    system = SmallSystem()
    system.submit("task.7", gpu=2)
    system.store.save_checkpoint("task.7", system.start("task.7"), 2.0)
    system.fail("task.7")
    supervise(system, report(("task.7", FailureKind.TASK)), conditions=at_once())
    return seen


def noted(seen, place, function):
    if iscoroutinefunction(function):

        async def call(*args, **kwargs):
            seen.append(place)
            return await function(*args, **kwargs)
    else:

        def call(*args, **kwargs):
            seen.append(args[1] if place is None else place)
            return function(*args, **kwargs)

    return call


@pytest.mark.parametrize("diagram", DIAGRAMS)
def test_the_stages_of_a_diagram_are_in_order(happened, diagram):
    proofs = [STAGES[stage][1] or STAGES[stage][0] for stage in DIAGRAMS[diagram]]
    if diagram == "detection":  # the impact belongs to the analysis, which is said when it is complete
        proofs = [STAGES[stage][0] for stage in DIAGRAMS[diagram]]
    places = [happened.index(proof) for proof in proofs]
    assert places == sorted(set(places))


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_runs_and_emits_its_event(happened, stage):
    place, event = STAGES[stage]
    assert place in happened
    assert event is None or (event in AUDIT_EVENTS and happened.index(place) < happened.index(event))


def test_every_command_of_the_catalogue_is_implemented():
    automatic, manual = documented_commands(), manual_commands(RecoveryEngine({}, SmallSystem().ports))
    for _, entry in documented().entries():
        assert [step.command for step in (*entry.diagnosis, *entry.recovery) if step.command not in automatic] == []
    for procedure in documented().manual_recovery.procedures.values():
        assert [step.command for step in procedure.steps if step.command not in manual] == []
    for automatic_procedure in documented().automatic_recovery.procedures.values():
        assert [step for step in automatic_procedure.steps if step not in STEPS] == []


COMMANDS = (*documented_commands(), *manual_commands(RecoveryEngine({}, SmallSystem().ports)))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_test(command):
    texts = [
        (HERE / name).read_text(encoding="utf-8")
        for name in ("actions/test_commands.py", "manual/test_operator_commands.py")
    ]
    assert re.search(rf"give(_twice)?\([^)]*\"{command}\"", "\n".join(texts))


SHOWN = {
    "implement_idempotency": "recovery/actions/test_state.py::test_restore_is_idempotent",
    "maintain_audit_trail": "recovery/engine/test_engine.py::test_the_confidence_is_in_the_audit_trail",
    "ensure_consistency": "recovery/stores/test_task_stores.py::"
    "test_random_calls_give_one_effect_and_none_from_a_fenced_epoch",
    "minimize_recovery_time": "sim/world/test_idle.py::test_in_a_perfect_world_recovery_takes_no_time",
    "use_checkpoints": "recovery/actions/test_state.py::test_the_latest_checkpoint_is_restored",
    "validate_states": "recovery/stores/test_task_stores.py::test_an_illegal_transition_raises",
    "handle_partial_failures": "recovery/actions/test_partial_failures.py::"
    "test_completed_steps_are_compensated_before_the_try_ends",
    "monitor_progress": "recovery/detection/test_agent_detectors.py::"
    "test_an_agent_is_suspected_three_intervals_after_its_last_heartbeat",
    "verify_completeness": "recovery/engine/test_engine.py::"
    "test_verification_checks_the_state_and_not_the_command_results",
    "check_consistency": "recovery/actions/test_state.py::test_a_lost_restore_point_is_detected",
    "validate_resources": "recovery/diagnosis/test_verification.py::"
    "test_a_task_holding_more_than_it_needs_is_not_verified",
    "test_functionality": "recovery/diagnosis/test_verification.py::"
    "test_a_running_task_without_an_agent_is_not_verified",
    "minimize_downtime": "recovery/supervision/test_supervisor_agents.py::"
    "test_an_agent_that_cannot_be_restarted_is_escalated_and_its_tasks_reassigned",
    "optimize_restoration": "sim/world/agents/test_execution.py::"
    "test_a_restored_attempt_pays_the_restore_and_the_remaining_work",
    "parallel_recovery": "recovery/concurrency/test_bounded_gather.py::"
    "test_the_tasks_of_an_agent_are_restored_concurrently",
    "efficient_checkpointing": "sim/world/agents/test_execution.py::"
    "test_checkpoints_cost_time_and_are_at_multiples_of_the_interval",
    "manage_recovery_resources": "sim/core/test_recovery_load_limits.py::"
    "test_after_compensation_no_units_are_held_until_the_next_try",
    "optimize_state_transfer": "recovery/actions/test_commands.py::"
    "test_migrate_task_resumes_the_task_from_its_checkpoint",
    "balance_load": "recovery/concurrency/test_fair_semaphore.py::test_kinds_are_served_round_robin",
    "control_impact": "sim/core/test_recovery_load_limits.py::test_a_limit_bounds_every_window_and_loses_no_task",
}
"""The test that shows each best practice and each performance consideration."""


def test_every_recommendation_has_a_test():
    advice = (documented().recovery_best_practices, documented().performance_considerations)
    assert list(SHOWN) == [each for groups in advice for group in groups.values() for each in group]


@pytest.mark.parametrize("advice", SHOWN)
def test_the_test_of_a_recommendation_exists(advice):
    file, name = SHOWN[advice].split("::")
    assert re.search(rf"^(async )?def {name}\(", (HERE.parent / file).read_text(encoding="utf-8"), re.MULTILINE)
