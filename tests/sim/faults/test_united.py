"""Overlapping faults on one target unite: it is affected in the union of their intervals, by the active ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isnan, prod
from typing import Any

import pytest

import sim
from scenarios.faults import SINGLE
from sim.faults.injection import any_of
from sim.loop.callbacks import after
from sim.measures.tables.event_table import Tracks
from sim.reports.table import summary
from sim.reports.timeline_data import injected
from sim.simulation import Run
from sim.world.world import World
from tests.sim.reports.test_table import printed
from tests.sim.world.stories import recorded, run_with, scenario, values

Interval = tuple[float, float]
"""Start and duration."""
BOUNDED: tuple[tuple[Interval, ...], ...] = (
    ((10, 10), (15, 20)),  # overlapping
    ((10, 25), (15, 5)),  # nested
    ((10, 10), (10, 20)),  # with the same start
    ((10, 20), (20, 10)),  # with the same end
    ((10, 10), (20, 10)),  # touching
    ((10, 5), (20, 5)),  # apart
    ((10, 10), (15, 10), (12, 20)),  # three
)
APART = 40
SHAPES: dict[str, tuple[Interval, ...]] = {
    "bounded": tuple((at + APART * n, lasts) for n, shape in enumerate(BOUNDED) for at, lasts in shape),
    "without an end": ((10, inf), (15, 5)),
    "then without an end": ((10, 5), (12, inf)),
}
END = APART * len(BOUNDED)
BASE: dict[str, Any] = {
    "tasks.arrivals": {"burst": {"size": 1}},
    "tasks.work": "500s",
    "tasks.checkpoint": {"every": "400s"},
    "recovery.detection.heartbeat_interval": "1000s",
    "recovery.cores.lease": {"duration": "1000s"},
    "resources": {"gpu": {"units": 4}},
}


@dataclass(frozen=True)
class Kind:
    """A kind of fault: keys of the n-th, what the world shows, and what it has to show for the active ones."""

    keys: Callable[[int], dict[str, Any]]
    shows: Callable[[World], float]
    combined: Callable[[Sequence[int]], float]
    values: dict[str, Any]


def kind(
    shows: Callable[[World], float],
    keys: Callable[[int], dict[str, Any]] = lambda n: {},
    combined: Callable[[Sequence[int]], float] = bool,
    **more: Any,
) -> Kind:
    return Kind(keys, shows, combined, more)


FACTORS, SHARES, UNITS, DELAYS = (2.0, 3.0, 5.0), (0.5, 0.4, 0.3), (2, 3, 1), (1.0, 2.0, 4.0)


def slowness(world: World) -> float:
    (attempt,) = world.agents.all[0].attempts
    return attempt.slowness


def factor(n: int) -> dict[str, Any]:
    return {"factor": FACTORS[n]}


def product(active: Sequence[int]) -> float:
    return prod(FACTORS[n] for n in active)


def share(n: int) -> dict[str, Any]:
    return {"probability": SHARES[n]}


def either(active: Sequence[int]) -> float:
    return any_of(SHARES[n] for n in active)


def pool(n: int) -> dict[str, Any]:
    return {"resource": "gpu", "units": UNITS[n]}


def up_to_all(active: Sequence[int]) -> float:
    return min(4, sum(UNITS[n] for n in active))


def delay(n: int) -> dict[str, Any]:
    return {"delay": DELAYS[n]}


def total(active: Sequence[int]) -> float:
    return sum(DELAYS[n] for n in active)


def is_cut(world: World) -> float:
    return world.network.broken_link("core", "agent.0") is not None


def disturbance(world: World) -> float:
    """The sum of delays of a message, infinite when it is lost."""
    return sum(each.strikes("probe", "queue", "agent.0") for each in world.network._disturbances)


def core_is_down(world: World) -> float:
    return not world.host.is_up  # type: ignore[attr-defined]


CALLS: dict[str, Any] = {"downstream": {"llm": {}}, "tasks.calls": ["llm"]}
KINDS = {
    "agent_hang": kind(lambda world: world.agents.all[0].hung),
    "agent_slow": kind(slowness, factor, product),
    "resource_unavailable": kind(lambda world: world.pools.pools["gpu"].unavailable, pool, up_to_all),
    "resource_leak": kind(lambda world: world.pools.pools["gpu"].leaked, pool, up_to_all),
    "resource_degraded": kind(
        slowness, lambda n: factor(n) | {"resource": "gpu"}, product, **{"tasks.needs": {"gpu": 1}}
    ),
    "dependency_down": kind(lambda world: world.downstream["llm"].is_down, lambda n: {"dependency": "llm"}, **CALLS),
    "dependency_slow": kind(
        lambda world: world.downstream["llm"].slowness, lambda n: factor(n) | {"dependency": "llm"}, product, **CALLS
    ),
    "partition": kind(is_cut, lambda n: {"between": (["agents", "core"], ["core", "agents"], ["agents", "core"])[n]}),
    "message_loss": kind(disturbance, lambda n: {"probability": 1}, lambda active: inf if active else 0),
    "message_delay": kind(disturbance, delay, total),
    "message_reorder": kind(disturbance, lambda n: delay(n) | {"probability": 1}, total),
    "message_duplicate": kind(lambda world: world.queue.duplication, share, either),
    "queue_blocked": kind(lambda world: world.queue.stopped),
    "checkpoint_stale": kind(
        lambda world: world.replica.lag if world.replica else 0,
        lambda n: {"lag": DELAYS[n]},
        lambda active: max((DELAYS[n] for n in active), default=0),
    ),
    "storage_failure": kind(lambda world: world.execution.write_failure, share, either),
    "storage_slow": kind(lambda world: world.execution.storage_slowness, factor, product),
    "load_surge": kind(
        lambda world: world.load._factor, factor, product, **{"tasks.arrivals": {"interval": {"every": "900s"}}}
    ),
    "core_crash": kind(core_is_down),
    "core_hang": kind(core_is_down),
    "core_slow": kind(lambda world: world.host.messages.delay(), delay, total),  # type: ignore[attr-defined]
    "clock_skew": kind(
        lambda world: world.queue.clock.now - world.env.now,
        lambda n: {"targets": "queue", "offset": DELAYS[n]},
        total,
        **{"queue.ack_timeout": "2000s"},
    ),
}
"""All kinds with a duration that does not depend on the recovery, but `agent_flap`."""


def faults(name: str, shape: Sequence[Interval]) -> list[dict[str, Any]]:
    found = []
    for n, (at, lasts) in enumerate(shape):
        keys = {"targets": ["agent.0"]} if name.startswith("agent_") else {}
        found.append({name: keys | KINDS[name].keys(n % 3) | {"at": at, "for": None if lasts == inf else lasts}})
    return found


def active(shape: Sequence[Interval], time: float) -> list[int]:
    return [n % 3 for n, (at, lasts) in enumerate(shape) if at <= time < at + lasts]


def incidents(shape: Sequence[Interval]) -> list[Interval]:
    """The maximal intervals of the union, as start and end. Touching ones are one."""
    merged: list[Interval] = []
    for at, lasts in sorted(shape):
        if merged and at <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], at + lasts)
        else:
            merged.append((at, at + lasts))
    return merged


def watched(name: str, shape: Sequence[Interval]) -> tuple[Run, dict[float, float]]:
    """A run with these faults, and what the world shows every two seconds."""
    seen: dict[float, float] = {}

    def look(world: World) -> None:
        for step in range(END // 2):
            time = 2 * step + 0.5
            after(world.env, time, lambda timer: seen.update({timer._value: KINDS[name].shows(world)}), time)

    changed = BASE | {"faults": faults(name, shape)} | KINDS[name].values
    return run_with(look, scenario(changed, duration=f"{END}s")), seen


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", KINDS)
def test_overlapping_faults_of_one_kind_unite(name: str, shape: str) -> None:
    """The target is affected by the active faults at each instant, and their union is one incident."""
    run, seen = watched(name, SHAPES[shape])
    expected = {time: float(KINDS[name].combined(active(SHAPES[shape], time))) for time in seen}
    assert seen == pytest.approx(expected)
    assert (run.metrics["faults.injected"], run.metrics["faults.skipped"]) == (len(SHAPES[shape]), 0)
    assert run.violations == ()

    begins, ends = zip(*incidents(SHAPES[shape]), strict=True)
    assert [time for time, others in values(run, "fault.injected") if isnan(others)] == list(begins)
    assert [time for time, others in values(run, "fault.cleared") if isnan(others)] == [
        end for end in ends if end < inf
    ]
    assert len(values(run, "fault.cleared")) == sum(lasts < inf for _, lasts in SHAPES[shape])
    lasting = [begin if name == "agent_hang" else END for begin in begins]  # a restart may end a hang
    drawn = [until if until < inf else instead for until, instead in zip(ends, lasting, strict=True)]
    assert [(at, until) for at, until, _ in injected(Tracks.of(run.record))] == list(zip(begins, drawn, strict=True))


def test_every_fault_with_a_duration_has_a_rule() -> None:
    others = {"agent_flap"}
    assert {form.kind for form in SINGLE if form.lasts()} == {*KINDS, *others}
    assert all(form.unites for form in SINGLE)


# ------------------------------------------------------------------------------------------ pairs of different kinds
def agent(kind: str, at: float, **keys: Any) -> dict[str, Any]:
    return {f"agent_{kind}": {"targets": ["agent.0"], "at": at} | keys}


def history(*faults: dict[str, Any], **more: Any) -> list[tuple[float, str]]:
    """When the agent crashes, hangs and is up again. Its recovery takes 20 s, and begins 1000 s after a crash."""
    changed = BASE | {"faults": list(faults), "agents.restart_time": "20s"} | more
    run = sim.run(scenario(changed, duration="200s"))
    assert run.violations == ()
    assert run.metrics["faults.skipped"] == 0
    names = {"crashed": "down", "hung": "hung", "woke": "up", "restarted": "up"}
    return [(time, names[event.partition(".")[2]]) for time, event, *_ in recorded(run, "agent.") if event[6:] in names]


KNOWN = {"recovery.detection.detector": "perfect"}


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ([agent("hang", 10, **{"for": 20}), agent("crash", 15)], [(10, "hung"), (15, "down")]),
        ([agent("crash", 10), agent("hang", 15, **{"for": 20})], [(10, "down")]),
        ([agent("crash", 10), agent("crash", 15)], [(10, "down")]),
        (
            [agent("hang", 10, **{"for": 40}), agent("flap", 20, down=5, up=90, **{"for": 10})],
            [(10, "hung"), (20, "down"), (50, "up")],
        ),
        (
            [agent("flap", 10, down=5, up=90, **{"for": 10}), agent("hang", 12, **{"for": 20})],
            [(10, "down"), (32, "up")],
        ),
        (
            [agent("flap", 10, down=5, up=90, **{"for": 10}), agent("flap", 12, down=20, up=90, **{"for": 10})],
            [(10, "down"), (32, "up")],
        ),
        (
            [agent("flap", 10, down=20, up=90, **{"for": 10}), agent("flap", 12, down=5, up=90, **{"for": 10})],
            [(10, "down"), (30, "up")],
        ),
        ([agent("flap", 10, down=5, up=90, **{"for": 10}), agent("crash", 12)], [(10, "down")]),
        ([agent("crash", 10), agent("flap", 12, down=5, up=90, **{"for": 10})], [(10, "down")]),
        ([agent("hang", 10), agent("hang", 15, **{"for": 5})], [(10, "hung")]),
        (
            [agent("hang", 10, **{"for": 9}), agent("hang", 15, **{"for": 9}), agent("hang", 23, **{"for": 9})],
            [(10, "hung"), (32, "up")],
        ),
    ],
)
def test_crashes_hangs_and_flaps_of_an_agent_unite(
    faults: list[dict[str, Any]], expected: list[tuple[float, str]]
) -> None:
    assert history(*faults) == expected


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ([agent("crash", 10), agent("crash", 15)], [(10, "down"), (30, "up")]),
        ([agent("crash", 10), agent("hang", 15, **{"for": 60})], [(10, "down"), (30, "up")]),
        ([agent("hang", 10, **{"for": 60}), agent("hang", 5, **{"for": 90})], [(5, "hung"), (25, "up")]),
        ([agent("flap", 10, down=15, up=90, **{"for": 10}), agent("crash", 12)], [(10, "down"), (30, "up")]),
    ],
)
def test_a_restart_by_the_recovery_ends_all_of_them(
    faults: list[dict[str, Any]], expected: list[tuple[float, str]]
) -> None:
    """The perfect detector knows of the outage at once, and a restart takes 20 s."""
    assert history(*faults, **KNOWN) == expected


def test_a_repeated_hang_that_lasts_until_the_next_one_has_no_gap() -> None:
    assert history({"agent_hang": {"every": 10, "for": 10}}) == [(10, "hung")]


def test_instants_that_differ_by_rounding_touch() -> None:
    """10.7 + 0.1 is slightly less than 10.8."""
    hangs = [agent("hang", 10.7, **{"for": 0.1}), agent("hang", 10.8, **{"for": 1})]
    assert 10.7 + 0.1 < 10.8
    assert history(*hangs) == [(10.7, "hung"), (11.8, "up")]


def test_heartbeats_continue_while_all_hangs_let_them() -> None:
    """Hung from 10 s to 70 s; without heartbeats from 21 s to 41 s, and suspected 15 s after the one at 20 s."""
    beats = {"recovery.detection.heartbeat_interval": "5s", "recovery.detection.phase": "aligned"}
    hangs = [
        agent("hang", 10, beating=True, **{"for": 60}),
        agent("hang", 21, **{"for": 20}),
    ]
    silent = {"agents.restart_time": "1000s"}
    run = sim.run(scenario(BASE | {"faults": hangs} | beats | silent, duration="45s"))
    assert [(time, event) for time, event, *_ in recorded(run, "agent.suspected")] == [(35.0, "agent.suspected")]
    only_beating = sim.run(scenario(BASE | {"faults": hangs[:1]} | beats | silent, duration="90s"))
    assert recorded(only_beating, "agent.suspected") == []
    short = [hangs[0], agent("hang", 21, **{"for": 9})]
    assert recorded(sim.run(scenario(BASE | {"faults": short} | beats, duration="90s")), "agent.suspected") == []


def core(*faults: dict[str, Any]) -> list[tuple[float, str]]:
    run = sim.run(scenario(BASE | {"faults": list(faults)}, duration="200s"))
    assert run.violations == ()
    assert run.metrics["faults.skipped"] == 0
    return [(time, event) for time, event, *_ in recorded(run, "core.crashed", "core.restarted", "fault.cleared")]


def test_a_core_runs_again_when_all_of_its_crashes_and_hangs_have_ended() -> None:
    crash, hang = {"core_crash": {"at": 20, "for": 10}}, {"core_hang": {"at": 25, "for": 30}}
    before = {"core_hang": {"at": 10, "for": 50}}
    ends = [(30.0, "fault.cleared"), (55.0, "fault.cleared")]
    assert core(crash, hang) == [(20.0, "core.crashed"), *ends, (55.0, "core.restarted")]
    assert core(before, crash) == [(20.0, "core.crashed"), ends[0], (60.0, "fault.cleared"), (60.0, "core.restarted")]
    assert core(crash, {"core_crash": {"at": 25}}) == [(20.0, "core.crashed"), (30.0, "fault.cleared")]


def test_different_disturbances_of_one_link_combine() -> None:
    """Two delays, of which one is of one agent, and a loss that ends first."""
    seen: dict[float, float] = {}

    def look(world: World) -> None:
        for time in (12.0, 22.0, 32.0):
            after(world.env, time, lambda timer: seen.update({timer._value: disturbance(world)}), time)

    disturbances = [
        {"message_delay": {"delay": 1, "between": ["queue", "agents"], "at": 10, "for": 30}},
        {"message_delay": {"delay": 2, "between": ["agent.0", "queue"], "at": 10, "for": 20}},
        {"message_loss": {"probability": 1, "at": 10, "for": 10}},
    ]
    run_with(look, scenario(BASE | {"faults": disturbances}, duration="50s"))
    assert seen == {12.0: inf, 22.0: 3.0, 32.0: 1.0}


def test_partitions_of_different_pairs_disconnect_while_one_is_active() -> None:
    seen: dict[float, float] = {}

    def look(world: World) -> None:
        for time in range(5, 60, 10):
            after(world.env, time, lambda timer: seen.update({timer._value: is_cut(world)}), time)

    cuts = [
        {"partition": {"between": ["agents", "core"], "at": 10, "for": 20}},
        {"partition": {"between": ["agent.0", "core"], "at": 20, "for": 20}},
    ]
    run_with(look, scenario(BASE | {"faults": cuts}, duration="60s"))
    assert seen == {5: False, 15: True, 25: True, 35: True, 45: False, 55: False}


# ------------------------------------------------------------------------------------------------ targets and measures
def test_a_count_takes_agents_first_that_are_not_affected() -> None:
    hangs = [{"agent_hang": {"at": at, "for": 100}} for at in (10, 20, 30)]
    run = sim.run(scenario(BASE | {"faults": hangs}, agents=2))
    assert sorted(agent for _, _, _, agent, _ in recorded(run, "fault.injected")[:2]) == [0, 1]
    assert [time for time, _ in values(run, "fault.injected")] == [10, 20, 30]


def test_targets_that_do_not_exist_are_skipped_and_counted() -> None:
    """There is one running task, not five, and none after it has crashed the agent."""
    missing = [
        {"execution_failure": {"targets": ["task.0", "task.7"], "at": 10}},
        {"poison_task": {"targets": 5, "at": 0}},
    ]
    run = sim.run(scenario(BASE | {"faults": missing, "recovery.conditions.task_failure.retry_delay": "9s"}))
    assert [(task, detail) for _, _, task, _, detail in recorded(run, "fault.skipped")] == [
        (-1, "poison_task"),
        (0, "execution_failure"),
        (7, "execution_failure"),
    ]
    assert run.metrics["faults.skipped"] == 4 + 2
    text = printed(summary(sim.replicate(scenario(BASE | {"faults": missing}), replications=1)))
    assert "6 without a target" in text


def test_an_outage_is_one_incident_for_detection_and_recovery() -> None:
    """Silent since 11 s: the crash at 15 s does not make its detection at 25 s faster."""
    beats = {"recovery.detection.heartbeat_interval": "5s", "recovery.detection.phase": "aligned"}
    outage = [agent("hang", 11), agent("crash", 15)]
    run = sim.run(scenario(BASE | {"faults": outage, "agents.restart_time": "20s"} | beats))
    assert run.metrics["detection.latency.max"] == 25 - 11
    assert run.metrics["recovery.time.max"] == 45 - 11
    assert (run.metrics["recovery.count"], run.metrics["detection.missed"]) == (1, 0)
    assert run.metrics["agents.availability"] == pytest.approx(1 - 34 / 100)


def test_overlapping_partitions_are_one_incident_for_recovery() -> None:
    """The link is cut from 10 s to 40 s; its recovery is due to the first partition, and none is missed."""
    cuts = [{"partition": {"between": ["agents", "queue"], "at": at, "for": 20}} for at in (11, 20)]
    run = sim.run(scenario(BASE | {"faults": cuts, "tasks.arrivals": {"interval": {"every": "29s"}}}))
    assert run.metrics["detection.latency.max"] == 29 - 11
    assert (run.metrics["recovery.count"], run.metrics["detection.missed"]) == (1, 0)


def test_the_restoration_time_starts_at_the_end_of_an_incident() -> None:
    """The queue is blocked from 300 s to 330 s; the service is steady when the backlog is gone."""
    blocks = [{"queue_blocked": {"at": 300, "for": 10}}, {"queue_blocked": {"at": 305, "for": 25}}]
    steady = {"tasks.arrivals": {"interval": {"every": "2s"}}, "tasks.count": None, "tasks.work": "1s"}
    run = sim.run(scenario(BASE | steady | {"faults": blocks}, duration="600s"))
    one = sim.run(scenario(BASE | steady | {"faults": [{"queue_blocked": {"at": 300, "for": 30}}]}, duration="600s"))
    assert run.metrics["restoration.time.mean"] == one.metrics["restoration.time.mean"]
    assert run.metrics["restoration.time.max"] == run.metrics["restoration.time.mean"]
