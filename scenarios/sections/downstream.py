"""Downstream dependencies: services with a limited capacity and rate that attempts call, such as a model's API."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from scenarios.fields.base import Settings
from scenarios.fields.distributions import ZERO, Distribution
from scenarios.fields.quantities import RATE_SCHEMA, Count, PositiveCount, Rate, Truth


class RateLimit(Settings):
    """A token bucket: a call takes a token, and is rejected (`429`) if there is none. A bare rate has a burst of 1."""

    rate: Rate = Field(description="calls per second in the long run")
    burst: PositiveCount = Field(default=1, description="calls at once after a quiet time")
    retry_after: Truth = Field(
        default=True, description="whether a rejected call has a Retry-After: the time until the next token"
    )


def _or_a_bare_rate(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [*schema["anyOf"], RATE_SCHEMA]


class DownstreamSettings(Settings):
    """A dependency. A call that is rejected ends its attempt with `rate_limited` or `overloaded` as the error code."""

    latency: Distribution = Field(default=ZERO, description="duration of a call that is served")
    capacity: PositiveCount | None = Field(default=None, description="calls served at once; null: no limit")
    waiting: Count | None = Field(
        default=None, description="calls that wait beyond the capacity; further ones are rejected; null: no limit"
    )
    rate_limit: RateLimit | None = Field(
        default=None, description="rate limit on calls; null: none", json_schema_extra=_or_a_bare_rate
    )

    @model_validator(mode="before")
    @classmethod
    def _bare_rate(cls, data: Any) -> Any:
        limit = data.get("rate_limit") if isinstance(data, dict) else None
        if limit is None or isinstance(limit, dict | RateLimit):
            return data
        return {**data, "rate_limit": {"rate": limit}}
