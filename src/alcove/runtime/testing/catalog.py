"""Catalogues without a store: models that were named, or every GGUF file of a folder."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import anyio.to_thread

from alcove.kernel.errors import ModelNotFound
from alcove.runtime.errors import BadModelFile
from alcove.runtime.gguf import read_header
from alcove.runtime.models import Capability, InstalledModel, ModelFiles, ModelShape

_RANKS = 4  # llama.cpp's LLAMA_POOLING_TYPE_RANK
_START = datetime(2026, 1, 1, tzinfo=UTC)


def fake_model(name: str, *, megabytes: int = 0, kv_bytes_per_token: int = 0, context: int = 4096) -> InstalledModel:
    """Gives a model that is on no disk, of a size that is predicted from."""
    return InstalledModel(
        name=name,
        digest=hashlib.sha256(name.encode()).hexdigest(),
        weights_digest=hashlib.sha256(name.encode()).hexdigest(),
        size_bytes=megabytes << 20,
        modified_at=_START,
        files=ModelFiles(weights=Path("/nowhere") / name),
        shape=ModelShape(
            architecture="llama",
            layers=2,
            context_length=context,
            kv_bytes_per_token=kv_bytes_per_token,
            weights_bytes=megabytes << 20,
        ),
        capabilities=frozenset({Capability.COMPLETION}),
    )


@dataclass(slots=True)
class FakeCatalog:
    """A catalogue of the models it was given."""

    models: dict[str, InstalledModel] = field(default_factory=dict)

    def add(self, model: InstalledModel) -> None:
        """Adds a model, or puts it in place of one of its name."""
        self.models[model.name] = model

    async def list(self) -> Sequence[InstalledModel]:
        """Lists them."""
        return list(self.models.values())

    async def get(self, name: str) -> InstalledModel:
        """Gives the model of that name.

        Raises:
            ModelNotFound: When there is none.
        """
        try:
            return self.models[name]
        except KeyError:
            msg = f"There is no model {name!r} on this machine."
            raise ModelNotFound(msg) from None

    async def verify(self, model: InstalledModel) -> None:
        """Finds every file in order."""


@dataclass(frozen=True, slots=True)
class FolderCatalog:
    """Every `*.gguf` of a folder, by its file's name; one that is damaged can be asked for, and says so."""

    folder: Path

    async def list(self) -> Sequence[InstalledModel]:
        """Lists those that can be read."""
        found: list[InstalledModel] = []
        for path in await anyio.to_thread.run_sync(lambda: sorted(self.folder.glob("*.gguf"))):
            try:
                found.append(await self.get(path.stem))
            except BadModelFile:
                continue
        return found

    async def get(self, name: str) -> InstalledModel:
        """Gives the model of that name.

        Raises:
            ModelNotFound: When there is no such file.
            BadModelFile: When it is damaged.
        """
        return await anyio.to_thread.run_sync(self._read, name)

    async def verify(self, model: InstalledModel) -> None:
        """Has no digests to compare with."""

    def _read(self, name: str) -> InstalledModel:
        path = self.folder / f"{name}.gguf"
        if "/" in name or not path.is_file():
            msg = f"There is no model {name!r} in {self.folder}."
            raise ModelNotFound(msg)
        header = read_header(path)
        stat = path.stat()
        digest = hashlib.sha256(f"{path}:{stat.st_size}:{stat.st_mtime_ns}".encode()).hexdigest()
        pooling = header.metadata.get(f"{header.architecture}.pooling_type")
        capability = Capability.COMPLETION if pooling is None else Capability.EMBEDDING
        if pooling == _RANKS:
            capability = Capability.RERANK
        template = header.metadata.get("tokenizer.chat_template", "")
        return InstalledModel(
            name=name,
            digest=digest,
            weights_digest=digest,
            size_bytes=stat.st_size,
            modified_at=datetime.fromtimestamp(stat.st_mtime, UTC),
            files=ModelFiles(weights=path),
            shape=header.shape(),
            family=header.architecture,
            families=(header.architecture,),
            capabilities=frozenset({capability}),
            chat_template=template if isinstance(template, str) else "",
        )
