"""Cores that a user builds: what they are configured to do, and how the world calls them.

The invariants and metrics of a run are judged by the configuration of the core that ran, which may differ from that of
the scenario.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from types import SimpleNamespace
from typing import Any, cast

from recovery import RecoveryConfig, Supervisor, System
from recovery.detection.failure_detector import regular_heartbeat_timeout
from recovery.model import FailureKind
from recovery.policies.retry import RetryPolicy
from sim.history import History
from sim.invariants.retry_bound import most_retries
from sim.world.listeners import Core

CALLED = (
    "report",
    "watch",
    "heartbeat",
    "regular_heartbeats_end",
    "agent_down",
    "delivery_failed",
    "connection_restored",
    "task_succeeded",
)
"""The methods of a core that the world calls: those of `sim.world.listeners.Core`."""


class BuiltCores:
    """Builds the cores of a run, and records their configuration in `history.meta`.

    A run has several cores if one is restarted or another one takes over. If they differ, a condition that allows more
    retries applies.
    """

    def __init__(self, build: Callable[[System], Supervisor], history: History) -> None:
        self._build = build
        self._history = history
        self._latest: RecoveryConfig | None = None

    def build(self, system: System) -> Supervisor:
        """Build a core. Raises TypeError if it is not a `recovery.Supervisor`, and what the builder raises."""
        core = self._build(system)
        if not isinstance(core, Supervisor):
            raise TypeError(f"core= returned an object of the type {type(core).__name__}; valid: a recovery.Supervisor")
        if core.config != self._latest:
            self._record(core)
        return core

    def _record(self, core: Supervisor) -> None:
        meta, config = self._history.meta, core.config
        conditions = conditions_of(config)
        if self._latest is not None:
            conditions = _more_permissive(meta["conditions"], conditions)
        self._latest = config
        meta |= {
            "conditions": conditions,
            "detector": config.detection.detector,
            "missed_heartbeats": config.detection.missed_heartbeats,
            "patience": regular_heartbeat_timeout(config.detection) + (config.detection.heartbeat_latency or 0.0),
            "stalled_after": config.detection.stalled_after,
            "resource_probe": config.detection.resource_probe,
            "parallel": config.parallel,
            "monitored": core.monitor is not None,
        }


def conditions_of(config: RecoveryConfig) -> dict[str, dict[str, Any] | None]:
    """The limits of each kind of failure's policy as plain data, with those for single error codes in `by_error`."""
    return {
        str(kind): None
        if policy is None
        else {
            **_limits(policy),
            "by_error": {code: _limits(each) for code, each in config.by_error.get(kind, {}).items()},
            **_of_task_kinds(config, kind),
        }
        for kind, policy in config.conditions.items()
    }


def _of_task_kinds(config: RecoveryConfig, kind: FailureKind) -> dict[str, Any]:
    """The limits of the policies of single kinds of tasks, for failed attempts at them; empty without any."""
    if kind is not FailureKind.TASK or not config.by_task_kind:
        return {}
    return {
        "by_task_kind": {
            name: {
                **_limits(policies.policy),
                "by_error": {code: _limits(each) for code, each in policies.by_error.items()},
            }
            for name, policies in config.by_task_kind.items()
        }
    }


def _limits(policy: RetryPolicy) -> dict[str, Any]:
    return {
        "max_retries": policy.most_retries,
        "deadline": policy.deadline,
        "budget": None if policy.budget is None else policy.budget.model_dump(mode="json"),
        "breaker": None if policy.breaker is None else policy.breaker.model_dump(mode="json"),
    }


def _more_permissive(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Of each kind, the condition that allows more retries."""

    def bound(condition: Mapping[str, Any] | None) -> float:
        most = most_retries(condition)
        return float("inf") if most is None else most

    kinds = dict.fromkeys((*first, *second))
    return {kind: max(first.get(kind), second.get(kind), key=bound) for kind in kinds}


def as_called(core: Supervisor) -> Core:
    """The core as the world calls it: an exception in a method that a user overrides is a defect of the core.

    It is passed to `System.on_defect`, and the world continues. A core that overrides none of these methods is called
    directly.
    """
    if not any(is_overridden(core, name) for name in (*CALLED, "regular_heartbeats")):
        return core
    regular = _one_by_one if is_overridden(core, "heartbeat") else core.regular_heartbeats
    return cast("Core", SimpleNamespace(regular_heartbeats=regular, **{name: caught(core, name) for name in CALLED}))


def _one_by_one(*_: object) -> bool:
    return False


def is_overridden(core: Supervisor, name: str) -> bool:
    """Whether a method of the core is not that of `Supervisor`."""
    return getattr(type(core), name) is not getattr(Supervisor, name) or name in vars(core)


def caught(core: Supervisor, name: str) -> Callable[..., None]:
    """A method of the core. Its exceptions are passed to `System.on_defect` if it is overridden."""
    method: Callable[..., None] = getattr(core, name)
    if not is_overridden(core, name):
        return method

    @wraps(method)
    def call(*args: Any) -> None:
        try:
            method(*args)
        except Exception as error:  # noqa: BLE001 - a core of a user may raise anything
            core.system.defect(f"core method {name}", error, certain=True)

    return call
