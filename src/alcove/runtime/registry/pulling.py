"""Pulls a model: its manifest, its files, then its name; tells how it goes in the words of Ollama's progress lines."""

import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace

import anyio.to_thread

from alcove.runtime.catalog.catalog import DiskCatalog
from alcove.runtime.catalog.config import config_of
from alcove.runtime.catalog.digests import digest_of, short
from alcove.runtime.catalog.manifest import CONFIG_TYPE, Layer, Manifest
from alcove.runtime.catalog.progress import Progress
from alcove.runtime.gguf import read_header
from alcove.runtime.names import ModelName
from alcove.runtime.registry.downloads import Downloads, Fetched
from alcove.runtime.registry.errors import UnusableModel
from alcove.runtime.registry.origins import Origins
from alcove.runtime.registry.ports import RemoteFile, RemoteModel


@dataclass(frozen=True, kw_only=True, slots=True)
class Puller:
    """Pulls models into our folder.

    Attributes:
        catalog: Where they are kept.
        origins: Where they come from.
        downloads: What fetches their files.
    """

    catalog: DiskCatalog
    origins: Origins
    downloads: Downloads

    async def pull(
        self, reference: str, *, is_insecure: bool = False, name: str = ""
    ) -> AsyncGenerator[Progress, None]:
        """Pulls a model. Close the generator to leave; what is here then is kept, and the next pull goes on from there.

        Args:
            reference: What is to be pulled.
            is_insecure: Whether http will do.
            name: What it is to be called here; empty for its own name.

        Raises:
            AlcoveError: When it cannot be pulled, with what to do about it.
        """
        chosen = ModelName.parse(name) if name else None
        origin = self.origins.of(reference, is_insecure=is_insecure)
        yield Progress(status="pulling manifest")
        remote = await origin.resolve()
        if chosen is not None:
            remote = replace(remote, name=chosen)
        with contextlib.ExitStack() as held:
            held.enter_context(self.catalog.claimed([each.digest for each in remote.files if each.digest]))
            layers: list[Layer] = []
            for file in remote.files:
                found = Fetched(completed=0, total=0)
                async with contextlib.aclosing(self._fetch(file)) as states:
                    async for found in states:
                        yield _line(file, found)
                if not file.digest:
                    held.enter_context(self.catalog.claimed([found.digest]))
                layers.append(Layer.of(file.kind, found.digest, found.total))
            yield Progress(status="verifying sha256 digest")
            yield Progress(status="writing manifest")
            held.enter_context(self.catalog.claimed([digest_of(data) for _, data in remote.texts]))
            removed = await self._write(remote, layers)
        if removed:
            yield Progress(status="removing unused layers")
        yield Progress(status="success")

    async def _fetch(self, file: RemoteFile) -> AsyncGenerator[Fetched, None]:
        if file.digest and await self.catalog.has(Layer.of(file.kind, file.digest, file.size or 0)):
            yield Fetched(completed=file.size or 0, total=file.size or 0, digest=file.digest)
            return
        async with contextlib.aclosing(self.downloads.fetch(file)) as states:
            async for state in states:
                yield state

    async def _write(self, remote: RemoteModel, layers: Sequence[Layer]) -> Sequence[str]:
        """Gives the model its name; one that came without a manifest gets one."""
        manifest = remote.manifest
        if manifest is None:
            weights = await self.catalog.blob(layers[0].digest)
            header = await anyio.to_thread.run_sync(read_header, weights)
            if not header.is_model:
                detail = f"{remote.files[0].label or remote.name.short!r} is no model by itself (its kind is {header.architecture or 'unknown'!r})"
                raise UnusableModel(detail)
            small = [Layer.of(kind, await self.catalog.put_bytes(data), len(data)) for kind, data in remote.texts]
            every = [*layers, *small]
            config = config_of(header, [each.digest for each in every])
            digest = await self.catalog.put_bytes(config)
            manifest = Manifest.of(Layer(media_type=CONFIG_TYPE, digest=digest, size=len(config)), every)
        return await self.catalog.write(remote.name, manifest)


def _line(file: RemoteFile, state: Fetched) -> Progress:
    return Progress(
        status=f"pulling {short(file.digest) or file.label}",
        digest=file.digest,
        total=state.total,
        completed=state.completed,
    )
