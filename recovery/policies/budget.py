"""A retry budget: limits the retries of all tasks together to a share of the successes, to prevent a retry storm.

A token bucket, like the retry quota of the AWS SDKs ("Retry behavior", AWS SDKs and Tools Reference Guide): it is full
at first, a retry takes a token, a success returns a part of one, and without a token a retry is refused. The defaults
are those of the AWS SDKs: a quota of 500 with a cost of 5 is 100 retries; a success returns 1, a fifth of a retry. gRPC
is similar (gRFC A6, "Throttling Retry Attempts"), but counts failures and stops at half of `maxTokens`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

ROUNDING = 1e-9
"""Tolerance for sums of floats: ten times 0.1 is a little less than 1."""


class BudgetPolicy(BaseModel):
    """`tokens`: the number of retries without any success. `refill`: the retries that each success returns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 100.0
    refill: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.2


class RetryBudget:
    """The bucket: a pure state machine without a clock. `left` is its content, in retries."""

    def __init__(self, policy: BudgetPolicy) -> None:
        self._policy = policy
        self.left = policy.tokens

    def restore(self, left: float) -> None:
        """Continue with the content of an earlier bucket, which may have had another policy."""
        self.left = max(0.0, min(self._policy.tokens, left))

    def spend(self) -> bool:
        """Take one retry. False: the budget is empty, and nothing was taken."""
        if self.left + ROUNDING < 1:
            return False
        self.left = max(0.0, self.left - 1)
        return True

    def succeeded(self) -> None:
        """Return `refill` retries, up to `tokens`."""
        self.left = min(self._policy.tokens, self.left + self._policy.refill)
