"""The catalogue on disk: what is kept, what is removed, what is checked, and what is never touched."""

import os
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from alcove.kernel.errors import ModelNotFound
from alcove.runtime.catalog.catalog import DiskCatalog
from alcove.runtime.catalog.checked import CheckedFiles
from alcove.runtime.catalog.creating import CannotCreate, Creator, Recipe
from alcove.runtime.catalog.digests import digest_of
from alcove.runtime.catalog.errors import BadManifest, BlobNotFound
from alcove.runtime.catalog.folder import ModelFolder
from alcove.runtime.catalog.manifest import Layer, LayerKind, Manifest
from alcove.runtime.errors import BadModelFile
from alcove.runtime.models import Capability
from alcove.runtime.names import ModelName
from alcove.runtime.testing.gguf import tiny_model

WEIGHTS = tiny_model()


async def open_catalog(folder: Path, *others: ModelFolder, **options: float) -> DiskCatalog:
    catalog = DiskCatalog(
        own=ModelFolder(folder / "models"), others=others, checked=CheckedFiles(folder / "checked.json")
    )
    await catalog.open(**options)
    return catalog


async def make(catalog: DiskCatalog, name: str, *, weights: bytes = WEIGHTS, system: str = "") -> str:
    with catalog.claimed([digest_of(weights)]):
        digest = await catalog.put_bytes(weights)
        recipe = Recipe(name=name, files={"x.gguf": digest}, system=system)
        [each async for each in Creator(catalog).create(recipe)]
    return digest


async def test_spelling_that_was_stored_stays(tmp_path: Path) -> None:
    catalog = await open_catalog(tmp_path)
    await make(catalog, "Team/Tiny:V1")
    await make(catalog, "team/tiny:v1", system="other")
    (model,) = await catalog.list()
    assert model.name == "Team/Tiny:V1"
    assert model.system == "other"
    assert (await catalog.get("TEAM/tiny:v1")).name == "Team/Tiny:V1"


async def test_layers_go_with_the_last_model_that_uses_them(tmp_path: Path) -> None:
    catalog = await open_catalog(tmp_path)
    digest = await make(catalog, "a", system="of a")
    await make(catalog, "b", system="of b")
    await catalog.delete("a")
    assert catalog.own.has(digest)
    await catalog.delete("b")
    assert list(catalog.own.blobs.iterdir()) == []
    with pytest.raises(ModelNotFound):
        await catalog.delete("b")


async def test_layers_that_somebody_is_about_to_use_stay(tmp_path: Path) -> None:
    catalog = await open_catalog(tmp_path)
    digest = await make(catalog, "a")
    with catalog.claimed([digest]), catalog.claimed([digest]):
        await catalog.delete("a")
        assert catalog.own.has(digest)
    await make(catalog, "a")
    await catalog.delete("a")
    assert not catalog.own.has(digest)


async def test_a_manifest_that_cannot_be_read_keeps_all_layers(tmp_path: Path) -> None:
    catalog = await open_catalog(tmp_path)
    digest = await make(catalog, "a")
    await make(catalog, "b")
    manifest = catalog.own.manifests / "registry.ollama.ai/library/b/latest"
    whole = manifest.read_bytes()
    manifest.write_bytes(whole[:50])
    assert [each.name for each in await catalog.list()] == ["a:latest"]
    await catalog.delete("a")
    assert catalog.own.has(digest)
    manifest.write_bytes(whole)
    assert [each.name for each in await catalog.list()] == ["b:latest"]


async def test_a_manifest_is_only_written_when_its_layers_are_there(tmp_path: Path) -> None:
    catalog = await open_catalog(tmp_path)
    missing = Layer.of(LayerKind.MODEL, f"sha256:{'0' * 64}", 10)
    with pytest.raises(BlobNotFound):
        await catalog.write(ModelName.parse("x"), Manifest.of(missing, [missing]))
    assert await catalog.list() == []


