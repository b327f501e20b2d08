"""The simulated language-model service: what it answers, refuses and charges, and what its ledger says about it."""

import asyncio

import pytest

import sim
from sim.loop import run
from sim.programs.frameworks.errors import InvalidFault
from sim.programs.frameworks.models import (
    FAULTS,
    Answer,
    Message,
    ModelError,
    ModelRequest,
    ModelService,
    Outage,
    Price,
    RateLimited,
    TimedOut,
    ToolCall,
    scripted,
    seeded,
)

REFUND = {
    "type": "object",
    "properties": {"order": {"type": "integer"}, "amount": {"type": "number"}},
    "required": ["order", "amount"],
}
CALL = ToolCall("refund", {"order": 7, "amount": 3.5})


def asked(text="Refund order 7", *after):
    return ModelRequest([Message("user", text), *after], {"refund": REFUND})


def calls(service, *requests, timeout=None):
    """The answer or the error of each request, one after the other, and the seconds that each takes."""

    async def main():
        found = []
        for request in requests:
            begun = asyncio.get_running_loop().time()
            try:
                result, _ = await service.complete(request, timeout=timeout)
            except ModelError as error:
                result = error
            found.append((result, asyncio.get_running_loop().time() - begun))
        return found

    return run(main())


def test_a_script_answers_the_step_of_the_conversation_also_when_it_is_asked_again():
    service = ModelService(scripted(CALL, "done"), latency="2s")
    answered = Message("assistant", "", (CALL,))
    found = calls(service, asked(), asked(), asked("Refund order 7", answered, Message("tool", "ok", tool="refund")))
    assert [(answer.calls[0].tool if answer.calls else answer.text, took) for answer, took in found] == [
        ("refund", 2.0),
        ("refund", 2.0),
        ("done", 2.0),
    ]
    ledger = service.ledger
    assert [call.attempt for call in ledger.calls] == [1, 2, 1]
    assert (ledger.paid_again, ledger.duplicated) == (1, ledger.calls[1].cost)
    assert list(ledger.steps["label"]) == ["user: Refund order 7", "refund: ok"]
    assert ledger.frame["cost"].sum() == pytest.approx(ledger.cost)


def test_an_answer_is_paid_from_its_arrival_at_the_service():
    """By the price per token, also if the client gives up or is canceled, and not if the service refuses."""
    service = ModelService(lambda _: Answer("x", output_tokens=1_000_000), latency=10, price=Price(input=0, output=2))
    [(lost, took)] = calls(service, asked(), timeout=3)
    assert isinstance(lost, TimedOut)
    assert (took, service.ledger.cost, service.ledger.undelivered) == (3.0, 2.0, 2.0)

    async def gives_up():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await service.complete(asked())

    run(gives_up())
    assert (service.ledger.cost, service.ledger.duplicated) == (4.0, 2.0)

    for fault in ("rate_limit", "server_error", "unavailable", "connection_error"):
        refusing = ModelService(faults={fault: 1})
        [(error, took)] = calls(refusing, asked())
        assert isinstance(error, ModelError)
        assert (took, refusing.ledger.cost, refusing.ledger.count(fault)) == (0.05, 0.0, 1)


def test_a_minute_has_its_requests_and_tokens_and_a_refusal_the_seconds_until_there_is_room():
    service = ModelService(scripted("yes"), latency=1, requests_per_minute=2)
    found = calls(service, asked(), asked(), asked())
    assert [type(result) for result, _ in found] == [Answer, Answer, RateLimited]
    assert found[2][0].headers == {"retry-after": "28"}  # one request in 30 s, of which 2 have passed

    async def comes_back(seconds):
        await asyncio.sleep(seconds)
        return await service.complete(asked())

    with pytest.raises(RateLimited):
        run(comes_back(2 + 27))
    run(comes_back(2 + 28))
    small = ModelService(scripted("yes"), tokens_per_minute=5)
    [(error, _)] = calls(small, asked())
    assert error.headers == {"x-should-retry": "false"}
    by_tokens = ModelService(lambda _: Answer("x", output_tokens=60), tokens_per_minute=160, latency=0)
    request = ModelRequest([Message("user", "x" * 100)])
    found = calls(by_tokens, request, request)
    assert by_tokens.ledger.calls[0].input_tokens == 31
    assert found[1][0].retry_after == 9  # 91 are needed, 69 are left, and 160/60 come each second


def test_malformed_answers_are_what_their_names_say():
    def answer(fault):
        service = ModelService(scripted(CALL, "done"), faults={fault: 1}, latency=0)
        [(spoilt, _)] = calls(service, asked())
        assert (service.ledger.malformed, service.ledger.count(fault)) == (service.ledger.cost, 1)
        assert service.ledger.cost > 0
        history = Message("assistant", spoilt.text, spoilt.calls)
        assert asked("Refund order 7", history, Message("user", "again")).turn == 0
        return spoilt

    assert answer("broken_json").calls[0].arguments == '{"order": 7, "'
    assert answer("missing_argument").calls[0].arguments == {"order": 7}
    assert answer("unknown_tool").calls[0].tool == "refund_v2"
    assert answer("empty") == Answer()


