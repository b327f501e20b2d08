"""Answers of the service: text and tool calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sim.programs.frameworks.errors import InvalidFault

MALFORMED: Final = "malformed_"
"""How the ids of tool calls begin that the service has spoilt."""


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool. `arguments` is a mapping, or text that need not be JSON. The service gives it an id."""

    tool: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    id: str = ""

    @property
    def text(self) -> str:
        """The arguments as they are sent."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(dict(self.arguments))


@dataclass(frozen=True)
class Answer:
    """Text, tool calls, or both. `output_tokens` is None for an estimate of four characters each."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    output_tokens: int | None = None

    def __post_init__(self) -> None:
        tokens = self.output_tokens
        if tokens is not None and (isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < 0):
            raise InvalidFault(f"output_tokens={tokens!r}: must be a whole number from 0, or None")
