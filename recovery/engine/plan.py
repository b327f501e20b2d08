"""Plans: the steps that a recovery would execute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recovery.audit import DismissalReason, EscalationReason
from recovery.diagnosis.explanation import explain
from recovery.model import Analysis, RecoveryStrategy, Step
from recovery.runbook.instructions import PROVIDES, Instruction


@dataclass(frozen=True, slots=True)
class Plan:
    """The planned recovery of a failure. Without a `strategy` nothing would be done: `cause` is why, `reason` its text.

    Its text is the analysis in a paragraph, followed by the steps.
    """

    subject: str
    analysis: Analysis | None
    strategy: RecoveryStrategy | None
    reason: str = ""
    cause: DismissalReason | EscalationReason | None = None

    def __str__(self) -> str:
        analysis = [] if self.analysis is None else [explain(self.analysis)]
        steps = f"nothing to do for {self.subject}: {self.reason}" if self.strategy is None else str(self.strategy)
        return "\n".join((*analysis, steps))


def strategy_of(scenario: str, instructions: Sequence[Instruction], known: Mapping[str, Any]) -> RecoveryStrategy:
    """The strategy of a runbook entry, with the values of arguments that are known before the first step."""
    steps: list[Step] = []
    provided: tuple[str, ...] = ()
    for instruction in instructions:
        left = (*provided, *PROVIDES.get(instruction.command, ()))
        undo = None if instruction.undo is None else _step(instruction.undo, known, left)
        steps.append(_step(instruction, known, provided, undo))
        provided = left
    return RecoveryStrategy(scenario, tuple(steps))


def _step(
    instruction: Instruction, known: Mapping[str, Any], provided: Sequence[str], undo: Step | None = None
) -> Step:
    values: dict[str, Any] = {}
    awaits: tuple[str, ...] = ()
    for name in instruction.args:
        if name in provided:
            awaits += (name,)
        else:
            values[name] = instruction.values.get(name, known.get(name))
    return Step(instruction.name, instruction.command, values, awaits, instruction.on_failure, undo)
