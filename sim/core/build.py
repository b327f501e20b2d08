"""The real recovery core, configured as a scenario specifies and connected with a world.

No part of the core is replaced: commands take the virtual time that the scenario specifies, and the jitter of delays is
drawn from named streams.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial, wraps
from math import isfinite
from typing import Any

from pydantic import ValidationError

from recovery import RecoveryEngine, RecoveryMonitor, Supervisor, System
from recovery.actions.commands import Command, documented_commands
from recovery.actions.context import RecoveryContext
from recovery.config import DetectionConfig, RecoveryConfig
from recovery.errors import RecoveryBenchError
from recovery.model import FailureKind
from recovery.monitoring.alerts import AlertConfig, standard_rules
from recovery.monitoring.monitor import MonitorConfig
from recovery.monitoring.report import RecoveryReport
from recovery.policies.retry import RetryPolicy
from recovery.policies.tenacity_adapter import adopted
from scenarios import Scenario
from scenarios.errors import first_problem, instead, shown, written
from scenarios.sections.monitoring import MonitorSettings
from sim.randomness.streams import Repeated, Streams

BuildCore = Callable[[Scenario, System, Streams], Supervisor]
"""Builds the recovery core of a run for a system. The random numbers of its jitter come from the streams."""
PER_KIND = ("conditions", "by_error", "by_task_kind")
"""Fields of the core that a scenario declares for each kind of failure. The others have the same names in both."""


def build_core(
    scenario: Scenario,
    system: System,
    streams: Streams,
    *,
    on_report: Callable[[RecoveryReport], None] | None = None,
    policies: Mapping[str, Any] | None = None,
    commands: Mapping[str, Command] | None = None,
    supervisor: type[Supervisor] = Supervisor,
) -> Supervisor:
    """The core of a run. Tests replace it with faulty ones. `on_report` is called with the report of each monitored
    recovery. `policies` replace conditions of the scenario, as in `core_config`, and `commands` single commands of the
    runbook by name: `sim.run(scenario, core=partial(sim.build_core, commands={"restart_agent": restart}))`. They take
    the times of `recovery.costs`, as the documented ones do. `supervisor` is the class of the core, a subclass of
    `Supervisor`. Raises InvalidPolicies, and ValueError for a command that is not documented.
    """
    config = core_config(scenario, policies)
    settings = scenario.recovery.monitor
    monitor = None if settings is None else RecoveryMonitor(monitor_config(settings), system, on_report=on_report)
    system = system if monitor is None else monitor.system
    known = documented_commands()
    for name in commands or ():
        if name not in known:
            raise ValueError(f"commands: unknown command {name!r}; {instead(name, known, 'valid')}")
    priced_commands = priced({**known, **(commands or {})}, scenario.recovery.costs)
    engine = RecoveryEngine(config, system, commands=priced_commands, runbook=scenario.recovery.in_force)
    return supervisor(config, system, engine, jitter=jitter(streams), monitor=monitor)


class InvalidPolicies(RecoveryBenchError, ValueError):
    """Policies that replace conditions of a scenario are not valid. One line: which, and what would be valid."""


def core_config(scenario: Scenario, policies: Mapping[str, Any] | None = None) -> RecoveryConfig:
    """The core's configuration from a scenario's `recovery` section.

    `policies` by kind of failure replace the scenario's conditions, with those for single error codes: a `RetryPolicy`,
    a mapping of its fields, a tenacity object, or None for no condition. Those by kind of tasks replace `retry` of the
    kind; None: the one of all tasks. Raises InvalidPolicies.
    """
    if policies:
        return _core_config(scenario, policies)
    global _latest_config  # noqa: PLW0603 - one entry, because the runs of a search or a replication follow each other
    parts, latest = (scenario.recovery, scenario.tasks, scenario.network), _latest_config
    if latest is None or any(one is not other for one, other in zip(parts, latest[0], strict=True)):
        latest = _latest_config = parts, _core_config(scenario, {})
    config = latest[1]
    own = {name: dict(getattr(config, name)) for name in PER_KIND}  # a core may change them
    return config.model_copy(update=own)


_latest_config: tuple[tuple[object, ...], RecoveryConfig] | None = None
"""The parts of the latest scenario that determine its configuration, and that configuration."""


def _core_config(scenario: Scenario, policies: Mapping[str, Any]) -> RecoveryConfig:
    settings = scenario.recovery
    conditions: dict[FailureKind, Any] = {FailureKind(kind): condition for kind, condition in settings.conditions}
    by_error = {kind: condition.by_error for kind, condition in conditions.items() if condition is not None}
    shared = {name: getattr(settings, name) for name in RecoveryConfig.model_fields if name not in PER_KIND}
    shared["detection"] = _detection(scenario)
    of_tasks: dict[str, Any] = {name: kind.retry for name, kind in scenario.tasks.kinds.items() if kind.retry}
    by_task_kind = {name: {"policy": retry, "by_error": retry.by_error} for name, retry in of_tasks.items()}
    for kind, policy in policies.items():
        if kind not in conditions and kind not in scenario.tasks.kinds:
            what, valid = "unknown kind of failure", [str(each) for each in conditions]
            if scenario.tasks.kinds:
                what, valid = f"{what} or of tasks", [*valid, *scenario.tasks.kinds]
            raise InvalidPolicies(f"policies: {what} {kind!r}; {instead(kind, valid, 'valid')}")
        if not isinstance(adopted(policy), RetryPolicy | Mapping | None):
            raise InvalidPolicies(
                f"policies: {kind}: {shown(policy)} is not a policy; valid: a RetryPolicy, a mapping of its fields, a "
                "tenacity object, or None"
            )
        if kind in scenario.tasks.kinds:
            by_task_kind.pop(kind, None)
            if policy is not None:
                by_task_kind[kind] = {"policy": policy, "by_error": {}}
            continue
        conditions[FailureKind(kind)], by_error[FailureKind(kind)] = policy, {}
    per_kind = {"conditions": conditions, "by_error": by_error, "by_task_kind": by_task_kind}
    try:
        return RecoveryConfig.model_validate({**per_kind, **shared})
    except ValidationError as error:
        place, problem = first_problem(error)
        raise InvalidPolicies(f"policies: {written(place[1:])}: {problem}") from None


def _detection(scenario: Scenario) -> DetectionConfig:
    """The detection of a scenario, with the mean latency of its network where no latency of heartbeats is given."""
    detection, latency = scenario.recovery.detection, scenario.network.latency.mean
    if detection.heartbeat_latency is not None or not isfinite(latency) or not latency:
        return detection
    return detection.model_copy(update={"heartbeat_latency": latency})


def with_policies(policies: Mapping[str, Any] | None, core: BuildCore) -> BuildCore:
    """The builder of a core with other policies. Raises InvalidPolicies for policies and a core of one's own."""
    if policies is not None and not isinstance(policies, Mapping):
        raise InvalidPolicies(f"policies: {shown(policies)} is no mapping; valid: {{'task_failure': RetryPolicy(…)}}")
    if not policies:
        return core
    if core is not build_core:
        raise InvalidPolicies("policies=, core=: a core of one's own has its own policies; valid: one of them")
    return partial(build_core, policies=dict(policies))


