"""Clients: response timeouts, retries and cancellation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from recovery.policies.retry import Backoff, RetryPolicy
from scenarios.fields.base import Settings, core_field
from scenarios.fields.quantities import Count, PositiveSeconds, Probability, Seconds, Truth
from scenarios.sections.policies import BudgetSettings, Multiplier


class ClientSettings(Settings):
    """Clients that wait for responses and retry requests: each time as a new task with the same work.

    A client retries after a timeout, and when the task was rejected or given up.
    """

    timeout: PositiveSeconds | None = Field(
        default=None, description="how long a client waits for a response; null: for ever"
    )
    max_retries: Count = Field(default=0, description="retries per request")
    retry_delay: Seconds = Field(default=0.0, description="delay before the first retry")
    backoff: Backoff = core_field(RetryPolicy, "backoff", "delay before retry n, as in recovery.conditions")
    multiplier: Multiplier = core_field(RetryPolicy, "multiplier", "growth of exponential backoff")
    max_delay: PositiveSeconds | None = core_field(RetryPolicy, "max_delay", "upper bound of a delay; null: none")
    jitter: Literal["none", "full", "equal", "decorrelated", "proportional"] = core_field(
        RetryPolicy, "jitter", "spreads delays, as in recovery.conditions"
    )
    spread: Probability = core_field(RetryPolicy, "spread", "relative width of proportional jitter")
    budget: BudgetSettings | None = Field(
        default=None,
        description="retry budget of all clients together; no retry when it is empty; null: no budget",
    )
    cancel: Truth = Field(default=False, description="whether a client cancels the task after a timeout")
    late_answer: Literal["drop", "accept"] = Field(
        default="drop", description="whether a late response counts; accept: the client keeps waiting for it"
    )

    @property
    def accepts_late(self) -> bool:
        """Whether a response after the timeout counts."""
        return self.late_answer == "accept" and not self.cancel

    @property
    def waits(self) -> bool:
        """Whether clients have a timeout or retries."""
        return self.timeout is not None or self.max_retries > 0
