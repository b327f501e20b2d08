"""Faults as text: targets, effects and durations."""

from __future__ import annotations

from typing import Any

from scenarios.faults import (
    AgentCrash,
    AgentFlap,
    AgentHang,
    AgentSlow,
    CheckpointCorrupt,
    CheckpointStale,
    CheckpointTorn,
    ClockSkew,
    CoreCrash,
    CoreHang,
    CoreSlow,
    DependencyDown,
    DependencySlow,
    ExecutionFailure,
    Group,
    LoadSurge,
    MessageDelay,
    MessageDuplicate,
    MessageLoss,
    MessageReorder,
    Partition,
    PoisonTask,
    QueueBlocked,
    ResourceDegraded,
    ResourceLeak,
    ResourceUnavailable,
    StorageFailure,
    StorageSlow,
)
from scenarios.faults.targets import KindTargets, PoolTargets
from sim.presentation.formatting import count, duration, percent
from sim.presentation.phrases import listed, spread


def in_words(fault: Any) -> str:
    """The effect of a fault, with `every` and `when`; the caller adds `at`."""
    again = "" if fault.every is None else f"every {spread(fault.every)} "
    if fault.when is not None:
        later = "" if fault.after is None else f"{spread(fault.after)} after "
        again = f"{later}the first time that {fault.when.expression}, "
    lasting = getattr(fault, "for_", None)
    lasts = f" for {spread(lasting)}" if lasting is not None else ""
    if isinstance(fault, Group):
        same = ", all for as long" if lasting is not None and lasting.constant is None else ""
        return f"{again}together: {'; '.join(_does(member, lasts) for member in fault.faults)}{same}"
    return again + _does(fault, lasts)


def _does(fault: Any, lasts: str) -> str:
    """The effect of a fault, without its time."""
    for part in (_of_agents, _of_tasks, _of_resources, _of_messages, _of_storage, _of_core_and_clocks):
        told = part(fault, lasts, lasts or " to the end")
        if told is not None:
            return told
    raise AssertionError(f"no words for {fault.kind}")


def _of_agents(fault: Any, lasts: str, until: str) -> str | None:
    match fault:
        case AgentCrash():
            return f"{_targets(fault.targets, 'agent')} {_verb(fault.targets, 'crash', 'crashes')}"
        case AgentHang():
            beats = ", beating on," if fault.beating else ""
            verb = _verb(fault.targets, "hang", "hangs")
            return f"{_targets(fault.targets, 'agent')} {verb}{beats}{lasts or ' until restarted'}"
        case AgentSlow():
            verb = _verb(fault.targets, "take", "takes")
            return f"{_targets(fault.targets, 'agent')} {verb} {fault.factor:g} times as long for work{until}"
        case AgentFlap():
            who, verb = _targets(fault.targets, "agent"), _verb(fault.targets, "flap", "flaps")
            return f"{who} {verb}{until}: down for {spread(fault.down)}, up for {spread(fault.up)}"
    return None


def _of_tasks(fault: Any, lasts: str, until: str) -> str | None:
    match fault:
        case ExecutionFailure():
            return f"{_targets(fault.targets, 'running task')} {_verb(fault.targets, 'fail', 'fails')}"
        case PoisonTask():
            verb = _verb(fault.targets, "turn out to kill", "turns out to kill")
            return f"{_targets(fault.targets, 'running task')} {verb} whoever takes it"
        case LoadSurge():
            return f"the load comes {fault.factor:g} times as fast{until}"
    return None


def _of_resources(fault: Any, lasts: str, until: str) -> str | None:
    match fault:
        case ResourceUnavailable():
            is_are = "unit of {} is" if fault.units == 1 else "units of {} are"
            return f"{fault.units} {is_are.format(fault.resource)} out of service{until}"
        case ResourceDegraded():
            return f"work that holds {fault.resource} takes {fault.factor:g} times as long{until}"
        case DependencyDown():
            return f"{fault.dependency} refuses every call{until}"
        case DependencySlow():
            return f"calls to {fault.dependency} take {fault.factor:g} times as long{until}"
        case ResourceLeak():
            what = "free unit leaks" if fault.units == 1 else "free units leak"
            return f"{fault.units} {what} from {fault.resource}" + (f", found again after{lasts[4:]}" if lasts else "")
    return None