def test_an_outage_is_a_fault_in_its_window():
    service = ModelService(latency="1s", outages=[Outage("server_error", at="3s", duration=2)])
    found = calls(service, *[asked(str(number)) for number in range(6)])
    outcomes = [call.outcome for call in service.ledger.calls]
    first_refused = outcomes.index("server_error")
    assert service.ledger.calls[first_refused].time == 3.0
    assert len(found) == 6
    sure, never = (ModelService(outages=[Outage("timeout", at=0, duration="1h", probability=p)]) for p in ("100%", 0))
    calls(sure, asked())
    calls(never, asked())
    assert (sure.ledger.count("timeout"), never.ledger.count("timeout")) == (1, 0)


def test_faults_and_latencies_have_their_distributions_and_depend_on_the_seed_and_the_step_alone():
    faults = {"timeout": 0.1, "server_error": "20%", "broken_json": 0.05}
    requests = [asked(str(number)) for number in range(600)]

    def outcomes(seed, given):
        service = ModelService(scripted("x"), faults=faults, latency={"exponential": {"mean": "2s"}}, seed=seed)
        calls(service, *given)
        return {call.label: call.outcome for call in service.ledger.calls}, service

    found, service = outcomes(1, requests)
    for fault, probability in {"timeout": 0.1, "server_error": 0.2}.items():
        assert service.ledger.count(fault) == pytest.approx(600 * probability, abs=3.5 * (600 * probability) ** 0.5)
    assert outcomes(1, requests[::-1])[0] == found
    assert outcomes(2, requests)[0] != found


def test_seeded_answers_fit_the_schemas_of_the_tools():
    tools = {
        "look": {"type": "object", "properties": {"kind": {"enum": ["a", "b"]}, "days": {"type": "integer"}}},
        "final": {"type": "object", "properties": {"text": {"type": "string"}}},
    }
    answer = seeded(3, tool_calls=1)
    request = ModelRequest([Message("user", "x")], tools, final_tool="final")
    (call,) = answer(request).calls
    assert call.tool == "look"
    assert call.arguments["kind"] in {"a", "b"}
    assert isinstance(call.arguments["days"], int)
    assert answer(request) == answer(request)
    later = ModelRequest([Message("user", "x"), Message("assistant", "", (call,))], tools, final_tool="final")
    assert answer(later).calls[0].tool == "final"


def test_a_power_cut_pays_twice_what_was_computed_and_not_saved():
    def setup():
        durable = sim.Durable()
        durable.service = ModelService(scripted("done"), latency=2)
        return durable

    async def start(durable):
        saved = durable.store("answers")
        if await saved.get("answer") is None:
            answer, _ = await durable.service.complete(asked())
            await saved.put("answer", answer.text)

    report = sim.crash_sweep(setup, start, None, lambda durable: durable.service.ledger.paid_again == 0)
    places = [failure.points[0].number for failure in report.failures]
    assert (report.points, places) == (report.points, [3, 4])
    assert len(report.points) == 5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Price(input=-1), "input=-1: must be a price of 0 or more for a million tokens"),
        (lambda: Price(output=float("nan")), "output=nan: must be a price of 0 or more"),
        (lambda: ModelService(price=3), "price=3: must be a Price"),
        (lambda: ModelService(faults={"timeout": 1.5}), "faults['timeout']: 1.5 is not a probability"),
        (lambda: ModelService(faults={"timeout": 0.6, "empty": 0.6}), "faults: their probabilities add up to 1.2"),
        (lambda: ModelService(faults={"timout": 0.1}), "faults: 'timout' is an unknown fault"),
        (lambda: ModelService(faults=["timeout"]), "faults=['timeout']: must map names"),
        (lambda: ModelService(outages=["timeout"]), "outages: 'timeout' is not an Outage"),
        (lambda: ModelService(latency={"lognorm": {}}), "latency.lognorm: unknown distribution"),
        (lambda: ModelService(latency=-1), "latency: -1 is a negative duration"),
        (lambda: ModelService(timeout=0), "timeout=0: must be a number of seconds above 0"),
        (lambda: ModelService(requests_per_minute=0), "requests_per_minute=0: must be 1 or more"),
        (lambda: ModelService(seed=-1), "seed=-1: must be a whole number from 0"),
        (lambda: ModelService(answers="hi"), "answers='hi': must be a function"),
        (lambda: Outage("boom", at=0, duration=1), "fault: 'boom' is an unknown fault; known: rate_limit,"),
        (lambda: Outage("timeout", at=-1, duration=1), "at: -1 is a negative duration"),
        (lambda: Outage("timeout", at=0, duration=1, probability=2), "probability: 2 is not a probability"),
        (scripted, "needs at least one answer"),
        (lambda: scripted(3), "3 is no answer"),
        (lambda: seeded(tool_calls=-1), "tool_calls=-1: must be a whole number from 0"),
        (lambda: Answer(output_tokens=-1), "output_tokens=-1: must be a whole number from 0"),
    ],
)
def test_an_invalid_argument_is_named(make, message):
    with pytest.raises(InvalidFault) as error:
        make()
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_every_fault_is_explained():
    assert all(FAULTS.values())
