"""Retry policies in a scenario: delays, limits, what all retries share, and the defaults of well-known engines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from recovery.policies.breaker import BreakerPolicy, WhenOpen
from recovery.policies.budget import BudgetPolicy
from recovery.policies.presets import PRESETS
from recovery.policies.retry import Backoff, Jitter, RetryPolicy
from scenarios.errors import invalid, shown
from scenarios.fields.base import Settings, core_field
from scenarios.fields.quantities import (
    Count,
    Number,
    PositiveCount,
    PositiveSeconds,
    Probability,
    Quantity,
    Seconds,
    Share,
    bounded,
)

GIVEN_BY_PRESETS = ("max_retries", "retry_delay", "backoff", "multiplier", "max_delay", "jitter", "spread")
"""What an engine's defaults are about; limits in time, budgets and breakers are added to them."""


def _at_least_one(value: float) -> float:
    if value < 1:
        raise invalid(f"{shown(value)} would make delays shrink; valid: 1 or more")
    return value


def _one_token(value: float) -> float:
    if value < 1:
        raise invalid(f"{shown(value)} would never allow a retry; valid: 1 or more")
    return value


def _not_negative(value: float) -> float:
    if value < 0:
        raise invalid(f"{shown(value)} is negative; valid: 0 or more")
    return value


Multiplier = Annotated[Number, AfterValidator(_at_least_one), bounded(minimum=1), Quantity("number ≥ 1")]
"""By how much a delay grows from retry to retry."""


class BudgetSettings(Settings, BudgetPolicy):
    """A token bucket that the retries of all tasks share."""

    tokens: Annotated[Number, AfterValidator(_one_token), bounded(minimum=1), Quantity("number ≥ 1")] = core_field(
        BudgetPolicy, "tokens", "retries that may happen without any success"
    )
    refill: Annotated[Number, AfterValidator(_not_negative), bounded(minimum=0), Quantity("number ≥ 0")] = core_field(
        BudgetPolicy,
        "refill",
        "retries that each success pays for: a task completed, an agent or a connection recovered",
    )


class BreakerSettings(Settings, BreakerPolicy):
    """A circuit breaker that holds tries back while none works."""

    failures: PositiveCount | None = core_field(
        BreakerPolicy, "failures", "it opens after so many failed tries in a row; null: however many"
    )
    share: Share | None = core_field(
        BreakerPolicy, "share", "it opens when such a share of the last tries has failed; null: no matter"
    )
    window: PositiveCount = core_field(BreakerPolicy, "window", "how many tries that share is of")
    open_for: PositiveSeconds = core_field(BreakerPolicy, "open_for", "how long it stays open")
    probes: PositiveCount = core_field(BreakerPolicy, "probes", "tries that must work before it closes")
    when_open: WhenOpen = core_field(
        BreakerPolicy, "when_open", "tries wait until they may pass, or the recovery is escalated"
    )

    @model_validator(mode="after")
    def _can_open(self) -> Self:
        if self.failures is None and self.share is None:
            raise invalid("would never open; give failures or share", "failures")
        return self


def _required(schema: dict[str, Any]) -> None:
    """In JSON Schema: a preset stands for the keys that are required without it."""
    required = schema.pop("required", [])
    if required:
        with_preset = {"required": ["preset"], "properties": {"preset": {"type": "string"}}}
        schema["anyOf"] = [{"required": required}, with_preset]


class _Preset(BaseModel):
    """The first key of a policy: the fields of a base class come first, those of the last one before all others."""

    preset: (
        Literal["temporal", "stepfunctions", "celery", "kubernetes", "dbos", "resilience4j", "dapr", "aws"] | None
    ) = Field(default=None, description="an engine whose defaults the keys have that are not given; null: none")


class Policy(Settings, RetryPolicy, _Preset):
    """How often, after which delay and until when recovery is tried again. A preset gives the keys that are not
    given.
    """

    model_config = ConfigDict(json_schema_extra=_required)

    max_retries: Count | None = core_field(
        RetryPolicy, "max_retries", "retries after the first attempt; null: any number"
    )
    retry_delay: Seconds = Field(default=0.0, description="delay before the first retry")
    backoff: Backoff = core_field(
        RetryPolicy,
        "backoff",
        "delay before retry n: retry_delay; n·retry_delay; or retry_delay·multiplier^(n−1)",
    )
    multiplier: Multiplier = core_field(RetryPolicy, "multiplier", "growth of exponential backoff")
    max_delay: PositiveSeconds | None = core_field(RetryPolicy, "max_delay", "no delay is longer; null: no cap")
    jitter: Jitter = core_field(
        RetryPolicy,
        "jitter",
        "none; full: uniform 0…d; equal: d/2 + uniform 0…d/2; "
        "decorrelated: uniform(base, 3·previous), capped; proportional: uniform d·(1−spread)…d·(1+spread); "
        "compounding: proportional around multiplier·previous, capped",
    )
    spread: Probability = core_field(RetryPolicy, "spread", "of proportional and compounding jitter")
    deadline: PositiveSeconds | None = core_field(
        RetryPolicy, "deadline", "total time from the first failure: no delay ends after it; null: any time"
    )
    try_timeout: PositiveSeconds | None = core_field(
        RetryPolicy, "try_timeout", "a try at a recovery that takes longer has failed; null: it may take any time"
    )
    budget: BudgetSettings | None = core_field(
        RetryPolicy, "budget", "a retry that finds the budget empty is escalated; null: no budget"
    )
    breaker: BreakerSettings | None = core_field(
        RetryPolicy, "breaker", "tries are held back while none works; null: never"
    )

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, data: Any) -> Any:
        name = data.get("preset") if isinstance(data, Mapping) else None
        if not isinstance(name, str) or name not in PRESETS:
            return data
        return {**PRESETS[name]().model_dump(exclude_unset=True), **data}


class Condition(Policy):
    """The policy of a kind of failure, and of single errors of that kind."""

    by_error: Annotated[dict[str, Policy], Quantity("error code: policy")] = Field(
        default={},
        description="a whole policy for one error code, in place of this one; retries are counted for the kind",
    )
