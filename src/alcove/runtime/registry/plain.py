"""A GGUF file at a plain HTTPS address: `https://example.org/models/x.gguf`, with `#sha256=<hex>` behind it to be sure of it."""

import hashlib
import re
from dataclasses import dataclass
from urllib.parse import unquote

from alcove.infra.http import InvalidUrl, Response, Url
from alcove.runtime.catalog.digests import hex_of
from alcove.runtime.names import InvalidModelName, ModelName
from alcove.runtime.registry.errors import NotInRegistry, RegistryError
from alcove.runtime.registry.ports import RemoteFile, RemoteModel
from alcove.runtime.registry.web import Asked, Registry

_OK, _NOT_FOUND = 200, 404
_SUFFIX = ".gguf"
_NOT_IN_NAMES = re.compile(r"[^a-z0-9_.-]+")
_MAX_MODEL = 80
_SECRET = re.compile(r"(?<=://)[^/?#]*@|\?[^#]*")


@dataclass(frozen=True, slots=True)
class PlainFile:
    """A file at an address."""

    registry: Registry
    url: Url

    async def open(self, start: int, end: int | None) -> Response:
        """Asks for a range."""
        last = "" if end is None else str(end - 1)
        headers = {"range": f"bytes={start}-{last}", "accept": "*/*"}
        return await self.registry.follow(Asked(method="GET", url=self.url, headers=headers))

    async def size(self) -> int | None:
        """Asks for its length."""
        return (await self.head())[0]

    async def head(self) -> tuple[int | None, str]:
        """Asks for its length and its version (the entity tag, or when it was changed)."""
        response = await self.registry.follow(Asked(method="HEAD", url=self.url))
        if response.status == _NOT_FOUND:
            response.close()
            detail = f"there is no file at {shown(str(self.url))}"
            raise NotInRegistry(detail)
        if response.status != _OK:
            raise await self.registry.complain(response, "pull model")
        with response:
            headers = response.headers
        length = headers.get("content-length", "")
        version = headers.get("etag") or headers.get("last-modified") or ""
        return (int(length) if length.isdecimal() and len(length) < 18 else None), version  # noqa: PLR2004  more is no length


@dataclass(frozen=True, slots=True)
class PlainOrigin:
    """A model that is one file at an address."""

    registry: Registry
    url: Url
    digest: str
    name: ModelName

    async def resolve(self) -> RemoteModel:
        """Asks how long the file is, and what version.

        Raises:
            NotInRegistry: When it is not there.
            RegistryError: When there is no proper answer.
        """
        origin = PlainFile(self.registry, self.url)
        size, version = await origin.head()
        if size is None:
            detail = f"{self.url.authority} does not say how long the file is; it cannot be fetched"
            raise RegistryError(detail)
        # A file that changes there is another one: what is here of the old one is not gone on with.
        made = hashlib.sha256(f"{self.url} {version} {size}".encode()).hexdigest()
        file = RemoteFile(
            key=self.digest.replace(":", "-", 1) or f"url-{made}",
            origin=origin,
            digest=self.digest,
            size=size,
            label=file_name(self.url),
        )
        return RemoteModel(name=self.name, manifest=None, files=(file,))


def parse_address(text: str) -> tuple[Url, str] | None:
    """Reads an address of a GGUF file; gives it, and the digest that stands behind it (empty for none).

    Returns:
        None when it is no address of a GGUF file, but a model's name with its scheme, say.

    Raises:
        InvalidDigest: When something else than a digest stands behind it.
    """
    address, mark, fragment = text.partition("#")
    if "://" not in address or not address.partition("?")[0].lower().endswith(_SUFFIX):
        return None
    try:
        url = Url.parse(address)
    except InvalidUrl:
        return None
    return url, f"sha256:{hex_of(fragment.replace('=', ':', 1))}" if mark else ""


def shown(reference: str) -> str:
    """Gives what is to be pulled as others may see it: an address without its query, user name and password, which can be secrets."""
    return _SECRET.sub("", reference) if "://" in reference else reference


def file_name(url: Url) -> str:
    """Gives the last part of an address's path."""
    return unquote(url.target.partition("?")[0].rpartition("/")[2])


def name_of_file(file: str) -> ModelName:
    """Gives the name that a model made of a file gets when nobody chose one."""
    stem = file[: -len(_SUFFIX)] if file.lower().endswith(_SUFFIX) else file
    model = _NOT_IN_NAMES.sub("-", stem.lower()).strip("-.")[:_MAX_MODEL].strip("-.")
    try:
        return ModelName.parse(model or "model")
    except InvalidModelName:
        return ModelName.parse("model")
