"""Retry policies in a scenario: delays, limits, shared budgets, and presets of well-known engines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from recovery.policies.breaker import BreakerPolicy, Counts, WhenOpen
from recovery.policies.budget import BudgetPolicy
from recovery.policies.presets import PRESETS
from recovery.policies.retry import Backoff, Jitter, RetryPolicy
from scenarios.errors import Path, invalid, shown
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
    Truth,
    bounded,
)
from scenarios.sections.presets import keys_of, presets_at

GIVEN_BY_PRESETS = (
    "max_retries",
    "retry_delay",
    "backoff",
    "multiplier",
    "max_delay",
    "jitter",
    "spread",
    "jitter_width",
)
"""The keys that a preset sets; deadlines, budgets and breakers are independent of it."""


def given_by_presets(section: Path) -> tuple[str, ...]:
    """The keys that a preset sets in the section at a path: a queue, the detection, or else a retry policy."""
    presets = presets_at(section)
    return GIVEN_BY_PRESETS if presets is None else keys_of(presets)


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
"""The growth factor of a delay from retry to retry."""


class BudgetSettings(Settings, BudgetPolicy):
    """A token bucket shared by the retries of all tasks."""

    tokens: Annotated[Number, AfterValidator(_one_token), bounded(minimum=1), Quantity("number ≥ 1")] = core_field(
        BudgetPolicy, "tokens", "retries possible without any success"
    )
    refill: Annotated[Number, AfterValidator(_not_negative), bounded(minimum=0), Quantity("number ≥ 0")] = core_field(
        BudgetPolicy,
        "refill",
        "retries refunded by each success: a completed task, a recovered agent or connection",
    )


class BreakerSettings(Settings, BreakerPolicy):
    """A circuit breaker that delays retries while attempts fail."""

    failures: PositiveCount | None = core_field(
        BreakerPolicy, "failures", "consecutive failures that open it; null: no limit"
    )
    share: Share | None = core_field(
        BreakerPolicy, "share", "fraction of failures in the window that opens it; null: no limit"
    )
    window: PositiveCount = core_field(BreakerPolicy, "window", "number of latest results in that fraction")
    open_for: PositiveSeconds = core_field(BreakerPolicy, "open_for", "time for which it stays open")
    probes: PositiveCount = core_field(BreakerPolicy, "probes", "successful retries required to close it")
    counts: Counts | None = core_field(
        BreakerPolicy,
        "counts",
        "attempts: attempts at tasks, as a breaker around a call does, and failed tries of their recoveries, and a "
        "completed task resets the consecutive failures; tries: tries of recoveries only; null: attempts for failures "
        "of tasks, tries for those of agents and connections",
    )
    when_open: WhenOpen = core_field(
        BreakerPolicy, "when_open", "wait: tries wait until they are admitted; refuse: the recovery is escalated"
    )

    @model_validator(mode="after")
    def _can_open(self) -> Self:
        if self.failures is None and self.share is None:
            raise invalid("would never open; give failures or share", "failures")
        return self


def _required(schema: dict[str, Any]) -> None:
    """Add to the JSON Schema: a preset replaces the keys that are required without it."""
    required = schema.pop("required", [])
    if required:
        with_preset = {"required": ["preset"], "properties": {"preset": {"type": "string"}}}
        schema["anyOf"] = [{"required": required}, with_preset]


class _Preset(BaseModel):
    """Declares `preset` as the first key of a policy: fields of the last base class come first."""

    preset: (
        Literal["temporal", "stepfunctions", "celery", "kubernetes", "dbos", "resilience4j", "dapr", "aws"] | None
    ) = Field(default=None, description="an engine whose defaults apply to keys that are not given; null: none")


class Policy(Settings, RetryPolicy, _Preset):
    """Number, delays and limits of the retries of a recovery. A preset sets the keys that are not given."""

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
    max_delay: PositiveSeconds | None = core_field(RetryPolicy, "max_delay", "upper bound of a delay; null: none")
    jitter: Jitter = core_field(
        RetryPolicy,
        "jitter",
        "none; full: uniform 0…d; equal: d/2 + uniform 0…d/2; "
        "decorrelated: uniform(base, 3·previous), capped; proportional: uniform d·(1−spread)…d·(1+spread); "
        "compounding: proportional around multiplier·previous, capped; additive: d + uniform 0…jitter_width, capped",
    )
    spread: Probability = core_field(RetryPolicy, "spread", "relative width of proportional and compounding jitter")
    jitter_width: Seconds = core_field(RetryPolicy, "jitter_width", "width of additive jitter")
    deadline: PositiveSeconds | None = core_field(
        RetryPolicy, "deadline", "total time from the first failure: no delay ends after it; null: no limit"
    )
    try_timeout: PositiveSeconds | None = core_field(
        RetryPolicy, "try_timeout", "maximum duration of a try at a recovery; a longer try fails; null: no limit"
    )
    honor_retry_after: Truth = core_field(
        RetryPolicy,
        "honor_retry_after",
        "whether a delay is at least as long as the Retry-After of a rejected call; without jitter",
    )
    budget: BudgetSettings | None = core_field(
        RetryPolicy, "budget", "retry budget; a retry without budget is escalated; null: no budget"
    )
    breaker: BreakerSettings | None = core_field(
        RetryPolicy, "breaker", "circuit breaker that delays retries while attempts fail; null: none"
    )

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, data: Any) -> Any:
        name = data.get("preset") if isinstance(data, Mapping) else None
        if not isinstance(name, str) or name not in PRESETS:
            return data
        return {**PRESETS[name]().model_dump(exclude_unset=True), **data}


class Condition(Policy):
    """The policy of a kind of failure, and of individual error codes of that kind."""

    by_error: Annotated[dict[str, Policy], Quantity("error code: policy")] = Field(
        default={},
        description="a complete policy for one error code, instead of this one; retries are counted per kind",
    )
