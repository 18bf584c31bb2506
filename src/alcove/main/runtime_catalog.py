"""Builds the half of the runtime that keeps models: what is on the disk, what is pulled, pushed and made; and what its routes need."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alcove.infra.http import AddressGuard, HttpClient, HttpLimits
from alcove.kernel.clock import Clock
from alcove.runtime.catalog.catalog import DiskCatalog
from alcove.runtime.catalog.checked import CheckedFiles
from alcove.runtime.catalog.creating import Creator
from alcove.runtime.catalog.folder import ModelFolder
from alcove.runtime.catalog.ports import Audit, MemoryForecast, RemoteOllamas
from alcove.runtime.catalog.receiving import Receiver
from alcove.runtime.catalog.settings import CatalogSettings, Serve
from alcove.runtime.desk import RuntimeDesk
from alcove.runtime.library import ModelLibrary
from alcove.runtime.ollama_api import OllamaFace
from alcove.runtime.ports import ManagedModels, ModelAccess
from alcove.runtime.registry.downloads import Downloads
from alcove.runtime.registry.origins import Origins
from alcove.runtime.registry.pulling import Puller
from alcove.runtime.registry.pushing import Pusher
from alcove.runtime.registry.settings import RegistrySettings
from alcove.runtime.registry.tasks import TransferTasks
from alcove.runtime.registry_api import ServedModels
from alcove.runtime.service import RuntimeService
from alcove.runtime.transfers import Transfers

_NO_END_S = 1e9
_ANY_BYTES = 1 << 60


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogParts:
    """The models on this machine's disk, and what has to run for them.

    Attributes:
        catalog: The models.
        tasks: Runs the pulls: start its `run` as a worker.
        close: Closes connections, when the house is closed.
    """

    catalog: DiskCatalog
    tasks: TransferTasks
    close: Callable[[], None]
    _origins: Origins
    _downloads: Downloads
    _settings: CatalogSettings
    _registry: RegistrySettings
    _clock: Clock

    def library(self, audit: Audit) -> ModelLibrary:
        """Gives what changes the models; it tells `audit` who did what."""
        catalog, origins = self.catalog, self._origins
        return ModelLibrary(
            catalog=catalog,
            origins=origins,
            puller=Puller(catalog=catalog, origins=origins, downloads=self._downloads),
            pusher=Pusher(catalog=catalog, origins=origins, settings=self._registry),
            creator=Creator(catalog),
            receiver=Receiver(catalog=catalog, max_bytes=self._settings.max_blob_bytes),
            transfers=Transfers(tasks=self.tasks, clock=self._clock),
            audit=audit,
        )


async def open_catalog(
    data_dir: Path, settings: CatalogSettings, registry: RegistrySettings, *, clock: Clock
) -> CatalogParts:
    """Opens the models on this machine's disk.

    Args:
        data_dir: The data folder.
        settings: Where models are kept.
        registry: Where they come from.
        clock: The time.
    """
    own = ModelFolder((settings.folder or data_dir / "models").expanduser().absolute())
    others = [ModelFolder(each.expanduser().absolute(), is_read_only=True) for each in settings.ollama_folders]
    catalog = DiskCatalog(own=own, others=others, checked=CheckedFiles(data_dir / "models-checked.json"))
    await catalog.open(keep_unused_s=settings.keep_unused_h * 3600)
    limits = HttpLimits(
        connect_s=registry.connect_timeout_s, read_s=registry.stall_s, total_s=_NO_END_S, body_bytes=_ANY_BYTES
    )
    http = HttpClient(limits, AddressGuard(registry.named_addresses()))
    tasks = TransferTasks()
    return CatalogParts(
        catalog=catalog,
        tasks=tasks,
        close=http.close,
        _origins=Origins(http, registry),
        _downloads=Downloads(folder=own, checked=catalog.checked, settings=registry, tasks=tasks),
        _settings=settings,
        _registry=registry,
        _clock=clock,
    )


def runtime_state(
    library: ModelLibrary,
    local: ManagedModels,
    memory: MemoryForecast,
    remote: RemoteOllamas,
    access: ModelAccess,
    *,
    serve: Serve,
    clock: Clock,
) -> dict[str, object]:
    """Gives what the runtime's routes find in the state of each request, by name.

    Args:
        library: The models on this machine's disk.
        local: Those that are loaded.
        memory: What they take.
        remote: Those of other machines.
        access: Who may use which.
        serve: Who may pull models from here.
        clock: The time.
    """
    return {
        "ollama_face": OllamaFace(library, local, remote, clock, access),
        "served_models": ServedModels(library.catalog, serve),
        "runtime_desk": RuntimeDesk(library, local, memory, clock, RuntimeService(local), access=access),
    }
