"""Files whose content and names reach the disk when they are synced, and perhaps before."""

from __future__ import annotations

import random  # noqa: TID251 - generators with a seed
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from sim.programs.durable.loss import Survives

Pause = Callable[[], Awaitable[None]]
_NONE_LEFT: Final[frozenset[Survives]] = frozenset()


@dataclass(eq=False, slots=True)
class _Content:
    """The bytes of a file: what the program reads, and what is on the disk for certain."""

    current: bytes = b""
    synced: bytes = b""

    def lose(self, survives: Survives, source: random.Random) -> None:
        if self.current != self.synced:
            if survives is Survives.TORN:
                self.current = self._torn(source)
            elif survives is not Survives.KEPT:
                self.current = self.synced
        self.synced = self.current

    def _torn(self, source: random.Random) -> bytes:
        """A beginning of what was appended, or of what was written over the content."""
        written = self.current
        kept = len(self.synced) if written.startswith(self.synced) else 0
        return written[: source.randint(kept, max(kept, len(written) - 1))]


class Disk:
    """A folder of files.

    `fsync` of a file makes its content and its creation durable. A new name is durable after `sync` of the folder.
    Until then a power cut may leave the earlier state, the new one, or a torn one: content up to any byte, names in
    their order, and both independently of each other.
    """

    def __init__(self, pause: Pause) -> None:
        self._pause = pause
        self._names: dict[str, _Content] = {}
        self._durable: dict[str, _Content] = {}
        self._renames: list[tuple[str, str | None]] = []  # not durable yet; from a name, to another or to none

    def file(self, name: str) -> File:
        """The file of this name, which exists after the first write."""
        return File(self, name)

    def names(self) -> list[str]:
        """The names of the files, without an await: for a check."""
        return sorted(self._names)

    async def sync(self) -> None:
        """Make names durable: fsync of the folder."""
        await self._pause()
        self._durable = dict(self._names)
        self._renames.clear()
        await self._pause()

    def unsynced(self) -> frozenset[Survives]:
        """The ways in which a power cut may end that differ from `LOST` at this moment; none if all is synced."""
        contents = [*self._names.values(), *self._durable.values()]
        written = any(each.current != each.synced for each in contents) or any(
            name not in self._durable for name in self._names
        )
        if self._renames:
            return frozenset({Survives.TORN, Survives.KEPT, Survives.NAMES})
        return frozenset({Survives.TORN, Survives.KEPT}) if written else _NONE_LEFT

    def cut_power(self, survives: Survives, source: random.Random) -> None:
        """Continue with what survives."""
        most = len(self._renames)
        done = {Survives.LOST: 0, Survives.KEPT: most, Survives.NAMES: most}.get(survives, source.randint(0, most))
        names = dict(self._durable)
        for name, content in self._names.items():  # files that were created and not renamed
            if name not in names and all(name != new for _, new in self._renames) and survives is not Survives.LOST:
                names[name] = content
        for old, new in self._renames[:done]:
            content_of_old = names.pop(old, None)
            if new is not None and content_of_old is not None:
                names[new] = content_of_old
        for content in dict.fromkeys(names.values()):
            content.lose(survives, source)
        self._names, self._durable = names, dict(names)
        self._renames.clear()

    # --------------------------------------------------------------------------------------------- for File

    def _open(self, name: str) -> _Content:
        if name not in self._names:
            self._names[name] = _Content()
        return self._names[name]


class File:
    """A file of a `Disk`. Each operation has an await before it takes effect and another one after it."""

    def __init__(self, disk: Disk, name: str) -> None:
        self._disk = disk
        self.name = name

    @property
    def exists(self) -> bool:
        """Whether there is a file of this name."""
        return self.name in self._disk._names

    @property
    def content(self) -> bytes:
        """The bytes of the file, without an await: for a check. Raises FileNotFoundError."""
        if not self.exists:
            raise FileNotFoundError(f"{self.name}: there is no such file")
        return self._disk._names[self.name].current

    async def read(self) -> bytes:
        """The bytes of the file. Raises FileNotFoundError."""
        await self._disk._pause()
        return self.content

    async def write(self, data: bytes | str) -> None:
        """Replace the content, in place."""
        await self._disk._pause()
        self._disk._open(self.name).current = _bytes(data)
        await self._disk._pause()

    async def append(self, data: bytes | str) -> None:
        """Add to the end of the content."""
        await self._disk._pause()
        self._disk._open(self.name).current += _bytes(data)
        await self._disk._pause()

    async def fsync(self) -> None:
        """Make the content durable. Raises FileNotFoundError."""
        await self._disk._pause()
        self._check()
        content = self._disk._names[self.name]
        content.synced = content.current
        if all(self.name not in rename for rename in self._disk._renames):
            self._disk._durable.setdefault(self.name, content)
        await self._disk._pause()

    async def rename(self, name: str) -> None:
        """Give the file another name, and so replace the file that has it. Raises FileNotFoundError."""
        await self._disk._pause()
        self._check()
        disk = self._disk
        disk._durable.setdefault(self.name, disk._names[self.name])
        disk._names[name] = disk._names.pop(self.name)
        disk._renames.append((self.name, name))
        self.name = name
        await disk._pause()

    async def remove(self) -> None:
        """Remove the file. Raises FileNotFoundError."""
        await self._disk._pause()
        self._check()
        del self._disk._names[self.name]
        self._disk._renames.append((self.name, None))
        await self._disk._pause()

    def _check(self) -> None:
        if not self.exists:
            raise FileNotFoundError(f"{self.name}: there is no such file")

    def __repr__(self) -> str:
        return f"<File {self.name}>"


def _bytes(data: bytes | str) -> bytes:
    return data.encode() if isinstance(data, str) else bytes(data)
