"""A LangGraph checkpointer whose writes take time, and are lost, torn or stored out of order."""

from __future__ import annotations

import copy
import random  # noqa: TID251 - generators with a seed
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from sim.programs.durable import Durable
from sim.programs.frameworks.errors import InvalidFault
from sim.programs.frameworks.installed import needs
from sim.programs.frameworks.unreliable_writes import UnreliableWrites

with needs("langgraph"):
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import (
        BaseCheckpointSaver,
        ChannelVersions,
        Checkpoint,
        CheckpointMetadata,
        CheckpointTuple,
    )


class UnreliableSaver(BaseCheckpointSaver[Any]):
    """Another checkpointer, such as `InMemorySaver()`, over a connection and a disk that are not reliable.

    What `saver` has stored is durable. A write is stored half of its `latency` after the call, and acknowledged after
    the other half. `lost`, `torn` and `reordered` are probabilities of a write: acknowledged and not stored; stored in
    part; stored after the next one. Of a torn checkpoint, values of some channels are missing, and of torn pending
    writes of a node, the last ones or all are: a checkpoint without its pending writes. See `UnreliableWrites`.

    With a `durable`, writes that are not stored at a power cut of `sim.crash_sweep` are lost and stored in turn, and
    with `torn` some in part; without, they are lost. The synchronous methods take no time.

    Raises InvalidFault for an argument that is not valid.
    """

    def __init__(
        self,
        saver: BaseCheckpointSaver[Any],
        durable: Durable | None = None,
        *,
        latency: float | tuple[float, float] = 0.0,
        lost: float = 0.0,
        torn: float = 0.0,
        reordered: float = 0.0,
        seed: int = 0,
    ) -> None:
        if not isinstance(saver, BaseCheckpointSaver):
            raise InvalidFault(f"saver={saver!r}: must be a checkpointer of LangGraph, such as InMemorySaver()")
        super().__init__(serde=saver.serde)
        self.saver = saver
        self._writes = UnreliableWrites(durable, latency=latency, lost=lost, torn=torn, reordered=reordered, seed=seed)

    @property
    def config_specs(self) -> list[Any]:
        """Those of the checkpointer."""
        return self.saver.config_specs

    def get_next_version(self, current: Any, channel: None) -> Any:
        """That of the checkpointer."""
        return self.saver.get_next_version(current, channel)

    def with_allowlist(self, extra_allowlist: Collection[tuple[str, ...]]) -> UnreliableSaver:
        """A clone on the same connection, whose checkpointer may read these types as well."""
        clone = copy.copy(self)
        clone.saver = self.saver.with_allowlist(extra_allowlist)
        clone.serde = clone.saver.serde
        return clone

    # ------------------------------------------------------------------------------------------------- reads

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """What is stored, at once."""
        self._writes.before_read_now()
        return self.saver.get_tuple(config)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """What is stored."""
        await self._writes.before_read()
        found = await self.saver.aget_tuple(config)
        await self._writes.after_read()
        return found

    def list(self, config: RunnableConfig | None, **options: Any) -> Iterator[CheckpointTuple]:
        """What is stored, at once."""
        self._writes.before_read_now()
        yield from self.saver.list(config, **options)

    async def alist(self, config: RunnableConfig | None, **options: Any) -> AsyncIterator[CheckpointTuple]:
        """What is stored."""
        await self._writes.before_read()
        async for each in self.saver.alist(config, **options):
            yield each
        await self._writes.after_read()

    def get_delta_channel_history(self, *, config: RunnableConfig, channels: Sequence[str]) -> Mapping[str, Any]:
        """What is stored, at once."""
        self._writes.before_read_now()
        return self.saver.get_delta_channel_history(config=config, channels=channels)

    async def aget_delta_channel_history(self, *, config: RunnableConfig, channels: Sequence[str]) -> Mapping[str, Any]:
        """What is stored."""
        await self._writes.before_read()
        found = await self.saver.aget_delta_channel_history(config=config, channels=channels)
        await self._writes.after_read()
        return found

    # ------------------------------------------------------------------------------------------------ writes

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Write a checkpoint, at once."""
        given = copy.deepcopy(checkpoint)
        self._writes.write_now(
            partial(self.saver.put, config, given, metadata, new_versions),
            lambda source: self.saver.put(config, *_torn(given, metadata, new_versions, source)),
        )
        return _config_of(config, checkpoint)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Write a checkpoint."""
        given = copy.deepcopy(checkpoint)
        await self._writes.write(
            partial(self.saver.aput, config, given, metadata, new_versions),
            lambda source: self.saver.aput(config, *_torn(given, metadata, new_versions, source)),
        )
        return _config_of(config, checkpoint)

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Write the pending writes of a node, at once."""
        given = copy.deepcopy([*writes])
        self._writes.write_now(
            partial(self.saver.put_writes, config, given, task_id, task_path),
            lambda source: self.saver.put_writes(config, _first_of(given, source), task_id, task_path),
        )

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Write the pending writes of a node."""
        given = copy.deepcopy([*writes])
        await self._writes.write(
            partial(self.saver.aput_writes, config, given, task_id, task_path),
            lambda source: self.saver.aput_writes(config, _first_of(given, source), task_id, task_path),
        )

    # --------------------------------------------------------------------------------------- whole threads

    def delete_thread(self, thread_id: str) -> None:
        """Delete a thread, at once."""
        self._writes.write_now(partial(self.saver.delete_thread, thread_id), _nothing)

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete a thread."""
        await self._writes.write(partial(self.saver.adelete_thread, thread_id), _nothing)

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete what belongs to these runs, at once."""
        self._writes.write_now(partial(self.saver.delete_for_runs, run_ids), _nothing)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete what belongs to these runs."""
        await self._writes.write(partial(self.saver.adelete_for_runs, run_ids), _nothing)

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread, at once."""
        self._writes.write_now(partial(self.saver.copy_thread, source_thread_id, target_thread_id), _nothing)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread."""
        await self._writes.write(partial(self.saver.acopy_thread, source_thread_id, target_thread_id), _nothing)

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete old checkpoints, at once."""
        self._writes.write_now(partial(self.saver.prune, thread_ids, strategy=strategy), _nothing)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete old checkpoints."""
        await self._writes.write(partial(self.saver.aprune, thread_ids, strategy=strategy), _nothing)


def _config_of(config: RunnableConfig, checkpoint: Checkpoint) -> RunnableConfig:
    """What `put` returns: the address of the checkpoint that it was given."""
    place = config["configurable"]
    return {
        "configurable": {
            "thread_id": place["thread_id"],
            "checkpoint_ns": place.get("checkpoint_ns", ""),
            "checkpoint_id": checkpoint["id"],
        }
    }


def _torn(
    checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: ChannelVersions, source: random.Random
) -> tuple[Checkpoint, CheckpointMetadata, ChannelVersions]:
    """The checkpoint without the values of some channels that have changed, of one at least if there are any."""
    changed = sorted(new_versions)
    missing = source.sample(changed, source.randint(1, len(changed))) if changed else []
    values = {name: value for name, value in checkpoint["channel_values"].items() if name not in missing}
    versions = {name: version for name, version in new_versions.items() if name not in missing}
    torn: Checkpoint = {**checkpoint, "channel_values": values}
    return torn, metadata, versions


def _first_of(writes: Sequence[tuple[str, Any]], source: random.Random) -> Sequence[tuple[str, Any]]:
    """The first few writes, perhaps none, and not all."""
    return writes[: source.randrange(len(writes))] if writes else writes


def _nothing(source: random.Random) -> None:
    """A deletion that is torn does nothing."""
