"""Contradictions between the parts of a fleet: kinds of tasks, queues, and pools of agents, which name each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scenarios.errors import Path, instead, shown
from scenarios.faults import AnyFault, DependencyDown, DependencySlow, Group, QueueBlocked
from scenarios.faults.targets import KindTargets, PoolTargets
from scenarios.schema import ScenarioFields


def contradictions_of_parts(scenario: ScenarioFields) -> Iterator[tuple[Path, str]]:
    """Position and message of each name without its part, and of each part that nothing uses; faults aside."""
    yield from _queues(scenario)
    yield from _pools(scenario)
    yield from _calls(scenario)


def parts_of_faults(scenario: ScenarioFields) -> Iterator[tuple[Path, str]]:
    """Position and message of each name in a fault without its part."""
    for number, fault in enumerate(scenario.faults):
        for below, single in _members(fault):
            path: Path = ("faults", number, fault.kind, *below)
            if isinstance(single, DependencyDown | DependencySlow) and single.dependency not in scenario.downstream:
                problem = _unknown("unknown dependency", single.dependency, scenario.downstream, "downstream")
                yield (*path, "dependency"), problem
            if isinstance(single, QueueBlocked) and single.queue is not None and single.queue not in scenario.queues:
                yield (*path, "queue"), _unknown("unknown queue", single.queue, scenario.queues, "queues")
            for key, problem in _part(scenario, getattr(single, "targets", None)):
                yield (*path, "targets", key), problem


def _part(scenario: ScenarioFields, targets: object) -> Iterator[tuple[str, str]]:
    """The pool of a fault of agents, or the kind of a fault of tasks."""
    kinds, pools = scenario.tasks.kinds, scenario.agents.pools
    if isinstance(targets, KindTargets) and targets.kind not in kinds:
        yield "kind", _unknown("unknown kind", targets.kind, kinds, "tasks.kinds")
    if isinstance(targets, PoolTargets):
        pool = pools.get(targets.pool)
        if pool is None:
            yield "pool", _unknown("unknown pool", targets.pool, pools, "agents.pools")
        elif targets.count is not None and targets.count > pool.count:
            yield "count", f"{targets.count} exceeds the agents of the pool; valid: up to {pool.count}"


def _queues(scenario: ScenarioFields) -> Iterator[tuple[Path, str]]:
    kinds, queues = scenario.tasks.kinds, scenario.queues
    for name, kind in kinds.items():
        if kind.queue is not None and kind.queue not in queues:
            yield ("tasks", "kinds", name, "queue"), _unknown("unknown queue", kind.queue, queues, "queues")
    used = {kind.queue for kind in kinds.values()}
    for name in queues:
        if name not in used:
            yield ("queues", name), "no kind of tasks waits in it; valid: as the queue of a kind in tasks.kinds"


def _pools(scenario: ScenarioFields) -> Iterator[tuple[Path, str]]:
    kinds, pools = scenario.tasks.kinds, scenario.agents.pools
    for name, pool in pools.items():
        for place, kind in enumerate(pool.takes or ()):
            if kind not in kinds:
                yield ("agents", "pools", name, "takes", place), _unknown("unknown kind", kind, kinds, "tasks.kinds")
    for kind in kinds:
        if pools and not any(pool.takes is None or kind in pool.takes for pool in pools.values()):
            yield ("agents", "pools"), f"no pool takes tasks of the kind {shown(kind)}; valid: in takes of a pool"


def _calls(scenario: ScenarioFields) -> Iterator[tuple[Path, str]]:
    known, kinds = scenario.downstream, scenario.tasks.kinds
    called = {("tasks",): scenario.tasks.calls}
    called |= {("tasks", "kinds", name): kind.calls or () for name, kind in kinds.items()}  # type: ignore[misc]
    for path, names in called.items():
        for place, name in enumerate(names):
            if name not in known:
                yield (*path, "calls", place), _unknown("unknown dependency", name, known, "downstream")
    for name in known:
        if not any(name in names for names in called.values()):
            yield ("downstream", name), "no task calls it; valid: as one of the calls of tasks"


def _members(fault: AnyFault | Group) -> Iterator[tuple[Path, AnyFault]]:
    """A fault, or the members of a group, each with the path to it below that of the fault."""
    if isinstance(fault, Group):
        for number, member in enumerate(fault.faults):
            yield ("faults", number, member.kind), member
    else:
        yield (), fault


def _unknown(problem: str, name: str, known: Iterable[str], section: str) -> str:
    names = list(known)
    valid = instead(name, names, "valid") if names else f"valid: one of {section}, and there are none"
    return f"{problem} {shown(name)}; {valid}"
