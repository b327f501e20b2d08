"""State recovery from the latest valid checkpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from recovery.actions.context import RecoveryContext
from recovery.audit import AuditEvent
from recovery.checkpoints import is_intact
from recovery.errors import RecoveryBenchError
from recovery.model import FINISHED, Checkpoint
from recovery.policies.stale_reads import StaleReads
from recovery.ports import System


class CheckpointValidationError(RecoveryBenchError, ValueError):
    """A checkpoint is damaged, missing, or was not chosen."""

    is_failure = True


class CheckpointManager:
    """Finds and validates checkpoints. `config` may have `stale_reads`, a `StaleReads` or a mapping for one."""

    def __init__(self, config: Mapping[str, Any], system: System) -> None:
        self._stale_reads = StaleReads.model_validate(config.get("stale_reads", {}))
        self._system = system

    def is_valid(self, checkpoint: Checkpoint) -> bool:
        """Whether the checksum matches the content."""
        return is_intact(checkpoint)

    async def find_latest_valid(self, task_id: str, incident: int = -1) -> Checkpoint | None:
        """The latest valid checkpoint; damaged and missing ones are recorded. None: start from the beginning."""
        for checkpoint in reversed(await self._read(task_id, incident)):
            if self.is_valid(checkpoint):
                return checkpoint
            self._system.audit.record(
                AuditEvent.CHECKPOINT_REJECTED, incident, task_id, "checksum", value=float(checkpoint.sequence)
            )
        return None

    async def _read(self, task_id: str, incident: int) -> Sequence[Checkpoint]:
        """The checkpoints up to the last acknowledged one, unless every read is stale."""
        store, retries = self._system.store, self._stale_reads.max_retries
        while True:
            read = await store.checkpoints(task_id)
            missing = await store.last_checkpoint(task_id) - (read[-1].sequence if read else 0)
            if missing <= 0:
                return read
            self._system.audit.record(AuditEvent.CHECKPOINT_STALE, incident, task_id, value=float(missing))
            if retries == 0:
                return read
            retries -= 1
            await asyncio.sleep(self._stale_reads.retry_delay)


class StateStore:
    """Sets the restore points of tasks."""

    def __init__(self, config: Mapping[str, Any], system: System) -> None:
        self._system = system

    async def prepare_restore(self, task_id: str) -> None:
        """Clear the restore point, so that after a failed restore the task starts from the beginning."""
        await self._system.store.set_restore_point(task_id, None)

    async def restore_from_checkpoint(self, task_id: str, checkpoint: Checkpoint | None) -> None:
        """Set the checkpoint from which the next attempt starts."""
        await self._system.store.set_restore_point(task_id, checkpoint)


class StateManager:
    """Reads the status of tasks, and fences them."""

    def __init__(self, config: Mapping[str, Any], system: System) -> None:
        self._system = system

    async def is_finished(self, task_id: str) -> bool:
        """Whether there is nothing to recover: the task is unknown, completed, rejected or escalated."""
        status = await self._system.store.status(task_id)
        return status is None or status in FINISHED

    async def fence(self, task_id: str, incident: int) -> int:
        """Fence all epochs of the task so far, and return the highest of them."""
        highest = await self._system.store.fence(task_id)
        self._system.audit.record(AuditEvent.TASK_FENCED, incident, task_id, value=float(highest))
        return highest


class StateRecovery:
    """Restores a task's state from a checkpoint: assess, recover, verify."""

    def __init__(self, config: Mapping[str, Any], system: System) -> None:
        self._system = system
        self.checkpoint_manager = CheckpointManager(config.get("checkpoints", {}), system)
        self.state_store = StateStore(config.get("state", {}), system)

    async def recover_state(self, task_id: str, incident: int = -1, sequence: int | None = None) -> bool:
        """Choose the latest valid checkpoint for the next attempt of the task. False: the restore failed.

        `sequence` is the number of another checkpoint, which an operator may choose.
        """
        try:
            if sequence is None:
                checkpoint = await self._find_latest_checkpoint(task_id, incident)
            else:
                checkpoint = await self._find_checkpoint(task_id, sequence)
            if checkpoint is not None and not await self._validate_checkpoint(checkpoint):
                raise CheckpointValidationError(f"{task_id}: checkpoint {checkpoint.sequence} is damaged")
            await self._restore_state(task_id, checkpoint)
            await self._verify_state_consistency(task_id, checkpoint)
        except Exception as error:  # noqa: BLE001 - a store may raise anything
            self._system.defect("state recovery", error, incident)
            await self._handle_state_recovery_failure(task_id, incident, error)
            return False
        if checkpoint is not None:
            self._system.audit.record(AuditEvent.CHECKPOINT_RESTORED, incident, task_id, value=checkpoint.progress)
        return True

    async def _find_latest_checkpoint(self, task_id: str, incident: int) -> Checkpoint | None:
        return await self.checkpoint_manager.find_latest_valid(task_id, incident)

    async def _find_checkpoint(self, task_id: str, sequence: int) -> Checkpoint:
        for checkpoint in await self._system.store.checkpoints(task_id):
            if checkpoint.sequence == sequence:
                return checkpoint
        acknowledged = 0 < sequence <= await self._system.store.last_checkpoint(task_id)
        missing = f"checkpoint {sequence} cannot be read yet" if acknowledged else f"there is no checkpoint {sequence}"
        raise CheckpointValidationError(f"{task_id}: {missing}")

    async def _validate_checkpoint(self, checkpoint: Checkpoint) -> bool:
        return self.checkpoint_manager.is_valid(checkpoint)

    async def _restore_state(self, task_id: str, checkpoint: Checkpoint | None) -> None:
        try:
            await self.state_store.prepare_restore(task_id)
            await self.state_store.restore_from_checkpoint(task_id, checkpoint)
            await self._update_related_states(task_id)
        except Exception as error:
            await self._handle_restore_failure(task_id, error)
            raise

    async def _update_related_states(self, task_id: str) -> None:
        """Has no effect; a subclass updates state that depends on the restore point."""

    async def _handle_restore_failure(self, task_id: str, error: Exception) -> None:
        """After a failed restore, the next attempt starts from the beginning."""
        await self.state_store.prepare_restore(task_id)

    async def _verify_state_consistency(self, task_id: str, checkpoint: Checkpoint | None) -> None:
        if await self._system.store.restore_point(task_id) != checkpoint:
            raise CheckpointValidationError(f"{task_id}: the restore point is not the checkpoint that was chosen")

    async def _handle_state_recovery_failure(self, task_id: str, incident: int, error: Exception) -> None:
        self._system.audit.record(AuditEvent.CHECKPOINT_REJECTED, incident, task_id, str(error))


def state_recovery(context: RecoveryContext) -> StateRecovery:
    """A state recovery with the core's policy for stale reads."""
    return StateRecovery({"checkpoints": {"stale_reads": context.services.stale_reads}}, context.system)
