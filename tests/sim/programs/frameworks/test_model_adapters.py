"""Models of Pydantic AI and OpenAI Agents over the simulated service: errors, retries, malformed answers, streams."""

import asyncio
import json
import os
import subprocess
import sys
import threading

import pytest

from sim.loop import run
from sim.programs.frameworks.models import Message, ModelService, Outage, ToolCall, scripted

pytestmark = pytest.mark.long
SCRIPT = (ToolCall("refund", {"order": 7, "euros": 30}), "It is on its way.")
PROMPT = "Order 7 is broken."


def service_with(fault=None, **settings):
    """A service with this fault for the first second."""
    outages = [Outage(fault, at=0, duration=1)] if fault else []
    return ModelService(scripted(*SCRIPT), latency=2, outages=outages, **settings)


def seconds():
    return asyncio.get_running_loop().time()


class TestPydanticAI:
    @staticmethod
    async def ask(service, **settings):
        from pydantic_ai import Agent

        from sim.programs.frameworks.pydantic_ai import ServiceModel

        agent = Agent(ServiceModel(service, settings=settings or None), instructions="Be brief.", retries=2)

        @agent.tool_plain
        async def refund(order: int, euros: int) -> str:
            return f"{euros} for {order}"

        return await agent.run(PROMPT)

    @pytest.mark.parametrize(
        ("fault", "kind", "status", "retry_after", "took"),
        [
            ("rate_limit", "ModelRateLimitError", 429, 5.0, 0.05),
            ("server_error", "ModelServerError", 500, None, 0.05),
            ("unavailable", "ModelUnavailableError", 503, None, 0.05),
            ("timeout", "ModelTimeoutError", None, None, 9),
            ("connection_error", "ModelConnectionError", None, None, 0.05),
        ],
    )
    def test_an_error_is_the_one_that_retries_and_fallbacks_expect(self, fault, kind, status, retry_after, took):
        from pydantic_ai import exceptions

        async def main():
            with pytest.raises(getattr(exceptions, kind)) as raised:
                await self.ask(service_with(fault), timeout=9)
            assert seconds() == took
            return raised.value

        error = run(main())
        assert (getattr(error, "status_code", None), error.retry_after) == (status, retry_after)
        assert error.model_name == "simulated"

    def test_the_agent_asks_again_after_each_malformed_answer(self):
        for fault in ("broken_json", "missing_argument", "unknown_tool", "empty"):
            service = service_with(fault)
            result = run(self.ask(service))
            assert result.output == SCRIPT[1]
            assert [call.outcome for call in service.ledger.calls] == [fault, "answer", "answer"]
            assert result.usage.input_tokens == sum(call.input_tokens for call in service.ledger.calls)

    def test_the_service_gets_the_conversation_with_its_tools(self):
        seen = []

        def answers(request):
            seen.append(request)
            return scripted(*SCRIPT)(request)

        run(self.ask(ModelService(answers)))
        first, second = seen
        assert first.messages == [Message("system", "Be brief."), Message("user", PROMPT)]
        assert first.tools["refund"]["required"] == ["order", "euros"]
        assert [message.role for message in second.messages] == ["system", "user", "assistant", "tool"]
        assert (second.messages[-1].text, second.messages[-1].tool) == ("30 for 7", "refund")
        assert json.loads(second.messages[2].calls[0].text) == {"order": 7, "euros": 30}

    def test_an_answer_is_streamed_when_it_is_complete(self):
        from pydantic_ai import Agent

        from sim.programs.frameworks.pydantic_ai import ServiceModel

        async def main():
            agent = Agent(ServiceModel(ModelService(scripted("yes"), latency=3)))
            async with agent.run_stream(PROMPT) as streamed:
                return [text async for text in streamed.stream_text()], seconds()

        assert run(main()) == (["yes"], 3)

    def test_seeded_answers_serve_a_structured_output(self):
        from pydantic_ai import Agent

        from sim.programs.frameworks.pydantic_ai import ServiceModel

        agent = Agent(ServiceModel(ModelService(seed=1)), output_type=dict[str, int])
        assert isinstance(run(agent.run(PROMPT)).output, dict)


