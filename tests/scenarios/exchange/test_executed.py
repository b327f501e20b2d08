"""Exported policies, executed by the libraries that they are for: the delays are those that the simulator assumes."""

import random  # noqa: TID251 - the libraries draw from it
import time

import pytest

from recovery.policies.retry import RetryPolicy
from scenarios.exchange.frameworks import FRAMEWORKS
from scenarios.exchange.portable import NEVER, Portable

FIXED = RetryPolicy(max_retries=3, retry_delay=30)
DOUBLING = RetryPolicy(max_retries=4, retry_delay=2, backoff="exponential", multiplier=2, max_delay=10)
GROWING = {"max_retries": 4, "retry_delay": 2, "backoff": "exponential", "multiplier": 3}
ABSENT = "is not installed; the extra `exchange` has it"


def executed(name: str, policy: RetryPolicy, **given) -> dict:
    """The names that the exported source defines, for a policy that the framework can express."""
    framework = FRAMEWORKS[name]
    wanted = Portable(policy, given)
    assert framework.fit(wanted).differences == ()
    names: dict = {}
    exec(framework.export(wanted), names)
    return names


def assumed(policy: RetryPolicy, u: float = 0.0) -> list[float]:
    """The delays that the simulator assumes; `u` is the random number of each."""
    return [policy.unlimited_delay(retry, u) for retry in range(1, policy.max_retries + 1)]


@pytest.fixture
def draws(monkeypatch):
    """The random number of every draw, between 0 and 1."""

    def fixed(u):
        monkeypatch.setattr(random, "random", lambda: u)
        monkeypatch.setattr(random, "uniform", lambda low, high: low + u * (high - low))
        monkeypatch.setattr(random, "randrange", lambda stop: round(u * (stop - 1)))

    return fixed


@pytest.fixture
def slept(monkeypatch):
    """The delays of `time.sleep`, which returns at once."""
    delays: list[float] = []
    monkeypatch.setattr(time, "sleep", delays.append)
    return delays


def failing(*_):
    raise ConnectionError("the attempt has failed")


# ---------------------------------------------------------------------------------------------------- tenacity
@pytest.mark.parametrize(
    "policy",
    [
        FIXED,
        DOUBLING,
        RetryPolicy(max_retries=3, retry_delay=5, backoff="linear", max_delay=12),
        *(RetryPolicy(**GROWING, jitter=jitter) for jitter in ("full", "equal", "proportional", "additive")),
        *(RetryPolicy(max_retries=2, retry_delay=4, jitter=jitter) for jitter in ("full", "equal", "proportional")),
        RetryPolicy(**GROWING, jitter="equal", max_delay=20),
        RetryPolicy(**GROWING, jitter="additive", jitter_width=5, max_delay=20),
    ],
    ids=str,
)
def test_tenacity_waits_as_simulated(policy, draws):
    tenacity = pytest.importorskip("tenacity")
    retrying = executed("tenacity", policy)["retrying"]
    for u in (0.0, 0.25, 0.75):
        draws(u)
        delays: list[float] = []
        with pytest.raises(ConnectionError):
            retrying.copy(sleep=delays.append)(failing)
        assert delays == pytest.approx(assumed(policy, u))
    assert isinstance(retrying, tenacity.Retrying)


def test_tenacity_does_not_retry_the_errors_of_the_policy():
    pytest.importorskip("tenacity")
    retrying = executed("tenacity", FIXED, ConnectionError=NEVER)["retrying"]
    delays: list[float] = []
    with pytest.raises(ConnectionError):
        retrying.copy(sleep=delays.append)(failing)
    assert delays == []


# ----------------------------------------------------------------------------------------------------- stamina
@pytest.mark.parametrize(
    "policy",
    [
        FIXED,
        DOUBLING,
        RetryPolicy(**GROWING, jitter="additive", jitter_width=5, max_delay=20),
        *(RetryPolicy(max_retries=2, retry_delay=4, jitter=jitter) for jitter in ("full", "equal", "proportional")),
    ],
    ids=str,
)
def test_stamina_waits_as_simulated(policy, draws, slept):
    pytest.importorskip("stamina", reason=f"stamina {ABSENT}")
    call = executed("stamina", policy)["retry"](failing)
    for u in (0.0, 0.75):
        draws(u)
        with pytest.raises(ConnectionError):
            call()
        assert slept == pytest.approx(assumed(policy, u))
        slept.clear()


# ------------------------------------------------------------------------------------------------------ celery
@pytest.mark.parametrize(
    "policy",
    [FIXED, DOUBLING, DOUBLING.model_copy(update={"jitter": "full"}), RetryPolicy(max_retries=0, retry_delay=0)],
    ids=str,
)
def test_celery_waits_as_simulated(policy, draws):
    celery = pytest.importorskip("celery", reason=f"celery {ABSENT}")
    app = celery.Celery(broker="memory://", set_as_current=False)
    options = executed("celery", policy)["task_options"]
    task = app.task(name=f"failing.{policy}", **options)(failing)
    draws(1.0)
    delays: list[float] = []
    with pytest.raises(ConnectionError):  # noqa: PT012 - retries until the limit
        while True:
            task.push_request(id="one", retries=len(delays), called_directly=False, args=(), kwargs={})
            try:
                task.run()
            except celery.exceptions.Retry as retry:
                delays.append(retry.when)
            finally:
                task.pop_request()
    assert delays == pytest.approx(assumed(policy, 1.0))


# --------------------------------------------------------------------------------------------------- langgraph
@pytest.mark.parametrize(
    "policy",
    [
        FIXED,
        DOUBLING,
        RetryPolicy(**GROWING, jitter="additive"),
        RetryPolicy(max_retries=2, retry_delay=1, jitter="full"),
    ],
    ids=str,
)
def test_langgraph_waits_as_simulated(policy, draws, slept):
    graph = pytest.importorskip("langgraph.graph", reason=f"langgraph {ABSENT}")
    builder = graph.StateGraph(dict)
    builder.add_node("work", failing, retry_policy=executed("langgraph", policy)["retry_policy"])
    builder.add_edge(graph.START, "work")
    compiled = builder.compile()
    draws(0.75)
    with pytest.raises(ConnectionError):
        compiled.invoke({})
    assert slept == pytest.approx(assumed(policy, 0.75))


# ---------------------------------------------------------------------------------------------------- temporal
@pytest.mark.parametrize("policy", [FIXED, DOUBLING, RetryPolicy(max_retries=None, retry_delay=0.25)], ids=str)
def test_temporal_accepts_the_policy_and_sends_its_fields_to_the_server(policy):
    """The server computes the delays; what it receives is compared with what the simulator assumes."""
    common = pytest.importorskip("temporalio.api.common.v1", reason=f"temporalio {ABSENT}")
    sent = common.RetryPolicy()
    executed("temporal", policy, Poison=NEVER)["retry_policy"].apply_to_proto(sent)
    initial, cap = (each.ToTimedelta().total_seconds() for each in (sent.initial_interval, sent.maximum_interval))
    assert sent.maximum_attempts == (0 if policy.max_retries is None else policy.max_retries + 1)
    assert list(sent.non_retryable_error_types) == ["Poison"]
    delays = [min(cap, initial * sent.backoff_coefficient**retry) for retry in range(4)]
    assert delays == pytest.approx([policy.unlimited_delay(retry) for retry in range(1, 5)])
