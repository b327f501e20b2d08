"""Which documented failures the evidence speaks for, and how strongly: pure functions of what was observed.

The confidence in an entry, from 0 to 1:

    (seen - against + confirmed - refuted) / (all of the entry's symptoms + diagnoses made), not below 0

Each term is a sum of weights, and the weight of a symptom or a diagnosis is 1 / the number of entries that list it:
what many failures share tells little about which one it is. A symptom is *seen* when it was observed, and counts
*against* its entry when something else was observed of the same thing (`task_status: blocked` where the entry says
`failed`). What nobody looked at counts neither way. A diagnosis is one more symptom, which its command confirms or
refutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recovery.model import Candidate, Symptom
from recovery.runbook.catalogue import Entry, Instruction

CERTAIN_LEAD = 0.25
"""By how much the likeliest entry has to lead before nothing else is considered: most of one symptom of three."""
Entries = Mapping[str, Entry]
Pair = tuple[str, str]
Verdicts = Mapping[str, Mapping[str, bool]]
"""By entry, what its diagnoses said, by their names."""


def rank(entries: Entries, observed: Sequence[Symptom], verdicts: Verdicts | None = None) -> tuple[Candidate, ...]:
    """The entries of which any symptom was observed, likeliest first; equals in the order of the runbook."""
    weights, verdicts = _weights(entries), verdicts or {}
    values: dict[str, list[str]] = {}
    for symptom in observed:
        values.setdefault(symptom.name, []).append(symptom.value)
    found = [
        _candidate(name, entry, weights, values, verdicts.get(name, {}))
        for name, entry in entries.items()
        if any(value in values.get(observation, ()) for observation, value in entry.pairs())
    ]
    return tuple(sorted(found, key=lambda each: -each.confidence))


def left(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The candidates that cannot be told apart: the likeliest, and those that it leads by less than `CERTAIN_LEAD`."""
    return tuple(
        each
        for each in candidates
        if each.confidence > 0 and round(candidates[0].confidence - each.confidence, 9) < CERTAIN_LEAD
    )


def discriminating(entries: Entries, candidates: Sequence[Candidate]) -> list[tuple[str, Instruction]]:
    """The diagnoses, with their entries, whose verdict is not the same for all of these candidates."""
    asked = [(each.scenario, instruction) for each in candidates for instruction in entries[each.scenario].diagnosis]
    return [
        (scenario, instruction)
        for scenario, instruction in asked
        if sum(_key(instruction) == _key(other) for _, other in asked) < len(candidates)
    ]


def _candidate(
    name: str,
    entry: Entry,
    weights: Mapping[Pair, float],
    values: Mapping[str, Sequence[str]],
    said: Mapping[str, bool],
) -> Candidate:
    """One entry against the values that were observed, by observation, and what its diagnoses said."""
    seen = [pair for pair in entry.pairs() if pair[1] in values.get(pair[0], ())]
    known = [observation for observation, _ in seen]
    against = [pair for pair in entry.pairs() if pair[0] in values and pair[0] not in known]
    made = [instruction for instruction in entry.diagnosis if instruction.name in said]
    diagnosed = {instruction.name: weights[_key(instruction)] for instruction in made}
    total = _sum(weights, entry.pairs()) + sum(diagnosed.values())
    score = _sum(weights, seen) - _sum(weights, against)
    score += sum(weight if said[diagnosis] else -weight for diagnosis, weight in diagnosed.items())
    return Candidate(
        name,
        max(0.0, score / total),
        seen=tuple(": ".join(pair) for pair in seen),
        against=tuple(": ".join(pair) for pair in against),
        confirmed=tuple(diagnosis for diagnosis in diagnosed if said[diagnosis]),
        refuted=tuple(diagnosis for diagnosis in diagnosed if not said[diagnosis]),
    )


def _weights(entries: Entries) -> dict[Pair, float]:
    """Of each symptom and each diagnosis, 1 / the number of entries that list it."""
    counts: dict[Pair, int] = {}
    for entry in entries.values():
        listed = (*entry.pairs(), *(_key(instruction) for instruction in entry.diagnosis))
        for key in dict.fromkeys(listed):
            counts[key] = counts.get(key, 0) + 1
    return {key: 1 / count for key, count in counts.items()}


def _sum(weights: Mapping[Pair, float], pairs: Sequence[Pair]) -> float:
    return sum(weights[pair] for pair in pairs)


def _key(instruction: Instruction) -> Pair:
    """A diagnosis as a pair: two entries that give the same command the same arguments ask the same."""
    given = ", ".join(f"{name}={instruction.values.get(name, '')}" for name in instruction.args)
    return f"diagnosis {instruction.command}", given
