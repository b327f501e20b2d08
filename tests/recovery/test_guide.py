"""The guide's names are the core's: classes, methods and the stages that it describes."""

from importlib import import_module
from inspect import iscoroutinefunction

import pytest

from recovery.audit import AUDIT_EVENTS, MemoryAudit
from recovery.config import RecoveryConfig
from recovery.model import FailureKind

GUIDE = {
    "engine.RecoveryEngine": "recover_task _analyze_failure _select_recovery_strategy _execute_recovery "
    "_verify_recovery _handle_recovery_failure _prepare_recovery _execute_recovery_step _finalize_recovery "
    "_handle_step_failure",
    "state.StateRecovery": "recover_state _find_latest_checkpoint _validate_checkpoint _restore_state "
    "_verify_state_consistency _handle_state_recovery_failure _update_related_states _handle_restore_failure",
    "state.StateStore": "prepare_restore restore_from_checkpoint",
    "state.StateManager": "",
    "state.CheckpointManager": "",
    "resources.ResourceRecovery": "recover_resources _release_failed_resources _get_resource_requirements "
    "_allocate_new_resources _update_task_allocation _handle_resource_recovery_failure",
    "resources.ResourceManager": "",
    "resources.AllocationManager": "",
    "tasks.TaskManager": "",
    "verification.RecoveryVerification": "verify_recovery _verify_task_state _verify_resources _verify_execution "
    "_handle_verification_failure",
    "monitor.RecoveryMonitor": "monitor_recovery _start_monitoring _is_recovery_active _collect_recovery_metrics "
    "_analyze_metrics _should_alert _send_alert _generate_recovery_report _handle_monitoring_failure",
    "alerts.AlertManager": "",
    "sample.MetricsCollector": "",
    "verification.StateVerifier": "",
    "verification.ResourceVerifier": "",
}


@pytest.mark.parametrize("name", GUIDE)
def test_the_guides_classes_and_stages_exist(name):
    module, class_name = name.split(".")
    found = getattr(import_module(f"recovery.{module}"), class_name)
    assert [stage for stage in GUIDE[name].split() if not iscoroutinefunction(getattr(found, stage, None))] == []


def test_the_audit_trail_knows_its_events_and_no_others():
    times = iter([1.0, 2.0])
    audit = MemoryAudit(lambda: next(times))
    for event in AUDIT_EVENTS[:2]:
        audit.record(event, -1, "agent.1")
    assert [(entry.at, entry.event) for entry in audit.entries] == [(1.0, AUDIT_EVENTS[0]), (2.0, AUDIT_EVENTS[1])]
    with pytest.raises(ValueError, match=r"unknown audit event 'recovery\.hoped'"):
        audit.record("recovery.hoped", -1, "agent.1")


def test_conditions_that_are_given_replace_the_documented_ones():
    config = RecoveryConfig.model_validate({"conditions": {"task_failure": {"max_retries": 1, "retry_delay": "2s"}}})
    assert config.condition(FailureKind.TASK).retry_delay == 2
    assert config.condition(FailureKind.RESOURCE) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"parallel": 0},
        {"unconditional_tries": 0},
        {"conditions": {"bad_luck": None}},
        {"detection": {"heartbeat_interval": 0}},
        {"detection": {"missed_heartbeats": 0}},
        {"detection": {"poll": "0s"}},
        {"detection": {"detector": "clairvoyant"}},
        {"paralel": 3},
    ],
)
def test_a_wrong_configuration_is_refused(wrong):
    with pytest.raises(ValueError, match="validation error"):
        RecoveryConfig.model_validate(wrong)
