"""Makes a model out of another one, or of GGUF files that were sent here, with a template, a system prompt or options of its own."""

import contextlib
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath

import anyio.to_thread

from alcove.kernel.chat import JsonValue
from alcove.kernel.errors import InvalidRequest
from alcove.runtime.catalog.catalog import DiskCatalog
from alcove.runtime.catalog.config import config_of
from alcove.runtime.catalog.digests import digest_of, hex_of
from alcove.runtime.catalog.errors import BlobNotFound
from alcove.runtime.catalog.figures import quantization
from alcove.runtime.catalog.manifest import CONFIG_TYPE, Layer, LayerKind, Manifest
from alcove.runtime.catalog.modelfile import option_kind
from alcove.runtime.catalog.progress import Progress
from alcove.runtime.catalog.reading import LayerTexts
from alcove.runtime.errors import BadModelFile
from alcove.runtime.gguf import GgufHeader, read_header
from alcove.runtime.names import ModelName


class CannotCreate(InvalidRequest):
    """The model cannot be made so."""

    code = "cannot_create_model"
    title = "Cannot create the model"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """What a model is made of.

    Attributes:
        name: What it is to be called.
        origin: The model it is made from; empty for none.
        files: GGUF files, by the name they had and their digest; they have been sent here before.
        adapters: LoRA adapters, likewise.
        template: Its prompt template; empty for that of the model it is made from.
        system: Its system prompt; likewise.
        license: Licences, beside those of the model it is made from.
        parameters: Options, over those of the model it is made from.
        messages: Messages put before every conversation; empty for those of the model it is made from.
        quantize: What its weights are to be quantised to; empty for as they are.
    """

    name: str
    origin: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    adapters: Mapping[str, str] = field(default_factory=dict)
    template: str = ""
    system: str = ""
    license: Sequence[str] = ()
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    messages: Sequence[Mapping[str, JsonValue]] = ()
    quantize: str = ""


@dataclass(slots=True)
class _Making:
    """What there is of the new model so far."""

    config: dict[str, JsonValue]
    layers: list[Layer]
    held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    """Keeps its layers from being removed with another model before it has its manifest."""


