"""The Hugging Face hub by its own protocol: for mirrors that do not speak Ollama's, and for single files.

Listing: `GET /api/models/{repo}/tree/{revision}?recursive=true`; a file: `GET /{repo}/resolve/{revision}/{file}`, which redirects to a
content network. The access token goes to the hub alone. (https://huggingface.co/docs/hub/api, seen in August 2026.)
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote

from alcove.infra.http import Url
from alcove.runtime.catalog.digests import hex_of
from alcove.runtime.catalog.errors import InvalidDigest
from alcove.runtime.catalog.manifest import LayerKind
from alcove.runtime.names import DEFAULT_TAG, ModelName
from alcove.runtime.registry.errors import NotInRegistry, RegistryError, RegistryRefused, UnusableModel
from alcove.runtime.registry.oci import OciOrigin
from alcove.runtime.registry.plain import PlainFile
from alcove.runtime.registry.ports import RemoteFile, RemoteModel
from alcove.runtime.registry.web import HUB_NAMES, Asked, Registry

_OK, _NOT_FOUND = 200, 404
_USUAL = ("Q4_K_M", "Q4_K_S", "Q4_0", "Q5_K_M", "Q8_0")
_SPLIT = re.compile(r"-\d{5}-of-\d{5}\.gguf", re.IGNORECASE)
_TEXTS = {"template": LayerKind.TEMPLATE, "system": LayerKind.SYSTEM, "params": LayerKind.PARAMS}
_RESOLVE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/(?:resolve|blob)/(?P<revision>[^/]+)/(?P<file>[^?]+)")
_MAX_TEXT_BYTES = 1 << 20
_WANTS_LOGIN = frozenset({401, 403})


@dataclass(frozen=True, kw_only=True, slots=True)
class HubFile:
    """A file of a repository.

    Attributes:
        path: Its path there.
        size: Bytes.
        digest: `sha256:<hex>`; empty for small files, which have another kind of hash.
    """

    path: str
    size: int
    digest: str

    @property
    def name(self) -> str:
        """Its last part."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True, slots=True)
class HubOrigin:
    """A repository of the hub: by Ollama's protocol, else by the hub's own."""

    registry: Registry
    name: ModelName

    async def resolve(self) -> RemoteModel:
        """Finds the model.

        Raises:
            NotInRegistry: When there is none.
            UnusableModel: When there is none in GGUF, or only in pieces.
            RegistryError: When there is no proper answer.
        """
        try:
            return await OciOrigin(self.registry, self.name).resolve()
        except RegistryRefused:
            raise
        except (NotInRegistry, RegistryError) as missing:
            try:
                return await HubFiles(self.registry, self.name).resolve()
            except NotInRegistry:
                raise missing from None


