"""What pulling needs of the places models come from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from alcove.infra.http import Response
from alcove.runtime.catalog.manifest import LayerKind, Manifest
from alcove.runtime.names import ModelName


class BlobOrigin(Protocol):
    """Where one file can be had."""

    async def open(self, start: int, end: int | None) -> Response:
        """Asks for the bytes from `start` up to, but not including, `end` (None: to its end).

        Returns:
            An answer of any status; 206 for what was asked, 200 for the whole file where parts cannot be had.

        Raises:
            RegistryError: When there is no answer.
            HostNotAsked: When the address may not be asked.
        """
        ...

    async def size(self) -> int | None:
        """Asks for the file's length; None where nobody says.

        Raises:
            RegistryError: When there is no answer, or no such file.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteFile:
    """A file of a model that is elsewhere.

    Attributes:
        key: What its partial download is called: the same for the same content.
        origin: Where it can be had.
        digest: `sha256:<hex>`; empty where nobody tells before it is here.
        size: Bytes; None for unknown.
        kind: What it is of the model.
        label: What progress lines call it.
    """

    key: str
    origin: BlobOrigin
    digest: str = ""
    size: int | None = None
    kind: LayerKind = LayerKind.MODEL
    label: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteModel:
    """A model that is elsewhere.

    Attributes:
        name: What it will be called here.
        manifest: Its manifest; None where there is none and one is made from its files.
        files: Its files, in the order they are fetched.
        texts: Small layers that came along with them (template, system, params), by kind.
    """

    name: ModelName
    manifest: Manifest | None
    files: Sequence[RemoteFile]
    texts: Sequence[tuple[LayerKind, bytes]] = field(default_factory=tuple)


class ModelOrigin(Protocol):
    """Where models can be had by name."""

    async def resolve(self) -> RemoteModel:
        """Finds the model and its files.

        Raises:
            NotInRegistry: When there is no such model.
            UnusableModel: When it is kept in a form that cannot be run here.
            RegistryError: When there is no proper answer.
        """
        ...
