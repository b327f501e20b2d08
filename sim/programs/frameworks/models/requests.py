"""A request in terms that no framework owns: messages, tools, and the logical step that it is a try of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, Literal

from sim.programs.frameworks.models.answers import MALFORMED, ToolCall

_SHOWN: Final = 48
_CHARACTERS_PER_TOKEN: Final = 4
Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True)
class Message:
    """One message of a conversation. `calls` are the tool calls of an answer; `tool` is the tool of a result."""

    role: Role
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    tool: str = ""

    @property
    def malformed(self) -> bool:
        """Whether this is an answer that the service has spoilt: without content, or with an invalid tool call."""
        if self.role != "assistant":
            return False
        return any(call.id.startswith(MALFORMED) for call in self.calls) or not (self.text or self.calls)


@dataclass(frozen=True)
class ModelRequest:
    """The conversation so far, and the tools with the JSON Schema of their parameters.

    `step` names the logical step: requests with one step are tries of one answer. It defaults to a digest of the
    messages and the names of the tools, without ids and times, so that a retry and a resume repeat it. `final_tool` is
    the tool that takes the final answer, where the program does not take text.
    """

    messages: Sequence[Message]
    tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    step: str = ""
    final_tool: str = ""

    def __post_init__(self) -> None:
        if not self.step:
            object.__setattr__(self, "step", _digest(self.messages, self.tools))

    @property
    def turn(self) -> int:
        """How many valid answers the conversation has: the position of the next one in a script."""
        return sum(each.role == "assistant" and not each.malformed for each in self.messages)

    @property
    def label(self) -> str:
        """The end of the conversation in a few words."""
        last = self.messages[-1] if self.messages else Message("user")
        text = " ".join(f"{last.tool or last.role}: {last.text}".split())
        return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"

    @property
    def tokens(self) -> int:
        """Input tokens, at four characters each."""
        return tokens_of("".join(_plain(each) for each in self.messages) + json.dumps(dict(self.tools), default=str))


def tokens_of(text: str) -> int:
    """Tokens of a text, at four characters each, and at least 1."""
    return max(1, -(-len(text) // _CHARACTERS_PER_TOKEN))


def _plain(message: Message) -> str:
    calls = [[call.tool, call.text] for call in message.calls]
    return json.dumps([message.role, message.text, message.tool, calls], ensure_ascii=False)


def _digest(messages: Sequence[Message], tools: Mapping[str, Any]) -> str:
    content = json.dumps([*map(_plain, messages), sorted(tools)], ensure_ascii=False)
    return blake2b(content.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
