"""The gallery: what a search in which world, with which kinds of fault, has to find."""

from __future__ import annotations

from dataclasses import dataclass

import scenarios
from sim.core.build import BuildCore
from sim.experiments.search.search import SearchResult, search
from sim.strategies import Bounds
from tests.gallery import cores, worlds

MOST_FAULTS = 3


@dataclass(frozen=True)
class Defect:
    """A broken core, the bounds of its search, and the name of what breaks first.

    `examples` is the number of examples within which the search with seed 1 finds it.
    """

    core: BuildCore
    world: str
    faults: tuple[str, ...]
    breaks: str
    examples: int
    most_faults: int = MOST_FAULTS

    @property
    def name(self) -> str:
        """The name of the defect."""
        return self.core.__name__.replace("_", "-")  # type: ignore[attr-defined]

    def search(self, core: BuildCore, examples: int, seed: int = 1) -> SearchResult:
        """A search with a core within the bounds."""
        bounds = Bounds.of(self.faults, self.most_faults, seeds=2)
        return search(scenarios.loads(self.world), examples, seed, bounds=bounds, core=core)


AGENT = ("agent_crash", "agent_hang")
RESOURCE = ("resource_unavailable", "execution_failure")
GALLERY = (
    Defect(cores.releases_before_commit, worlds.PLAIN, AGENT, "no_lost_task", 100),
    Defect(cores.repeats_what_timed_out, worlds.POOLED, RESOURCE[:1], "no_double_allocation", 100),
    Defect(cores.queues_without_a_fence, worlds.PLAIN, AGENT[:1], "legal_transitions", 200),
    Defect(cores.replays_what_was_acknowledged, worlds.PLAIN, ("partition",), "legal_transitions", 100),
    Defect(cores.fences_no_checkpoint, worlds.LEASED, ("agent_hang", "execution_failure"), "fencing", 400),
    Defect(cores.resets_retries_on_migration, worlds.POOLED, RESOURCE, "retry_bound", 200),
    Defect(
        cores.restores_the_largest_progress,
        worlds.PLAIN,
        ("checkpoint_corrupt", "execution_failure"),
        "checkpoint_integrity",
        600,
    ),
    Defect(
        cores.leaks_a_slot_of_a_failed_try, worlds.LIMITED, ("partition", "agent_crash"), "recovery_terminates", 400
    ),
    Defect(
        cores.counts_heartbeats_from_their_sending,
        worlds.SKEWED,
        ("clock_skew",),
        "detection.false_positives == 0",
        100,
        most_faults=1,  # two that unite slow an agent's clock beyond its deadline
    ),
    Defect(
        cores.swallows_an_escalation,
        worlds.SLOW_STEPS,
        ("execution_failure", "agent_crash"),
        "recovery_terminates",
        100,
    ),
    Defect(cores.deadlocks_with_another_recovery, worlds.PLAIN, AGENT[:1], "recovery_terminates", 50),
    Defect(
        cores.forgets_a_recovery_before_its_end,
        worlds.SLOW_STEPS,
        ("core_crash", "execution_failure"),
        "audit_complete",
        300,
    ),
    Defect(cores.refills_the_budget_on_restart, worlds.BUDGET, ("core_crash",), "attempts.started <= 30", 50),
    Defect(cores.drops_the_lock_while_it_waits, worlds.REDELIVERED, AGENT[:1], "legal_transitions", 100),
    Defect(
        cores.lets_all_through_half_open, worlds.BREAKER, AGENT[:1], "attempts.started <= 30", 20, most_faults=1
    ),  # a crash adds one
)
QUICK = ("deadlocks-with-another-recovery", "lets-all-through-half-open")
"""Those that a search finds within a few examples."""


def main() -> None:
    """Print the number of examples of each defect: `python -m tests.gallery.defects`."""
    for defect in GALLERY:
        result = defect.search(defect.core, defect.examples)
        found = result.found
        what = "not found" if found is None else f"example {found.example:>3}, {len(found.faults)} faults: {found.name}"
        print(f"{defect.name:<40} {what}", flush=True)  # noqa: T201 - a program


if __name__ == "__main__":
    main()
