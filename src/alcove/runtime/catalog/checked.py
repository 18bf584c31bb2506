"""Remembers which files have been checked against their digest, so that a large one is read once and not at each start.

A file counts as the one that was checked while its size, its time of change and its inode are the same.
"""

import json
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from alcove.kernel.ids import new_id

log = structlog.get_logger(__name__)

Mark = tuple[int, int, int, str]


@dataclass(slots=True)
class CheckedFiles:
    """What has been checked, in a file. All of this blocks: call it in a thread.

    Attributes:
        path: Where it is kept.
    """

    path: Path
    _marks: dict[str, Mark] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self) -> None:
        """Reads what an earlier process has checked; a file that cannot be read counts as empty."""
        try:
            found = json.loads(self.path.read_bytes())
            self._marks = {str(path): (int(a), int(b), int(c), str(d)) for path, (a, b, c, d) in found.items()}
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            log.warning("checked_models_unreadable", path=str(self.path), reason=str(error))

    def is_checked(self, file: Path, digest: str) -> bool:
        """Tells whether a file has been found to have a digest, and has not changed since."""
        return self._marks.get(str(file.resolve())) == _mark(file, digest)

    def remember(self, file: Path, digest: str) -> None:
        """Notes that a file has that digest."""
        mark = _mark(file, digest)
        if mark is None or self._marks.get(str(file.resolve())) == mark:
            return
        draft = self.path.with_name(f"{self.path.name}.{new_id()}")
        with self._lock:
            kept = {path: each for path, each in self._marks.items() if Path(path).exists()}
            self._marks = {**kept, str(file.resolve()): mark}
            try:
                draft.write_text(json.dumps(self._marks))
                draft.replace(self.path)
            except OSError as error:  # the check itself is done; it is made again after the next start
                draft.unlink(missing_ok=True)
                log.warning("checked_models_unwritable", path=str(self.path), reason=str(error))


def _mark(file: Path, digest: str) -> Mark | None:
    try:
        found = os.stat(file)  # noqa: PTH116  one call, whose fields are needed
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns, found.st_ino, digest)
