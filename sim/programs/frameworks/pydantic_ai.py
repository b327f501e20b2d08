"""A model of Pydantic AI over the simulated service, with the errors that its retries and fallbacks act on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from sim.programs.frameworks.installed import needs
from sim.programs.frameworks.models.answers import Answer, ToolCall
from sim.programs.frameworks.models.errors import ConnectionLost, ModelError, RateLimited, ServerError, TimedOut
from sim.programs.frameworks.models.ledger import Call
from sim.programs.frameworks.models.requests import Message, ModelRequest
from sim.programs.frameworks.models.service import ModelService

with needs("pydantic_ai", "pydantic-ai-slim"):
    from pydantic_ai import exceptions, messages
    from pydantic_ai.models import CompletedStreamedResponse, Model, ModelRequestParameters, StreamedResponse
    from pydantic_ai.settings import ModelSettings
    from pydantic_ai.usage import RequestUsage

if TYPE_CHECKING:
    from pydantic_ai import RunContext

__all__ = ["ServiceModel"]

_UNAVAILABLE: Final = 503


class ServiceModel(Model[Any]):
    """A `pydantic_ai.models.Model` whose answers, delays and errors are those of a `ModelService`.

    It raises what the models of Pydantic AI raise: `ModelHTTPError` with the status, `Retry-After` and its category
    (`ModelRateLimitError`, `ModelServerError`, `ModelUnavailableError`), `ModelTimeoutError` and
    `ModelConnectionError`. `ModelSettings["timeout"]` is how long the client waits. Streams have all of the answer
    at once, when it is complete.
    """

    def __init__(self, service: ModelService, *, settings: ModelSettings | None = None) -> None:
        super().__init__(settings=settings)
        self.service = service

    @property
    def model_name(self) -> str:
        """The name of the service."""
        return self.service.name

    @property
    def system(self) -> str:
        """The provider: `simulated`."""
        return "simulated"

    @property
    def provider(self) -> None:
        """None: there is no client."""
        return

    async def request(
        self,
        messages: list[messages.ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> messages.ModelResponse:
        """One request, and so one call of the service."""
        settings, parameters = self.prepare_request(model_settings, model_request_parameters)
        timeout = (settings or {}).get("timeout")
        try:
            answer, call = await self.service.complete(
                _request(messages, parameters), timeout=timeout if isinstance(timeout, int | float) else None
            )
        except ModelError as error:
            raise _translated(error, self.model_name) from error
        return _response(answer, call, self.model_name)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[messages.ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """The events of an answer, after it is complete."""
        response = await self.request(messages, model_settings, model_request_parameters)
        yield CompletedStreamedResponse(response, model_request_parameters=model_request_parameters, replay_events=True)


def _request(conversation: Sequence[messages.ModelMessage], parameters: ModelRequestParameters) -> ModelRequest:
    instructions = [Message("system", part.content) for part in parameters.instruction_parts or ()]
    output_tools = [] if parameters.allow_text_output else parameters.output_tools
    return ModelRequest(
        [*instructions, *_messages(conversation)],
        {tool.name: tool.parameters_json_schema for tool in (*parameters.function_tools, *parameters.output_tools)},
        final_tool=output_tools[0].name if output_tools else "",
    )


def _messages(conversation: Iterable[messages.ModelMessage]) -> Iterator[Message]:
    for message in conversation:
        if isinstance(message, messages.ModelResponse):
            calls = [part for part in message.parts if isinstance(part, messages.ToolCallPart)]
            text = "".join(part.content for part in message.parts if isinstance(part, messages.TextPart))
            yield Message(
                "assistant",
                text,
                tuple(ToolCall(call.tool_name, call.args_as_json_str(), call.tool_call_id) for call in calls),
            )
        else:
            for part in message.parts:
                yield _part(part)


def _part(part: messages.ModelRequestPart) -> Message:
    if isinstance(part, messages.ToolReturnPart):
        return Message("tool", part.model_response_str(), tool=part.tool_name)
    if isinstance(part, messages.SystemPromptPart):
        return Message("system", part.content)
    content = getattr(part, "content", "")
    if not isinstance(content, str) and isinstance(content, Sequence):
        content = " ".join(each if isinstance(each, str) else f"<{type(each).__name__}>" for each in content)
    return Message("user", str(content))


def _response(answer: Answer, call: Call, name: str) -> messages.ModelResponse:
    parts: list[messages.ModelResponsePart] = [messages.TextPart(answer.text)] if answer.text else []
    parts += [messages.ToolCallPart(each.tool, each.text, tool_call_id=each.id) for each in answer.calls]
    return messages.ModelResponse(
        parts=parts,
        usage=RequestUsage(input_tokens=call.input_tokens, output_tokens=call.output_tokens),
        model_name=name,
        provider_name="simulated",
        provider_response_id=f"call-{call.number}",
    )


def _translated(error: ModelError, name: str) -> exceptions.ModelAPIError:
    if isinstance(error, TimedOut):
        return exceptions.ModelTimeoutError(name, str(error), phase="read")
    if isinstance(error, ConnectionLost):
        return exceptions.ModelConnectionError(name, str(error), phase="connect")
    category: Any = None
    if isinstance(error, RateLimited):
        category = exceptions.ModelRateLimitError
    elif isinstance(error, ServerError):
        unavailable = error.status == _UNAVAILABLE
        category = exceptions.ModelUnavailableError if unavailable else exceptions.ModelServerError
    return exceptions.ModelHTTPError.for_category(
        category,
        status_code=error.status or 500,
        model_name=name,
        body=error.body,
        headers=error.headers,
        provider_error_code=error.code,
    )
