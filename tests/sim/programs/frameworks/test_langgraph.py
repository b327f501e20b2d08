"""LangGraph under power cuts, with a checkpointer that is not reliable. One file, so that one process imports it."""

from functools import partial
from typing import TypedDict

import pytest
from scipy import stats

import scenarios
import sim
from recovery import RetryPolicy
from scenarios.exchange.frameworks import FRAMEWORKS
from scenarios.exchange.portable import Portable
from sim.loop import run
from sim.programs.frameworks.effect_table import effect_table
from sim.programs.frameworks.errors import InvalidFault

pytestmark = pytest.mark.long
NODES = ("reserve", "charge")
THREAD = {"configurable": {"thread_id": "order-1"}}


class Order(TypedDict, total=False):
    done: str


@pytest.fixture(scope="module", autouse=True)
def saver():
    """`UnreliableSaver` around an `InMemorySaver`, made from a `Durable` and faults."""
    from langgraph.checkpoint.memory import InMemorySaver

    from sim.programs.frameworks.langgraph import UnreliableSaver

    return lambda durable, **faults: UnreliableSaver(InMemorySaver(), durable, **faults)


def graph_of(durable, *, is_keyed=False):
    from langgraph.graph import START, StateGraph

    def node(name):
        async def run(order: Order):
            await durable.request(name, idempotency_key="order-1" if is_keyed else None)
            return {"done": name}

        return run

    builder = StateGraph(Order)
    for name in NODES:
        builder.add_node(name, node(name))
    builder.add_edge(START, NODES[0])
    builder.add_edge(*NODES)
    return builder.compile(checkpointer=durable.saver)


async def start(durable, durability, is_keyed=False):
    await graph_of(durable, is_keyed=is_keyed).ainvoke({"done": ""}, THREAD, durability=durability)


async def resume(durable, durability, is_keyed=False):
    graph = graph_of(durable, is_keyed=is_keyed)
    is_begun = (await graph.aget_state(THREAD)).created_at is not None
    await graph.ainvoke(None if is_begun else {"done": ""}, THREAD, durability=durability)


def check(durable):
    assert dict(durable.effects) == dict.fromkeys(NODES, 1)


def swept(saver, durability, *, is_keyed=False, cuts="all", **faults):
    def setup():
        durable = sim.Durable(latency=0.1)
        durable.saver = saver(durable, latency=0.4, **faults)
        return durable

    how = {"durability": durability, "is_keyed": is_keyed}
    return sim.crash_sweep(setup, partial(start, **how), partial(resume, **how), check, cuts)


def doubled(report, node):
    """The times of the cuts after which the effect of a node has happened twice, from the earliest to the latest."""
    times = [trial.points[0].time for trial in report.trials if trial.effects.get(node) == 2]
    return round(min(times), 6), round(max(times), 6)


def test_an_effect_happens_twice_if_the_power_goes_off_before_it_is_stored(saver):
    """A request takes effect at half of its 0.1 s; a write is stored at half of its 0.4 s."""
    reports = {durability: swept(saver, durability, cuts=24) for durability in ("sync", "async", "exit")}
    for report in reports.values():
        assert {trial.effects.get(node) for trial in report.trials for node in NODES} == {1, 2}
    first, last = doubled(reports["sync"], "reserve")
    assert last - first <= 0.05 + 0.2
    first, last = doubled(reports["async"], "reserve")
    assert last - first > 0.05 + 0.2  # the graph goes on, and its checkpoints are stored one after another
    both = {
        durability: any(not trial.holds and {*trial.effects.values()} == {2} for trial in report.trials)
        for durability, report in reports.items()
    }
    assert both == {"sync": False, "async": True, "exit": True}
    table = effect_table(reports, name="durability")
    assert [*table.index] == [*NODES]
    assert [table.loc["reserve", durability].sum() for durability in reports] == [
        len(report.trials) for report in reports.values()
    ]
    assert table.loc["charge", ("exit", 2)] == sum(trial.effects["charge"] == 2 for trial in reports["exit"].trials)


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_with_an_idempotency_key_each_effect_happens_once(saver, durability):
    swept(saver, durability, is_keyed=True, lost=0.2, reordered=0.2, cuts=12).assert_holds()


def test_a_torn_checkpoint_ends_the_graph_early_and_without_an_error(saver):
    report = swept(saver, "sync", is_keyed=True, torn=0.5, cuts=25)
    assert {str(trial.verdict) for trial in report.failures} == {"check fails"}
    assert {trial.effects.get("charge", 0) for trial in report.failures} == {0}
    assert effect_table({"torn": report}).loc["charge", ("torn", 0)] == len(report.failures)


