"""How often to read again a checkpoint that is older than the last acknowledged one."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from recovery.policies.durations import Seconds


class StaleReads(BaseModel):
    """What to do when the latest checkpoint that can be read is older than the last that was acknowledged.

    It is read again, up to `max_retries` times and `retry_delay` seconds apart; then the latest that can be read is
    taken.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_retries: Annotated[int, Field(ge=0)] = 0
    retry_delay: Seconds = 1.0
