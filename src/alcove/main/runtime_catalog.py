"""Builds the half of the runtime that keeps models: what is on the disk, what is pulled, pushed and made; and what its routes need."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alcove.infra.http import AddressGuard, HttpClient, HttpLimits
from alcove.kernel.clock import Clock
from alcove.runtime.api import RuntimeDesk
from alcove.runtime.catalog.catalog import DiskCatalog
from alcove.runtime.catalog.checked import CheckedFiles
from alcove.runtime.catalog.creating import Creator
from alcove.runtime.catalog.folder import ModelFolder
from alcove.runtime.catalog.ports import Audit, MemoryForecast, RemoteOllamas
from alcove.runtime.catalog.receiving import Receiver
from alcove.runtime.catalog.settings import CatalogSettings, Serve
from alcove.runtime.library import ModelLibrary
from alcove.runtime.ollama_api import OllamaFace
from alcove.runtime.ports import LocalModels
from alcove.runtime.registry.downloads import Downloads
from alcove.runtime.registry.origins import Origins
from alcove.runtime.registry.pulling import Puller
from alcove.runtime.registry.pushing import Pusher
from alcove.runtime.registry.settings import RegistrySettings
from alcove.runtime.registry.tasks import TransferTasks
from alcove.runtime.registry_api import ServedModels
from alcove.runtime.transfers import Transfers

_NO_END_S = 1e9
_ANY_BYTES = 1 << 60


@dataclass(frozen=True, kw_only=True, slots=True)
class LibraryParts:
    """The models of this machine, and what has to run for them.

    Attributes:
        library: What routes ask.
        tasks: Runs the pulls: start its `run` as a worker.
        close: Closes connections, when the house is closed.
    """

    library: ModelLibrary
    tasks: TransferTasks
    close: Callable[[], None]


async def open_library(
    data_dir: Path, catalog_settings: CatalogSettings, settings: RegistrySettings, *, audit: Audit, clock: Clock
) -> LibraryParts:
    """Opens the models of this machine.

    Args:
        data_dir: The data folder.
        catalog_settings: Where models are kept.
        settings: Where they come from.
        audit: Who did what.
        clock: The time.
    """
    own = ModelFolder((catalog_settings.folder or data_dir / "models").expanduser().absolute())
    others = [ModelFolder(each.expanduser().absolute(), is_read_only=True) for each in catalog_settings.ollama_folders]
    catalog = DiskCatalog(own=own, others=others, checked=CheckedFiles(data_dir / "models-checked.json"))
    await catalog.open(keep_unused_s=catalog_settings.keep_unused_h * 3600)
    limits = HttpLimits(
        connect_s=settings.connect_timeout_s, read_s=settings.stall_s, total_s=_NO_END_S, body_bytes=_ANY_BYTES
    )
    http = HttpClient(limits, AddressGuard(settings.named_addresses()))
    tasks = TransferTasks()
    origins = Origins(http, settings)
    downloads = Downloads(folder=own, checked=catalog.checked, settings=settings, tasks=tasks)
    library = ModelLibrary(
        catalog=catalog,
        origins=origins,
        puller=Puller(catalog=catalog, origins=origins, downloads=downloads),
        pusher=Pusher(catalog=catalog, origins=origins, settings=settings),
        creator=Creator(catalog),
        receiver=Receiver(catalog=catalog, max_bytes=catalog_settings.max_blob_bytes),
        transfers=Transfers(tasks=tasks, clock=clock),
        audit=audit,
    )
    return LibraryParts(library=library, tasks=tasks, close=http.close)


def runtime_state(
    parts: LibraryParts,
    local: LocalModels,
    memory: MemoryForecast,
    remote: RemoteOllamas,
    *,
    serve: Serve,
    clock: Clock,
) -> dict[str, object]:
    """Gives what the runtime's routes find in the state of each request, by name.

    Args:
        parts: The models of this machine.
        local: Those that are loaded.
        memory: What they take.
        remote: Those of other machines.
        serve: Who may pull models from here.
        clock: The time.
    """
    return {
        "ollama_face": OllamaFace(parts.library, local, remote, clock),
        "served_models": ServedModels(parts.library.catalog, serve),
        "runtime_desk": RuntimeDesk(parts.library, local, memory, clock),
    }
