"""What the core is configured with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from recovery.model import Failure, FailureKind
from recovery.policies.durations import Seconds
from recovery.policies.load_limit import LoadLimit
from recovery.policies.retry import RetryPolicy
from recovery.policies.stale_reads import StaleReads
from recovery.policies.tenacity_adapter import adopted
from recovery.runbook.catalogue import documented

Policy = Annotated[RetryPolicy, BeforeValidator(adopted)]
"""A policy, or a tenacity object that serves as one."""
Rule = tuple[FailureKind, str | None]
"""Whose policy: a kind of failure's, or that of one error code of the kind."""


Detector = Literal["heartbeat", "phi_accrual", "perfect"]
"""How the death of an agent is detected."""
PHI_MAX = 300.0
"""Beyond this suspicion, the odds are below the smallest number that a float can hold."""


def documented_conditions() -> dict[FailureKind, RetryPolicy | None]:
    """The conditions of the documented runbook."""
    return documented().conditions()


class DetectionConfig(BaseModel):
    """What notices failures. All durations are seconds; None: that detector is not there.

    `detector` of agents: `heartbeat` suspects after `missed_heartbeats` intervals of silence; `phi_accrual` when the
    suspicion reaches `phi_threshold`, by the last `phi_window` gaps between beats (`recovery.detection.phi_accrual`);
    `perfect` is told. `poll` None: the deadline itself wakes it; else it looks every `poll` seconds.

    `stalled_after`: an agent is reported when what its beats say of a task has not changed for so long.
    `failed_deliveries`: a connection is reported with the n-th send that finds it broken. `resource_probe`: how often
    all pools are probed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    detector: Detector = "heartbeat"
    heartbeat_interval: Annotated[Seconds, Field(gt=0)] = 5.0
    missed_heartbeats: Annotated[int, Field(ge=1)] = 3
    poll: Annotated[Seconds, Field(gt=0)] | None = None
    phi_threshold: Annotated[float, Field(gt=0, le=PHI_MAX)] = 8.0
    phi_window: Annotated[int, Field(ge=2)] = 1000
    phi_min_deviation: Annotated[Seconds, Field(gt=0)] = 0.1
    phi_acceptable_pause: Seconds = 0.0
    stalled_after: Annotated[Seconds, Field(gt=0)] | None = None
    failed_deliveries: Annotated[int, Field(ge=1)] = 1
    resource_probe: Annotated[Seconds, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _between_beats(self) -> DetectionConfig:
        if self.stalled_after is not None and self.stalled_after <= self.heartbeat_interval:
            raise ValueError("stalled_after is to be longer than heartbeat_interval: no beat, no news")
        return self


class RecoveryConfig(BaseModel):
    """The core: a condition per kind of failure (None: no delay, not counted, no limit), and how it detects and works.

    Conditions that are left out altogether are the documented runbook's. `by_error` has policies for single error
    codes of a kind, in place of the kind's; retries are counted for the kind, whatever the error. `load` caps how many
    tasks recovery puts back to work over time (None: no cap). `stale_reads` says what to do about checkpoints that are
    behind. `unconditional_tries` bounds how often a recovery is tried whose kind has no condition, before it is
    escalated.

    `parallel` is the number of recoveries at once. None, the default, is any number: a cap makes failures wait for each
    other, and the right cap depends on what their recoveries share. `load` bounds the work that a mass failure causes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    conditions: dict[FailureKind, Policy | None] = Field(default_factory=documented_conditions)
    by_error: dict[FailureKind, dict[str, Policy]] = Field(default_factory=dict)
    detection: DetectionConfig = DetectionConfig()
    parallel: Annotated[int, Field(ge=1)] | None = None
    load: LoadLimit | None = None
    stale_reads: StaleReads = StaleReads()
    unconditional_tries: Annotated[int, Field(ge=1)] = 3

    def condition(self, kind: FailureKind) -> RetryPolicy | None:
        """The policy for failures of a kind."""
        return self.conditions.get(kind)

    def rule(self, failure: Failure) -> Rule:
        """Whose policy a failure is recovered by: its error code's where there is one, else its kind's."""
        code = failure.info.get("error_code")
        return failure.kind, code if code in self.by_error.get(failure.kind, {}) else None

    def policy(self, failure: Failure) -> RetryPolicy | None:
        """The policy for a failure; None: it is recovered without a condition."""
        kind, code = self.rule(failure)
        return self.condition(kind) if code is None else self.by_error[kind][code]

    def policies(self) -> Iterator[tuple[Rule, RetryPolicy]]:
        """Every policy, and whose it is."""
        for kind, policy in self.conditions.items():
            if policy is not None:
                yield (kind, None), policy
        for kind, policies in self.by_error.items():
            for code, policy in policies.items():
                yield (kind, code), policy
