"""Kinds of tasks: shares of the arrivals or arrivals of their own, their work, needs, limits, priority and retries.

In a file, `tasks` is a list of kinds, or a mapping with a list `kinds` beside what all kinds have in common. Both are
read as a mapping of kinds by name, so that a scenario that extends another changes single keys of a kind, and a path
names the kind: `tasks.kinds.chat.work`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from recovery.model import FailureKind
from scenarios.errors import Path, invalid, shown
from scenarios.fields.base import Settings
from scenarios.fields.distributions import Distribution
from scenarios.fields.metric_rows import ROWS
from scenarios.fields.quantities import Count, PositiveCount, PositiveSeconds, Probability, Quantity, Truth
from scenarios.sections.arrivals import Arrivals
from scenarios.sections.checkpoints import CheckpointSettings
from scenarios.sections.clients import ClientSettings
from scenarios.sections.policies import Condition

NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"
WORDS = frozenset(word for row in ROWS for word in re.findall(r"\w+", row[0]))
"""The words of metrics. A kind with such a name would make its metrics ambiguous, as in `tasks.wait.mean`."""
TOLERANCE = 1e-6
"""How far the sum of the shares may be from 1: a third is written as 33.3333 %."""


class KindSettings(Settings):
    """One kind of tasks. A key that is null is as for all kinds: that of `tasks`."""

    share: Probability | None = Field(
        default=None,
        description="share of `tasks.arrivals`; the shares of all kinds without arrivals of their own sum to 1; null: "
        "what the other shares leave over",
    )
    arrivals: Arrivals | None = Field(default=None, description="arrivals of this kind alone, in place of a share")
    count: PositiveCount | None = Field(
        default=None, description="maximum number of submitted tasks, with arrivals of its own; null: no limit"
    )
    work: Distribution | None = Field(default=None, description="as `tasks.work`, which it replaces for this kind")
    needs: Annotated[dict[str, PositiveCount], Quantity("pool: units")] | None = Field(
        default=None, description="as `tasks.needs`, which it replaces for this kind; `{}`: nothing"
    )
    failure_probability: Probability | None = Field(default=None, description="as `tasks.failure_probability`")
    failure_at: Literal["end", "uniform"] | None = Field(default=None, description="as `tasks.failure_at`")
    timeout: PositiveSeconds | None = Field(default=None, description="as `tasks.timeout`")
    calls: Annotated[tuple[str, ...], Quantity("list of dependencies")] | None = Field(
        default=None, description="as `tasks.calls`"
    )
    interrupted: Literal["restart", "resume", "redraw"] | None = Field(
        default=None, description="as `tasks.interrupted`"
    )
    requeue: Literal["tail", "head"] | None = Field(default=None, description="as `tasks.requeue`")
    retry_holds_agent: Truth | None = Field(default=None, description="as `tasks.retry_holds_agent`")
    retry_holds_resources: Truth | None = Field(default=None, description="as `tasks.retry_holds_resources`")
    retried: Literal["repeat", "redraw"] | None = Field(default=None, description="as `tasks.retried`")
    checkpoint: CheckpointSettings | None = Field(default=None, description="as `tasks.checkpoint`")
    client: ClientSettings | None = Field(
        default=None, description="as `tasks.client`, which it replaces as a whole for this kind; `{}`: waits for ever"
    )
    queue: Annotated[str, Quantity("queue")] | None = Field(
        default=None, description="one of `queues`, in which tasks of this kind wait; null: that of `queue`"
    )
    priority: Count = Field(
        default=0,
        description="a waiting task of a higher priority is delivered first; tasks of one priority are in order; a "
        "running attempt is not interrupted",
    )
    retry: Condition | None = Field(
        default=None,
        description="policy for failed attempts at this kind; null: `recovery.conditions.task_failure`",
    )


COMMON = (
    *("arrivals", "count", "work", "needs", "failure_probability", "failure_at", "timeout", "checkpoint", "calls"),
    *("interrupted", "requeue", "retry_holds_agent", "retry_holds_resources", "retried", "client"),
)
"""Keys of `tasks` that a kind can have of its own."""


def check_name(name: str) -> None:
    """Raise a validation error for a name that is not valid, or that is a word of the metrics."""
    if not re.fullmatch(NAME, name):
        raise _invalid(f"{shown(name)} is not a name; valid: letters, digits, - and _", name)
    if name in WORDS or name in set(FailureKind):
        raise _invalid(
            f"{shown(name)} is a word of the metrics, so that those of this kind would be ambiguous; valid: another "
            "name",
            name,
        )


def check_kinds(kinds: Mapping[str, KindSettings], *, has_arrivals: bool, has_work: bool) -> None:
    """Raise a validation error for kinds whose shares do not add up, or without arrivals or work."""
    for name, kind in kinds.items():
        check_name(name)
        if kind.arrivals is not None and kind.share is not None:
            raise _invalid("has a share and arrivals of its own; valid: one of both", name, "share")
        if kind.arrivals is None and kind.count is not None:
            raise _invalid("requires arrivals of this kind; valid: with arrivals, or tasks.count", name, "count")
        if kind.work is None and not has_work:
            raise _invalid("is missing; it is required, here or as tasks.work", name, "work")
    sharing = {name: kind.share for name, kind in kinds.items() if kind.arrivals is None}
    if not sharing:
        if has_arrivals:
            raise _invalid("every kind has arrivals of its own, so that none shares tasks.arrivals; valid: one of both")
        return
    if not has_arrivals:
        name = next(iter(sharing))
        raise _invalid("is missing; valid: arrivals of this kind, or a share of tasks.arrivals", name, "arrivals")
    rest = [name for name, share in sharing.items() if share is None]
    given = sum(share for share in sharing.values() if share is not None)
    if len(rest) > 1:
        raise _invalid(f"is missing, as that of '{rest[0]}'; valid: of one kind at most", rest[1], "share")
    if rest and given >= 1:
        raise _invalid(f"is missing, and the others sum to {given:g}: nothing is left over", rest[0], "share")
    if not rest and abs(given - 1) > TOLERANCE:
        named = ", ".join(f"{name} {share:g}" for name, share in sharing.items())
        raise _invalid(f"the shares sum to {given:g} ({named}); valid: a sum of 1, or one kind without a share")


def _invalid(problem: str, *below: str) -> Exception:
    return invalid(problem, "kinds", *below)


def shares(kinds: Mapping[str, KindSettings]) -> dict[str, float]:
    """The share of `tasks.arrivals` of each kind without arrivals of its own; they sum to 1."""
    sharing = {name: kind.share for name, kind in kinds.items() if kind.arrivals is None}
    given = sum(share for share in sharing.values() if share is not None)
    whole = given if None not in sharing.values() else 1.0
    return {name: (1 - given if share is None else share) / whole for name, share in sharing.items()}


def named(data: Any) -> tuple[Any, dict[Path, Path]]:
    """`tasks` with a mapping of its kinds by name, and for each path of the list the one that replaces it.

    Data without a list of kinds is returned as it is. Raises a validation error for a list with a kind that has no
    name, or with two of one name; the path is that in the list.
    """
    above: Path = ()
    below: Path = ("kinds",)
    if isinstance(data, list | tuple):
        whole: dict[str, Any] = {}
        entries = data
    elif isinstance(data, Mapping) and isinstance(data.get("kinds"), list | tuple):
        whole, entries, above = dict(data), data["kinds"], ("kinds",)
    else:
        return data, {}
    kinds: dict[str, Any] = {}
    moved: dict[Path, Path] = {}
    if not entries:
        raise invalid("is empty; valid: one kind of tasks or more, as in [{name: chat, work: 3s}]", *above)
    for place, entry in enumerate(entries):
        if not isinstance(entry, Mapping):
            problem = f"{shown(entry)} is not a kind of tasks; valid: a mapping with name, work and others"
            raise invalid(problem, *above, place)
        name = entry.get("name")
        if not isinstance(name, str):
            problem = "is missing; it is required" if "name" not in entry else f"{shown(name)} is not a string"
            raise invalid(problem, *above, place, "name")
        if name in kinds:
            raise invalid(f"a second kind '{name}'; valid: each name once", *above, place, "name")
        kinds[name] = {key: value for key, value in entry.items() if key != "name"}
        moved[*above, place] = (*below, name)
    return {**whole, "kinds": kinds}, moved
