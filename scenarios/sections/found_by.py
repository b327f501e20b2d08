"""Where a scenario comes from that a search wrote."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from scenarios.fields.base import Settings
from scenarios.fields.quantities import Count, Quantity


class FoundBy(Settings):
    """The search that found the scenario. It has no effect on a run."""

    search: Annotated[str, Quantity("text")] = Field(default="", description="the command that found it")
    seed: Count = Field(default=0, description="the seed of that search")
    violates: Annotated[tuple[str, ...], Quantity("list of texts")] = Field(
        default=(), description="invariants and expectations that did not hold"
    )
