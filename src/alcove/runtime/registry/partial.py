"""A file that is being fetched in parts, and what is known of it on disk: as Ollama keeps it, beside the blobs.

    <key>-partial        the file, sparse
    <key>-partial-<n>    what is here of part n: {"N", "Offset", "Size", "Completed"}

Bytes are written before the note that they are here, so that what a killed process left can be gone on with. All of this blocks:
call it in a thread.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

_MAX_PARTS = 4096


@dataclass(kw_only=True, slots=True)
class Part:
    """A part of a file.

    Attributes:
        number: Its place.
        offset: Its first byte.
        size: Its bytes.
        completed: Those of them that are here.
    """

    number: int
    offset: int
    size: int
    completed: int = 0

    @property
    def at(self) -> int:
        """The next byte to be fetched."""
        return self.offset + self.completed

    @property
    def end(self) -> int:
        """The first byte past it."""
        return self.offset + self.size


@dataclass(slots=True)
class PartialFile:
    """A file that is being fetched.

    Attributes:
        path: Where it grows.
        parts: Its parts, once it is open.
    """

    path: Path
    parts: Sequence[Part] = ()
    _descriptor: int = -1
    _noted: dict[int, int] = field(default_factory=dict)

    def here(self, size: int) -> int:
        """Gives how many bytes of a file of that size an earlier process left."""
        found = self._usable(size) or []
        return sum(each.completed for each in found)

    def open(self, size: int, *, parts: int, min_part_bytes: int) -> None:
        """Opens it, and finds what an earlier process left; parts that do not make up a file of that size are begun anew.

        Raises:
            OSError: When it cannot be written.
        """
        found = self._usable(size)
        if found is None:
            self.remove()
            found = _cut(size, parts, min_part_bytes)
        self.parts = found
        self._noted = {}
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._descriptor, size)
        for part in self.parts:  # of all, or what is here could not be told to be a whole file's
            self.note(part)

    def restart_whole(self) -> None:
        """Begins anew with one part, for servers that give no ranges."""
        size = sum(each.size for each in self.parts)
        for note in self._note_paths():
            note.unlink(missing_ok=True)
        self.parts = [Part(number=0, offset=0, size=size)]
        self._noted = {}

    def write(self, data: bytes, part: Part) -> None:
        """Writes the next bytes of a part.

        Raises:
            OSError: When the disk is full, say.
        """
        at, view = part.at, memoryview(data)
        while view:
            done = os.pwrite(self._descriptor, view, at)
            at += done
            view = view[done:]

    def note(self, part: Part) -> None:
        """Notes how much of a part is here."""
        if self._noted.get(part.number) == part.completed:
            return
        self._noted[part.number] = part.completed
        note = self.path.with_name(f"{self.path.name}-{part.number}")
        draft = self.path.with_name(f".incoming-{self.path.name}-{part.number}")
        known = {"N": part.number, "Offset": part.offset, "Size": part.size, "Completed": part.completed}
        draft.write_text(json.dumps(known))
        draft.replace(note)

    def sync(self) -> None:
        """Makes what was written survive a power cut."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Closes it; what is here stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def forget(self) -> None:
        """Removes the notes, for a file that has its final name."""
        for note in self._note_paths():
            note.unlink(missing_ok=True)

    def remove(self) -> None:
        """Removes the file and the notes."""
        self.forget()
        self.path.unlink(missing_ok=True)

    def _usable(self, size: int) -> list[Part] | None:
        found = self._notes()
        is_whole = found is not None and sum(each.size for each in found) == size
        return found if is_whole and self.path.exists() else None

    def _note_paths(self) -> list[Path]:
        return [each for each in self.path.parent.glob(f"{self.path.name}-*") if each.is_file()]

    def _notes(self) -> list[Part] | None:
        found: list[Part] = []
        for path in self._note_paths()[:_MAX_PARTS]:
            try:
                note = json.loads(path.read_bytes())
                part = Part(
                    number=int(note["N"]),
                    offset=int(note["Offset"]),
                    size=int(note["Size"]),
                    completed=int(note["Completed"]),
                )
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning("partial_download_unreadable", path=str(path), reason=str(error))
                return None
            found.append(part)
        found.sort(key=lambda each: each.offset)
        at = 0
        for part in found:
            if part.offset != at or part.size <= 0 or not 0 <= part.completed <= part.size:
                return None
            at = part.end
        return found or None


def _cut(size: int, parts: int, min_part_bytes: int) -> list[Part]:
    length = max(min_part_bytes, -(-size // parts), 1)
    starts = range(0, size, length)
    return [
        Part(number=number, offset=start, size=min(length, size - start)) for number, start in enumerate(starts)
    ] or [Part(number=0, offset=0, size=0)]