@dataclass(frozen=True, slots=True)
class Creator:
    """Makes models.

    Attributes:
        catalog: Where they are kept.
    """

    catalog: DiskCatalog

    async def create(self, recipe: Recipe) -> AsyncGenerator[Progress, None]:
        """Makes a model; tells how it goes.

        Raises:
            AlcoveError: When it cannot be made, with what to do about it.
        """
        name = ModelName.parse(recipe.name)
        check_parameters(recipe.parameters)
        if not recipe.origin and not recipe.files:
            detail = "neither 'from' or 'files' was specified"
            raise CannotCreate(detail)
        given = [f"sha256:{hex_of(each)}" for each in (*recipe.files.values(), *recipe.adapters.values())]
        with self.catalog.claimed(given):
            if recipe.origin:
                making = await self._from(recipe.origin)
            else:
                yield Progress(status="parsing GGUF")
                making = await self._from_files(recipe.files)
            for file, digest in recipe.adapters.items():
                making.layers.append(await self._adapter(file, digest))
            await self._check_quantization(recipe, making)
            with making.held:
                making.held.enter_context(self.catalog.claimed([each.digest for each in making.layers]))
                known = {each.digest for each in making.layers}
                await self._add_texts(recipe, making)
                for layer in making.layers:
                    verb = "using existing" if layer.digest in known else "creating new"
                    yield Progress(status=f"{verb} layer {layer.digest}")
                manifest = await self._manifest(making)
                yield Progress(status="writing manifest")
                await self.catalog.write(name, manifest)
        yield Progress(status="success")

    async def _from(self, origin: str) -> _Making:
        source = await self.catalog.source(origin)
        manifest, _ = await self.catalog.manifest(source)
        with self.catalog.claimed([each.digest for each in manifest.blobs]):
            await self.catalog.bring_home(source.folder, manifest.blobs)
            config = await anyio.to_thread.run_sync(LayerTexts(source.folder, manifest).config)
        layers = [
            Layer(
                media_type=each.media_type, digest=each.digest, size=each.size, origin=each.origin or source.name.short
            )
            for each in manifest.layers
        ]
        return _Making(config=dict(config), layers=layers)

    async def _from_files(self, files: Mapping[str, str]) -> _Making:
        layers: list[Layer] = []
        config: dict[str, JsonValue] = {}
        for file, digest in files.items():
            layer, header = await self._file(file, digest)
            if layer not in layers:  # sent under two names
                layers.append(layer)
            if layer.kind == LayerKind.MODEL:
                config = json.loads(config_of(header, []))
        if len([each for each in layers if each.kind == LayerKind.MODEL]) != 1:
            detail = "exactly one of the files has to be a model in GGUF (others may be projectors); one in several pieces cannot be used"
            raise CannotCreate(detail)
        return _Making(config=config, layers=layers)

    async def _file(self, file: str, digest: str) -> tuple[Layer, GgufHeader]:
        _check_file_name(file)
        if not file.lower().endswith(".gguf"):
            detail = f"{file!r} is not in GGUF; only GGUF files can be used"
            raise CannotCreate(detail)
        layer, header = await self._read(file, digest)
        kind = LayerKind.MODEL if header.is_model else LayerKind.PROJECTOR
        if header.metadata.get("general.type") == "adapter":
            detail = f"{file!r} is an adapter; send it as one of 'adapters'"
            raise CannotCreate(detail)
        return Layer.of(kind, layer.digest, layer.size), header

    async def _adapter(self, file: str, digest: str) -> Layer:
        _check_file_name(file)
        layer, header = await self._read(file, digest)
        if header.metadata.get("general.type") != "adapter":
            detail = f"{file!r} is not a LoRA adapter in GGUF"
            raise CannotCreate(detail)
        return layer

    async def _read(self, file: str, digest: str) -> tuple[Layer, GgufHeader]:
        digest = f"sha256:{hex_of(digest)}"
        try:
            path = await self.catalog.blob(digest)
        except BlobNotFound as error:
            detail = f"{file!r} was not sent here: there is no blob {digest}"
            raise CannotCreate(detail) from error
        try:
            header = await anyio.to_thread.run_sync(read_header, path)
        except BadModelFile as error:
            detail = f"{file!r} cannot be used: {error.detail}"
            raise CannotCreate(detail) from error
        size = (await anyio.to_thread.run_sync(path.stat)).st_size
        return Layer.of(LayerKind.ADAPTER, digest, size), header

    async def _check_quantization(self, recipe: Recipe, making: _Making) -> None:
        if not recipe.quantize:
            return
        weights = next(each for each in making.layers if each.kind == LayerKind.MODEL)
        path = await self.catalog.blob(weights.digest)
        header = await anyio.to_thread.run_sync(read_header, path)
        there = quantization(header.metadata.get("general.file_type"))
        if there.upper() != recipe.quantize.upper():
            detail = (
                f"quantizing to {recipe.quantize[:20]!r} is not supported here (the weights are {there}); quantize the file with "
                "llama.cpp's llama-quantize first, or pull a version that is quantized so"
            )
            raise CannotCreate(detail)

    async def _add_texts(self, recipe: Recipe, making: _Making) -> None:
        if recipe.template:
            await self._replace(making, LayerKind.TEMPLATE, recipe.template.encode(), LayerKind.PROMPT)
        if recipe.system:
            await self._replace(making, LayerKind.SYSTEM, recipe.system.encode())
        if recipe.messages:
            data = json.dumps([dict(each) for each in recipe.messages], ensure_ascii=False).encode()
            await self._replace(making, LayerKind.MESSAGES, data)
        if recipe.parameters:
            before = next((each for each in making.layers if each.kind == LayerKind.PARAMS), None)
            old: Mapping[str, JsonValue] = {}
            if before is not None:
                texts = LayerTexts(self.catalog.own, Manifest.of(before, [before]))
                old = await anyio.to_thread.run_sync(texts.parameters)
            data = json.dumps({**old, **recipe.parameters}, ensure_ascii=False).encode()
            await self._replace(making, LayerKind.PARAMS, data)
        for text in recipe.license:
            layer = await self._text(making, LayerKind.LICENSE, text.encode())
            if layer.digest not in {each.digest for each in making.layers}:
                making.layers.append(layer)

    async def _replace(self, making: _Making, kind: LayerKind, data: bytes, *also: LayerKind) -> None:
        making.layers = [each for each in making.layers if each.kind not in {kind, *also}]
        making.layers.append(await self._text(making, kind, data))

    async def _text(self, making: _Making, kind: LayerKind, data: bytes) -> Layer:
        return Layer.of(kind, await self._put(making, data), len(data))

    async def _put(self, making: _Making, data: bytes) -> str:
        making.held.enter_context(self.catalog.claimed([digest_of(data)]))
        return await self.catalog.put_bytes(data)

    async def _manifest(self, making: _Making) -> Manifest:
        config = {**making.config, "rootfs": {"type": "layers", "diff_ids": [each.digest for each in making.layers]}}
        data = json.dumps(config, separators=(",", ":")).encode()
        digest = await self._put(making, data)
        return Manifest.of(Layer(media_type=CONFIG_TYPE, digest=digest, size=len(data)), making.layers)


def check_parameters(parameters: Mapping[str, JsonValue]) -> None:
    """Refuses options of the wrong type, in Ollama's words, and numbers that JSON does not have; unknown ones are kept.

    Raises:
        CannotCreate: When one has another type, or is not finite.
    """
    for name, value in parameters.items():
        kind = option_kind(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_good = {
            "integer": is_number and float(str(value)).is_integer(),
            "float": is_number,
            "boolean": isinstance(value, bool),
            "array": isinstance(value, str)
            or (isinstance(value, list) and all(isinstance(each, str) for each in value)),
            None: True,
        }[kind]
        if not is_good:
            detail = f'option "{name}" must be of type {kind}'
            raise CannotCreate(detail)
        try:
            json.dumps(value, allow_nan=False)
        except (ValueError, RecursionError) as error:
            detail = f'option "{name}" cannot be kept: numbers have to be finite'
            raise CannotCreate(detail) from error


def _check_file_name(file: str) -> None:
    parts = (*PurePosixPath(file).parts, *PureWindowsPath(file).parts)
    if not file or PurePosixPath(file).is_absolute() or PureWindowsPath(file).drive or ".." in parts:
        detail = f"invalid file name {file[:100]!r}: file path must be relative"
        raise CannotCreate(detail)
