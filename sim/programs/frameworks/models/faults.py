"""Faults of a language-model service, at random and in windows of time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from pydantic_core import PydanticCustomError

from scenarios.errors import instead
from scenarios.fields.quantities import fraction, seconds
from sim.programs.frameworks.errors import InvalidFault
from sim.programs.frameworks.models.answers import MALFORMED, Answer, ToolCall
from sim.programs.frameworks.models.requests import ModelRequest

FAULTS: Final[Mapping[str, str]] = {
    "rate_limit": "status 429 with Retry-After, beside the limits a minute",
    "server_error": "status 500",
    "unavailable": "status 503",
    "connection_error": "the request does not arrive",
    "timeout": "the answer is computed and paid, and never arrives",
    "broken_json": "the arguments of a tool call end too early",
    "missing_argument": "a tool call lacks an argument that its schema requires",
    "unknown_tool": "a tool call names a tool that does not exist",
    "empty": "an answer without text and without tool calls",
}
"""The faults, and what happens. The last four are malformed answers, which are paid."""
MALFORMED_ANSWERS: Final = ("broken_json", "missing_argument", "unknown_tool", "empty")
_ROUNDING: Final = 1e-9


class Outage:
    """A fault within a window of time: `at` and `duration` in seconds of the loop's clock, or as `"5m"`.

    `probability` is that of the fault for each call that arrives within the window.
    """

    def __init__(self, fault: str, *, at: float | str, duration: float | str, probability: float | str = 1.0) -> None:
        self.fault = known("fault", fault)
        self.at = _quantity("at", at, seconds)
        self.duration = _quantity("duration", duration, seconds)
        self.probability = _quantity("probability", probability, fraction)

    def covers(self, now: float) -> bool:
        """Whether the instant is in the window, which does not include its end."""
        return self.at <= now < self.at + self.duration

    def __repr__(self) -> str:
        return f"Outage({self.fault!r}, at={self.at:g}, duration={self.duration:g}, probability={self.probability:g})"


class Faults:
    """Which fault a call has: that of the first outage that covers it and takes it, else a random one, or None."""

    def __init__(self, probabilities: Mapping[str, float | str] | None, outages: Sequence[Outage]) -> None:
        if probabilities is not None and not isinstance(probabilities, Mapping):
            raise InvalidFault(f"faults={probabilities!r}: must map names of faults to probabilities")
        self._probabilities = {
            known("faults", name): _quantity(f"faults[{name!r}]", given, fraction)
            for name, given in (probabilities or {}).items()
        }
        total = sum(self._probabilities.values())
        if total > 1 + _ROUNDING:
            raise InvalidFault(f"faults: their probabilities add up to {total:g}; valid: at most 1, one fault a call")
        for each in outages:
            if not isinstance(each, Outage):
                raise InvalidFault(f"outages: {each!r} is not an Outage")
        self._outages = tuple(outages)

    def of_call(self, now: float, uniform: float, outage_uniform: float) -> str | None:
        """The fault of a call at this instant, from two draws that are uniform on [0, 1)."""
        for outage in self._outages:
            if outage.covers(now) and outage_uniform < outage.probability:
                return outage.fault
        edge = 0.0
        for fault, probability in self._probabilities.items():
            edge += probability
            if uniform < edge:
                return fault
        return None


def malformed(fault: str, answer: Answer, request: ModelRequest) -> Answer:
    """The answer with this fault. One that has no tool call, or no tool, has no content instead."""
    if fault == "empty" or not request.tools:
        return Answer(output_tokens=answer.output_tokens)
    call = answer.calls[0] if answer.calls else ToolCall(next(iter(request.tools)), {})
    if fault == "unknown_tool":
        spoilt = ToolCall(f"{call.tool}_v2", call.arguments)
    elif fault == "broken_json":
        text = call.text if len(call.text) > len("{}") else '{"'
        spoilt = ToolCall(call.tool, text[: len(text) // 2 + 1])
    else:
        spoilt = ToolCall(call.tool, _without_one(call, request.tools.get(call.tool, {})))
    return replace(answer, calls=(replace(spoilt, id=MALFORMED), *answer.calls[1:]))


def _without_one(call: ToolCall, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        arguments: dict[str, Any] = json.loads(call.text)
    except ValueError:
        return {}
    required = [name for name in schema.get("required", ()) if name in arguments]
    if required:
        del arguments[required[-1]]
    return arguments


def known(argument: str, fault: Any) -> str:
    """A name of a fault. Raises InvalidFault, with the nearest name."""
    if fault not in FAULTS:
        raise InvalidFault(f"{argument}: {fault!r} is an unknown fault; {instead(str(fault), FAULTS)}")
    return str(fault)


def _quantity(argument: str, value: Any, parse: Callable[[Any], float]) -> float:
    try:
        return parse(value)
    except PydanticCustomError as error:
        raise InvalidFault(f"{argument}: {error.message()}") from None
