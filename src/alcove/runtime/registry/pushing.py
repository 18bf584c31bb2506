"""Pushes a model: the blobs that the registry does not have, in pieces, then the manifest."""

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from alcove.runtime.catalog.catalog import DiskCatalog
from alcove.runtime.catalog.digests import short
from alcove.runtime.catalog.manifest import Layer
from alcove.runtime.catalog.progress import Progress
from alcove.runtime.names import ModelName
from alcove.runtime.registry.errors import RegistryUnreachable
from alcove.runtime.registry.oci import OciPush
from alcove.runtime.registry.origins import Origins
from alcove.runtime.registry.settings import RegistrySettings

_MAX_PAUSE_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Pusher:
    """Pushes models to the registries that their names say.

    Attributes:
        catalog: Where they are.
        origins: Where they go.
        settings: How they are sent.
    """

    catalog: DiskCatalog
    origins: Origins
    settings: RegistrySettings

    async def push(self, reference: str, *, is_insecure: bool = False) -> AsyncGenerator[Progress, None]:
        """Pushes a model.

        Args:
            reference: Its name, which says where to.
            is_insecure: Whether http will do.

        Raises:
            AlcoveError: When it cannot be pushed, with what to do about it.
        """
        name = ModelName.parse(reference)
        source = await self.catalog.source(reference)
        target = self.origins.push(name, is_insecure=is_insecure)
        yield Progress(status="retrieving manifest")
        manifest, _ = await self.catalog.manifest(source)
        with self.catalog.claimed([each.digest for each in manifest.blobs]):
            for layer in manifest.blobs:
                path = source.folder.blob(layer.digest)
                async with contextlib.aclosing(self._push(target, layer, path)) as states:
                    async for completed in states:
                        yield Progress(
                            status=f"pushing {short(layer.digest)}",
                            digest=layer.digest,
                            total=layer.size,
                            completed=completed,
                        )
        yield Progress(status="pushing manifest")
        await target.manifest(manifest)
        yield Progress(status="success")

    async def _push(self, target: OciPush, layer: Layer, path: Path) -> AsyncGenerator[int, None]:
        """Sends a blob, from its beginning again when the connection was lost; tells how many bytes are there."""
        failures = 0
        while True:
            try:
                if await target.has(layer):
                    break
                async with contextlib.aclosing(self._send(target, layer, path)) as states:
                    async for completed in states:
                        yield completed
            except RegistryUnreachable as error:
                failures += 1
                if failures >= self.settings.attempts:
                    detail = f"the connection failed {failures} times ({error}); push again later"
                    raise RegistryUnreachable(detail) from error
                await anyio.sleep(min(_MAX_PAUSE_S, self.settings.first_pause_s * 2 ** (failures - 1)))
            else:
                break
        yield layer.size

    async def _send(self, target: OciPush, layer: Layer, path: Path) -> AsyncGenerator[int, None]:
        url = await target.begin(layer)
        if url is None:
            return
        completed = 0
        async with await anyio.open_file(path, "rb") as file:
            yield completed
            while data := await file.read(self.settings.chunk_bytes):
                url = await target.piece(url, completed, data)
                completed += len(data)
                yield completed
        await target.end(url, layer)
