"""Plans: what a recovery would do, to be read before it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recovery.diagnosis.explanation import explain
from recovery.model import Analysis, OnFailure, RecoveryStrategy, Step
from recovery.runbook.instructions import LEAVES, Instruction


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done about a failure. Without a `strategy` that is nothing, and `reason` says why.

    As text it is the analysis in a paragraph, and the steps below it.
    """

    subject: str
    analysis: Analysis | None
    strategy: RecoveryStrategy | None
    reason: str = ""

    def __str__(self) -> str:
        told = [] if self.analysis is None else [explain(self.analysis)]
        steps = f"nothing to do for {self.subject}: {self.reason}" if self.strategy is None else str(self.strategy)
        return "\n".join((*told, steps))


def strategy_of(scenario: str, instructions: Sequence[Instruction], known: Mapping[str, Any]) -> RecoveryStrategy:
    """A runbook's steps with the values of their arguments, as far as they are known before the first is taken."""
    steps: list[Step] = []
    provided: tuple[str, ...] = ()
    for instruction in instructions:
        left = (*provided, *LEAVES.get(instruction.command, ()))
        undo = None if instruction.undo is None else _step(instruction.undo, known, left)
        steps.append(_step(instruction, known, provided, undo))
        provided = left
    return RecoveryStrategy(scenario, tuple(steps))


def _step(
    instruction: Instruction, known: Mapping[str, Any], provided: Sequence[str], undo: Step | None = None
) -> Step:
    values = {name: instruction.values.get(name, known.get(name)) for name in instruction.args if name not in provided}
    awaits = tuple(name for name in instruction.args if name in provided)
    return Step(instruction.name, instruction.command, values, awaits, OnFailure(instruction.on_failure), undo)
