"""Kinds of tasks in a log: the share of each, and its own work, failures, time limit, needs and retries."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from pydantic_core import PydanticCustomError

from scenarios.sections.task_kinds import check_name
from sim.experiments.fitting.attempts import Attempts, Share, attempts_of, share
from sim.experiments.fitting.durations import EMPIRICAL, DurationsFit
from sim.experiments.fitting.entries import attempts_entries, durations_entry, needs_entry, policy_entry
from sim.experiments.fitting.logs.task_log import NOTHING, TaskLog
from sim.experiments.fitting.logs.words import Ending
from sim.experiments.fitting.policy import PolicyFit, fit_policy
from sim.experiments.fitting.resources import PoolUse, pools_of
from sim.experiments.fitting.result import Entry, Figure
from sim.presentation.formatting import count, percent

MOST_KINDS = 20
FEWEST = 30
"""A kind with fewer successful attempts has no work of its own that could be fitted: it is one of the others."""
OTHERS = "others"
COMMON = ("failure_probability", "failure_at", "timeout")
"""The keys of `tasks` about attempts that a kind can have of its own."""
WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


@dataclass(frozen=True)
class KindFit:
    """One kind of tasks: its name in the scenario and in the log, its share of the tasks, and its attempts."""

    name: str
    logged: str
    share: Share
    work: DurationsFit
    attempts: Attempts
    policy: PolicyFit
    pools: tuple[PoolUse, ...]

    @property
    def file(self) -> str | None:
        """What the file of its recorded durations is called after the name of the scenario; None: it has none."""
        return f"work-{self.name}" if self.work.family == EMPIRICAL else None


def kinds_of(
    log: TaskLog, fit_work: Callable[[TaskLog, Attempts], tuple[DurationsFit, tuple[str, ...]]]
) -> tuple[tuple[KindFit, ...], tuple[str, ...]]:
    """The kinds of tasks of a log, the most frequent first, and notes; none if the log has not several."""
    code, names, notes = _merged(log)
    if len(names) < 2:
        return (), notes
    first = log.is_first()
    found: list[KindFit] = []
    for place, logged in enumerate(names):
        of_kind = log.among(code == place)
        attempts = attempts_of(of_kind)
        work, of_work = fit_work(of_kind, attempts)
        notes += tuple(f"kind {logged}: {note}" for note in of_work)
        tasks = int((first & (code == place)).sum())
        name = _name(logged, [each.name for each in found])
        policy = fit_policy(of_kind)
        found.append(KindFit(name, logged, share(tasks, int(first.sum())), work, attempts, policy, pools_of(of_kind)))
    return tuple(found), notes


def _merged(log: TaskLog) -> tuple[np.ndarray, list[str], tuple[str, ...]]:
    """The place of each row's kind among the kinds of the fit, their names, and a note on those that are united."""
    succeeded = log.ending == Ending.SUCCESS
    sizes = {kind: int((succeeded & (log.kind == kind)).sum()) for kind in np.unique(log.kind).tolist()}
    large = [kind for kind, size in sizes.items() if size >= FEWEST and kind != NOTHING]
    large = sorted(large, key=lambda kind: (-sizes[kind], kind))[:MOST_KINDS]
    rest = [kind for kind in sizes if kind not in large]
    names = [log.kinds[kind] for kind in large]
    code = np.zeros(len(log), dtype=np.int64)
    for place, kind in enumerate(large):
        code[log.kind == kind] = place
    if not rest or not large:
        return code, names, ()
    said = [shortened for kind in rest[:5] if (shortened := log.kinds[kind] if kind != NOTHING else "(empty)")]
    few = sum(sizes[kind] for kind in rest)
    if few >= FEWEST:
        code[np.isin(log.kind, rest)] = len(names)
        named, what = [*names, OTHERS], f"are the kind {OTHERS}"
    else:  # too few to know their work
        named, what = names, f"count as {names[0]}"
    more = f" and {len(rest) - 5} more" if len(rest) > 5 else ""
    return code, named, (f"kinds with fewer than {FEWEST} successful attempts {what}: {', '.join(said)}{more}",)


def _name(logged: str, taken: list[str]) -> str:
    """A name of a kind that a scenario may have: no word of the metrics, and none of YAML."""
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", logged).strip("-_")[:40] or "kind"
    if not plain[0].isalpha() or plain.lower() in WORDS:
        plain = f"kind-{plain}"
    try:
        check_name(plain)
    except PydanticCustomError:
        plain = f"{plain}-task"
    name, number = plain, 2
    while name in taken:
        name, number = f"{plain}-{number}", number + 1
    return name


def kind_entries(kinds: tuple[KindFit, ...], scenario: str, noun: str, *, is_linked: bool) -> Iterator[Entry]:
    """The keys of `tasks.kinds`. `noun`: what the durations of work are of."""
    shares = [round(each.share.value, 6) for each in kinds]
    shares[0] = round(1 - sum(shares[1:]), 6)
    for kind, part in zip(kinds, shares, strict=True):
        path = f"tasks.kinds.{kind.name}"
        about = f"{count(kind.share.count, 'task')} of '{kind.logged}', {percent(kind.share.value)}"
        between = f"95 %: {percent(kind.share.low)} to {percent(kind.share.high)}"
        of_share = Figure(f"{path}.share", kind.share.value, kind.share.low, kind.share.high, "fraction")
        yield Entry(f"{path}.share", f"{part:g}", about, between, (of_share,))
        yield durations_entry(f"{path}.work", kind.work, f"{scenario}.{kind.file}.csv", noun)
        yield from (each for each in attempts_entries(kind.attempts, path) if each.path.rpartition(".")[2] in COMMON)
        needs = needs_entry(kind.pools, path)
        if needs is not None:
            yield needs
        policy = policy_entry(kind.policy, kind.attempts, is_linked=is_linked, path=f"{path}.retry")
        if policy is not None:
            yield policy