def monitor_config(settings: MonitorSettings) -> MonitorConfig:
    """The monitor's configuration from a scenario's `recovery.monitor` section."""
    late = {
        FailureKind(kind): bound for kind, bound in settings.late if bound is not None
    }  # pairs of a field and its value
    return MonitorConfig(
        metrics=settings,
        alerts=AlertConfig(rules=standard_rules(late), storm=settings.storm),
    )


def priced(commands: Mapping[str, Command], costs: Mapping[str, float]) -> dict[str, Command]:
    """Commands that take their durations on the loop's clock before they act."""
    return {name: _priced(command, costs.get(name, 0.0)) for name, command in commands.items()}


def _priced(command: Command, seconds: float) -> Command:
    if seconds == 0:
        return command

    @wraps(command)
    async def run(context: RecoveryContext, **arguments: Any) -> bool:
        await asyncio.sleep(seconds)
        return await command(context, **arguments)

    return run


def jitter(streams: Streams) -> Callable[[str, int], float]:
    """A number in [0, 1) for a retry of a subject by its number (`recovery.supervision.retry_loop.Jitter`), which
    depends on no other retry.
    """
    for_tasks = Repeated(streams, "task.retry_jitter")

    def draw(subject: str, retry: int) -> float:
        group, _, number = subject.partition(".")
        if group == "task":
            return for_tasks.draw(int(number), retry)
        return float(streams.generator(f"{subject}.retry_jitter.{retry}").random())

    return draw
