"""Changes of policy states between the policies of a core and its journal."""

from __future__ import annotations

from recovery.journal import NO_JOURNAL, Journal, NoJournal
from recovery.model import NOTHING
from recovery.policies.policy_states import PolicyChanges, PolicyState


class PolicyChangeLog:
    """Collects changed states until they are written to the journal, with a recovery or alone.

    `is_kept` is False without a journal, and for a journal of an earlier version of the protocol, which has no
    policies: then nothing is collected, and a restarted core begins with new policies.
    """

    def __init__(self, journal: Journal = NO_JOURNAL) -> None:
        self._journal = journal
        self.is_kept = not isinstance(journal, NoJournal) and hasattr(journal, "keep_policies")
        self._changed: dict[str, PolicyState | None] = {}

    def stored(self) -> list[PolicyState]:
        """The states in the journal, in the order of their names."""
        return [state for _, state in sorted(self._journal.policies().items())] if self.is_kept else []

    def change(self, state: PolicyState) -> None:
        """Add a changed state."""
        if self.is_kept:
            self._changed[state.name] = state

    def delete(self, name: str) -> None:
        """Add the deletion of a state."""
        if self.is_kept:
            self._changed[name] = None

    def taken(self) -> PolicyChanges:
        """Return the changes so far, for the caller to write, and remove them."""
        if not self._changed:
            return NOTHING
        changed, self._changed = self._changed, {}
        return changed

    def write(self) -> None:
        """Write the changes so far."""
        if self._changed:
            self._journal.keep_policies(self.taken())


NO_CHANGES = PolicyChangeLog()
"""Collects nothing."""
