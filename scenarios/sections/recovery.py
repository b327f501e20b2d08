"""Failure detection and the recovery policies per kind of failure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ModelWrapValidatorHandler, PrivateAttr, ValidationInfo, model_validator

from recovery.config import RecoveryConfig
from recovery.model import FailureKind
from recovery.policies.load_limit import LoadLimit
from recovery.policies.stale_reads import StaleReads
from recovery.runbook.catalogue import Runbook, documented
from scenarios.errors import instead, invalid
from scenarios.fields.base import Settings, core_field
from scenarios.fields.commands import COMMANDS
from scenarios.fields.quantities import Count, PositiveCount, Quantity, Rate, Seconds
from scenarios.sections.cores import CoresSettings
from scenarios.sections.detection import DetectionSettings
from scenarios.sections.monitoring import MonitorSettings
from scenarios.sections.policies import Condition
from scenarios.sections.runbook import LoadedRunbook, only_given, read_runbook, with_conditions_of


def _known_commands(costs: dict[str, float]) -> dict[str, float]:
    for command in costs:
        if command not in COMMANDS:
            raise invalid(f"unknown command; {instead(command, COMMANDS)}", command)
    return costs


def _documented(kind: FailureKind) -> tuple[int, float]:
    """The documented condition of a kind: number of retries and delay."""
    condition = documented().conditions()[kind]
    assert condition is not None, f"the documented runbook has no condition for {kind}"
    assert condition.max_retries is not None, f"the documented runbook does not bound the retries of {kind}"
    return condition.max_retries, condition.retry_delay


_TASK_RETRIES, _TASK_DELAY = _documented(FailureKind.TASK)
_RESOURCE_RETRIES, _RESOURCE_DELAY = _documented(FailureKind.RESOURCE)


class TaskFailureCondition(Condition):
    """The condition for failed tasks; the defaults are those of the guide."""

    max_retries: Count | None = Field(
        default=_TASK_RETRIES, description="retries after the first attempt; null: any number"
    )
    retry_delay: Seconds = Field(default=_TASK_DELAY, description="delay before the first retry")


class ResourceFailureCondition(Condition):
    """The condition for failed resources; the defaults are those of the guide."""

    max_retries: Count | None = Field(
        default=_RESOURCE_RETRIES, description="retries after the first attempt; null: any number"
    )
    retry_delay: Seconds = Field(default=_RESOURCE_DELAY, description="delay before the first retry")


class ConditionSettings(Settings):
    """The conditions of automatic recovery, per kind of failure."""

    task_failure: TaskFailureCondition | None = Field(
        default=TaskFailureCondition(), description="policy for failed attempts"
    )
    resource_failure: ResourceFailureCondition | None = Field(
        default=ResourceFailureCondition(),
        description="policy for tasks that lost, or cannot get, resources that they need",
    )
    agent_failure: Condition | None = Field(
        default=None, description="policy for suspected agents; null: not counted, no delay"
    )
    communication_failure: Condition | None = Field(
        default=None, description="policy for failed connections; null: not counted, no delay"
    )


class LoadSettings(Settings, LoadLimit):
    """A rate limit on the tasks that recovery returns to work, so that a mass failure does not become a retry storm."""

    rate: Rate = core_field(LoadLimit, "rate", "tasks returned to work per second, in the long run")
    burst: PositiveCount = core_field(LoadLimit, "burst", "tasks returned to work at once after a quiet time")


class StaleReadSettings(Settings, StaleReads):
    """Handling of checkpoint reads that are older than acknowledged writes."""

    max_retries: Count = core_field(
        StaleReads,
        "max_retries",
        "repeated reads before the latest readable checkpoint is used",
    )
    retry_delay: Seconds = core_field(StaleReads, "retry_delay", "delay before each repeated read")


class RecoverySettings(Settings):
    """The configuration of the recovery core, and the costs of its commands in virtual time."""

    runbook: Annotated[str, Quantity("file")] | None = Field(
        default=None,
        description="YAML, or a Markdown guide with YAML blocks, relative to the scenario's file; null: the documented "
        "one; its conditions apply where none are given",
    )
    detection: DetectionSettings = Field(default=DetectionSettings(), description="the failure detector")
    conditions: ConditionSettings = Field(default=ConditionSettings(), description="retries per kind of failure")
    costs: Annotated[
        dict[str, Seconds],
        AfterValidator(_known_commands),
        Field(json_schema_extra={"propertyNames": {"enum": list(COMMANDS)}}),
        Quantity("command: duration"),
    ] = Field(default={}, description="virtual time of each command; other commands take no time")
    parallel: PositiveCount | None = core_field(
        RecoveryConfig,
        "parallel",
        "concurrent recoveries, kinds of failure served round-robin; null: no limit. There is no limit by default, "
        "because a limit makes failures wait for each other, and the right one depends on what their recoveries share",
    )
    unconditional_tries: PositiveCount = core_field(
        RecoveryConfig,
        "unconditional_tries",
        "tries at a recovery without a condition for its kind of failure, before it is escalated",
    )
    load: LoadSettings | None = core_field(
        RecoveryConfig, "load", "rate limit on the tasks that recovery returns to work; null: none"
    )
    stale_reads: StaleReadSettings = Field(
        default=StaleReadSettings(), description="handling of stale checkpoint reads"
    )
    cores: CoresSettings = Field(default=CoresSettings(), description="number of cores and their lease")
    monitor: MonitorSettings | None = Field(default=None, description="the recovery monitor; null: no monitoring")

    _loaded: LoadedRunbook | None = PrivateAttr(default=None)

    @property
    def in_force(self) -> Runbook:
        """The runbook that the core follows."""
        return documented() if self._loaded is None else self._loaded.runbook

    @property
    def runbook_sha256(self) -> str | None:
        """SHA-256 of the runbook's file; None for the documented one."""
        return None if self._loaded is None else self._loaded.sha256

    @model_validator(mode="wrap")
    @classmethod
    def _with_runbook(
        cls, data: Any, handler: ModelWrapValidatorHandler[RecoverySettings], info: ValidationInfo
    ) -> RecoverySettings:
        if not isinstance(data, Mapping) or not isinstance(data.get("runbook"), str):
            return handler(data)
        loaded = read_runbook(data["runbook"], (info.context or {}).get("folder", "."))
        given = data.get("conditions", {})
        if not isinstance(given, Mapping):
            return handler(data)
        made = handler({**data, "conditions": with_conditions_of(loaded.runbook, given, Condition)})
        made._loaded = loaded
        only_given(made.conditions, given)
        return made
