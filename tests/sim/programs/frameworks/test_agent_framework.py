"""Microsoft Agent Framework under power cuts, with a checkpoint storage that is not reliable."""

import pytest

import sim
from sim.loop import run
from sim.programs.frameworks.effect_table import effect_table
from sim.programs.frameworks.errors import InvalidFault

pytestmark = pytest.mark.long
STEPS = ("reserve", "charge")


@pytest.fixture(scope="module", autouse=True)
def framework():
    import agent_framework

    return agent_framework


def swept(framework, storage, *, is_keyed=False, cuts="all", **faults):
    from sim.programs.frameworks.agent_framework import UnreliableStorage

    def workflow_of(durable):
        async def act(name, order):
            await durable.request(name, idempotency_key=order if is_keyed else None)

        async def reserve(order, context):
            await act("reserve", order)
            await context.send_message(order)

        async def charge(order, context):
            await act("charge", order)

        reserve.__annotations__ = {"order": str, "context": framework.WorkflowContext[str]}
        charge.__annotations__ = {"order": str, "context": framework.WorkflowContext}
        first, second = (
            framework.FunctionExecutor(each, id=name) for name, each in (("reserve", reserve), ("charge", charge))
        )
        builder = framework.WorkflowBuilder(start_executor=first, name="orders", checkpoint_storage=durable.storage)
        return builder.add_edge(first, second).build()

    def setup():
        durable = sim.Durable(latency=0.1)
        durable.storage = UnreliableStorage(storage(), durable, latency=0.02, **faults)
        return durable

    async def start(durable):
        await workflow_of(durable).run("order-1")

    async def resume(durable):
        latest = await durable.storage.get_latest(workflow_name="orders")
        how = {"message": "order-1"} if latest is None else {"checkpoint_id": latest.checkpoint_id}
        await workflow_of(durable).run(**how)

    def check(durable):
        assert dict(durable.effects) == dict.fromkeys(STEPS, 1)

    return sim.crash_sweep(setup, start, resume, check, cuts)


def test_an_effect_happens_twice_if_the_power_goes_off_before_its_checkpoint_is_stored(framework):
    report = swept(framework, framework.InMemoryCheckpointStorage)
    twice = [trial for trial in report.trials if 2 in trial.effects.values()]
    assert {str(trial.verdict) for trial in twice} == {"check fails"}
    assert len(twice) == len(report.failures) > 5
    for trial in twice:
        assert sorted(trial.effects.values()) == [1, 2]  # of one step: the workflow waits for its checkpoints
    assert [*effect_table({"memory": report}).index] == [*STEPS]
    swept(framework, framework.InMemoryCheckpointStorage, is_keyed=True, lost=0.5, reordered=0.5, cuts=9).assert_holds()


def test_a_torn_checkpoint_without_messages_ends_the_workflow_early_and_without_an_error(framework):
    report = swept(framework, framework.InMemoryCheckpointStorage, is_keyed=True, torn=0.5, cuts=15)
    assert {str(trial.verdict) for trial in report.failures} == {"check fails"}
    assert {trial.effects.get("charge", 0) for trial in report.failures} == {0}


def test_a_torn_file_is_skipped_and_its_step_runs_again(framework, tmp_path, caplog):
    folders = iter(range(1000))

    def storage():
        return framework.FileCheckpointStorage(tmp_path / f"{next(folders)}")

    report = swept(framework, storage, torn=0.5, cuts=15)
    assert {trial.effects[name] for trial in report.trials for name in STEPS} == {1, 2}
    assert "Failed to read checkpoint file" in caplog.text
    swept(framework, storage, is_keyed=True, torn=0.5, cuts=9).assert_holds()


def test_what_is_no_storage_is_refused(framework):
    from sim.programs.frameworks.agent_framework import UnreliableStorage

    for given in (framework.InMemoryCheckpointStorage, None, {}):
        with pytest.raises(InvalidFault, match=r"^storage=.*: must be a checkpoint storage of Agent Framework"):
            UnreliableStorage(given)
    with pytest.raises(InvalidFault, match=r"^latency=-1: must be 0 seconds or more$"):
        UnreliableStorage(framework.InMemoryCheckpointStorage(), latency=-1)


@pytest.mark.parametrize("faults", [{}, {"lost": 1.0}])
def test_checkpoints_can_be_listed_loaded_and_deleted(framework, faults):
    from sim.programs.frameworks.agent_framework import UnreliableStorage

    async def main():
        storage = UnreliableStorage(framework.InMemoryCheckpointStorage(), latency=1.0, **faults)
        saved = await storage.save(framework.WorkflowCheckpoint("orders", "hash"))
        ids = await storage.list_checkpoint_ids(workflow_name="orders")
        listed = await storage.list_checkpoints(workflow_name="orders")
        if not faults:
            assert (await storage.load(saved)).checkpoint_id == saved
        return ids == [saved], len(listed), await storage.delete(saved)

    assert run(main()) == ((False, 0, False) if faults else (True, 1, True))
