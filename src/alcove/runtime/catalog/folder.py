"""A folder of models as Ollama lays it out. All of this blocks: call it in a thread.

    blobs/sha256-<hex>                            layers, named by their digest
    manifests/<host>/<namespace>/<model>/<tag>    the exact bytes of the manifest

What is written has its final name only when it is whole and synced, so that a process killed at any moment leaves no half file
under a name that counts.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alcove.kernel.ids import new_id
from alcove.runtime.catalog.digests import digest_of, hex_of
from alcove.runtime.catalog.errors import DiskFull
from alcove.runtime.names import CloudModel, InvalidModelName, ModelName

_INCOMING = ".incoming-"
_MARGIN_BYTES = 64 << 20  # left free, so that a full disk does not take the rest of the house with it
_LEVELS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredName:
    """A manifest that is there.

    Attributes:
        name: The name it is stored under, in its stored spelling.
        path: The manifest.
    """

    name: ModelName
    path: Path


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder of models.

    Attributes:
        root: The folder that holds `blobs` and `manifests`.
        is_read_only: Whether it is another program's, which is never changed.
    """

    root: Path
    is_read_only: bool = False

    @property
    def blobs(self) -> Path:
        """Where blobs lie."""
        return self.root / "blobs"

    @property
    def manifests(self) -> Path:
        """Where manifests lie."""
        return self.root / "manifests"

    def prepare(self) -> None:
        """Makes the folders, and throws away what an earlier process was still writing (never partial downloads)."""
        self.blobs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.manifests.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self.blobs.glob(f"{_INCOMING}*"):
            left.unlink(missing_ok=True)

    # Blobs

    def blob(self, digest: str) -> Path:
        """Gives the path of a blob.

        Raises:
            InvalidDigest: When the digest is none, and could lead elsewhere.
        """
        return self.blobs / f"sha256-{hex_of(digest)}"

    def has(self, digest: str, size: int | None = None) -> bool:
        """Tells whether a blob is there, of that size where one is given."""
        try:
            found = self.blob(digest).stat()
        except OSError:
            return False
        return size is None or found.st_size == size

    def incoming(self) -> Path:
        """Gives a path for something that is still being written, on the same file system as its final name."""
        return self.blobs / f"{_INCOMING}{new_id()}"

    def take_in(self, path: Path, digest: str) -> Path:
        """Moves a file that is whole, checked and synced to its final name; gives that."""
        target = self.blob(digest)
        path.replace(target)
        sync_folder(self.blobs)
        return target

    def put_bytes(self, data: bytes) -> str:
        """Keeps some bytes as a blob; gives their digest. Nothing is written where it is there already."""
        digest = digest_of(data)
        if not self.has(digest, len(data)):
            self.need_room(len(data))
            path = self.incoming()
            write_synced(path, data)
            self.take_in(path, digest)
        return digest

    def remove_blob(self, digest: str) -> None:
        """Removes a blob; nothing happens when it is not there."""
        self.blob(digest).unlink(missing_ok=True)

    def need_room(self, size_bytes: int) -> None:
        """Checks that so many bytes more can be written.

        Raises:
            DiskFull: When they cannot.
        """
        free = shutil.disk_usage(self.root).free
        if size_bytes + _MARGIN_BYTES > free:
            detail = (
                f"not enough disk space: {size_bytes:,} bytes are needed in {str(self.root)!r}, "
                f"{max(0, free - _MARGIN_BYTES):,} are free"
            )
            raise DiskFull(detail)

    # Manifests

    def names(self) -> Iterator[StoredName]:
        """Gives the manifests that are there; files that are named like no model of this machine are passed over."""
        if not self.manifests.is_dir():
            return
        for folder, folders, files in os.walk(self.manifests):
            parts = Path(folder).relative_to(self.manifests).parts
            if len(parts) >= _LEVELS:
                folders.clear()
                continue
            if len(parts) != _LEVELS - 1:
                continue
            for file in sorted(files):
                name = _name((*parts, file))
                if name is not None:
                    yield StoredName(name=name, path=Path(folder) / file)

    def every_manifest(self) -> Iterator[Path]:
        """Gives every file where manifests lie, whatever its name: what one of them needs is not removed.

        A link to a folder is given as a file, as nobody looks behind it.

        Raises:
            OSError: When a folder cannot be read.
        """
        for folder, folders, files in os.walk(self.manifests, onerror=_raise):
            links = [each for each in folders if (Path(folder) / each).is_symlink()]
            for each in (*files, *links):
                if not each.startswith(_INCOMING):
                    yield Path(folder) / each

    def find(self, name: ModelName) -> StoredName | None:
        """Finds the manifest of a name, in any spelling; the exact one first."""
        exact = self.manifests.joinpath(*name.path)
        if exact.is_file():
            return StoredName(name=name, path=exact)
        return next((each for each in self.names() if each.name.key == name.key), None)

    def write_manifest(self, name: ModelName, data: bytes) -> None:
        """Writes a manifest, in place of the one of that name, whose spelling stays."""
        there = self.find(name)
        path = self.manifests.joinpath(*name.path) if there is None else there.path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A name with a leading dot is no tag, so nobody takes a half-written one for a model.
        draft = path.parent / f"{_INCOMING}{new_id()}"
        try:
            write_synced(draft, data)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        folder = path.parent
        while folder != self.root:
            sync_folder(folder)
            folder = folder.parent

    def remove_manifest(self, stored: StoredName) -> None:
        """Removes a manifest, and the folders that are empty then."""
        stored.path.unlink(missing_ok=True)
        folder = stored.path.parent
        sync_folder(folder)
        while folder != self.manifests:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent


def write_synced(path: Path, data: bytes) -> None:
    """Writes a new file that survives a power cut."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def copy_synced(origin: Path, path: Path) -> None:
    """Copies a file to a new one that survives a power cut."""
    with origin.open("rb") as read, path.open("xb") as written:
        shutil.copyfileobj(read, written, 1 << 20)
        written.flush()
        os.fsync(written.fileno())


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _name(parts: tuple[str, ...]) -> ModelName | None:
    host, namespace, model, tag = parts
    try:
        name = ModelName.parse(f"{host}/{namespace}/{model}:{tag}")
    except (InvalidModelName, CloudModel):  # an Ollama keeps manifests of models that run elsewhere, too
        return None
    return name if name.path == parts else None


def _raise(error: OSError) -> None:
    raise error
