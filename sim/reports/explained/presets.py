"""The presets of a scenario in words: what each stands for, and which of its keys the scenario sets otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from recovery.policies.presets import PRESETS
from scenarios import Scenario
from scenarios.fields.base import Settings
from scenarios.sections.policies import GIVEN_BY_PRESETS, Condition
from scenarios.sections.presets import DETECTIONS, PREFETCHED_PER_SLOT, QUEUES
from sim.presentation.formatting import count
from sim.reports.explained.settings import text_of


def presets(scenario: Scenario) -> Iterator[str]:
    """A sentence for each preset."""
    for section, settings in (
        ("queue", scenario.queue),
        *((f"queues.{key}", of) for key, of in scenario.queues.items()),
    ):
        yield from _preset(section, settings, QUEUES)
    yield from _prefetch(scenario)
    yield from _preset("recovery.detection", scenario.recovery.detection, DETECTIONS)
    conditions = {f"recovery.conditions.{kind}": condition for kind, condition in scenario.recovery.conditions}
    conditions |= {f"tasks.kinds.{name}.retry": kind.retry for name, kind in scenario.tasks.kinds.items()}
    for section, condition in conditions.items():
        if isinstance(condition, Condition):
            yield from _preset(section, condition, PRESETS)
            for error, policy in condition.by_error.items():
                yield from _preset(f"{section}.by_error.{error}", policy, PRESETS)


def _prefetch(scenario: Scenario) -> Iterator[str]:
    per_slot = PREFETCHED_PER_SLOT.get(scenario.queue.preset or "", 0)
    if per_slot and scenario.most_prefetched:
        given = scenario.agents.prefetch
        of_preset = count(per_slot * scenario.agents.slots, "task")
        instead = "" if given is None else f", because agents.prefetch is {given}, instead of {of_preset}"
        yield f"An agent prefetches up to {count(scenario.most_prefetched, 'task')}{instead}."


def _preset(section: str, settings: Settings, known: Mapping[str, Callable[[], Any]]) -> Iterator[str]:
    name = getattr(settings, "preset", None)
    if name is None:
        return
    given = known[name]()
    if not isinstance(given, Mapping):
        given = {key: getattr(given, key) for key in GIVEN_BY_PRESETS}
    fields = type(settings).model_fields
    others = [
        f"{key} is {text_of(getattr(settings, key), fields[key])} instead of {text_of(value, fields[key])}"
        for key, value in given.items()
        if getattr(settings, key) != value
    ]
    meaning = meaning_of(known[name]).rstrip(".")
    yield f"Preset {name} of {section}: {meaning}{''.join(f'; {other}' for other in others)}."


def meaning_of(preset: Callable[[], Any]) -> str:
    """The first line of its docstring."""
    return (preset.__doc__ or "").partition("\n")[0]
