"""Models pulled from a real registry of Docker's protocol, on loopback."""

import hashlib
import json
from pathlib import Path

import pytest

from alcove.kernel.errors import ModelNotFound
from alcove.runtime.catalog.errors import DigestMismatch
from alcove.runtime.models import Capability
from alcove.runtime.registry.errors import HostNotAsked, NotInRegistry
from tests.runtime.places import CONFIG, LAYERS, TEMPLATE, open_place
from tests.wire.registry_server import RegistryServer

DIGEST = f"sha256:{hashlib.sha256(LAYERS['model']).hexdigest()}"


async def test_a_model_is_pulled_listed_and_shown(registry: RegistryServer, tmp_path: Path) -> None:
    manifest = registry.put_model("library/tiny", "1", LAYERS, CONFIG)
    name = f"{registry.host}/library/tiny:1"
    async with open_place(tmp_path, hosts=(registry.host,)) as place:
        lines = await place.pull(name)
        assert lines[0].status == "pulling manifest"
        assert [each.status for each in lines][-3:] == ["verifying sha256 digest", "writing manifest", "success"]
        pulled = next(each for each in reversed(lines) if each.digest == DIGEST)
        assert pulled.status == f"pulling {DIGEST[7:19]}"
        assert pulled.completed == pulled.total == len(LAYERS["model"])
        (model,) = await place.catalog.list()
        assert model == await place.catalog.get(name.upper().replace("LIBRARY", "library"))
        assert (model.name, model.digest) == (name, manifest)
        assert (model.family, model.parameter_size, model.quantization) == ("llama", "99K", "F16")
        assert model.template.encode() == TEMPLATE
        assert model.system == "You are small."
        assert model.parameters == {"temperature": 0.5, "stop": ["<|end|>", "</s>"], "num_ctx": 256}
        assert model.license == ("MIT, in full",)
        assert model.capabilities == {Capability.COMPLETION, Capability.TOOLS}
        assert model.files.weights.read_bytes() == LAYERS["model"]
        await place.catalog.verify(model)
        again = await place.pull(name)
        assert [each for each in again if each.total and each.completed != each.total] == []
    assert sorted(each.name for each in (tmp_path / "models" / "blobs").iterdir()) == sorted(
        f"sha256-{hashlib.sha256(each).hexdigest()}" for each in (*LAYERS.values(), json.dumps(CONFIG).encode())
    )


async def test_a_model_that_is_not_there_is_said_to_be_so(registry: RegistryServer, tmp_path: Path) -> None:
    async with open_place(tmp_path, hosts=(registry.host,)) as place:
        with pytest.raises(NotInRegistry, match="pull model manifest: file does not exist"):
            await place.pull(f"{registry.host}/library/none:1")
        with pytest.raises(ModelNotFound, match="model 'none' not found"):
            await place.catalog.get("none")


async def test_only_hosts_that_an_operator_named_are_asked(registry: RegistryServer, tmp_path: Path) -> None:
    async with open_place(tmp_path) as place:
        with pytest.raises(HostNotAsked, match=r"runtime\.registry\.hosts"):
            await place.pull(f"{registry.host}/library/tiny:1")
    async with open_place(tmp_path, hosts=("*",)) as place:
        with pytest.raises(HostNotAsked, match="private or reserved"):
            await place.pull(f"{registry.host}/library/tiny:1")


async def test_a_changed_byte_in_the_registry_is_found_and_nothing_kept(
    registry: RegistryServer, tmp_path: Path
) -> None:
    weights = LAYERS["model"] + b"for this test"
    digest = f"sha256:{hashlib.sha256(weights).hexdigest()}"
    registry.put_model("library/damaged", "1", {**LAYERS, "model": weights}, CONFIG)
    file = registry.blob_file(digest)
    file.write_bytes(bytes([weights[0] ^ 1]) + weights[1:])
    async with open_place(tmp_path, hosts=(registry.host,)) as place:
        with pytest.raises(DigestMismatch, match="digest mismatch, file must be downloaded again"):
            await place.pull(f"{registry.host}/library/damaged:1")
        assert not [each for each in place.catalog.own.blobs.iterdir() if digest[7:] in each.name]
        assert await place.catalog.list() == []
        file.write_bytes(weights)
        await place.pull(f"{registry.host}/library/damaged:1")
        assert len(await place.catalog.list()) == 1
