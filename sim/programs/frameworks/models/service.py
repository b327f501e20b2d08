"""The service: takes a request, and answers, refuses, or loses it, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from math import isfinite
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from scenarios.errors import first_problem, written
from scenarios.fields.distributions import AnyDistribution, Distribution
from sim.programs.frameworks.arguments import seed_number
from sim.programs.frameworks.errors import InvalidFault
from sim.programs.frameworks.models.answers import MALFORMED, Answer
from sim.programs.frameworks.models.errors import ConnectionLost, RateLimited, ServerError, TimedOut
from sim.programs.frameworks.models.faults import MALFORMED_ANSWERS, Faults, Outage, malformed
from sim.programs.frameworks.models.ledger import Call, Ledger
from sim.programs.frameworks.models.prices import Price
from sim.programs.frameworks.models.rate_limit import RateLimit
from sim.programs.frameworks.models.requests import ModelRequest, tokens_of
from sim.programs.frameworks.models.scripts import Answers, seeded
from sim.randomness.streams import Streams

_REFUSAL: Final = 0.05
"""Seconds until a refusal arrives: a client that retries at once must not do so for ever at one instant."""
_RETRY_AFTER: Final = 5
"""The `Retry-After` of the fault `rate_limit`, in seconds."""


class ModelService:
    """A language-model service in virtual time.

    Its arguments are

    - `answers`: what the model answers to a `ModelRequest`: `scripted(…)`, `seeded(…)`, or a function;
    - `latency`: the time to an answer, as a duration or a distribution of a scenario, such as
      `{"lognormal": {"mean": "2s", "cv": 1}}`;
    - `requests_per_minute`, `tokens_per_minute`: the rate limit, of input and output tokens together;
    - `faults`: probabilities by name (`FAULTS`); a call has at most one. `outages`: faults in windows of time;
    - `price`: for a million tokens of input and of output;
    - `timeout`: how long a client waits whose request does not say it, in seconds;
    - `step`: a function of a request that names its step, in place of a digest of the conversation;
    - `seed`: of latencies and faults. The n-th call of a step has the same draws, whatever the other calls are.

    The service is outside of the program: it survives a power cut, and what it has computed is paid. Requests with
    equal conversations are tries of one step, so that two conversations need different prompts, or `step`.

    Raises InvalidFault for an invalid argument.
    """

    def __init__(
        self,
        answers: Answers | None = None,
        *,
        name: str = "simulated",
        latency: Any = 1.0,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        faults: Mapping[str, float | str] | None = None,
        outages: Sequence[Outage] = (),
        price: Price | None = None,
        timeout: float = 60.0,
        step: Callable[[ModelRequest], str] | None = None,
        seed: int = 0,
    ) -> None:
        if answers is not None and not callable(answers):
            raise InvalidFault(f"answers={answers!r}: must be a function of a request, such as scripted(…)")
        if price is not None and not isinstance(price, Price):
            raise InvalidFault(f"price={price!r}: must be a Price(input=…, output=…)")
        self.name = name
        self.ledger = Ledger()
        self._answers: Answers = seeded(seed) if answers is None else answers
        self._latency = _distribution(latency)
        self._limit = RateLimit(requests_per_minute, tokens_per_minute)
        self._faults = Faults(faults, outages)
        self._price = price or Price()
        self._timeout = _timeout(timeout)
        self._step = step
        self._streams = Streams(f"{seed_number('seed', seed)}/model")

    async def complete(
        self,
        request: ModelRequest,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - of the client's side of a request
    ) -> tuple[Answer, Call]:
        """The answer, with ids of its tool calls, and the call of the ledger.

        From the moment of its arrival the answer is computed and paid, whether or not the client waits for it.

        Raises RateLimited, ServerError, TimedOut and ConnectionLost.
        """
        wait = self._timeout if timeout is None else _timeout(timeout)
        if self._step is not None:
            request = replace(request, step=str(self._step(request)))
        await asyncio.sleep(0)  # the way to the service: a power cut here costs nothing
        now = asyncio.get_running_loop().time()
        call = self.ledger.open(request.step, request.label, now, request.tokens)
        draw = self._streams.generator(f"{request.step}/{call.attempt}")
        uniform, outage_uniform = draw.random(2).tolist()
        latency = float(self._latency.sample(draw, 1)[0])
        fault = self._faults.of_call(now, uniform, outage_uniform)
        if fault == "connection_error":
            await self._refused(call, fault, wait)
            raise ConnectionLost("the connection to the service was lost before the request was sent")
        if fault in {"server_error", "unavailable"}:
            await self._refused(call, fault, wait)
            raise ServerError(f"the service failed: {fault}", 503 if fault == "unavailable" else 500)
        if fault == "rate_limit":
            await self._refused(call, fault, wait)
            raise RateLimited(f"rate limit reached; retry after {_RETRY_AFTER} s", _RETRY_AFTER)
        answer = self._computed(request, call, fault)
        try:
            self._limit.take(now, call.input_tokens + call.output_tokens)
        except RateLimited:
            call.output_tokens = 0
            await self._refused(call, "rate_limit", wait)
            raise
        call.outcome = fault or "answer"
        call.cost = self._price.cost(call.input_tokens, call.output_tokens)
        call.usable = fault is None
        if fault == "timeout" or latency > wait:
            call.outcome = "timeout"
            await asyncio.sleep(wait)
            raise TimedOut(f"no answer within {wait:g} s", wait)
        await asyncio.sleep(latency)
        call.delivered = True
        return answer, call

    def _computed(self, request: ModelRequest, call: Call, fault: str | None) -> Answer:
        answer = self._answers(request)
        if not isinstance(answer, Answer):
            raise InvalidFault(f"answers: gave {answer!r}; valid: an Answer")
        if fault in MALFORMED_ANSWERS:
            answer = malformed(fault, answer, request)
        text = answer.text + "".join(each.tool + each.text for each in answer.calls)
        call.output_tokens = tokens_of(text) if answer.output_tokens is None else answer.output_tokens
        calls = (
            replace(each, id=f"{MALFORMED if each.id == MALFORMED else 'call_'}{request.step}_{place}")
            for place, each in enumerate(answer.calls, 1)
        )
        return replace(answer, calls=tuple(calls))

    async def _refused(self, call: Call, fault: str, wait: float) -> None:
        call.outcome, call.usable = fault, False
        await asyncio.sleep(min(_REFUSAL, wait))
        call.delivered = fault != "connection_error"

    def __repr__(self) -> str:
        return f"<ModelService {self.name}: {self.ledger!r}>"


@cache
def _distributions() -> TypeAdapter[AnyDistribution]:
    return TypeAdapter(Distribution)


def _distribution(given: Any) -> AnyDistribution:
    try:
        distribution = _distributions().validate_python(given)
    except ValidationError as error:
        path, problem = first_problem(error)
        raise InvalidFault(f"{written(('latency', *path))}: {problem}") from None
    return distribution


def _timeout(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (value > 0 and isfinite(value)):
        raise InvalidFault(f"timeout={value!r}: must be a number of seconds above 0")
    return float(value)
