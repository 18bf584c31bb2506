"""Manifests: which layers a model is made of, in the form of Docker's registry (schema 2) with Ollama's media types."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from alcove.kernel.chat import JsonValue
from alcove.runtime.catalog.digests import digest_of, hex_of
from alcove.runtime.catalog.errors import BadManifest, InvalidDigest

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
OCI_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
MAX_MANIFEST_BYTES = 4 << 20
MAX_CONFIG_BYTES = 1 << 20
_PREFIX = "application/vnd.ollama.image."
_MAX_LAYERS = 256  # models in GGUF have about ten


class LayerKind(StrEnum):
    """What a layer is, by the last part of its media type."""

    MODEL = "model"
    PROJECTOR = "projector"
    ADAPTER = "adapter"
    DRAFT = "draft"
    TEMPLATE = "template"
    PROMPT = "prompt"
    SYSTEM = "system"
    PARAMS = "params"
    MESSAGES = "messages"
    LICENSE = "license"
    TENSOR = "tensor"
    JSON = "json"


_ONCE = frozenset(
    {LayerKind.MODEL, LayerKind.PROJECTOR, LayerKind.TEMPLATE, LayerKind.PROMPT, LayerKind.SYSTEM, LayerKind.PARAMS}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """A blob that belongs to a model.

    Attributes:
        media_type: What it is.
        digest: `sha256:<hex>`.
        size: Bytes.
        origin: The name of the model it was taken from, for pushing without sending it again; empty for unknown.
    """

    media_type: str
    digest: str
    size: int
    origin: str = ""

    @classmethod
    def of(cls, kind: LayerKind, digest: str, size: int) -> "Layer":
        """Makes a layer of a kind."""
        return cls(media_type=f"{_PREFIX}{kind}", digest=digest, size=size)

    @property
    def kind(self) -> str:
        """The last part of the media type; empty for one that is not Ollama's."""
        return self.media_type.removeprefix(_PREFIX) if self.media_type.startswith(_PREFIX) else ""

    def as_json(self) -> dict[str, JsonValue]:
        """Gives it as it stands in a manifest."""
        made: dict[str, JsonValue] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.origin:
            made["from"] = self.origin
        return made


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """A model's manifest.

    Attributes:
        data: Its bytes, exactly as they came: their digest is the model's.
        config: The layer that holds the model's configuration.
        layers: All others.
    """

    data: bytes
    config: Layer
    layers: Sequence[Layer]

    @classmethod
    def parse(cls, data: bytes) -> "Manifest":
        """Reads a manifest.

        Raises:
            BadManifest: When it is none, with the reason.
        """
        if len(data) > MAX_MANIFEST_BYTES:
            detail = f"the manifest is larger than {MAX_MANIFEST_BYTES} bytes"
            raise BadManifest(detail)
        try:
            found = json.loads(data)
        except (ValueError, RecursionError) as error:
            detail = f"the manifest is not JSON: {error}"
            raise BadManifest(detail) from error
        if not isinstance(found, dict) or found.get("schemaVersion") != 2:  # noqa: PLR2004  the version of Docker's schema
            detail = "the manifest is not of schema version 2"
            raise BadManifest(detail)
        layers = found.get("layers")
        if not isinstance(layers, list):
            detail = "the manifest has no list of layers"
            raise BadManifest(detail)
        if len(layers) > _MAX_LAYERS:
            detail = f"the manifest has more than {_MAX_LAYERS} layers, as models kept as safetensors have; choose a version in GGUF"
            raise BadManifest(detail)
        made = tuple(_layer(each) for each in layers)
        _check_once(made)
        return cls(data=data, config=_layer(found.get("config")), layers=made)

    @classmethod
    def of(cls, config: Layer, layers: Sequence[Layer]) -> "Manifest":
        """Makes a manifest."""
        made = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": config.as_json(),
            "layers": [each.as_json() for each in layers],
        }
        return cls(data=json.dumps(made, separators=(",", ":")).encode(), config=config, layers=tuple(layers))

    @property
    def digest(self) -> str:
        """`sha256:` and the digest of its bytes."""
        return digest_of(self.data)

    @property
    def size(self) -> int:
        """Bytes of all layers and the configuration."""
        return sum(each.size for each in self.blobs)

    @property
    def blobs(self) -> Sequence[Layer]:
        """Every blob once: the layers in their order, the configuration last."""
        found = {each.digest: each for each in (*self.layers, self.config)}
        return tuple(found.values())

    def all_of(self, kind: LayerKind) -> Sequence[Layer]:
        """Gives the layers of a kind."""
        return tuple(each for each in self.layers if each.kind == kind)

    def first(self, *kinds: LayerKind) -> Layer | None:
        """Gives the first layer of some kinds."""
        return next((each for each in self.layers if each.kind in kinds), None)


def _check_once(layers: Sequence[Layer]) -> None:
    """Refuses a layer that is there twice. Two kinds may share a blob, such as a template and a system prompt of the same words."""
    seen: set[tuple[str, str]] = set()
    for each in layers:
        if each.kind in _ONCE and (each.kind, each.digest) in seen:
            detail = f"the manifest names the {each.kind} layer {each.digest} more than once"
            raise BadManifest(detail)
        seen.add((each.kind, each.digest))


def _layer(found: object) -> Layer:
    if not isinstance(found, Mapping):
        detail = "the manifest has a layer that is no object"
        raise BadManifest(detail)
    media_type, digest, size = found.get("mediaType"), found.get("digest"), found.get("size")
    is_size = isinstance(size, int) and not isinstance(size, bool) and size >= 0
    if not isinstance(media_type, str) or not isinstance(digest, str) or not is_size:
        detail = "the manifest has a layer without media type, digest or size"
        raise BadManifest(detail)
    try:
        digest = f"sha256:{hex_of(digest)}"
    except InvalidDigest as error:
        raise BadManifest(error.detail) from error
    origin = found.get("from")
    return Layer(
        media_type=media_type,
        digest=digest,
        size=cast("int", size),
        origin=origin if isinstance(origin, str) else "",
    )
