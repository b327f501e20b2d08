"""The ledger of a service: what was asked, answered and paid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(slots=True)
class Call:
    """One call. `outcome` is `answer` or the name of a fault; `delivered` is whether the client has received it.

    `attempt` counts the calls of its step from 1. `cost` is 0 for a call that the service has refused.
    """

    number: int
    step: str
    label: str
    attempt: int
    time: float
    input_tokens: int
    output_tokens: int = 0
    cost: float = 0.0
    outcome: str = "answer"
    delivered: bool = False
    usable: bool = True

    @property
    def paid(self) -> bool:
        """Whether the service has computed an answer, which is paid."""
        return self.output_tokens > 0 or self.cost > 0


class Ledger:
    """All calls of a service, in the order in which they arrived.

    `cost` is the sum of all. Of that, `duplicated` was paid for a step that was paid before: by a retry after a lost
    answer, or by a resumed program that has not saved the answer. `undelivered` was paid for answers that did not
    arrive, and `malformed` for answers that cannot be used.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._attempts: dict[str, int] = {}

    def open(self, step: str, label: str, time: float, input_tokens: int) -> Call:
        """Enter a call that has arrived."""
        attempt = self.attempts(step) + 1
        self._attempts[step] = attempt
        call = Call(len(self.calls) + 1, step, label, attempt, time, input_tokens)
        self.calls.append(call)
        return call

    def attempts(self, step: str) -> int:
        """How many calls this step has."""
        return self._attempts.get(step, 0)

    @property
    def cost(self) -> float:
        """What all calls cost."""
        return sum(call.cost for call in self.calls)

    @property
    def duplicated(self) -> float:
        """What was paid for steps that were paid before."""
        return sum(call.cost for call in self._again())

    @property
    def paid_again(self) -> int:
        """How many calls were paid whose step was paid before."""
        return sum(1 for _ in self._again())

    @property
    def undelivered(self) -> float:
        """What was paid for answers that did not arrive."""
        return sum(call.cost for call in self.calls if not call.delivered)

    @property
    def malformed(self) -> float:
        """What was paid for answers that arrived and cannot be used."""
        return sum(call.cost for call in self.calls if call.delivered and not call.usable)

    def count(self, outcome: str) -> int:
        """How many calls had this outcome: `answer` or the name of a fault."""
        return sum(call.outcome == outcome for call in self.calls)

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each call."""
        import pandas as pd  # noqa: PLC0415 - takes most of a second

        columns = list(Call.__dataclass_fields__)
        return pd.DataFrame([[getattr(call, name) for name in columns] for call in self.calls], columns=columns)

    @property
    def steps(self) -> pd.DataFrame:
        """One row for each step, in the order of their first calls: calls, paid calls, cost, and duplicated cost."""
        import pandas as pd  # noqa: PLC0415 - as above

        again = {call.number for call in self._again()}
        rows: dict[str, dict[str, object]] = {}
        for step in dict.fromkeys(call.step for call in self.calls):
            calls = [call for call in self.calls if call.step == step]
            rows[step] = {
                "label": calls[0].label,
                "calls": len(calls),
                "paid": sum(call.paid for call in calls),
                "delivered": sum(call.delivered for call in calls),
                "cost": sum(call.cost for call in calls),
                "duplicated": sum(call.cost for call in calls if call.number in again),
            }
        columns = ["label", "calls", "paid", "delivered", "cost", "duplicated"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("step")

    def __repr__(self) -> str:
        return f"<Ledger of {len(self.calls)} calls: {self.cost:.6f}, {self.duplicated:.6f} of it duplicated>"

    def _again(self) -> Iterator[Call]:
        seen: set[str] = set()
        for call in self.calls:
            if not call.paid:
                continue
            if call.step in seen:
                yield call
            seen.add(call.step)