class TestOpenAIAgents:
    @staticmethod
    async def ask(service, *, max_retries=0, waits=None):
        from agents import Agent, ModelRetrySettings, ModelSettings, RunConfig, Runner, function_tool, retry_policies

        from sim.programs.frameworks.openai_agents import ServiceProvider

        @function_tool
        async def refund(order: int, euros: int) -> str:
            return f"{euros} for {order}"

        backoff = {"initial_delay": 10, "max_delay": 10, "jitter": False}
        policy = retry_policies.provider_suggested()
        settings = ModelSettings(
            retry=ModelRetrySettings(max_retries=max_retries, backoff=backoff, policy=policy),
            extra_args={"timeout": waits} if waits else None,
        )
        agent = Agent("support", instructions="Be brief.", tools=[refund], model_settings=settings)
        return await Runner.run(agent, PROMPT, run_config=RunConfig(model_provider=ServiceProvider(service)))

    @pytest.mark.parametrize(
        ("fault", "kind", "took"),
        [
            ("rate_limit", "RateLimitError", 0.05 + 5),  # Retry-After
            ("server_error", "InternalServerError", 0.05 + 10),
            ("unavailable", "InternalServerError", 0.05 + 10),
            ("timeout", "APITimeoutError", 9 + 10),
            ("connection_error", "APIConnectionError", 0.05 + 10),
        ],
    )
    def test_an_error_is_one_of_the_client_and_is_retried_as_it_advises(self, fault, kind, took):
        import openai

        with pytest.raises(getattr(openai, kind)):
            run(self.ask(service_with(fault), waits=9))

        async def retried(service):
            result = await self.ask(service, max_retries=2, waits=9)
            return result.final_output, seconds()

        service = service_with(fault)
        assert run(retried(service)) == (SCRIPT[1], took + 2 + 2)
        assert service.ledger.paid_again == (1 if fault == "timeout" else 0)

    def test_a_request_that_never_fits_is_not_retried(self):
        import openai

        service = service_with(tokens_per_minute=1)
        with pytest.raises(openai.RateLimitError, match="the limit is 1 a minute"):
            run(self.ask(service, max_retries=5))
        assert len(service.ledger.calls) == 1

    def test_malformed_answers_reach_the_runner(self):
        from agents.exceptions import ModelBehaviorError

        for fault in ("broken_json", "missing_argument"):
            service = service_with(fault)
            assert run(self.ask(service)).final_output == SCRIPT[1]
            assert [call.outcome for call in service.ledger.calls] == [fault, "answer", "answer"]
        with pytest.raises(ModelBehaviorError, match="refund_v2"):
            run(self.ask(service_with("unknown_tool")))

    def test_a_conversation_in_items_is_the_one_that_the_service_gets(self):
        from sim.programs.frameworks.openai_agents import _messages

        call = {"type": "function_call", "call_id": "c", "name": "refund", "arguments": "{}"}
        items = [
            {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
            {"role": "assistant", "content": [{"type": "output_text", "text": "wait"}]},
            call,
            {"type": "function_call_output", "call_id": "c", "output": "ok"},
            {"role": "developer", "content": "soon"},
        ]
        found = [(each.role, each.text, each.tool, len(each.calls)) for each in _messages("Be brief.", items)]
        assert found == [
            ("system", "Be brief.", "", 0),
            ("user", "hi", "", 0),
            ("assistant", "wait", "", 1),
            ("tool", "ok", "refund", 0),
            ("system", "soon", "", 0),
        ]

    def test_a_streamed_run_ends_and_no_thread_of_tracing_is_started(self):
        from agents import Agent, RunConfig, Runner

        from sim.programs.frameworks.openai_agents import ServiceProvider

        async def main():
            config = RunConfig(model_provider=ServiceProvider(ModelService(scripted("yes"), latency=3)))
            streamed = Runner.run_streamed(Agent("support"), PROMPT, run_config=config)
            kinds = [event.type async for event in streamed.stream_events()]
            return kinds.count("raw_response_event"), streamed.final_output, seconds()

        before = threading.enumerate()
        assert run(main()) == (1, "yes", 3)
        assert threading.enumerate() == before


def test_every_process_has_one_ledger_and_imports_no_framework():
    code = """
import sys
from sim.loop import run
from sim.programs.frameworks.models import FAULTS, ModelRequest, Message, ModelError, ModelService
async def main():
    service = ModelService(latency={"exponential": {"mean": 2}}, faults={name: 0.1 for name in FAULTS})
    for number in range(60):
        try:
            await service.complete(ModelRequest([Message("user", str(number))], {"a": {"type": "object"}, "b": {}}))
        except ModelError:
            pass
    print([(call.outcome, call.time, call.step) for call in service.ledger.calls])
run(main())
print({"pydantic_ai", "agents", "openai", "langgraph", "procrastinate"} & {*sys.modules})
"""
    printed = {
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
    assert printed.pop().endswith(b"\nset()\n")