async def test_a_file_is_checked_once_until_it_changes(tmp_path: Path) -> None:
    catalog = await open_catalog(tmp_path)
    await make(catalog, "a")
    model = await catalog.get("a")
    await catalog.verify(model)
    again = await open_catalog(tmp_path)
    assert again.checked.is_checked(model.files.weights, f"sha256:{model.weights_digest}")
    data = bytearray(model.files.weights.read_bytes())
    data[-1] ^= 1
    times = model.files.weights.stat()
    model.files.weights.write_bytes(data)
    os.utime(model.files.weights, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    with pytest.raises(BadModelFile, match="is damaged"):
        await again.verify(model)
    (tmp_path / "checked.json").write_text("[1, {]")
    await open_catalog(tmp_path)  # what cannot be read counts as nothing


async def test_strange_files_in_the_folder_are_passed_over(tmp_path: Path) -> None:
    catalog = await open_catalog(tmp_path)
    await make(catalog, "a")
    folder = catalog.own.manifests
    for path in ("README", "host/file", "host/a/b/c/d/e", "registry.ollama.ai/library/a/.incoming-1", "h/n/m/bad tag"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("x")
    assert [each.name for each in await catalog.list()] == ["a:latest"]


async def test_manifests_of_cloud_models_are_passed_over_and_keep_their_blobs(tmp_path: Path) -> None:
    catalog = await open_catalog(tmp_path)
    await make(catalog, "a")
    config = await catalog.put_bytes(b'{"remote_model": "gpt-oss:120b"}')
    data = Manifest.of(Layer(media_type="application/json", digest=config, size=1), []).data
    theirs = ModelFolder(tmp_path / "ollama", is_read_only=True)
    for folder in (catalog.own, theirs):
        path = folder.manifests / "registry.ollama.ai/library/gpt-oss/120b-cloud"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    for each in catalog.own.blobs.iterdir():
        os.utime(each, (0, 0))
    again = await open_catalog(tmp_path, theirs, keep_unused_s=3600)
    assert [each.name for each in await again.list()] == ["a:latest"]
    with pytest.raises(ModelNotFound):
        await again.get("gpt-oss:120b")
    await again.delete("a")
    assert [each.name for each in again.own.blobs.iterdir()] == [config.replace(":", "-")]


@pytest.mark.parametrize("kind", ["file", "link"])
async def test_nothing_is_removed_beside_a_file_that_is_no_manifest(tmp_path: Path, kind: str) -> None:
    catalog = await open_catalog(tmp_path)
    digest = await make(catalog, "a")
    strange = catalog.own.manifests / "strange"
    if kind == "file":
        strange.write_text("x")
    else:
        (tmp_path / "elsewhere").mkdir()
        strange.symlink_to(tmp_path / "elsewhere")
    await catalog.delete("a")
    os.utime(catalog.own.blob(digest), (0, 0))
    await open_catalog(tmp_path, keep_unused_s=3600)
    assert catalog.own.has(digest)
    strange.unlink()
    await open_catalog(tmp_path, keep_unused_s=3600)
    assert not catalog.own.has(digest)


async def write_with(catalog: DiskCatalog, *licenses: bytes) -> None:
    """Makes the model `b` of the model `a`, with these licences."""
    manifest, _ = await catalog.manifest(await catalog.source("a"))
    layers = [Layer.of(LayerKind.LICENSE, await catalog.put_bytes(each), len(each)) for each in licenses]
    with catalog.claimed([each.digest for each in layers]):
        await catalog.write(ModelName.parse("b"), Manifest.of(manifest.config, [*manifest.layers, *layers]))


async def test_licences_are_read_once_and_not_without_end(tmp_path: Path) -> None:
    catalog = await open_catalog(tmp_path)
    await make(catalog, "a")
    await write_with(catalog, *[b"MIT"] * 200, b"Apache")
    assert (await catalog.get("b")).license == ("MIT", "Apache")
    await write_with(catalog, *[f"licence {number}".encode() for number in range(30)])
    assert len((await catalog.get("b")).license) == 16
    await write_with(catalog, b"a" * 600_000, b"b" * 600_000, b"short")
    assert [len(each) for each in (await catalog.get("b")).license] == [600_000, 5]


def test_manifests_with_too_many_layers_or_one_twice_are_refused() -> None:
    digests = [f"sha256:{number:064x}" for number in range(300)]
    config = Layer(media_type="application/json", digest=digests[-1], size=1)
    model = Layer.of(LayerKind.MODEL, digests[0], 1)
    many = [Layer.of(LayerKind.LICENSE, each, 1) for each in digests]
    with pytest.raises(BadManifest, match="more than 256 layers"):
        Manifest.parse(Manifest.of(config, many).data)
    for kind in (LayerKind.MODEL, LayerKind.PROJECTOR, LayerKind.TEMPLATE, LayerKind.SYSTEM, LayerKind.PARAMS):
        twice = [model, *[Layer.of(kind, digests[1], 1)] * 2]
        with pytest.raises(BadManifest, match=f"names the {kind} layer"):
            Manifest.parse(Manifest.of(config, twice).data)
    same_words = [model, Layer.of(LayerKind.TEMPLATE, digests[1], 1), Layer.of(LayerKind.SYSTEM, digests[1], 1)]
    assert len(Manifest.parse(Manifest.of(config, same_words).data).layers) == 3


async def test_a_model_of_too_many_layers_is_not_made(tmp_path: Path) -> None:
    catalog = await open_catalog(tmp_path)
    await make(catalog, "a")
    recipe = Recipe(name="b", origin="a", license=[f"licence {number}" for number in range(300)])
    with pytest.raises(BadManifest, match="more than 256 layers"):
        [each async for each in Creator(catalog).create(recipe)]
    assert [each.name for each in await catalog.list()] == ["a:latest"]
    await catalog.delete("a")


@pytest.mark.parametrize(
    "parameters",
    [
        {"temperature": float("nan")},
        {"top_p": float("inf")},
        {"num_ctx": float("inf")},
        {"other": [{"x": float("nan")}]},
    ],
)
async def test_options_that_are_not_finite_are_refused(tmp_path: Path, parameters: dict[str, Any]) -> None:
    catalog = await open_catalog(tmp_path)
    await make(catalog, "a")
    with pytest.raises(CannotCreate, match=f'option "{next(iter(parameters))}"'):
        [each async for each in Creator(catalog).create(Recipe(name="b", origin="a", parameters=parameters))]
    assert len(await catalog.list()) == 1


async def test_what_nothing_uses_is_removed_after_a_while(tmp_path: Path) -> None:
    catalog = await open_catalog(tmp_path)
    digest = await make(catalog, "a")
    unused = await catalog.put_bytes(b"sent, and never used")
    partial = catalog.own.blobs / "sha256-0-partial"
    partial.write_bytes(b"x")
    half = catalog.own.incoming()
    half.write_bytes(b"x")
    await open_catalog(tmp_path, keep_unused_s=3600)
    assert catalog.own.has(unused)
    assert partial.exists()
    assert not half.exists()
    long_ago = time.time() - 7200
    for each in catalog.own.blobs.iterdir():
        os.utime(each, (long_ago, long_ago))
    await open_catalog(tmp_path, keep_unused_s=3600)
    assert not catalog.own.has(unused)
    assert not partial.exists()
    assert catalog.own.has(digest)
    assert len(await catalog.list()) == 1


async def test_many_at_once_leave_nothing_half_done(tmp_path: Path) -> None:
    catalog = await open_catalog(tmp_path)

    async def live(name: str) -> None:
        for _ in range(5):
            await make(catalog, name, system=f"of {name}")
            await catalog.list()
            await catalog.delete(name)

    async with anyio.create_task_group() as group:
        for number in range(6):
            group.start_soon(live, f"m{number}")
    assert await catalog.list() == []
    assert list(catalog.own.blobs.iterdir()) == []


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        ({}, {Capability.COMPLETION}),
        ({"llama.pooling_type": 1}, {Capability.EMBEDDING}),
        ({"llama.pooling_type": 4}, {Capability.RERANK}),
        ({"llama.pooling_type": 0}, {Capability.COMPLETION}),
        (
            {"tokenizer.chat_template": "{% if tools %}{{ tools }}{% endif %}"},
            {Capability.COMPLETION, Capability.TOOLS},
        ),
        ({"tokenizer.chat_template": "{{ enable_thinking }}"}, {Capability.COMPLETION, Capability.THINKING}),
        ({"tokenizer.ggml.fim_pre_token_id": 1}, {Capability.COMPLETION, Capability.INSERT}),
    ],
)
async def test_capabilities_come_from_the_file(
    tmp_path: Path, metadata: dict[str, object], found: set[Capability]
) -> None:
    catalog = await open_catalog(tmp_path)
    await make(catalog, "a", weights=tiny_model(metadata=metadata))
    assert (await catalog.get("a")).capabilities == found
