"""Registries of Docker's and OCI's protocol: Ollama's own, any other, and the face the Hugging Face hub shows to Ollama's clients.

Protocol: https://github.com/opencontainers/distribution-spec (1.1), and Ollama's media types.
"""

from dataclasses import dataclass

from alcove.infra.http import Response, Url
from alcove.runtime.catalog.manifest import MANIFEST_TYPE, OCI_MANIFEST_TYPE, Layer, LayerKind, Manifest
from alcove.runtime.names import CloudModel, InvalidModelName, ModelName
from alcove.runtime.registry.errors import NotInRegistry, RegistryError, UnusableModel
from alcove.runtime.registry.ports import RemoteFile, RemoteModel
from alcove.runtime.registry.web import Asked, Registry

_OK, _NOT_FOUND = 200, 404
_ACCEPT = f"{MANIFEST_TYPE}, {OCI_MANIFEST_TYPE}"
_SAFETENSORS = frozenset({LayerKind.TENSOR, LayerKind.JSON})


@dataclass(frozen=True, slots=True)
class OciBlob:
    """A blob of a registry, or of where the registry redirects to."""

    registry: Registry
    url: Url

    async def open(self, start: int, end: int | None) -> Response:
        """Asks for a range; each time at the registry, as the addresses it redirects to are good for a while only."""
        last = "" if end is None else str(end - 1)
        return await self.registry.follow(
            Asked(method="GET", url=self.url, headers={"range": f"bytes={start}-{last}", "accept": "*/*"})
        )

    async def size(self) -> int | None:
        """Asks for its length."""
        response = await self.registry.follow(Asked(method="HEAD", url=self.url))
        if response.status != _OK:
            raise await self.registry.complain(response, "pull model")
        with response:
            length = response.headers.get("content-length", "")
        return int(length) if length.isdecimal() and len(length) < 18 else None  # noqa: PLR2004  more is no length


@dataclass(frozen=True, slots=True)
class OciOrigin:
    """A model in a registry."""

    registry: Registry
    name: ModelName

    async def resolve(self) -> RemoteModel:
        """Reads the manifest.

        Raises:
            NotInRegistry: When there is no such model.
            UnusableModel: When it is kept as safetensors, or is an image of another kind.
            RegistryError: When there is no proper answer.
        """
        manifest = await self.manifest()
        if any(each.kind in _SAFETENSORS for each in manifest.layers):
            detail = (
                f"{self.name.short!r} is kept as safetensors there, which cannot be run here; choose a version in GGUF"
            )
            raise UnusableModel(detail)
        if manifest.first(LayerKind.MODEL) is None:
            detail = f"{self.name.short!r} is no model: its manifest names no weights"
            raise UnusableModel(detail)
        return RemoteModel(name=self.name, manifest=manifest, files=tuple(self._file(each) for each in manifest.blobs))

    async def manifest(self) -> Manifest:
        """Reads the manifest alone.

        Raises:
            NotInRegistry: When there is none.
            BadManifest: When it cannot be read.
            RegistryError: When there is no proper answer.
        """
        path = repository(self.name)
        asked = Asked(
            method="GET",
            url=self.registry.base.at(f"/v2/{path}/manifests/{self.name.tag}"),
            headers={"accept": _ACCEPT},
        )
        response = await self.registry.follow(asked)
        if response.status == _NOT_FOUND:
            response.close()
            detail = f"pull model manifest: file does not exist ({self.name.short!r} is not at {self.registry.host})"
            raise NotInRegistry(detail)
        if response.status != _OK:
            raise await self.registry.complain(response, "pull model manifest")
        with response:
            return Manifest.parse(await self.registry.read(response))

    def _file(self, layer: Layer) -> RemoteFile:
        url = self.registry.base.at(f"/v2/{repository(self.name)}/blobs/{layer.digest}")
        return RemoteFile(
            key=layer.digest.replace(":", "-", 1),
            origin=OciBlob(self.registry, url),
            digest=layer.digest,
            size=layer.size,
        )


def repository(name: ModelName) -> str:
    """Gives the path of a model in its registry."""
    return f"{name.namespace}/{name.model}"


def _origin(layer: Layer) -> ModelName | None:
    """Gives the model a layer was taken from; None where the manifest, which others wrote, does not name one that can be asked for."""
    if not layer.origin:
        return None
    try:
        return ModelName.parse(layer.origin)
    except (InvalidModelName, CloudModel):
        return None


@dataclass(frozen=True, slots=True)
class OciPush:
    """Takes a model into a registry."""

    registry: Registry
    name: ModelName

    async def has(self, layer: Layer) -> bool:
        """Tells whether the registry has a blob already.

        Raises:
            RegistryError: When there is no proper answer.
        """
        response = await self.registry.follow(Asked(method="HEAD", url=self._at(f"blobs/{layer.digest}")))
        with response:
            if response.status in {_OK, _NOT_FOUND}:
                return response.status == _OK
        raise await self.registry.complain(response, "push model")

    async def begin(self, layer: Layer) -> Url | None:
        """Begins an upload; gives where its pieces go, or None when the registry took the blob from another of its models.

        Raises:
            RegistryError: When there is no proper answer.
        """
        origin = _origin(layer)
        mount = ""
        if origin is not None and origin.host.lower() == self.name.host.lower():
            mount = f"?mount={layer.digest}&from={repository(origin)}"
        response = await self.registry.send(Asked(method="POST", url=self._at(f"blobs/uploads/{mount}")))
        if response.status == 201:  # noqa: PLR2004  mounted
            response.close()
            return None
        return await self._location(response, 202)

    async def piece(self, url: Url, start: int, data: bytes) -> Url:
        """Sends the next piece; gives where the one after it goes.

        Raises:
            RegistryError: When it was not taken.
        """
        headers = {"content-type": "application/octet-stream", "content-range": f"{start}-{start + len(data) - 1}"}
        response = await self.registry.send(Asked(method="PATCH", url=url, headers=headers, body=data))
        return await self._location(response, 202)

    async def end(self, url: Url, layer: Layer) -> None:
        """Ends an upload: the registry checks the digest.

        Raises:
            RegistryError: When it was not taken.
        """
        mark = "&" if "?" in url.target else "?"
        response = await self.registry.send(Asked(method="PUT", url=url.at(f"{url.target}{mark}digest={layer.digest}")))
        if response.status != 201:  # noqa: PLR2004
            raise await self.registry.complain(response, "push model")
        response.close()

    async def manifest(self, manifest: Manifest) -> None:
        """Sends the manifest, which makes the model there.

        Raises:
            RegistryError: When it was not taken.
        """
        response = await self.registry.send(
            Asked(
                method="PUT",
                url=self._at(f"manifests/{self.name.tag}"),
                headers={"content-type": MANIFEST_TYPE},
                body=manifest.data,
            )
        )
        if response.status not in {_OK, 201, 202}:
            raise await self.registry.complain(response, "push model manifest")
        response.close()

    def _at(self, path: str) -> Url:
        return self.registry.base.at(f"/v2/{repository(self.name)}/{path}")

    async def _location(self, response: Response, wanted: int) -> Url:
        if response.status != wanted:
            raise await self.registry.complain(response, "push model")
        with response:
            location = response.headers.get("location", "")
        if not location:
            detail = f"{self.registry.host} does not say where the upload goes on"
            raise RegistryError(detail)
        return self.registry.target(self.registry.base, location)
