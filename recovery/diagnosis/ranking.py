"""The ranking of runbook entries by the evidence: pure functions of the observations.

The confidence in an entry, from 0 to 1:

    (seen - against + confirmed - refuted) / (all of the entry's symptoms + diagnoses made), not below 0

Each term is a sum of weights, and the weight of a symptom or a diagnosis is 1 / the number of entries that list it:
a symptom of many failures discriminates little. A symptom is *seen* if it was observed, and counts *against* its entry
if another value was observed (`task_status: blocked` if the entry has `failed`). An observation that was not made has
no effect. A diagnosis is a further symptom, which its command confirms or refutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recovery.model import Candidate, Symptom
from recovery.runbook.catalogue import Entry, Instruction

CERTAIN_LEAD = 0.25
"""The lead at which only the most likely entry is considered: most of one symptom of three."""
Entries = Mapping[str, Entry]
Pair = tuple[str, str]
Verdicts = Mapping[str, Mapping[str, bool]]
"""By entry, the verdicts of its diagnoses by their names."""


def rank(entries: Entries, observed: Sequence[Symptom], verdicts: Verdicts | None = None) -> tuple[Candidate, ...]:
    """The entries with an observed symptom, the most likely first; ties in the order of the runbook."""
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


def remaining(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The candidates within `CERTAIN_LEAD` of the most likely one, which is included."""
    return tuple(
        each
        for each in candidates
        if each.confidence > 0 and round(candidates[0].confidence - each.confidence, 9) < CERTAIN_LEAD
    )


def discriminating(entries: Entries, candidates: Sequence[Candidate]) -> list[tuple[str, Instruction]]:
    """The diagnoses, with their entries, that not all of these candidates share."""
    diagnoses = [
        (each.scenario, instruction) for each in candidates for instruction in entries[each.scenario].diagnosis
    ]
    return [
        (scenario, instruction)
        for scenario, instruction in diagnoses
        if sum(_key(instruction) == _key(other) for _, other in diagnoses) < len(candidates)
    ]


def _candidate(
    name: str,
    entry: Entry,
    weights: Mapping[Pair, float],
    values: Mapping[str, Sequence[str]],
    verdicts: Mapping[str, bool],
) -> Candidate:
    """Score one entry by the observed values and by the verdicts of its diagnoses."""
    seen = [pair for pair in entry.pairs() if pair[1] in values.get(pair[0], ())]
    known = [observation for observation, _ in seen]
    against = [pair for pair in entry.pairs() if pair[0] in values and pair[0] not in known]
    made = [instruction for instruction in entry.diagnosis if instruction.name in verdicts]
    diagnosed = {instruction.name: weights[_key(instruction)] for instruction in made}
    total = _sum(weights, entry.pairs()) + sum(diagnosed.values())
    score = _sum(weights, seen) - _sum(weights, against)
    score += sum(weight if verdicts[diagnosis] else -weight for diagnosis, weight in diagnosed.items())
    return Candidate(
        name,
        max(0.0, score / total),
        seen=tuple(": ".join(pair) for pair in seen),
        against=tuple(": ".join(pair) for pair in against),
        confirmed=tuple(diagnosis for diagnosis in diagnosed if verdicts[diagnosis]),
        refuted=tuple(diagnosis for diagnosis in diagnosed if not verdicts[diagnosis]),
    )


def _weights(entries: Entries) -> dict[Pair, float]:
    """The weight of each symptom and diagnosis: 1 / the number of entries that list it."""
    counts: dict[Pair, int] = {}
    for entry in entries.values():
        listed = (*entry.pairs(), *(_key(instruction) for instruction in entry.diagnosis))
        for key in dict.fromkeys(listed):
            counts[key] = counts.get(key, 0) + 1
    return {key: 1 / count for key, count in counts.items()}


def _sum(weights: Mapping[Pair, float], pairs: Sequence[Pair]) -> float:
    return sum(weights[pair] for pair in pairs)


def _key(instruction: Instruction) -> Pair:
    """A diagnosis as a pair of its command and its arguments, which is equal for equal diagnoses."""
    given = ", ".join(f"{name}={instruction.values.get(name, '')}" for name in instruction.args)
    return f"diagnosis {instruction.command}", given
