"""The explanation of an analysis, compared literally."""

from recovery.diagnosis.explanation import explain
from recovery.model import Analysis, Candidate, Failure, FailureKind, Impact, Symptom

FAILURE = Failure(FailureKind.TASK, "task.7", 12.5)
FAILED = Symptom("task_status", "failed", "task.7")
ERROR = Symptom("error_code", "present", "task.7")
DEGRADED = Symptom("system_metrics", "degraded", "gpu")
TASK = Candidate("task_failures.execution_failure", 2 / 3, ("task_status: failed", "error_code: present"))
POOL = Candidate(
    "task_failures.resource_failure", 0.2, ("system_metrics: degraded",), ("task_status: blocked",), ("a",), ("b",)
)


def test_one_unmatched_entry():
    analysis = Analysis(
        FAILURE, TASK.scenario, TASK.confidence, (FAILED, ERROR), Impact(tasks=("task.7",)), candidates=(TASK,)
    )
    assert explain(analysis) == (
        "task.7 was reported at 12.5 s as task_failure. "
        "Observed: task_status failed and error_code present of task.7. "
        "Considered: task_failures.execution_failure at 67% (for it task_status: failed and error_code: present). "
        "It is task_failures.execution_failure. No other entry is as likely, and no diagnosis was needed. "
        "It affects 1 task (task.7)."
    )


def test_one_entry_decided_by_a_diagnosis():
    analysis = Analysis(
        FAILURE,
        TASK.scenario,
        TASK.confidence,
        (FAILED, DEGRADED),
        Impact(
            tasks=("task.7",),
            agents=("agent.0",),
            resources=("gpu",),
            downstream=Impact(tasks=tuple(f"task.{number}" for number in range(10, 15)), queues=("queue",)),
        ),
        diagnosis={"a": True, "b": False},
        candidates=(TASK, POOL),
    )
    assert explain(analysis) == (
        "task.7 was reported at 12.5 s as task_failure. "
        "Observed: task_status failed of task.7; system_metrics degraded of gpu. "
        "Considered: task_failures.execution_failure at 67% (for it task_status: failed and error_code: present); "
        "task_failures.resource_failure at 20% (for it system_metrics: degraded, against it not task_status: blocked, "
        "confirmed by a, refuted by b). "
        "It is task_failures.execution_failure, by a and b. "
        "It affects 1 task (task.7), 1 agent (agent.0), 1 pool (gpu); "
        "downstream 5 tasks (task.10, task.11, task.12 and 2 more), 1 queue (queue)."
    )


def test_two_ambiguous_entries_without_a_diagnosis():
    names = (TASK.scenario, POOL.scenario)
    analysis = Analysis(FAILURE, None, 0.5, (FAILED,), Impact(), candidates=(TASK, POOL), ambiguous=names)
    assert analysis.verdict == "ambiguous: task_failures.execution_failure or task_failures.resource_failure"
    assert explain(analysis).endswith(
        "It is task_failures.execution_failure or task_failures.resource_failure: "
        "no diagnosis that discriminates could be made. The incident is for an operator."
    )


def test_two_ambiguous_entries_despite_diagnoses():
    analysis = Analysis(
        FAILURE, None, 0.5, (FAILED,), Impact(), {"a": True}, candidates=(TASK, POOL), ambiguous=("one", "other")
    )
    assert "It is one or other: a did not discriminate. The incident is for an operator." in explain(analysis)


def test_no_documented_entry():
    assert explain(Analysis(FAILURE, None, 0.0, (), Impact())) == (
        "task.7 was reported at 12.5 s as task_failure. Nothing was observed. No runbook entry matches. "
        "The incident is for an operator."
    )


def test_one_entry_with_equal_evidence_for_and_against():
    doubtful = Candidate("task_failures.execution_failure", 0.0, ("error_code: present",), ("task_status: failed",))
    analysis = Analysis(FAILURE, None, 0.0, (ERROR,), Impact(), candidates=(doubtful,))
    assert explain(analysis).endswith("The evidence for and against it is equal. The incident is for an operator.")
