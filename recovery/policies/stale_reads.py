"""The policy for stale reads of checkpoints."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from recovery.policies.durations import Seconds


class StaleReads(BaseModel):
    """What to do if the latest readable checkpoint is older than the last acknowledged one.

    It is read again up to `max_retries` times, `retry_delay` seconds apart. Then the latest readable one is used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_retries: Annotated[int, Field(ge=0)] = 0
    retry_delay: Seconds = 1.0
