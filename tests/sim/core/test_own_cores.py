"""Cores, policies and commands of a user: judged by their own conditions; their exceptions are errors of the run."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import tenacity

import sim
from recovery import CommandFailed, RecoveryConfig, RecoveryEngine, RetryPolicy, Supervisor, System
from recovery.actions.commands import Command, documented_commands
from recovery.model import Failure
from recovery.runbook.catalogue import Runbook, documented
from scenarios import Scenario
from sim.core.build import BuildCore, InvalidPolicies, build_core, core_config, jitter
from sim.core.run_errors import RunError
from sim.randomness.streams import Streams
from sim.simulation import Run
from tests.sim.world.stories import recorded, scenario, values

FAILING = {
    "tasks.failure_probability": 1.0,
    "recovery.conditions.task_failure": {"max_retries": 1, "retry_delay": "5s"},
    "expect": ["tasks.lost == 0"],
}
"""One task fails at 13 s, and at 21 s again."""


class Broken(RetryPolicy):
    """A policy whose code has a defect."""

    def unlimited_delay(self, retry: int, u: float = 0.0, previous: float | None = None) -> float:
        return 1 / (retry - 1)


def with_policy(policy: RetryPolicy, of: Scenario, system: System, streams: Streams) -> Supervisor:
    config = core_config(of)
    config = config.model_copy(update={"conditions": {**config.conditions, "task_failure": policy}})
    config = RecoveryConfig.model_validate(config.model_dump() | {"conditions": config.conditions})
    return Supervisor(config, system, jitter=jitter(streams))


def with_command(name: str, command: Command, of: Scenario, system: System, streams: Streams) -> Supervisor:
    config = core_config(of)
    return Supervisor(config, system, RecoveryEngine(config, system, commands={**documented_commands(), name: command}))


def run(core: BuildCore, values: dict[str, Any] | None = None, **options: Any) -> Run:
    return sim.run(scenario({**FAILING, **(values or {})}, **options), seed=1, core=core)


def raising(error: BaseException) -> Command:
    async def command(*_: Any, **__: Any) -> bool:
        raise type(error)(*error.args)

    return command


# --------------------------------------------------------------------------------- its own conditions
@pytest.mark.parametrize("allowed", [0, 1, 4, None])
def test_retries_are_judged_by_the_conditions_of_the_core_that_ran(allowed: int | None) -> None:
    """The scenario allows one retry."""
    own = run(partial(with_policy, RetryPolicy(max_retries=allowed, retry_delay=1)))
    granted = len(recorded(own, "retry.granted"))
    assert granted == allowed if allowed is not None else granted > 10
    assert own.metrics["consistency.retry_bound"] == 0
    assert own.metrics["consistency.violations"] == 0


def test_a_core_that_exceeds_its_own_condition_violates_it() -> None:
    class Forgetful(type(sim.simulation.NumberedTaskStore())):  # type: ignore[misc]
        def count_retry(self, task_id: str, kind: str, retry: int) -> None:
            """Counts nothing."""

    own = partial(with_policy, RetryPolicy(max_retries=4, retry_delay=1))
    found = sim.run(scenario(FAILING), seed=1, core=own, store=Forgetful)
    first = min(found.violations, key=lambda violation: violation.time)
    assert (first.invariant, first.message) == ("retry_bound", "retry 5 for task_failure, 4 allowed")


def test_deadlines_and_detection_are_those_of_the_core_that_ran() -> None:
    def patient(of: Scenario, system: System, streams: Streams) -> Supervisor:
        policy = {"max_retries": 9, "retry_delay": 3, "deadline": 7}
        detection = {"missed_heartbeats": 7, "heartbeat_interval": 5}
        return Supervisor({"conditions": {"task_failure": policy}, "detection": detection}, system)

    own = run(patient)
    assert own.metrics["retries.over_deadline"] == 1
    assert (own.record.meta["missed_heartbeats"], own.record.meta["patience"]) == (7, 35)
    assert run(build_core).metrics["retries.over_deadline"] is None


def test_the_builder_of_a_core_has_to_return_a_supervisor() -> None:
    with pytest.raises(
        TypeError, match=r"^core= returned an object of the type NoneType; valid: a recovery.Supervisor"
    ):
        run(lambda *_: None)  # type: ignore[arg-type, return-value]


# --------------------------------------------------------------------------------- errors of a run
def test_an_exception_in_a_policy_is_an_error_of_the_run() -> None:
    found = run(partial(with_policy, Broken(max_retries=3, retry_delay=1)))
    (error,) = found.errors
    assert (error.seed, error.time, error.where, error.count) == ("1/0", 13.0, "policy of task_failure", 1)
    assert error.text == "ZeroDivisionError: division by zero"
    assert error.traceback.startswith("Traceback (most recent call last)")
    assert "return 1 / (retry - 1)" in error.traceback
    assert str(error) == "error at 13 s in policy of task_failure: ZeroDivisionError: division by zero"
    assert [detail for *_, detail in recorded(found, "run.error")] == ["policy of task_failure: ZeroDivisionError"]
    assert (found.metrics["recovery.count"], found.metrics["recovery.escalated"]) == (1, 0)


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), "30s", None])
def test_an_invalid_delay_of_a_policy_is_an_error_of_the_run(value: Any) -> None:
    class Returning(RetryPolicy):
        def unlimited_delay(self, retry: int, u: float = 0.0, previous: float | None = None) -> float:
            return value  # type: ignore[no-any-return]

    (error,) = run(partial(with_policy, Returning(max_retries=3, retry_delay=1))).errors
    said = f"InvalidDelay: policy Returning of task_failure, task.0: the delay before retry 1 is {value!r}; valid: "
    assert error.text.startswith(said)


@pytest.mark.parametrize("command", ["release_resources", "retry_task"])
def test_an_exception_in_a_command_is_an_error_of_the_run(command: str) -> None:
    """The first and the last step of a recovery."""
    found = run(partial(with_command, command, raising(KeyError("no such task"))))
    (error,) = found.errors
    assert (error.where, error.text) == (f"command {command}", "KeyError: 'no such task'")
    assert found.metrics["recovery.escalated"] == 0


def test_an_exception_in_a_diagnosis_is_an_error_of_the_run() -> None:
    """Another entry fits a failed task as well, so that a diagnosis has to be made."""
    data = documented().as_dict()
    symptoms = [{"task_status": "failed"}, {"error_code": "present"}]
    data["task_failures"]["disk_failure"] = {"symptoms": symptoms, "diagnosis": [], "recovery": []}
    book = Runbook.model_validate(data)

    def build(of: Scenario, system: System, streams: Streams) -> Supervisor:
        config, commands = core_config(of), {**documented_commands(), "check_logs": raising(KeyError("no such task"))}
        return Supervisor(config, system, RecoveryEngine(config, system, commands=commands, runbook=book))

    (error,) = run(
        build, {"tasks.needs": {"gpu": 1}, "resources": {"gpu": {"units": 1}}, "tasks.retry_holds_resources": True}
    ).errors
    assert (error.where, error.text) == ("command check_logs", "KeyError: 'no such task'")


async def returns_nothing(*_: Any, **__: Any) -> None:
    """A command without a return."""


def is_no_coroutine(*_: Any, **__: Any) -> bool:
    return True


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (
            returns_nothing,
            "TypeError: the command retry_task returned None; valid: True, or False when it did not work",
        ),
        (is_no_coroutine, "TypeError: object bool can't be used in 'await' expression"),
    ],
)
def test_a_command_that_returns_no_answer_is_an_error_of_the_run(command: Any, text: str) -> None:
    found = run(partial(with_command, "retry_task", command))
    assert [(error.where, error.text) for error in found.errors] == [("command retry_task", text)]


@pytest.mark.parametrize("error", [CommandFailed("the disk is full"), ConnectionError("no route"), TimeoutError()])
def test_a_command_that_reports_its_failure_is_no_error_of_the_run(error: Exception) -> None:
    found = run(partial(with_command, "retry_task", raising(error)))
    assert found.errors == ()
    assert found.metrics["recovery.escalated"] == 1
    assert recorded(found, "step.failed")


@pytest.mark.parametrize("method", ["report", "heartbeat", "watch"])
@pytest.mark.parametrize("faults", ["[]", "[{core_crash: {at: 50s, for: 5s}}]"])
def test_a_core_that_raises_when_the_world_calls_it_is_an_error_of_the_run(method: str, faults: str) -> None:
    def fails(self: Supervisor, *_: Any) -> None:
        raise RuntimeError(method)

    def build(of: Scenario, system: System, streams: Streams) -> Supervisor:
        own = type("Own", (Supervisor,), {method: fails})
        core: Supervisor = own(core_config(of), system)
        return core

    found = run(build, {"faults": faults})
    error = found.errors[0]
    assert (error.where, error.text) == (f"core method {method}", f"RuntimeError: {method}")
    assert found.metrics["tasks.submitted"] == 1


def test_exceptions_of_callbacks_and_background_tasks_of_a_core_are_errors_of_the_run() -> None:
    async def background() -> None:
        raise LookupError("in a task")

    def build(of: Scenario, system: System, streams: Streams) -> Supervisor:
        class Own(Supervisor):
            async def start(self) -> None:
                await super().start()
                loop = asyncio.get_running_loop()
                loop.call_later(3, [].pop)
                loop.call_later(4, lambda: loop.create_task(background()))

        return Own(core_config(of), system)

    found = run(build)
    assert [(error.where, error.text) for error in found.errors] == [
        ("callback", "IndexError: pop from empty list"),
        ("task", "LookupError: in a task"),
    ]
    assert found.errors[0].time == 3.0


def test_an_exception_of_the_supervisor_outside_of_a_try_is_not_lost() -> None:
    class Own(Supervisor):
        async def _recover(self, incident: Any) -> None:
            raise AssertionError("not expected")

    found = run(lambda of, system, streams: Own(core_config(of), system))
    assert [(error.where, error.text) for error in found.errors] == [("supervisor", "AssertionError: not expected")]


def test_equal_errors_are_counted_and_only_a_few_different_ones_are_kept() -> None:
    many = run(partial(with_policy, Broken(max_retries=3, retry_delay=1)), duration="500s", count=30)
    (error,) = many.errors
    assert error.count == len(recorded(many, "run.error")) == 30
    assert str(error).endswith("(30 times)")


def test_texts_of_errors_are_equal_on_every_machine() -> None:
    texts = {
        "<Policy object at 0x7f01a2b3c4d5> has none": "<Policy object> has none",
        "No such file: '/opt/a b/c/limits.csv'": "No such file: 'limits.csv'",
        "C:\\Users\\me\\limits.csv is missing": "limits.csv is missing",
        "cannot read /srv/data/limits.csv now": "cannot read limits.csv now",
        "2/s or 3/4 of a/b": "2/s or 3/4 of a/b",
    }
    for text, expected in texts.items():
        (error,) = run(partial(with_command, "retry_task", raising(ValueError(text)))).errors
        assert error.text == f"ValueError: {expected}"
    first, second = (run(partial(with_command, "retry_task", raising(ValueError(text)))) for text in [*texts][2:4])
    assert first.history_sha256 != second.history_sha256


def test_the_history_does_not_depend_on_addresses_or_paths() -> None:
    one, other = (
        run(partial(with_command, "retry_task", raising(ValueError(f"<object at {address}> in {folder}/book.yaml"))))
        for address, folder in (("0x1f", "/one/place"), ("0x2f", "/another"))
    )
    assert one.history_sha256 == other.history_sha256
    assert one == other


# --------------------------------------------------------------------------------- results
def crashing(of: Scenario, system: System, streams: Streams) -> Supervisor:
    return with_policy(Broken(max_retries=3, retry_delay=1), of, system, streams)


def invalid(jobs: int = 1) -> sim.Result:
    return sim.replicate(scenario(FAILING), seed=1, replications=2, jobs=jobs, core=crashing)


def test_a_result_has_the_errors_of_all_replications_and_does_not_hold() -> None:
    result = invalid()
    assert [error.seed for error in result.errors] == ["1/0", "1/1"]
    assert not result.holds
    assert [outcome.holds for outcome in result.expectations] == [False]
    assert sim.replicate(scenario(FAILING), seed=1).errors == ()
    data = json.loads(json.dumps(result.as_json()))
    assert data["runs"][0]["errors"][0]["where"] == "policy of task_failure"
    assert "ZeroDivisionError" in data["runs"][0]["errors"][0]["traceback"]


def test_errors_are_stored_pickled_and_compared_without_their_tracebacks(tmp_path: Path) -> None:
    for made in (invalid(), run(crashing)):
        made.save(tmp_path / "result.json")
        for copy in (sim.load(tmp_path / "result.json"), pickle.loads(pickle.dumps(made))):
            assert copy == made
            assert copy.errors == made.errors
    first = invalid()
    summary = first.runs[0]
    error = replace(summary.errors[0], traceback="from another machine")
    assert replace(first, runs=(replace(summary, errors=(error,)), first.runs[1])) == first


@pytest.mark.usefixtures("parallel")
def test_errors_come_back_from_other_processes() -> None:
    assert [error.text for error in invalid(jobs=2).errors] == ["ZeroDivisionError: division by zero"] * 2


def test_an_error_of_a_run_is_a_plain_value() -> None:
    error = RunError("1/0", 13.0, "policy of task_failure", "ValueError: a\nb", "Traceback")
    assert str(error) == "error at 13 s in policy of task_failure: ValueError: a b"


def test_a_report_of_a_failure_reaches_an_overridden_method() -> None:
    seen: list[Failure] = []

    def build(of: Scenario, system: System, streams: Streams) -> Supervisor:
        class Own(Supervisor):
            def report(self, failure: Failure) -> None:
                seen.append(failure)
                super().report(failure)

        return Own(core_config(of), system)

    told: Callable[[str], int] = lambda faults: run(build, {"faults": faults}) and len(seen)  # noqa: E731
    assert told("[]") == 2
    assert told("[{core_crash: {at: 90s, for: 5s}}]") == 4


# --------------------------------------------------------------------------------- policies by kind of failure
def replaced(policies: dict[str, Any]) -> Run:
    return sim.run(scenario(FAILING, duration="200s"), seed=1, policies=policies)


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        (RetryPolicy(max_retries=2, retry_delay=7), [7, 7]),
        ({"max_retries": 3, "retry_delay": "1s", "backoff": "linear"}, [1, 2, 3]),
        (tenacity.Retrying(wait=tenacity.wait_fixed(2), stop=tenacity.stop_after_attempt(3)), [2, 2]),
    ],
)
def test_policies_replace_the_conditions_of_a_scenario(policy: Any, delays: list[float]) -> None:
    """The scenario allows one retry after 5 s."""
    found = replaced({"task_failure": policy})
    assert [value for _, value in values(found, "retry.granted")] == delays
    assert found.metrics["consistency.violations"] == 0
    several = sim.replicate(
        scenario(FAILING, duration="200s"), seed=1, replications=2, policies={"task_failure": policy}
    )
    assert several.metrics["retries.count"].mean == len(delays)


def test_a_policy_with_a_defect_is_an_error_of_the_run() -> None:
    assert [error.where for error in replaced({"task_failure": Broken(max_retries=3, retry_delay=1)}).errors] == [
        "policy of task_failure"
    ]


def test_none_removes_a_condition() -> None:
    assert recorded(replaced({"task_failure": None}), "retry.granted") == []


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ({"task_fail": None}, r"^policies: unknown kind of failure 'task_fail'; valid: .*task_failure"),
        ({"task_failure": {"max_retries": 3, "retry_delay": -1}}, r"^policies: task_failure\.retry_delay: "),
        ({"task_failure": 3}, r"^policies: task_failure: 3 is not a policy; valid: a RetryPolicy, .* or None$"),
        ({"task_failure": len}, r"^policies: task_failure: .*is not a policy; valid: "),
        (RetryPolicy(max_retries=3, retry_delay=1), r"^policies: .*is no mapping; valid: \{'task_failure': "),
    ],
)
def test_invalid_policies_are_refused_in_one_line(policies: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidPolicies, match=message) as raised:
        replaced(policies)
    assert "\n" not in str(raised.value)


def test_policies_and_a_core_of_ones_own_exclude_each_other() -> None:
    with pytest.raises(InvalidPolicies, match=r"^policies=, core=: .*; valid: one of them"):
        sim.run(scenario(FAILING), policies={"task_failure": None}, core=crashing)