@dataclass(frozen=True, slots=True)
class HubFiles:
    """A repository of the hub, by the hub's own protocol."""

    registry: Registry
    name: ModelName
    revision: str = "main"
    wanted: str = ""

    async def resolve(self) -> RemoteModel:
        """Lists the repository, and chooses the file that the tag, or the address, names.

        Raises:
            NotInRegistry: When there is no such repository or file.
            UnusableModel: When there is none in GGUF, or only in pieces.
            RegistryError: When there is no proper answer.
        """
        files = await self._files()
        weights = self._choose(files)
        projector = next((each for each in files if _is_projector(each) and not self.wanted), None)
        texts = [
            (_TEXTS[each.path], await self._text(each))
            for each in files
            if each.path in _TEXTS and each.size <= _MAX_TEXT_BYTES
        ]
        chosen = [self._remote(weights, LayerKind.MODEL)]
        if projector is not None:
            chosen.append(self._remote(projector, LayerKind.PROJECTOR))
        return RemoteModel(name=self.name, manifest=None, files=chosen, texts=texts)

    @property
    def _repo(self) -> str:
        return f"{self.name.namespace}/{self.name.model}"

    async def _files(self) -> Sequence[HubFile]:
        url = self.registry.base.at(f"/api/models/{self._repo}/tree/{quote(self.revision, safe='')}?recursive=true")
        response = await self.registry.follow(Asked(method="GET", url=url, headers={"accept": "application/json"}))
        if response.status == _NOT_FOUND:
            response.close()
            detail = f"pull model manifest: file does not exist (there is no repository {self._repo!r} at {self.registry.host})"
            raise NotInRegistry(detail)
        if response.status in _WANTS_LOGIN:
            response.close()
            detail = (
                f"{self.registry.host} wants an access token for {self._repo!r} (or there is no such repository); accept its terms there, "
                "and set the token with the setting runtime.registry.logins"
            )
            raise RegistryRefused(detail, status=response.status)
        if response.status != _OK:
            raise await self.registry.complain(response, "pull model")
        with response:
            body = await self.registry.read(response)
        try:
            listed = json.loads(body)
        except (ValueError, RecursionError) as error:
            detail = f"{self.registry.host} lists files in a way that cannot be read"
            raise RegistryError(detail) from error
        return (
            [_file(each) for each in listed if isinstance(each, dict) and each.get("type") == "file"]
            if isinstance(listed, list)
            else []
        )

    def _choose(self, files: Sequence[HubFile]) -> HubFile:
        models = [each for each in files if each.path.lower().endswith(".gguf") and not _is_projector(each)]
        if self.wanted:
            found = next((each for each in models if each.path == self.wanted), None)
        elif self.name.tag == DEFAULT_TAG:
            found = _usual(models)
        else:
            tag = self.name.tag.lower()
            exact = [each for each in models if each.name.lower() in {tag, f"{tag}.gguf"}]
            by_end = [each for each in models if re.search(rf"(^|[-._]){re.escape(tag)}([-._]|$)", each.name.lower())]
            found = next(iter([*exact, *by_end]), None)
        if found is None and models:
            there = ", ".join(each.name for each in models[:20])
            detail = f"{self._repo!r} has no file for {self.wanted or self.name.tag!r}; there are {there}"
            raise NotInRegistry(detail)
        if found is None:
            detail = f"{self._repo!r} has no GGUF file; choose a repository with one"
            raise UnusableModel(detail)
        if _SPLIT.search(found.name):
            detail = f"{found.name!r} is one of several pieces of a model, which cannot be put together here; choose one that is a single file"
            raise UnusableModel(detail)
        return found

    def _url(self, file: HubFile) -> Url:
        return self.registry.base.at(f"/{self._repo}/resolve/{quote(self.revision, safe='')}/{quote(file.path)}")

    def _remote(self, file: HubFile, kind: LayerKind) -> RemoteFile:
        if not file.digest:
            detail = f"{self.registry.host} gives no SHA-256 for {file.path!r}; it cannot be checked"
            raise RegistryError(detail)
        return RemoteFile(
            key=file.digest.replace(":", "-", 1),
            origin=PlainFile(self.registry, self._url(file)),
            digest=file.digest,
            size=file.size,
            kind=kind,
            label=file.name,
        )

    async def _text(self, file: HubFile) -> bytes:
        response, body = await self.registry.text(Asked(method="GET", url=self._url(file)))
        if response.status != _OK:
            detail = f"{self.registry.host} does not give {file.path!r}: it answered {response.status}"
            raise RegistryError(detail)
        return body


def parse_hub_address(url: Url, registry: Registry) -> HubFiles | None:
    """Reads the address of a file in a repository, as the hub's pages show it; None when it is no such address.

    The model is called like the repository, with the file's name as its tag.

    Raises:
        InvalidModelName: When that is no name.
    """
    match = _RESOLVE.fullmatch(url.target.partition("?")[0])
    if match is None or url.host not in HUB_NAMES:
        return None
    file = match["file"]
    repository = ModelName.parse(f"{url.authority}/{match['repo']}:{PurePosixPath(file).stem}")
    return HubFiles(registry, repository, revision=match["revision"], wanted=file)


def _usual(models: Sequence[HubFile]) -> HubFile | None:
    for quantization in _USUAL:
        for each in models:
            if quantization.lower() in each.name.lower():
                return each
    return models[0] if models else None


def _is_projector(file: HubFile) -> bool:
    return file.name.lower().startswith("mmproj") and file.name.lower().endswith(".gguf")


def _file(found: dict[str, object]) -> HubFile:
    lfs = found.get("lfs")
    oid = lfs.get("oid") if isinstance(lfs, dict) else None
    size = (lfs.get("size") if isinstance(lfs, dict) else None) or found.get("size")
    try:
        digest = f"sha256:{hex_of(f'sha256:{oid}')}" if isinstance(oid, str) else ""
    except InvalidDigest:
        digest = ""
    is_size = isinstance(size, int) and not isinstance(size, bool) and size >= 0
    return HubFile(path=str(found.get("path", "")), size=int(str(size)) if is_size else 0, digest=digest)