def test_what_is_not_stored_is_not_read(saver):
    async def main(**faults):
        graph = graph_of(durable := _with_saver(saver, **faults))
        await graph.ainvoke({"done": ""}, THREAD, durability="sync")
        latest = await graph.aget_state(THREAD)
        found = [each.values.get("done", "missing") async for each in graph.aget_state_history(THREAD)]
        assert [each.values.get("done", "missing") for each in graph.get_state_history(THREAD)] == found
        assert durable.effects["charge"] == 1
        assert "lost" in faults or "torn" in faults or (latest.values, latest.next) == ({"done": "charge"}, ())
        return found

    assert run(main()) == ["charge", "reserve", "", "missing"]
    assert run(main(lost=1)) == []
    assert run(main(reordered=1)) == ["charge", "reserve", "", "missing"]
    assert run(main(torn=1)) != run(main())


def _with_saver(saver, **faults):
    durable = sim.Durable()
    durable.saver = saver(durable, **faults)
    return durable


def test_what_is_no_checkpointer_is_refused():
    from langgraph.checkpoint.memory import InMemorySaver

    from sim.programs.frameworks.langgraph import UnreliableSaver

    for given in (InMemorySaver, None, {}):
        with pytest.raises(
            InvalidFault, match=r"^saver=.*: must be a checkpointer of LangGraph, such as InMemorySaver"
        ):
            UnreliableSaver(given)
    with pytest.raises(InvalidFault, match=r"^torn=7: must be a probability from 0 to 1$"):
        UnreliableSaver(InMemorySaver(), torn=7)


# ---------------------------------------------------------------------------------------------------- retry policies
ALWAYS_FAILS = """
name: always-fails
duration: 24h
tasks: {arrivals: {interval: {every: 1h}}, count: 20, work: 0s, failure_probability: 1}
agents: {count: 1}
"""


def simulated(policy):
    """The delays of all attempts that the bench simulates with a policy, by the number of the attempt."""
    history = sim.run(scenarios.loads(ALWAYS_FAILS), seed=3, policies={"task_failure": policy}).history
    started = history[history["event"] == "attempt.started"]
    by_task = started.groupby("task")["time"]
    return (by_task.diff().groupby(by_task.cumcount() + 1)).agg(list).drop(index=1)


def measured(retry_policy, **how):
    from sim.programs.frameworks.langgraph_retries import measure_retries

    return measure_retries(retry_policy, **how).groupby("attempt")["delay"].agg(list).drop(index=1)


def exported(policy):
    """The `RetryPolicy` of LangGraph that an export defines."""
    names = {}
    exec(FRAMEWORKS["langgraph"].export(Portable(policy, {})), names)
    return names["retry_policy"]


def test_an_exported_policy_has_the_delays_that_the_bench_simulates():
    policy = RetryPolicy(max_retries=4, retry_delay=2, backoff="exponential", multiplier=2, max_delay=10)
    found, expected = measured(exported(policy)), simulated(policy)
    assert [*found.index] == [*expected.index] == [2, 3, 4, 5]
    assert [delays[0] for delays in found] == [2, 4, 8, 10]
    for delays in expected.apply(lambda each: [round(delay, 6) for delay in each]).apply(set):
        assert delays <= {2, 4, 8, 10}
    assert [round(delays[0], 6) for delays in expected] == [2, 4, 8, 10]


def test_jitter_has_the_distribution_that_the_bench_simulates():
    policy = RetryPolicy(max_retries=2, retry_delay=1, backoff="exponential", jitter="additive", jitter_width=1)
    found, expected = measured(exported(policy), runs=100, seed=1), simulated(policy)
    for attempt, low in ((2, 1), (3, 2)):
        for delays in (found[attempt], expected[attempt]):
            assert stats.kstest(delays, stats.uniform(low, 1).cdf).pvalue > 0.01
    assert measured(exported(policy), runs=3, seed=1).equals(measured(exported(policy), runs=3, seed=1))
    assert not measured(exported(policy), runs=3, seed=1).equals(measured(exported(policy), runs=3, seed=2))


def test_an_imported_policy_simulates_the_delays_of_the_original():
    from langgraph.types import RetryPolicy as Original

    original = Original(initial_interval=0.5, backoff_factor=3.0, max_interval=4.0, max_attempts=5, jitter=False)
    text = "RetryPolicy(initial_interval=0.5, backoff_factor=3.0, max_interval=4.0, max_attempts=5, jitter=False)"
    imported = FRAMEWORKS["langgraph"].load(text, "graph.py").policy
    assert [delays[0] for delays in measured(original)] == [0.5, 1.5, 4, 4]
    assert [round(delays[0], 6) for delays in simulated(imported)] == [0.5, 1.5, 4, 4]


def test_a_policy_without_a_limit_is_measured_up_to_most_attempts():
    unlimited = exported(RetryPolicy(max_retries=10**6, retry_delay=1))
    assert [*measured(unlimited, most=4).index] == [2, 3, 4]
    assert [*measured(unlimited, error=ValueError).index] == []  # LangGraph does not retry it
    for arguments, message in [((7,), "retry_policy=7: must be"), ((unlimited, 0), "runs=0: must be a whole number")]:
        with pytest.raises(InvalidFault, match=message):
            measured(arguments[0], **({"runs": arguments[1]} if arguments[1:] else {}))
