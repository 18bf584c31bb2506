"""A catalogue in a folder, with what pulls into it; and models to pull."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from alcove.infra.http import AddressGuard, HttpClient, HttpLimits
from alcove.runtime.catalog.catalog import DiskCatalog
from alcove.runtime.catalog.checked import CheckedFiles
from alcove.runtime.catalog.folder import ModelFolder
from alcove.runtime.catalog.progress import Progress
from alcove.runtime.registry.downloads import Downloads
from alcove.runtime.registry.origins import Origins
from alcove.runtime.registry.pulling import Puller
from alcove.runtime.registry.pushing import Pusher
from alcove.runtime.registry.settings import RegistrySettings
from alcove.runtime.registry.tasks import TransferTasks
from alcove.runtime.testing.gguf import tiny_model

CONFIG = {
    "model_format": "gguf",
    "model_family": "llama",
    "model_families": ["llama"],
    "model_type": "99K",
    "file_type": "F16",
}
TEMPLATE = b"{{ .System }}{{ range .Tools }}{{ . }}{{ end }}{{ .Prompt }}"
LAYERS = {
    "model": tiny_model(),
    "template": TEMPLATE,
    "system": b"You are small.",
    "params": b'{"temperature": 0.5, "stop": ["<|end|>", "</s>"], "num_ctx": 256}',
    "license": b"MIT, in full",
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """A catalogue, and what pulls into it."""

    catalog: DiskCatalog
    puller: Puller
    pusher: Pusher
    downloads: Downloads

    async def pull(self, reference: str, **options: Any) -> list[Progress]:
        return [each async for each in self.puller.pull(reference, is_insecure=True, **options)]


@contextlib.asynccontextmanager
async def open_place(folder: Path, settings: RegistrySettings | None = None, **options: Any) -> AsyncIterator[Place]:
    """Opens a catalogue; `options` are fields of the settings of registries."""
    given: dict[str, Any] = {"first_pause_s": 0.01, "stall_s": 2.0, **options}
    chosen = settings or RegistrySettings(**given)
    catalog = DiskCatalog(own=ModelFolder(folder / "models"), checked=CheckedFiles(folder / "checked.json"))
    await catalog.open()
    limits = HttpLimits(read_s=chosen.stall_s, connect_s=2, body_bytes=1 << 50, total_s=1e9)
    http = HttpClient(limits, AddressGuard(chosen.named_addresses()))
    tasks = TransferTasks()
    downloads = Downloads(folder=catalog.own, checked=catalog.checked, settings=chosen, tasks=tasks)
    origins = Origins(http, chosen)
    async with anyio.create_task_group() as group:
        group.start_soon(tasks.run)
        yield Place(
            catalog=catalog,
            puller=Puller(catalog=catalog, origins=origins, downloads=downloads),
            pusher=Pusher(catalog=catalog, origins=origins, settings=chosen),
            downloads=downloads,
        )
        group.cancel_scope.cancel()
    http.close()
