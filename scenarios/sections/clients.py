"""Clients: who waits for an answer, for how long, and what it does when none comes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from recovery.policies.retry import Backoff, RetryPolicy
from scenarios.fields.base import Settings, core_field
from scenarios.fields.quantities import Count, PositiveSeconds, Probability, Seconds, Truth
from scenarios.sections.policies import BudgetSettings, Multiplier


class ClientSettings(Settings):
    """Who waits for the answer, and asks again: each time with a task of its own, which has the same work to do.

    It asks again when it has waited too long, and when the task was rejected or given up.
    """

    timeout: PositiveSeconds | None = Field(default=None, description="how long it waits for an answer; null: for ever")
    max_retries: Count = Field(default=0, description="how often it asks again")
    retry_delay: Seconds = Field(default=0.0, description="delay before it asks again for the first time")
    backoff: Backoff = core_field(RetryPolicy, "backoff", "delay before retry n, as in recovery.conditions")
    multiplier: Multiplier = core_field(RetryPolicy, "multiplier", "growth of exponential backoff")
    max_delay: PositiveSeconds | None = core_field(RetryPolicy, "max_delay", "no delay is longer; null: no cap")
    jitter: Literal["none", "full", "equal", "decorrelated", "proportional"] = core_field(
        RetryPolicy, "jitter", "spreads delays, as in recovery.conditions"
    )
    spread: Probability = core_field(RetryPolicy, "spread", "of proportional jitter")
    budget: BudgetSettings | None = Field(
        default=None,
        description="retries of all clients together; one that finds it empty is not made; null: no budget",
    )
    cancel: Truth = Field(default=False, description="whether it takes back the task that it waits for no longer")
    late_answer: Literal["drop", "accept"] = Field(
        default="drop", description="whether a late answer is one: then the client listens on"
    )

    @property
    def waits(self) -> bool:
        """Whether there is any such client."""
        return self.timeout is not None or self.max_retries > 0
