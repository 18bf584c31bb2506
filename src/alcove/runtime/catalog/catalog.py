"""The models on this machine's disk: those of our own folder, then those of other programs' folders, which are never changed."""

import contextlib
import math
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import structlog

from alcove.kernel.errors import AlcoveError, ModelNotFound
from alcove.runtime.catalog.checked import CheckedFiles
from alcove.runtime.catalog.digests import file_digest
from alcove.runtime.catalog.errors import BadManifest, BlobNotFound, ReadOnlyModel
from alcove.runtime.catalog.folder import ModelFolder, copy_synced
from alcove.runtime.catalog.manifest import Layer, Manifest
from alcove.runtime.catalog.reading import Source, read_manifest, read_model
from alcove.runtime.errors import BadModelFile
from alcove.runtime.models import InstalledModel
from alcove.runtime.names import InvalidModelName, ModelName

log = structlog.get_logger(__name__)

_Stamp = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    stamp: _Stamp
    model: InstalledModel | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DiskCatalog:
    """Implements the port `Catalog`, and changes what is on the disk.

    Attributes:
        own: Our own folder, where everything new goes.
        others: Folders that are used in place.
        checked: What has been checked against its digest.
    """

    own: ModelFolder
    others: Sequence[ModelFolder] = ()
    checked: CheckedFiles
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    _known: dict[Path, _Known] = field(default_factory=dict)
    _claims: dict[str, int] = field(default_factory=dict)

    async def open(self, *, keep_unused_s: float = math.inf) -> None:
        """Makes our folder, reads what has been checked, and removes what nothing has used for a while.

        Args:
            keep_unused_s: Seconds that files are kept which no model uses: those that were sent for a model never made, and downloads
                that were never gone on with.
        """
        await anyio.to_thread.run_sync(self.own.prepare)
        await anyio.to_thread.run_sync(self.checked.open)
        if math.isfinite(keep_unused_s):
            removed = await anyio.to_thread.run_sync(self._remove_old, keep_unused_s)
            if removed:
                log.info("unused_model_files_removed", files=removed)

    # The port

    async def list(self) -> Sequence[InstalledModel]:
        """Lists the models, the one changed last first. One that cannot be read is left out, and logged once."""
        return await anyio.to_thread.run_sync(self._list)

    async def get(self, name: str) -> InstalledModel:
        """Gives the model of that name, in any spelling.

        Raises:
            ModelNotFound: When there is none.
            BadModelFile: When its file is not what it should be.
        """
        source = await self.source(name)
        return await anyio.to_thread.run_sync(self._read, source)

    async def verify(self, model: InstalledModel) -> None:
        """Checks the digests of a model's files; one that was checked and has not changed since is not read again.

        Raises:
            BadModelFile: When a file is not the one its manifest names.
        """
        files = [model.files.weights, *model.files.adapters]
        if model.files.projector is not None:
            files.append(model.files.projector)
        for file in files:
            digest = file.name.replace("-", ":", 1)
            await anyio.to_thread.run_sync(partial(self._verify, model.name, file, digest), abandon_on_cancel=True)

    # What is there

    async def source(self, name: str) -> Source:
        """Finds the manifest of a name, in any spelling.

        Raises:
            ModelNotFound: When there is none.
        """
        try:
            parsed = ModelName.parse(name)
        except InvalidModelName as error:
            raise not_found(name) from error
        found = await self.find(parsed)
        if found is None:
            raise not_found(name)
        return found

    async def find(self, name: ModelName) -> Source | None:
        """Finds a manifest; None when there is none."""
        return await anyio.to_thread.run_sync(self._find, name)

    async def manifest(self, source: Source) -> tuple[Manifest, datetime]:
        """Reads a manifest, and when it was written.

        Raises:
            BadManifest: When it cannot be read.
        """
        return await anyio.to_thread.run_sync(read_manifest, source)

    async def blob(self, digest: str) -> Path:
        """Gives the path of a blob, wherever it lies.

        Raises:
            InvalidDigest: When the digest is none.
            BlobNotFound: When there is no such blob.
        """
        found = await anyio.to_thread.run_sync(self._blob, digest)
        if found is None:
            detail = f"blob {digest} not found"
            raise BlobNotFound(detail)
        return found

    async def has(self, layer: Layer) -> bool:
        """Tells whether a blob is in our own folder, whole as far as its size says."""
        return await anyio.to_thread.run_sync(self.own.has, layer.digest, layer.size)

    # Changes

    @contextlib.contextmanager
    def claimed(self, digests: Sequence[str]) -> Iterator[None]:
        """Keeps blobs from being removed while somebody is about to use them."""
        for each in digests:
            self._claims[each] = self._claims.get(each, 0) + 1
        try:
            yield
        finally:
            for each in digests:
                self._claims[each] -= 1
                if not self._claims[each]:
                    del self._claims[each]

    async def put_bytes(self, data: bytes) -> str:
        """Keeps some bytes as a blob of our folder; gives their digest.

        Raises:
            DiskFull: When there is no room.
        """
        return await anyio.to_thread.run_sync(self.own.put_bytes, data)

    async def write(self, name: ModelName, manifest: Manifest) -> Sequence[str]:
        """Writes a manifest whose blobs are all there; gives the digests of blobs that nothing uses any more, which are removed.

        Raises:
            BlobNotFound: When a blob is missing.
            BadManifest: When it could not be read again.
        """
        async with self._changing():
            return await anyio.to_thread.run_sync(self._write, name, manifest)

    async def copy(self, source: str, destination: str) -> None:
        """Gives a model a second name; one of another folder is linked or copied into ours.

        Raises:
            ModelNotFound: When there is no such model.
            InvalidModelName: When the new name is none.
            DiskFull: When there is no room.
        """
        target = ModelName.parse(destination)
        found = await self.source(source)
        manifest, _ = await self.manifest(found)
        with self.claimed([each.digest for each in manifest.blobs]):
            await self.bring_home(found.folder, manifest.blobs)
            await self.write(target, manifest)

    async def bring_home(self, folder: ModelFolder, layers: Sequence[Layer]) -> None:
        """Makes sure that blobs of another folder are in ours too.

        Raises:
            DiskFull: When there is no room.
            BlobNotFound: When one is missing there.
        """
        for each in layers:
            if folder != self.own and not await self.has(each):
                await anyio.to_thread.run_sync(self._bring_home, folder, each)

    async def delete(self, name: str) -> None:
        """Deletes a model, and those of its blobs that no other model uses.

        Raises:
            ModelNotFound: When there is no such model.
            ReadOnlyModel: When it lies in another program's folder.
        """
        found = await self.source(name)
        if found.folder.is_read_only:
            detail = (
                f"{found.name.short!r} lies in {str(found.folder.root)!r}, which is used in place and never changed; "
                "remove it with the program that put it there"
            )
            raise ReadOnlyModel(detail)
        async with self._changing():
            await anyio.to_thread.run_sync(self._delete, found)

    @contextlib.asynccontextmanager
    async def _changing(self) -> AsyncIterator[None]:
        async with self.lock:
            with anyio.CancelScope(shield=True):  # short, and never left half done
                yield

    # In threads

    def _folders(self) -> tuple[ModelFolder, ...]:
        return (self.own, *self.others)

    def _sources(self) -> Iterator[Source]:
        """Gives every model once: of two of the same name, ours."""
        seen: set[tuple[str, ...]] = set()
        for folder in self._folders():
            for stored in folder.names():
                if stored.name.key not in seen:
                    seen.add(stored.name.key)
                    yield Source(name=stored.name, folder=folder, path=stored.path)

    def _find(self, name: ModelName) -> Source | None:
        for folder in self._folders():
            stored = folder.find(name)
            if stored is not None:
                return Source(name=stored.name, folder=folder, path=stored.path)
        return None

    def _list(self) -> Sequence[InstalledModel]:
        found: list[InstalledModel] = []
        paths: set[Path] = set()
        for source in self._sources():
            paths.add(source.path)
            known = self._known.get(source.path)
            stamp = _stamp(source.path)
            if known is not None and known.stamp == stamp and known.model is None:
                continue  # not readable, and said so already
            try:
                found.append(self._read(source))
            except AlcoveError as error:
                log.warning("model_unreadable", model=source.name.short, reason=error.detail)
                if stamp is not None and not isinstance(error, BadManifest):
                    self._known[source.path] = _Known(stamp=stamp, model=None)
        for path in set(self._known) - paths:
            self._known.pop(path, None)
        return sorted(found, key=lambda each: (each.modified_at, each.name), reverse=True)

    def _read(self, source: Source) -> InstalledModel:
        stamp = _stamp(source.path)
        known = self._known.get(source.path)
        if known is not None and known.stamp == stamp and known.model is not None and _is_there(known.model):
            return known.model
        model = read_model(source)
        if stamp is not None:
            self._known[source.path] = _Known(stamp=stamp, model=model)
        return model

    def _verify(self, name: str, file: Path, digest: str) -> None:
        try:
            if self.checked.is_checked(file, digest):
                return
            found = file_digest(file)
        except OSError as error:
            detail = f"a file of {name!r} cannot be read: {error.strerror}"
            raise BadModelFile(detail) from error
        if found != digest:
            detail = (
                f"a file of {name!r} is damaged: its digest is {found} instead of {digest}; delete and pull the model"
            )
            raise BadModelFile(detail)
        self.checked.remember(file, digest)

    def _blob(self, digest: str) -> Path | None:
        paths = (folder.blob(digest) for folder in self._folders() if folder.has(digest))
        return next(paths, None)

    def _write(self, name: ModelName, manifest: Manifest) -> Sequence[str]:
        Manifest.parse(manifest.data)  # nothing is written that could not be read again
        missing = next((each for each in manifest.blobs if not self.own.has(each.digest, each.size)), None)
        if missing is not None:
            detail = f"blob {missing.digest} not found"
            raise BlobNotFound(detail)
        there = self.own.find(name)
        before = None if there is None else self._blobs_of(there.path)
        self.own.write_manifest(name, manifest.data)
        return self._remove_unused(before or frozenset[str]())

    def _delete(self, source: Source) -> None:
        stored = self.own.find(source.name)
        if stored is None:
            raise not_found(source.name.short)
        blobs = self._blobs_of(stored.path) or frozenset[str]()
        self.own.remove_manifest(stored)
        self._known.pop(stored.path, None)
        self._remove_unused(blobs)

    def _remove_unused(self, candidates: frozenset[str]) -> Sequence[str]:
        """Removes those blobs that no manifest names. If any manifest cannot be read, none: it may need them."""
        used = self._used() if candidates else None
        if used is None:
            return ()
        removed = sorted(candidates - used - set(self._claims))
        for each in removed:
            self.own.remove_blob(each)
        return removed

    def _remove_old(self, keep_unused_s: float) -> int:
        """Removes files that no manifest names and that nobody has written to for so long; none if a manifest cannot be read."""
        found = self._used()
        if found is None:
            return 0
        used = {each.replace(":", "-", 1) for each in found}
        oldest_s = time.time() - keep_unused_s
        old = [
            each
            for each in self.own.blobs.iterdir()
            if each.name not in used and each.is_file() and each.lstat().st_mtime < oldest_s
        ]
        for each in old:
            each.unlink(missing_ok=True)
        return len(old)

    def _used(self) -> frozenset[str] | None:
        """Gives every blob that a file among the manifests names; None when one of these is none that can be read."""
        used: set[str] = set()
        try:
            for path in self.own.every_manifest():
                found = self._blobs_of(path)
                if found is None:
                    return None
                used |= found
        except OSError as error:
            log.warning("manifests_unreadable", path=str(self.own.manifests), reason=str(error))
            return None
        return frozenset(used)

    def _blobs_of(self, path: Path) -> frozenset[str] | None:
        try:
            return frozenset(each.digest for each in Manifest.parse(path.read_bytes()).blobs)
        except (OSError, BadManifest) as error:
            log.warning("manifest_unreadable", path=str(path), reason=str(error))
            return None

    def _bring_home(self, folder: ModelFolder, layer: Layer) -> None:
        origin = folder.blob(layer.digest)
        path = self.own.incoming()
        try:
            self.own.need_room(layer.size)
            copy_synced(origin, path)
            found = file_digest(path)
        except FileNotFoundError as error:
            detail = f"blob {layer.digest} not found"
            raise BlobNotFound(detail) from error
        else:
            if found != layer.digest:
                detail = f"{str(origin)!r} is damaged: its digest is {found}"
                raise BadModelFile(detail)
            self.checked.remember(self.own.take_in(path, layer.digest), layer.digest)
        finally:
            path.unlink(missing_ok=True)


def not_found(name: str) -> ModelNotFound:
    """Gives the error for a model that is not there, in Ollama's words."""
    return ModelNotFound(f"model '{name}' not found")


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns, found.st_ino)


def _is_there(model: InstalledModel) -> bool:
    files = [model.files.weights, *model.files.adapters]
    return all(each.exists() for each in files)
