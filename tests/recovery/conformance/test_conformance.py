"""The systems of this project conform, and every check has detected a defect."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pytest

from recovery import null_ports
from recovery.conformance import CHECKS, NotConformant
from recovery.model import TaskStatus
from recovery.stores import inline
from tests.recovery.conformance.rigs import LocalRig, SmallRig

NAMES = [str(check) for check in CHECKS]


def check(name, rig):
    asyncio.run(CHECKS[NAMES.index(name)].of(rig))


@pytest.mark.parametrize("name", NAMES)
def test_the_small_system_conforms(name):
    check(name, SmallRig())


@pytest.mark.parametrize("name", NAMES)
def test_the_local_system_conforms(name, database):
    check(name, LocalRig(database))


@pytest.mark.parametrize("name", NAMES)
def test_a_system_without_pools_network_and_logs_conforms(name):
    rig = SmallRig()
    nothing = null_ports.NoResources(), null_ports.NoQueues(), null_ports.NoNetwork(), null_ports.NoLogs()
    resources, queues, network, logs = nothing
    rig.system = replace(rig.system, resources=resources, queues=queues, network=network, logs=logs)
    rig.pools = {}
    check(name, rig)


class Broken:
    """A port that does one thing in another way; the rest it leaves to the one that works."""

    def __init__(self, port, **others):
        self._port = port
        self.__dict__.update(others)

    def __getattr__(self, name):
        return getattr(self._port, name)


def of_store(**others):
    """A task store with a defect."""

    def broken(rig):
        store = Broken(rig.small.store)
        for name, other in others.items():
            store.__dict__[name] = partial(other, getattr(rig.small.store, name))
        rig.small.store = store
        rig.system = replace(rig.system, store=inline(store))

    return broken


def of_port(port, **others):
    """A port that is broken: `other(right, *args)` in place of `right(*args)`."""

    def broken(rig):
        working = getattr(rig.system, port)
        made = Broken(working)
        for name, other in others.items():
            made.__dict__[name] = partial(other, getattr(working, name))
        rig.system = replace(rig.system, **{port: made})

    return broken


def of_plain(port, name, other):
    """Replace a method by a plain function instead of a coroutine."""

    def broken(rig):
        working = getattr(rig.system, port)
        right = getattr(working, name)
        rig.system = replace(rig.system, **{port: Broken(working, **{name: lambda *args: other(right, *args)})})

    return broken


def swallow(call, error):
    try:
        return call()
    except error:
        return None


async def always(value):
    return value


async def seen_as(right, task_id, **others):
    view = await right(task_id)
    return None if view is None else replace(view, **others)


async def probed_as_dead(right, name):
    return replace(await right(name), responding=False)


async def probed_as_responding(right, name):
    return replace(await right(name), responding=True)


async def disconnected(right, names):
    return [replace(link, connected=False) for link in await right(names)]


BROKEN = {
    "registers a name twice": of_store(register=lambda right, name: swallow(lambda: right(name), ValueError)),
    "knows everybody": of_store(status=lambda right, name: right(name) or TaskStatus.QUEUED),
    "one epoch for all": of_store(begin=lambda right, *args: min(1, right(*args) or 1)),
    "every commit stands": of_store(commit=lambda right, *args: right(*args) or True),
    "fences nobody": of_store(fence=lambda right, name: 1),
    "saves what is fenced": of_store(
        save_checkpoint=lambda right, name, epoch, *args: right(name, epoch + 1, *args) or right(name, 99, *args)
    ),
    "everybody is current": of_store(is_current=lambda right, *args: True),
    "anybody may fail a task": of_store(fail=lambda right, *args: right(*args) or True),
    "begins what is over": of_store(begin=lambda right, *args: right(*args) or 7),
    "requeues what is over": of_store(requeue=lambda right, *args: right(*args) or True),
    "nobody is halted": of_store(halted=lambda right: ()),
    "halted by name": of_store(halted=lambda right: sorted(right())),
    "requeues what runs": of_store(requeue=lambda right, name, fenced=None: right(name)),
    "counts each retry it hears of": of_store(retries=lambda right, *args: right(*args) * 2),
    "forgets states": of_store(checkpoints=lambda right, name: [replace(each, state=None) for each in right(name)]),
    "the latest first": of_store(checkpoints=lambda right, name: right(name)[::-1]),
    "does not know the last": of_store(last_checkpoint=lambda right, name: max(1, right(name))),
    "keeps anything": of_store(save_checkpoint=lambda right, *args: swallow(lambda: right(*args), ValueError)),
    "restores nothing": of_store(set_restore_point=lambda right, *args: None),
    "sees no task": of_port("tasks", inspect=lambda right, name: always(None)),
    "nobody waits": of_port("tasks", inspect=lambda right, name: seen_as(right, name, waiting_in_queue=False)),
    "everybody waits": of_port("tasks", inspect=lambda right, name: seen_as(right, name, waiting_in_queue=True)),
    "no agent is seen": of_port("tasks", inspect=lambda right, name: seen_as(right, name, agent=None)),
    "no error is seen": of_port("tasks", inspect=lambda right, name: seen_as(right, name, error_code=None)),
    "agents have nothing": of_port("tasks", tasks_on=lambda right, name: always([])),
    "stops nobody": of_port("tasks", stop_attempts=lambda right, name: always(None)),
    "stops once": of_port("tasks", stop_attempts=lambda right, name: always(1 / 0)),
    "puts nothing into the queue": of_port("tasks", enqueue=lambda right, *args: always(True)),
    "says that it is not queued": of_port("tasks", enqueue=lambda right, *args: always(False)),
    "nobody responds": of_port("agents", health=probed_as_dead),
    "everybody responds": of_port("agents", health=probed_as_responding),
    "one for all": of_port("agents", health=lambda right, name: right("agent.0")),
    "restarts nobody": of_port("agents", restart=lambda right, name: always(True)),
    "cannot restart": of_port("agents", restart=lambda right, name: always(False)),
    "all pools at once": of_port("resources", health=lambda right, names: right(())),
    "needs nothing": of_port("resources", requirements=lambda right, name: always({})),
    "holds nothing": of_port("resources", held=lambda right, name: always({})),
    "gives back nothing": of_port("resources", release=lambda right, name: always({})),
    "allocates what there is not": of_port("resources", allocate=lambda right, name, units: always(dict(units))),
    "allocates nothing": of_port("resources", allocate=lambda right, name, units: always(None)),
    "replays what was delivered": of_port("queues", replay=lambda right, *args: always(1)),
    "is never connected": of_port("network", status=disconnected),
    "cannot reconnect": of_port("network", reset=lambda right, names: always(False)),
    "finds anything": of_port("logs", search=lambda right, *args: always(["ERROR"])),
    "keeps no recovery": of_plain("journal", "keep", lambda right, incident: None),
    "keeps the first": of_plain(
        "journal", "keep", lambda right, incident: right(replace(incident, phase=type(incident.phase).OPENED))
    ),
    "forgets nothing": of_plain("journal", "forget", lambda right, number: None),
    "counts what is open": of_plain("journal", "numbers", lambda right: 1),
    "records anything": of_plain("audit", "record", lambda right, *args: swallow(lambda: right(*args), ValueError)),
}


def caught(broken):
    """The checks that find something wrong."""
    found = []
    for name in NAMES:
        rig = SmallRig()
        broken(rig)
        with suppress(NotConformant):
            check(name, rig)
            continue
        found.append(name)
    return found


@pytest.mark.parametrize("name", BROKEN)
def test_broken_ports_are_detected(name):
    assert caught(BROKEN[name])


def test_every_check_has_failed_at_least_once():
    seen = {name for broken in BROKEN.values() for name in caught(broken)}
    assert [name for name in NAMES if name not in seen] == []


def test_findings_are_sentences():
    rig = SmallRig()
    BROKEN["every commit stands"](rig)
    promise = "TaskStore: The first commit completes a task, and all others are refused, also concurrent ones"
    with pytest.raises(NotConformant, match=f"{promise}: the number of accepted commits of eight is 8; expected 1"):
        check(next(name for name in NAMES if name.startswith(promise)), rig)


def test_a_port_that_does_not_respond_times_out(monkeypatch):
    monkeypatch.setattr("recovery.conformance.check.PATIENCE", 0.01)
    rig = SmallRig()
    of_port("tasks", inspect=lambda right, name: asyncio.sleep(3600))(rig)
    name = next(name for name in NAMES if name.startswith("TaskPort"))
    with pytest.raises(NotConformant, match=r"no answer within 0\.01 s"):
        check(name, rig)


def test_a_port_error_is_reported_with_its_message():
    rig = SmallRig()
    BROKEN["stops once"](rig)
    with pytest.raises(NotConformant, match="raised ZeroDivisionError: division by zero"):
        check(next(name for name in NAMES if "After its attempts are stopped" in name), rig)
