"""The configuration of the core."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from recovery.model import TASK_KINDS, Failure, FailureKind
from recovery.policies.durations import Seconds
from recovery.policies.load_limit import LoadLimit
from recovery.policies.retry import RetryPolicy
from recovery.policies.stale_reads import StaleReads
from recovery.policies.tenacity_adapter import adopted
from recovery.runbook.catalogue import documented

Policy = Annotated[RetryPolicy, BeforeValidator(adopted)]
"""A policy, or a tenacity object that serves as one."""


class Rule(NamedTuple):
    """The key of a policy: a kind of failure; an error code, and a kind of tasks, or None."""

    kind: FailureKind
    code: str | None = None
    task_kind: str | None = None


Detector = Literal["heartbeat", "phi_accrual", "perfect"]
"""How the failure of an agent is detected."""
PHI_MIN, PHI_MAX = 1e-9, 300.0
"""The thresholds between which the probability of a longer silence is a float other than 0 and 1."""
PHI_DURATIONS = ("heartbeat_interval", "phi_min_deviation", "phi_acceptable_pause")
PHI_LONGEST = 1e100
"""The maximum of the durations of phi accrual in seconds. The square of a longer one may be too large for a float."""


def documented_conditions() -> dict[FailureKind, RetryPolicy | None]:
    """The conditions of the documented runbook."""
    return documented().conditions()


class DetectionConfig(BaseModel):
    """Failure detection. All durations are seconds; None disables a detector.

    `detector` of agents: `heartbeat` suspects an agent after `missed_heartbeats` intervals without a heartbeat;
    `phi_accrual` when the suspicion reaches `phi_threshold`, by the last `phi_window` intervals between heartbeats
    (`recovery.detection.phi_accrual`); `perfect` at the instant of the failure. The detector checks every `poll`
    seconds; None: at the deadline itself. Timeouts are between arrivals of heartbeats, so that a constant latency has
    no effect, except on the first heartbeat after a start or a response to a probe: it may be `heartbeat_latency` later
    (None: 0).

    `stalled_after`: an agent is reported if the progress of one of its tasks has not changed for longer.
    `failed_deliveries`: a connection is reported at the n-th failed send. `resource_probe`: the interval between probes
    of all pools.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    detector: Detector = "heartbeat"
    heartbeat_interval: Annotated[Seconds, Field(gt=0)] = 5.0
    missed_heartbeats: Annotated[int, Field(ge=1)] = 3
    poll: Annotated[Seconds, Field(gt=0)] | None = None
    phi_threshold: Annotated[float, Field(ge=PHI_MIN, le=PHI_MAX)] = 8.0
    phi_window: Annotated[int, Field(ge=2)] = 1000
    phi_min_deviation: Annotated[Seconds, Field(gt=0)] = 0.1
    phi_acceptable_pause: Seconds = 0.0
    heartbeat_latency: Seconds | None = None
    stalled_after: Annotated[Seconds, Field(gt=0)] | None = None
    failed_deliveries: Annotated[int, Field(ge=1)] = 1
    resource_probe: Annotated[Seconds, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _between_beats(self) -> DetectionConfig:
        if self.stalled_after is not None and self.stalled_after <= self.heartbeat_interval:
            raise ValueError("stalled_after must be longer than heartbeat_interval")
        return self

    @model_validator(mode="after")
    def _can_be_squared(self) -> DetectionConfig:
        for name in PHI_DURATIONS:
            if self.detector == "phi_accrual" and getattr(self, name) > PHI_LONGEST:
                raise ValueError(
                    f"{name}: {getattr(self, name):g} s is too long for phi_accrual; valid: up to {PHI_LONGEST:g} s"
                )
        return self


class TaskKindPolicies(BaseModel):
    """The policy for failed attempts at one kind of tasks, and those for single error codes.

    The kind of a task is `task_kind` in the `info` of its failures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: Policy
    by_error: dict[str, Policy] = Field(default_factory=dict)


class RecoveryConfig(BaseModel):
    """The configuration of the core.

    `conditions` has a policy per kind of failure (None: no delay, no count, no limit); the default is the documented
    runbook's. `by_error` has policies for single error codes of a kind; retries are counted for the kind in any case.
    `by_task_kind` has policies for failed attempts at single kinds of tasks, in place of those of all tasks.
    `load` limits the rate at which tasks are requeued (None: no limit). `stale_reads` is the policy for stale reads of
    checkpoints. `unconditional_tries` is the number of tries of a recovery without a condition, before it is escalated.

    `parallel` is the maximum number of concurrent recoveries. The default, None, is any number: a limit makes failures
    wait for each other, and the right one depends on what their recoveries share. `load` limits the work that a mass
    failure causes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    conditions: dict[FailureKind, Policy | None] = Field(default_factory=documented_conditions)
    by_error: dict[FailureKind, dict[str, Policy]] = Field(default_factory=dict)
    by_task_kind: dict[str, TaskKindPolicies] = Field(default_factory=dict)
    detection: DetectionConfig = DetectionConfig()
    parallel: Annotated[int, Field(ge=1)] | None = None
    load: LoadLimit | None = None
    stale_reads: StaleReads = StaleReads()
    unconditional_tries: Annotated[int, Field(ge=1)] = 3

    @model_validator(mode="after")
    def _only_tasks_have_attempts(self) -> RecoveryConfig:
        for (kind, _, _), policy in self.policies():
            if kind not in TASK_KINDS and policy.breaker is not None and policy.breaker.counts == "attempts":
                raise ValueError(f"{kind.value}: counts of a breaker: there are no attempts at tasks; valid: tries")
        return self

    def condition(self, kind: FailureKind) -> RetryPolicy | None:
        """The policy of a kind of failure."""
        return self.conditions.get(kind)

    def rule(self, failure: Failure) -> Rule:
        """The key of a failure's policy: with its error code or its kind of tasks, if that has a policy of its own."""
        code = failure.info.get("error_code")
        if self.by_task_kind and failure.kind is FailureKind.TASK:
            task_kind = failure.info.get("task_kind")
            if task_kind in self.by_task_kind:
                return Rule(failure.kind, code if code in self.by_task_kind[task_kind].by_error else None, task_kind)
        return Rule(failure.kind, code if code in self.by_error.get(failure.kind, {}) else None)

    def policy(self, failure: Failure) -> RetryPolicy | None:
        """The policy of a failure; None: it is recovered without a condition."""
        kind, code, task_kind = self.rule(failure)
        if task_kind is not None:
            policies = self.by_task_kind[task_kind]
            return policies.policy if code is None else policies.by_error[code]
        return self.condition(kind) if code is None else self.by_error[kind][code]

    def policies(self) -> Iterator[tuple[Rule, RetryPolicy]]:
        """Every policy with its key."""
        for kind, policy in self.conditions.items():
            if policy is not None:
                yield Rule(kind), policy
        for kind, policies in self.by_error.items():
            for code, policy in policies.items():
                yield Rule(kind, code), policy
        for task_kind, of_kind in self.by_task_kind.items():
            yield Rule(FailureKind.TASK, None, task_kind), of_kind.policy
            for code, policy in of_kind.by_error.items():
                yield Rule(FailureKind.TASK, code, task_kind), policy
