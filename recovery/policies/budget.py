"""A retry budget: retries of all tasks together stay a share of what succeeds, so that they cannot become a storm.

A token bucket, as the AWS SDKs' retry quota ("Retry behavior", AWS SDKs and Tools Reference Guide): it begins full, a
retry takes from it, a success gives back, and a retry that finds it empty does not happen. The defaults are theirs in
retries: a quota of 500 at 5 a retry is 100 retries, 1 back for a success is a fifth of one. gRPC throttles alike
(gRFC A6, "Throttling Retry Attempts"), counting failures and stopping at half of `maxTokens`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

ROUNDING = 1e-9
"""Ten successes that give back 0.1 each are a whole retry, though their sum in floats is a little less than 1."""


class BudgetPolicy(BaseModel):
    """`tokens`: retries that may happen without any success. `refill`: retries that each success pays for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 100.0
    refill: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.2


class RetryBudget:
    """The bucket. A pure state machine: it knows no clock. `left` is what it holds, in retries."""

    def __init__(self, policy: BudgetPolicy) -> None:
        self._policy = policy
        self.left = policy.tokens

    def spend(self) -> bool:
        """Take one retry from it. False: it is empty, and nothing was taken."""
        if self.left + ROUNDING < 1:
            return False
        self.left = max(0.0, self.left - 1)
        return True

    def succeeded(self) -> None:
        """A success refills it, never beyond what it began with."""
        self.left = min(self._policy.tokens, self.left + self._policy.refill)
