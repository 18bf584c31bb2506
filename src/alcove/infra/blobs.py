"""Files by the hash of their content: the same content is kept once, and a name can never lead anywhere else."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class BlobStore:
    """A folder of files named by their SHA-256.

    Attributes:
        folder: Where they lie.
    """

    folder: Path

    @property
    def incoming(self) -> Path:
        """Folder for files that are still being received; on the same file system, so that they can be moved in."""
        return self.folder / "incoming"

    async def open(self) -> None:
        """Makes the folders, and throws away what an earlier process was still receiving."""
        await anyio.to_thread.run_sync(self._open)

    async def put(self, received: Path, sha256: str) -> None:
        """Moves a received (and synced) file in. When this returns, the file survives `kill -9` and a power cut.

        Args:
            received: A file in `incoming`; gone afterwards, also when the content was there already.
            sha256: The hash of its content, hex.
        """
        await anyio.to_thread.run_sync(self._put, received, sha256)

    def path(self, sha256: str) -> Path:
        """Gives the path of a file.

        Raises:
            ValueError: When `sha256` is no such hash, and could lead elsewhere.
        """
        if _DIGEST.fullmatch(sha256) is None:
            msg = f"not a SHA-256 in hex: {sha256!r}"
            raise ValueError(msg)
        return self.folder / sha256[:2] / sha256

    async def delete(self, sha256: str) -> None:
        """Deletes a file; nothing happens when it is not there."""
        await anyio.to_thread.run_sync(lambda: self.path(sha256).unlink(missing_ok=True))

    def _open(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.rmtree(self.incoming, ignore_errors=True)
        self.incoming.mkdir(mode=0o700)

    def _put(self, received: Path, sha256: str) -> None:
        target = self.path(sha256)
        if target.exists():
            received.unlink()
            return
        target.parent.mkdir(mode=0o700, exist_ok=True)
        received.replace(target)
        _sync_folder(target.parent)
        _sync_folder(self.folder)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
