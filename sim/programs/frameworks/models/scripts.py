"""What a model answers to a request: from a script, or from a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sim.programs.frameworks.arguments import seed_number
from sim.programs.frameworks.errors import InvalidFault
from sim.programs.frameworks.models.answers import Answer, ToolCall
from sim.programs.frameworks.models.requests import ModelRequest
from sim.randomness.streams import Streams

Answers = Callable[[ModelRequest], Answer]
"""What the model answers to a request. It depends on the request alone, so that a second try has an equal answer."""


def scripted(*answers: Answer | ToolCall | str) -> Answers:
    """The answers of a conversation, in order; after the last one, the last one again.

    Text is an answer of that text, and a `ToolCall` an answer of that call. The position is the number of valid answers
    that the conversation has, so that a retry, and a resume from a saved conversation, have the answer of their step.
    """
    if not answers:
        raise InvalidFault("scripted() needs at least one answer")
    whole = [_answer(each) for each in answers]

    def answer(request: ModelRequest) -> Answer:
        return whole[min(request.turn, len(whole) - 1)]

    return answer


def seeded(seed: int = 0, *, tool_calls: int = 2) -> Answers:
    """Calls of tools that are drawn from the request's own, with arguments that fit their schema, and then the final
    answer: a text, or a call of the tool that takes it.
    """
    streams = Streams(f"{seed_number('seed', seed)}/answers")
    if isinstance(tool_calls, bool) or not isinstance(tool_calls, int) or tool_calls < 0:
        raise InvalidFault(f"tool_calls={tool_calls!r}: must be a whole number from 0")

    def answer(request: ModelRequest) -> Answer:
        draw = streams.generator(request.step)
        tools = [name for name in sorted(request.tools) if name != request.final_tool]
        ends = request.turn >= tool_calls or not tools
        if ends and not request.final_tool:
            return Answer("done")
        tool = request.final_tool if ends else tools[int(draw.integers(len(tools)))]
        arguments = _fitting(request.tools[tool], draw)
        return Answer(calls=(ToolCall(tool, arguments if isinstance(arguments, dict) else {}),))

    return answer


def _answer(given: Any) -> Answer:
    if isinstance(given, Answer):
        return given
    if isinstance(given, ToolCall):
        return Answer(calls=(given,))
    if isinstance(given, str):
        return Answer(given)
    raise InvalidFault(f"{given!r} is no answer; valid: an Answer, a ToolCall, or text")


def _fitting(schema: Mapping[str, Any], draw: np.random.Generator) -> Any:
    """A small value that fits a JSON Schema of the kind that tools have."""
    if "enum" in schema:
        return list(schema["enum"])[int(draw.integers(len(schema["enum"])))]
    kind = schema.get("type")
    if kind == "object":
        properties: Mapping[str, Any] = schema.get("properties", {})
        return {name: _fitting(part, draw) for name, part in properties.items()}
    if kind == "integer":
        least = int(schema.get("minimum", 0))
        return least + int(draw.integers(10))
    if kind == "number":
        return float(schema.get("minimum", 0)) + round(float(draw.random()), 3)
    if kind == "boolean":
        return bool(draw.integers(2))
    if kind == "array":
        return []
    return f"text-{int(draw.integers(1000))}"
