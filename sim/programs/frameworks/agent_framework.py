"""A checkpoint storage of Microsoft Agent Framework whose writes take time, and are lost, torn or out of order."""

from __future__ import annotations

import copy
import random  # noqa: TID251 - generators with a seed
from dataclasses import replace
from functools import partial
from typing import Final

from sim.programs.durable import Durable
from sim.programs.frameworks.errors import InvalidFault
from sim.programs.frameworks.installed import needs
from sim.programs.frameworks.unreliable_writes import UnreliableWrites

with needs("agent_framework", "agent-framework-core"):
    from agent_framework import CheckpointStorage, FileCheckpointStorage, WorkflowCheckpoint

_METHODS: Final = ("save", "load", "list_checkpoints", "delete", "get_latest", "list_checkpoint_ids")


class UnreliableStorage:
    """Another `CheckpointStorage`, such as `InMemoryCheckpointStorage()`, over a connection that is not reliable.

    What `storage` has stored is durable. A write is stored half of its `latency` after the call, and acknowledged after
    the other half. `lost`, `torn` and `reordered` are probabilities of a write: acknowledged and not stored; stored in
    part; stored after the next one. A torn file of a `FileCheckpointStorage` ends at any byte; of another torn
    checkpoint, the messages of some executors are missing. See `UnreliableWrites`.

    With a `durable`, writes that are not stored at a power cut of `sim.crash_sweep` are lost and stored in turn, and
    with `torn` some in part; without, they are lost.

    Raises InvalidFault for an argument that is not valid.
    """

    def __init__(
        self,
        storage: CheckpointStorage,
        durable: Durable | None = None,
        *,
        latency: float | tuple[float, float] = 0.0,
        lost: float = 0.0,
        torn: float = 0.0,
        reordered: float = 0.0,
        seed: int = 0,
    ) -> None:
        if isinstance(storage, type) or not all(callable(getattr(storage, name, None)) for name in _METHODS):
            raise InvalidFault(
                f"storage={storage!r}: must be a checkpoint storage of Agent Framework, such as "
                "InMemoryCheckpointStorage()"
            )
        self.storage = storage
        self._writes = UnreliableWrites(durable, latency=latency, lost=lost, torn=torn, reordered=reordered, seed=seed)

    async def save(self, checkpoint: WorkflowCheckpoint) -> str:
        """Write a checkpoint, and return its id."""
        given = copy.deepcopy(checkpoint)
        await self._writes.write(partial(self.storage.save, given), partial(self._save_torn, given))
        return checkpoint.checkpoint_id

    async def load(self, checkpoint_id: str) -> WorkflowCheckpoint:
        """A stored checkpoint. Raises WorkflowCheckpointException."""
        await self._writes.before_read()
        found = await self.storage.load(checkpoint_id)
        await self._writes.after_read()
        return found

    async def list_checkpoints(self, *, workflow_name: str) -> list[WorkflowCheckpoint]:
        """The stored checkpoints of a workflow."""
        await self._writes.before_read()
        found = await self.storage.list_checkpoints(workflow_name=workflow_name)
        await self._writes.after_read()
        return found

    async def delete(self, checkpoint_id: str) -> bool:
        """Delete a checkpoint, and return whether there is one, as far as the other machine can tell at once."""
        stored = False

        async def delete() -> None:
            nonlocal stored
            stored = await self.storage.delete(checkpoint_id)

        await self._writes.write(delete, lambda _: None)
        return stored

    async def get_latest(self, *, workflow_name: str) -> WorkflowCheckpoint | None:
        """The stored checkpoint of a workflow with the latest time."""
        await self._writes.before_read()
        found = await self.storage.get_latest(workflow_name=workflow_name)
        await self._writes.after_read()
        return found

    async def list_checkpoint_ids(self, *, workflow_name: str) -> list[str]:
        """The ids of the stored checkpoints of a workflow."""
        await self._writes.before_read()
        found = await self.storage.list_checkpoint_ids(workflow_name=workflow_name)
        await self._writes.after_read()
        return found

    async def _save_torn(self, checkpoint: WorkflowCheckpoint, source: random.Random) -> None:
        if isinstance(self.storage, FileCheckpointStorage):
            await self.storage.save(checkpoint)
            file = self.storage.storage_path / f"{checkpoint.checkpoint_id}.json"
            content = file.read_bytes()
            file.write_bytes(content[: source.randrange(len(content))])
        else:
            names = sorted(checkpoint.messages)
            kept = names[: source.randrange(len(names))] if names else names
            await self.storage.save(replace(checkpoint, messages={name: checkpoint.messages[name] for name in kept}))
