"""LangGraph under power cuts, with a checkpointer that is not reliable. One file, so that one process imports it."""

from functools import partial
from typing import TypedDict

import pytest

import sim
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