def _of_messages(fault: Any, lasts: str, until: str) -> str | None:
    match fault:
        case Partition():
            one, other = fault.between
            return f"nothing passes between {_side(one)} and {_side(other)}{until}"
        case MessageLoss():
            return f"{percent(fault.probability)} of the messages{_way(fault)} are lost{until}"
        case MessageDelay():
            share = "the" if fault.probability == 1 else f"{percent(fault.probability)} of the"
            return f"{share} messages{_way(fault)} are late by {spread(fault.delay)}{until}"
        case MessageReorder():
            return f"{percent(fault.probability)} of the messages are held back by {spread(fault.delay)}{until}"
        case MessageDuplicate():
            return f"{percent(fault.probability)} of the deliveries arrive twice{until}"
        case QueueBlocked():
            which = "the queue" if fault.queue is None else f"the queue {fault.queue}"
            return f"{which} delivers nothing{until}"
    return None


def _of_storage(fault: Any, lasts: str, until: str) -> str | None:
    match fault:
        case CheckpointCorrupt():
            return f"the latest checkpoint of {_targets(fault.targets, 'running task')} is damaged"
        case CheckpointTorn():
            return f"the latest checkpoint of {_targets(fault.targets, 'running task')} is half written"
        case CheckpointStale():
            return f"checkpoints are read as they were {duration(fault.lag)} ago{until}"
        case StorageFailure():
            return f"{percent(fault.probability)} of the checkpoints cannot be written{until}"
        case StorageSlow():
            return f"checkpoints take {fault.factor:g} times as long{until}"
    return None


def _of_core_and_clocks(fault: Any, lasts: str, until: str) -> str | None:
    match fault:
        case CoreCrash():
            return "the core crashes" + (f" and is started again after{lasts[4:]}" if lasts else " for good")
        case CoreHang():
            return f"the core that leads does nothing, and does not know of it,{lasts or ' from then on'}"
        case CoreSlow():
            return f"all that reaches the core is late by {spread(fault.delay)}{until}"
        case ClockSkew():
            everyone = {"queue": "the queue", "core": "every core"}
            whose = everyone.get(fault.targets) if isinstance(fault.targets, str) else None
            whose = whose or _targets(fault.targets, "core" if fault.of_cores else "agent")
            wrong = []
            if fault.offset:
                wrong.append(f"jumps {'ahead' if fault.offset > 0 else 'back'} by {duration(abs(fault.offset))}")
            if fault.speed != 1:
                wrong.append(f"runs at {fault.speed:g} times its rate")
            return f"the clock of {whose} {listed(wrong)}{until}"
    return None


def _way(fault: MessageLoss | MessageDelay) -> str:
    if fault.between is None:
        return ""
    one, other = fault.between
    return f" from {_side(one)} to {_side(other)}" if fault.one_way else f" between {_side(one)} and {_side(other)}"


def _side(endpoint: str) -> str:
    return endpoint if "." in endpoint else f"the {endpoint}"


def _targets(targets: Any, noun: str) -> str:
    if isinstance(targets, PoolTargets):
        return f"{_targets(targets.amount, noun)} of pool {targets.pool}"
    if isinstance(targets, KindTargets):
        return f"{_targets(targets.amount, noun)} of kind {targets.kind}"
    if isinstance(targets, tuple):
        return listed(list(targets))
    if targets == "all":
        return f"every {noun}"
    if isinstance(targets, float):
        return f"{percent(targets)} of the {noun}s"
    return f"one {noun}" if targets == 1 else count(targets, noun)


def _verb(targets: Any, many: str, one: str) -> str:
    if isinstance(targets, PoolTargets | KindTargets):
        return _verb(targets.amount, many, one)
    single = targets in (1, "all") or (isinstance(targets, tuple) and len(targets) == 1)
    return one if single and not isinstance(targets, float) else many
