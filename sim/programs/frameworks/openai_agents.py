"""A model of the OpenAI Agents SDK over the simulated service, with the errors that its retry policies act on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sim.programs.frameworks.installed import needs
from sim.programs.frameworks.models.answers import Answer, ToolCall
from sim.programs.frameworks.models.errors import ConnectionLost, ModelError, RateLimited, TimedOut
from sim.programs.frameworks.models.requests import Message, ModelRequest
from sim.programs.frameworks.models.service import ModelService

with needs("agents", "openai-agents"):
    import agents
    import httpx
    import openai
    from agents.models._openai_retry import get_openai_retry_advice
    from openai.types import responses

if TYPE_CHECKING:
    from agents.agent_output import AgentOutputSchemaBase
    from agents.items import TResponseInputItem, TResponseStreamEvent
    from agents.models.interface import ModelTracing
    from agents.retry import ModelRetryAdvice, ModelRetryAdviceRequest

__all__ = ["ServiceModel", "ServiceProvider"]

_REQUEST: Final = httpx.Request("POST", "https://model.invalid/v1/responses")
"""What the errors of the client refer to; nothing is sent."""


class ServiceModel(agents.Model):
    """An `agents.Model` whose answers, delays and errors are those of a `ModelService`.

    It raises what the OpenAI client raises: `RateLimitError` and `InternalServerError` with a response that has
    `Retry-After`, `APITimeoutError` and `APIConnectionError`. `ModelSettings(extra_args={"timeout": …})` is how long
    the client waits. A stream has one event, the completed answer.

    Tracing of the SDK is switched off for the process, as `agents.set_tracing_disabled(True)` does: it has a thread
    that sends what it has recorded over the network.
    """

    def __init__(self, service: ModelService) -> None:
        agents.set_tracing_disabled(True)
        self.service = service

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],  # noqa: A002 - the name is the SDK's
        model_settings: agents.ModelSettings,
        tools: list[agents.Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[agents.Handoff[Any, Any]],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None = None,
        conversation_id: str | None = None,
        prompt: Any = None,
    ) -> agents.ModelResponse:
        """One request, and so one call of the service."""
        request = ModelRequest([*_messages(system_instructions, input)], _tools(tools, handoffs))
        timeout = (model_settings.extra_args or {}).get("timeout")
        try:
            answer, call = await self.service.complete(
                request, timeout=timeout if isinstance(timeout, int | float) else None
            )
        except ModelError as error:
            raise _translated(error) from error
        usage = agents.Usage(
            requests=1,
            input_tokens=call.input_tokens,
            output_tokens=call.output_tokens,
            total_tokens=call.input_tokens + call.output_tokens,
        )
        name = f"call-{call.number}"
        return agents.ModelResponse(output=_output(answer, name), usage=usage, response_id=name)

    async def stream_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],  # noqa: A002 - the name is the SDK's
        model_settings: agents.ModelSettings,
        tools: list[agents.Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[agents.Handoff[Any, Any]],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None = None,
        conversation_id: str | None = None,
        prompt: Any = None,
    ) -> AsyncIterator[TResponseStreamEvent]:
        """The event of the completed answer."""
        answered = await self.get_response(
            system_instructions, input, model_settings, tools, output_schema, handoffs, tracing
        )
        response = responses.Response(
            id=answered.response_id or "",
            created_at=asyncio.get_running_loop().time(),
            model=self.service.name,
            object="response",
            output=answered.output,
            tool_choice="auto",
            tools=[],
            parallel_tool_calls=True,
            usage=responses.ResponseUsage(
                input_tokens=answered.usage.input_tokens,
                input_tokens_details=answered.usage.input_tokens_details,
                output_tokens=answered.usage.output_tokens,
                output_tokens_details=answered.usage.output_tokens_details,
                total_tokens=answered.usage.total_tokens,
            ),
        )
        yield responses.ResponseCompletedEvent(response=response, sequence_number=0, type="response.completed")

    def get_retry_advice(self, request: ModelRetryAdviceRequest) -> ModelRetryAdvice | None:
        """What the SDK's own models advise about an error, for `retry_policies.provider_suggested()`."""
        return get_openai_retry_advice(request)


class ServiceProvider(agents.ModelProvider):
    """The model of one service for every agent, whatever its name: `RunConfig(model_provider=…)`."""

    def __init__(self, service: ModelService) -> None:
        self._model = ServiceModel(service)

    def get_model(self, model_name: str | None) -> agents.Model:
        """The model."""
        return self._model


def _tools(tools: Sequence[agents.Tool], handoffs: Sequence[agents.Handoff[Any, Any]]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {
        tool.name: tool.params_json_schema for tool in tools if isinstance(tool, agents.FunctionTool)
    }
    return found | {each.tool_name: each.input_json_schema for each in handoffs}


def _messages(instructions: str | None, given: str | Sequence[Any]) -> Iterator[Message]:
    """The conversation. Text and tool calls that follow one another are one answer."""
    if instructions:
        yield Message("system", instructions)
    items = [{"role": "user", "content": given}] if isinstance(given, str) else [*map(_plain, given)]
    tools = {item.get("call_id"): str(item.get("name", "")) for item in items if item.get("type") == "function_call"}
    text, calls, answering = "", [], False
    for item in items:
        is_call = item.get("type") == "function_call"
        if is_call or item.get("role") == "assistant":
            answering = True
            text += "" if is_call else _text(item.get("content"))
            if is_call:
                calls.append(ToolCall(str(item["name"]), str(item["arguments"]), str(item["call_id"])))
            continue
        if answering:
            yield Message("assistant", text, tuple(calls))
            text, calls, answering = "", [], False
        if item.get("type") == "function_call_output":
            yield Message("tool", _text(item.get("output")), tool=tools.get(item.get("call_id"), ""))
        elif item.get("role") in {"system", "developer"}:
            yield Message("system", _text(item.get("content")))
        elif item.get("role") == "user":
            yield Message("user", _text(item.get("content")))
    if answering:
        yield Message("assistant", text, tuple(calls))


def _plain(item: Any) -> Mapping[str, Any]:
    return item if isinstance(item, Mapping) else item.model_dump()


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return "" if content is None else str(content)
    return " ".join(str(_plain(part).get("text", f"<{_plain(part).get('type')}>")) for part in content)


def _output(answer: Answer, name: str) -> list[agents.TResponseOutputItem]:
    output: list[agents.TResponseOutputItem] = []
    if answer.text:
        text = responses.ResponseOutputText(text=answer.text, annotations=[], type="output_text")
        output.append(
            responses.ResponseOutputMessage(
                id=name, content=[text], role="assistant", status="completed", type="message"
            )
        )
    output += [
        responses.ResponseFunctionToolCall(
            id=call.id, call_id=call.id, name=call.tool, arguments=call.text, type="function_call"
        )
        for call in answer.calls
    ]
    return output


def _translated(error: ModelError) -> openai.APIError:
    if isinstance(error, TimedOut):
        return openai.APITimeoutError(request=_REQUEST)
    if isinstance(error, ConnectionLost) or error.status is None:
        return openai.APIConnectionError(message=str(error), request=_REQUEST)
    response = httpx.Response(error.status, headers=dict(error.headers), json=error.body, request=_REQUEST)
    kind = openai.RateLimitError if isinstance(error, RateLimited) else openai.InternalServerError
    return kind(str(error), response=response, body=error.body)
