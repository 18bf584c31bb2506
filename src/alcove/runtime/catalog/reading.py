"""Puts a model together from its manifest, its small layers and the header of its weights. All of this blocks: call it in a thread."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from alcove.kernel.chat import JsonValue
from alcove.runtime.catalog.capabilities import capabilities_of
from alcove.runtime.catalog.errors import BadManifest
from alcove.runtime.catalog.figures import parameter_size, quantization
from alcove.runtime.catalog.folder import ModelFolder
from alcove.runtime.catalog.manifest import MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES, Layer, LayerKind, Manifest
from alcove.runtime.errors import BadModelFile
from alcove.runtime.gguf import GgufHeader, read_header
from alcove.runtime.models import InstalledModel, ModelFiles
from alcove.runtime.names import ModelName

_MAX_TEXT_BYTES = 4 << 20
_MAX_LICENSES = 16
_MAX_LICENSES_BYTES = 1 << 20  # of one model, as they are held in memory for every model that is listed
_SAFETENSORS = frozenset({LayerKind.TENSOR, LayerKind.JSON})


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A manifest that was found.

    Attributes:
        name: The name it is stored under.
        folder: Where its blobs lie.
        path: The manifest.
    """

    name: ModelName
    folder: ModelFolder
    path: Path


def read_manifest(source: Source) -> tuple[Manifest, datetime]:
    """Reads a manifest, and when it was written.

    Raises:
        BadManifest: When it cannot be read.
    """
    try:
        with source.path.open("rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
            modified_s = os.fstat(file.fileno()).st_mtime_ns / 1e9
    except OSError as error:
        detail = f"the manifest of {source.name.short!r} cannot be read: {error.strerror}"
        raise BadManifest(detail) from error
    return Manifest.parse(data), datetime.fromtimestamp(modified_s, UTC)


def read_model(source: Source) -> InstalledModel:
    """Reads a model.

    Raises:
        BadManifest: When its manifest cannot be read, or names what is not there.
        BadModelFile: When its weights are not what they should be.
    """
    manifest, modified_at = read_manifest(source)
    if any(each.kind in _SAFETENSORS for each in manifest.layers):
        detail = f"{source.name.short!r} is kept as safetensors, not as GGUF; pull a version in GGUF"
        raise BadModelFile(detail)
    weights = manifest.first(LayerKind.MODEL)
    if weights is None:
        detail = f"{source.name.short!r} has no weights of its own"
        raise BadModelFile(detail)
    texts = LayerTexts(source.folder, manifest)
    config = texts.config()
    files = ModelFiles(
        weights=_file(source, weights),
        projector=next((_file(source, each) for each in manifest.all_of(LayerKind.PROJECTOR)), None),
        adapters=tuple(_file(source, each) for each in manifest.all_of(LayerKind.ADAPTER)),
    )
    header = read_header(files.weights)
    shape = header.shape()
    template, chat_template = texts.text(LayerKind.TEMPLATE, LayerKind.PROMPT), _chat_template(header)
    family = _text(config, "model_family") or shape.architecture
    families = config.get("model_families")
    return InstalledModel(
        name=source.name.short,
        digest=manifest.digest.removeprefix("sha256:"),
        weights_digest=weights.digest.removeprefix("sha256:"),
        size_bytes=manifest.size,
        modified_at=modified_at,
        files=files,
        shape=shape,
        family=family,
        families=tuple(str(each) for each in families) if isinstance(families, list) and families else (family,),
        parameter_size=_text(config, "model_type") or parameter_size(shape.parameters),
        quantization=_text(config, "file_type") or quantization(header.metadata.get("general.file_type")),
        capabilities=capabilities_of(
            header.metadata,
            templates=(template, chat_template),
            has_projector=files.projector is not None,
        ),
        parameters=texts.parameters(),
        template=template,
        chat_template=chat_template,
        system=texts.text(LayerKind.SYSTEM),
        messages=texts.messages(),
        license=texts.licenses(),
        is_read_only=source.folder.is_read_only,
    )


@dataclass(frozen=True, slots=True)
class LayerTexts:
    """The small layers of a model, read when asked for."""

    folder: ModelFolder
    manifest: Manifest

    def config(self) -> Mapping[str, JsonValue]:
        """Gives the model's configuration; empty where it cannot be read as such."""
        found = self._json(self.manifest.config, MAX_CONFIG_BYTES)
        return found if isinstance(found, dict) else {}

    def text(self, *kinds: LayerKind) -> str:
        """Gives the text of the first layer of some kinds; empty for none."""
        layer = self.manifest.first(*kinds)
        return "" if layer is None else self._read(layer, _MAX_TEXT_BYTES).decode("utf-8", "replace")

    def licenses(self) -> tuple[str, ...]:
        """Gives the licences, each once; the first of them where there are many, or where they are long."""
        found: list[str] = []
        left = _MAX_LICENSES_BYTES
        once = {each.digest: each for each in self.manifest.all_of(LayerKind.LICENSE)}
        for each in list(once.values())[:_MAX_LICENSES]:
            if each.size > left:
                continue
            data = self._read(each, left)
            left -= len(data)
            found.append(data.decode("utf-8", "replace"))
        return tuple(found)

    def parameters(self) -> Mapping[str, JsonValue]:
        """Gives the options its makers set."""
        layer = self.manifest.first(LayerKind.PARAMS)
        found = None if layer is None else self._json(layer, _MAX_TEXT_BYTES)
        return found if isinstance(found, dict) else {}

    def messages(self) -> Sequence[Mapping[str, JsonValue]]:
        """Gives the messages put before every conversation."""
        layer = self.manifest.first(LayerKind.MESSAGES)
        found = None if layer is None else self._json(layer, _MAX_TEXT_BYTES)
        return tuple(each for each in found if isinstance(each, dict)) if isinstance(found, list) else ()

    def _json(self, layer: Layer, most: int) -> JsonValue:
        data = self._read(layer, most)
        try:
            found: JsonValue = json.loads(data)
        except (ValueError, RecursionError) as error:
            detail = f"the layer {layer.digest} is not JSON; pull the model again"
            raise BadManifest(detail) from error
        return found

    def _read(self, layer: Layer, most: int) -> bytes:
        if layer.size > most:
            detail = f"the layer {layer.digest} ({layer.kind or 'configuration'}) is larger than {most} bytes"
            raise BadManifest(detail)
        try:
            with self.folder.blob(layer.digest).open("rb") as file:
                return file.read(most)
        except OSError as error:
            detail = f"the layer {layer.digest} is missing; pull the model again"
            raise BadManifest(detail) from error


def _file(source: Source, layer: Layer) -> Path:
    path = source.folder.blob(layer.digest)
    try:
        size = path.stat().st_size
    except OSError as error:
        detail = f"a file of {source.name.short!r} is missing ({layer.digest}); pull it again"
        raise BadModelFile(detail) from error
    if size != layer.size:
        detail = (
            f"a file of {source.name.short!r} ({layer.digest}) has {size} bytes instead of {layer.size}; pull it again"
        )
        raise BadModelFile(detail)
    return path


def _chat_template(header: GgufHeader) -> str:
    found = header.metadata.get("tokenizer.chat_template")
    return found if isinstance(found, str) else ""


def _text(config: Mapping[str, JsonValue], key: str) -> str:
    found = config.get(key)
    return found if isinstance(found, str) else ""
