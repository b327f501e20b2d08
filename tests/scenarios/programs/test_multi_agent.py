"""The multi-agent program: the sound version recovers from everything, and each defect of the broken one is found."""

import ast
import asyncio
import inspect

import pytest

import sim
from scenarios.programs.multi_agent import broken, sound
from scenarios.programs.multi_agent.defects import DEFECTS
from scenarios.programs.multi_agent.plan import Step
from scenarios.programs.multi_agent.services import Agency, check

CUTS, ORDERS, CANCEL = "cuts", "orders", "cancel"
FOUND_BY = {
    "noted as queued before it is in the queue": CUTS,
    "acknowledged before it is done": CUTS,
    "a new idempotency key for each attempt": CUTS,
    "a rate limit that a restart refills": CUTS,
    "a name of a file that is not synced": CUTS,
    "a timeout taken for a failure": ORDERS,
    "a plan that is read and written over an await": ORDERS,
    "a slot that a cancellation does not release": CANCEL,
}
"""By defect, the tool that finds it."""


PAYMENT, MAIL = Step("payment", "charge", "deposit"), Step("confirmation", "mail", "your journey")


@pytest.fixture(autouse=True, scope="module")
def replaced_once():
    """The functions that `virtual_time` replaces in every module."""
    with sim.virtual_time():
        yield


def agency():
    return Agency(sim.Durable())


def agency_with(step):
    """An agency with a plan of one step."""

    async def setup():
        outside = agency()
        await outside.store.put("plan for Lisbon", {step.name: step})
        return outside

    return setup


def once(outside):
    assert all(times == 1 for times in outside.durable.effects.values())


def in_any_order(start, setup=None):
    async def main():
        with sim.virtual_time(seed=1):
            outside = agency() if setup is None else await setup()
            await start(outside)
            return outside

    return main


def methods(module):
    """The source text of a module by class and method, without docstrings; what is in no class is under its name."""
    tree = ast.parse(inspect.getsource(module))
    del tree.body[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                yield (node.name, getattr(part, "name", ast.unparse(part))), ast.unparse(part)
    rest = [node for node in tree.body if not isinstance(node, ast.ClassDef) and "uuid" not in ast.unparse(node)]
    yield "rest", ast.unparse(ast.Module(rest, []))


def test_the_two_programs_differ_in_the_defects_only():
    one, other = dict(methods(sound)), dict(methods(broken))
    assert one.keys() == other.keys()
    differ = {name for name in one if one[name] != other[name]}
    assert differ == {(defect.owner, method) for defect in DEFECTS for method in defect.methods}
    assert {defect.name for defect in DEFECTS} == FOUND_BY.keys()
    assert all("\n-" in defect.diff() or "\n+" in defect.diff() for defect in DEFECTS)


@pytest.mark.parametrize("program", [sound, broken])
def test_asyncio_alone_finds_nothing(program):
    """The broken program passes a test of the whole."""
    with asyncio.Runner(loop_factory=sim.SimLoop) as runner, sim.virtual_time(seed=1):
        outside = agency()
        runner.run(program.start(outside))
        check(outside)


def test_some_cuts_and_orders_tell_the_sound_program_from_the_broken_one():
    assert sim.crash_sweep(agency, sound.start, None, check, 16)
    failed = sim.crash_sweep(agency, broken.start, None, check, 8).failures
    assert {"resume waits for ever"} <= {str(trial.verdict) for trial in failed}
    assert sim.explore(in_any_order(sound.start), check, runs=10)
    assert not sim.explore(in_any_order(broken.start), check, runs=10, shrink=False)


@pytest.mark.long
def test_the_sound_program_survives_every_cut_order_and_cancellation():
    sim.crash_sweep(agency, sound.start, None, check).assert_holds()
    for strategy, runs in (("random", 40), ("pct", 40), ("bounded", 40), ("cancel", 50)):
        sim.explore(in_any_order(sound.start), check, strategy, runs).assert_holds()
    sim.crash_sweep(agency_with(MAIL), sound.start, None, once, "twice").assert_holds()


@pytest.mark.long
@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_each_defect_is_found_by_the_tool_that_it_takes(defect):
    match FOUND_BY[defect.name]:
        case "cuts" if defect.methods == ("charge",):
            report = sim.crash_sweep(agency_with(PAYMENT), defect.start, None, once)
        case "cuts":
            report = sim.crash_sweep(agency, defect.start, None, check, 24)
        case "orders":
            report = sim.explore(in_any_order(defect.start), check, runs=20, shrink=False)
            assert "await self._store." in report.interleaving  # the program's awaits, not those of a Durable
        case "cancel":
            report = sim.explore(in_any_order(defect.start, agency_with(MAIL)), once, "cancel")
    assert not report
