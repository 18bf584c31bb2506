"""Models of the Hugging Face hub, both ways, and files at plain addresses; against a server that stands in for them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from alcove.runtime.catalog.errors import DigestMismatch
from alcove.runtime.models import Capability
from alcove.runtime.registry.errors import HostNotAsked, InsecureProtocol, NotInRegistry, RegistryRefused, UnusableModel
from alcove.runtime.registry.plain import name_of_file
from tests.runtime.places import LAYERS, open_place
from tests.wire.front_server import Answer, Asked, Front, part, running_front

WEIGHTS = LAYERS["model"]
SHA = hashlib.sha256(WEIGHTS).hexdigest()
FILES = {
    "tiny-Q4_K_M.gguf": WEIGHTS,
    "tiny-Q8_0.gguf": WEIGHTS + b"8",
    "big-00001-of-00002.gguf": WEIGHTS,
    "system": b"You are from the hub.",
    "params": b'{"temperature": 0.1}',
    "README.md": b"# Tiny",
}


def listing() -> bytes:
    made: list[dict[str, Any]] = [{"type": "directory", "path": "x", "size": 0}]
    for path, data in FILES.items():
        entry: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": "0" * 40}
        if path.endswith(".gguf"):
            entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
        made.append(entry)
    return json.dumps(made).encode()


def hub(asked: Asked) -> Answer:
    """A mirror of the hub that does not speak Ollama's protocol; its files lie on a content network."""
    if asked.path.startswith("/v2/"):
        return Answer(status=404)
    if asked.path.startswith("/api/models/ada/tiny/tree/main"):
        return Answer(body=listing())
    if asked.path.startswith("/api/models/ada/gated/"):
        return Answer(status=401)
    if asked.path.startswith("/ada/tiny/resolve/main/"):
        return Answer(status=302, headers={"location": asked.path.replace("/ada/tiny/resolve/main/", "/network/")})
    if asked.path.startswith("/network/"):
        return part(asked, FILES[asked.path.removeprefix("/network/")])
    return Answer(status=404)


def mirrored(front: Front) -> dict[str, Any]:
    return {"mirrors": {"huggingface.co": f"http://{front.host}"}, "hosts": ("hf.co", "huggingface.co")}


async def test_a_repository_is_pulled_by_the_hubs_own_protocol(tmp_path: Path) -> None:
    async with running_front(hub) as front, open_place(tmp_path, **mirrored(front)) as place:
        lines = await place.pull("hf.co/ada/tiny:Q8_0")
        assert lines[-1].status == "success"
        model = await place.catalog.get("hf.co/ada/tiny:q8_0")
        assert model.files.weights.read_bytes() == FILES["tiny-Q8_0.gguf"]
        assert model.system == "You are from the hub."
        assert model.parameters == {"temperature": 0.1}
        assert model.capabilities == {Capability.COMPLETION}
        await place.pull("huggingface.co/ada/tiny")  # the usual quantisation where none is named
        assert (await place.catalog.get("huggingface.co/ada/tiny")).weights_digest == SHA


async def test_a_file_of_the_hub_is_pulled_by_its_address(tmp_path: Path) -> None:
    async with running_front(hub) as front, open_place(tmp_path, **mirrored(front)) as place:
        await place.pull("https://huggingface.co/ada/tiny/blob/main/tiny-Q4_K_M.gguf?download=true")
        (model,) = await place.catalog.list()
        assert model.name == "huggingface.co/ada/tiny:tiny-Q4_K_M"
        assert model.weights_digest == SHA


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("hf.co/ada/none:Q4_0", NotInRegistry, "file does not exist"),
        ("hf.co/ada/tiny:Q2_K", NotInRegistry, "file does not exist"),
        ("hf.co/ada/gated:Q4_0", RegistryRefused, r"runtime\.registry\.logins"),
        ("hf.co/ada/tiny:big-00001-of-00002", UnusableModel, "several pieces"),
    ],
)
async def test_what_the_hub_does_not_have_is_said(tmp_path: Path, name: str, kind: type[Exception], words: str) -> None:
    async with running_front(hub) as front, open_place(tmp_path, **mirrored(front)) as place:
        with pytest.raises(kind, match=words):
            await place.pull(name)


async def test_a_plain_file_becomes_a_model(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Answer:
        return part(asked, WEIGHTS, etag='"1"') if asked.path == "/models/Tiny%20Model.gguf?x=1" else Answer(status=404)

    async with (
        running_front(answer) as front,
        open_place(tmp_path, hosts=(front.host,), min_part_bytes=1 << 16) as place,
    ):
        address = f"http://{front.host}/models/Tiny%20Model.gguf?x=1"
        await place.pull(address)
        model = await place.catalog.get("tiny-model")
        assert (model.name, model.weights_digest, model.family) == ("tiny-model:latest", SHA, "llama")
        await place.pull(f"{address}#sha256={SHA}", name="mine:1")
        assert (await place.catalog.get("mine:1")).weights_digest == SHA
        with pytest.raises(DigestMismatch):
            await place.pull(f"{address}#sha256={'0' * 64}", name="other")
        with pytest.raises(NotInRegistry):
            await place.pull(f"http://{front.host}/none.gguf")
        with pytest.raises(InsecureProtocol):
            [each async for each in place.puller.pull(address)]
        with pytest.raises(HostNotAsked):
            await place.pull("http://127.0.0.1:9/x.gguf")
    names = [each.name for each in (tmp_path / "models/blobs").iterdir()]
    assert not [each for each in names if "partial" in each or each.startswith("url-")]


async def test_a_file_that_is_no_model_is_not_made_one(tmp_path: Path) -> None:
    async with (
        running_front(lambda asked: part(asked, b"<html>")) as front,
        open_place(tmp_path, hosts=(front.host,)) as place,
    ):
        with pytest.raises(Exception, match="not a GGUF model"):
            await place.pull(f"http://{front.host}/x.gguf")
        assert await place.catalog.list() == []


def test_names_of_files() -> None:
    assert name_of_file("Llama 3 (8B).Q4_0.GGUF").short == "llama-3-8b-.q4_0:latest"
    assert name_of_file(".gguf").short == "model:latest"
