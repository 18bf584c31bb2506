"""Ollama's management endpoints, by HTTP: who may, what they answer, and in what words."""

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from alcove.kernel.chat import JsonValue
from alcove.kernel.principal import Principal
from alcove.runtime.catalog.settings import CatalogSettings
from alcove.runtime.models import FOREVER_S, LeaseRequest
from alcove.runtime.testing.gguf import tiny_model
from tests.runtime.places import CONFIG, LAYERS
from tests.runtime.serving import listening
from tests.wire.registry_server import MANIFEST_TYPE, RegistryServer

WEIGHTS = LAYERS["model"]
DIGEST = f"sha256:{hashlib.sha256(WEIGHTS).hexdigest()}"


def lines_of(answer: httpx2.Response) -> list[dict[str, Any]]:
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


async def create(client: httpx2.AsyncClient, name: str = "tiny", **more: Any) -> list[dict[str, Any]]:
    """Sends the tiny model and makes it one of the house's."""
    sent = await client.post(f"/api/blobs/{DIGEST}", content=WEIGHTS)
    assert sent.status_code in {200, 201}
    body = {"model": name, "files": {"tiny.gguf": DIGEST}, **more}
    answer = await client.post("/api/create", json=body)
    assert answer.status_code == 200, answer.text
    return lines_of(answer)


CHANGES = [
    ("POST", "/api/pull", {"model": "x"}),
    ("POST", "/api/push", {"model": "x"}),
    ("POST", "/api/create", {"model": "x", "from": "y"}),
    ("POST", "/api/copy", {"source": "x", "destination": "y"}),
    ("DELETE", "/api/delete", {"model": "x"}),
    ("POST", f"/api/blobs/{DIGEST}", {}),
    ("HEAD", f"/api/blobs/{DIGEST}", {}),
]
READS = [("GET", "/api/tags", None), ("GET", "/api/ps", None), ("GET", "/api/version", None), ("POST", "/api/show", {})]


async def test_without_a_key_nothing_and_with_a_users_no_change(tmp_path: Path) -> None:
    async with listening(tmp_path) as served:
        async with served.client(key="") as nobody:
            for method, path, body in [*CHANGES, *READS]:
                answer = await nobody.request(method, path, json=body)
                assert answer.status_code == 401, path
                assert method == "HEAD" or set(answer.json()) == {"error"}
            assert (await nobody.get("/v2/")).status_code == 401
        async with served.client("sk-as-ada") as user:
            for method, path, body in CHANGES:
                answer = await user.request(method, path, json=body)
                assert answer.status_code == 403, path
            assert (await user.get("/api/tags")).json() == {"models": []}
            assert (await user.head("/api/tags")).status_code == 200
            assert (await user.get("/api/version")).json()["version"].count(".") == 2
    assert served.audit.lines == []


async def test_a_model_is_made_of_a_file_shown_copied_and_deleted(tmp_path: Path) -> None:
    async with listening(tmp_path) as served, served.client() as client:
        assert (await client.head(f"/api/blobs/{DIGEST}")).status_code == 404
        assert (await client.post(f"/api/blobs/{DIGEST}", content=WEIGHTS)).status_code == 201
        assert (await client.post(f"/api/blobs/{DIGEST}", content=WEIGHTS)).status_code == 200
        assert (await client.head(f"/api/blobs/{DIGEST}")).status_code == 200
        told = await create(
            client,
            system="Be brief.",
            template="{{ .System }} {{ .Suffix }}",
            parameters={"temperature": 0.3, "stop": ["a", "b"]},
            license="MIT",
            messages=[{"role": "user", "content": "hi"}],
        )
        statuses = [each["status"] for each in told]
        assert statuses[0] == "parsing GGUF"
        assert statuses[1] == f"using existing layer {DIGEST}"
        assert statuses[2].startswith("creating new layer sha256:")
        assert statuses[-2:] == ["writing manifest", "success"]
        (tag,) = (await client.get("/api/tags")).json()["models"]
        assert tag["name"] == tag["model"] == "tiny:latest"
        assert tag["details"]["format"] == "gguf"
        assert tag["details"]["family"] == "llama"
        assert tag["modified_at"].endswith("Z")
        assert len(tag["digest"]) == 64
        manifest = (tmp_path / "models/manifests/registry.ollama.ai/library/tiny/latest").read_bytes()
        assert tag["digest"] == hashlib.sha256(manifest).hexdigest()
        shown = (await client.post("/api/show", content=b'{"model": "TINY"}')).json()
        assert shown["system"] == "Be brief."
        assert shown["license"] == "MIT"
        assert shown["messages"] == [{"role": "user", "content": "hi"}]
        assert shown["capabilities"] == ["completion", "insert"]
        assert shown["parameters"].splitlines() == [
            f'{"stop":<30} "a"',
            f'{"stop":<30} "b"',
            f"{'temperature':<30} 0.3",
        ]
        assert shown["model_info"]["general.architecture"] == "llama"
        assert shown["model_info"]["llama.context_length"] > 0
        assert shown["model_info"]["tokenizer.ggml.tokens"] == []
        assert "tensors" not in shown
        assert "PARAMETER temperature 0.3" in shown["modelfile"]
        verbose = (await client.post("/api/show", json={"name": "tiny", "verbose": True})).json()
        assert len(verbose["model_info"]["tokenizer.ggml.tokens"]) == 266
        assert verbose["tensors"][0]["type"] == "F16"
        assert (
            await client.post("/api/copy", json={"source": "tiny", "destination": "team/other:2"})
        ).status_code == 200
        assert (await client.request("DELETE", "/api/delete", json={"model": "tiny"})).status_code == 200
        assert [each["name"] for each in (await client.get("/api/tags")).json()["models"]] == ["team/other:2"]
        assert (tmp_path / "models/blobs" / DIGEST.replace(":", "-")).exists()
        assert (await client.request("DELETE", "/api/delete", json={"model": "team/other:2"})).status_code == 200
    assert list((tmp_path / "models/blobs").iterdir()) == []
    assert list((tmp_path / "models/manifests").iterdir()) == []
    assert [line[1] for line in served.audit.lines] == [
        "local_model.create",
        "local_model.copy",
        "local_model.delete",
        "local_model.delete",
    ]


async def test_a_model_is_made_of_another(tmp_path: Path) -> None:
    async with listening(tmp_path) as served, served.client() as client:
        await create(client, parameters={"temperature": 0.3, "top_k": 5})
        made = await client.post(
            "/api/create",
            json={"model": "mario", "from": "tiny", "system": "It's me.", "parameters": {"top_k": 7}, "stream": False},
        )
        assert (made.status_code, made.json()) == (200, {"status": "success"})
        shown = (await client.post("/api/show", json={"model": "mario"})).json()
        assert shown["system"] == "It's me."
        assert "temperature" in shown["parameters"]
        assert f"{'top_k':<30} 7" in shown["parameters"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "/api/show", b"", 400, "missing request body"),
        ("POST", "/api/show", b"{", 400, "JSON"),
        ("POST", "/api/show", b"{}", 400, "model is required"),
        ("POST", "/api/show", b'{"model": "none"}', 404, "model 'none' not found"),
        ("POST", "/api/show", b'{"model": "../../etc/passwd"}', 404, "model '../../etc/passwd' not found"),
        ("DELETE", "/api/delete", b'{"model": "none"}', 404, "model 'none' not found"),
        ("POST", "/api/copy", b'{"source": "none", "destination": "x"}', 404, 'model "none" not found'),
        ("POST", "/api/copy", b'{"source": "none", "destination": "a b"}', 400, "invalid model name"),
        ("POST", "/api/create", b'{"model": "x"}', 400, "neither 'from' or 'files' was specified"),
        ("POST", "/api/create", b'{"model": "x", "from": "none"}', 404, "model 'none' not found"),
        ("POST", "/api/create", b'{"model": "x", "from": "gpt:cloud"}', 400, "other people's computers"),
        ("POST", "/api/create", b'{"model": "x", "from": "y", "parameters": {"num_ctx": "a"}}', 400, 'option "num_ctx" must be of type integer'),
        ("POST", "/api/create", b'{"model": "x", "files": {"/x.gguf": "sha256:0"}}', 400, "digest"),
        ("POST", "/api/pull", b'{"model": "evil.example.org/a/b"}', 403, "runtime.registry.hosts"),
        ("POST", "/api/pull", b'{"model": "http://registry.ollama.ai/a/b"}', 400, "insecure protocol http"),
        ("POST", "/api/push", b'{"model": "none"}', 404, "model 'none' not found"),
        ("POST", "/api/blobs/sha256:12", b"x", 400, "invalid digest format"),
        ("POST", f"/api/blobs/sha256:{'0' * 64}", b"x", 400, f'digest mismatch, expected "sha256:{"0" * 64}", got "sha256:'),
        ("GET", "/api/show", b"", 405, ""),
    ],
)  # fmt: skip
async def test_errors_have_ollamas_form(
    tmp_path: Path, method: str, path: str, body: bytes, status: int, words: str
) -> None:
    async with listening(tmp_path) as served, served.client() as client:
        answer = await client.request(method, path, content=body)
        assert answer.status_code == status, answer.text
        assert words in answer.json()["error"]
    assert not list((tmp_path / "models/blobs").iterdir())


async def test_files_for_a_model_are_looked_at(tmp_path: Path) -> None:
    async with listening(tmp_path) as served, served.client() as client:
        bad = b"GGUF" + bytes(100)
        digest = f"sha256:{hashlib.sha256(bad).hexdigest()}"
        await client.post(f"/api/blobs/{digest}", content=bad)
        await client.post(f"/api/blobs/{DIGEST}", content=WEIGHTS)
        for files, words in (
            ({"x.gguf": digest}, "cannot be used"),
            ({"/etc/x.gguf": DIGEST}, "file path must be relative"),
            ({"a/../../x.gguf": DIGEST}, "file path must be relative"),
            ({"x.safetensors": DIGEST}, "not in GGUF"),
            ({"x.gguf": f"sha256:{'0' * 64}"}, "was not sent here"),
        ):
            answer = await client.post("/api/create", json={"model": "x", "files": files, "stream": False})
            assert answer.status_code == 400
            assert words in answer.json()["error"]
        answer = await client.post(
            "/api/create", json={"model": "x", "files": {"x.gguf": DIGEST}, "quantize": "q4_K_M", "stream": False}
        )
        assert "not supported here" in answer.json()["error"]


async def test_too_large_a_file_is_refused(tmp_path: Path) -> None:
    async with listening(tmp_path, CatalogSettings(max_blob_bytes=2048)) as served, served.client() as client:
        answer = await client.post(f"/api/blobs/{DIGEST}", content=WEIGHTS)
        assert answer.status_code == 413
        assert "max_blob_bytes" in answer.json()["error"]

        async def pieces() -> Any:
            for _ in range(100):
                yield bytes(1000)

        with contextlib.suppress(httpx2.TransportError):  # the connection may be closed while the client still sends
            answer = await client.post(f"/api/blobs/{DIGEST}", content=pieces())
            assert answer.status_code == 413
    assert not list((tmp_path / "models/blobs").iterdir())


async def test_the_heartbeat_needs_no_key(tmp_path: Path) -> None:
    async with listening(tmp_path) as served, served.client(key="") as anybody:
        answer = await anybody.get("/")
        assert (answer.status_code, answer.text) == (200, "Ollama is running")
        assert (await anybody.head("/")).status_code == 200
        assert (await anybody.post("/")).status_code == 404


async def test_other_host_names_get_an_empty_403(tmp_path: Path) -> None:
    async with listening(tmp_path) as served, served.client() as client:
        answer = await client.get("/api/tags", headers={"host": "evil.example.org"})
        assert (answer.status_code, answer.content) == (403, b"")


async def test_a_model_is_pulled_line_by_line_and_pushed_again(registry: RegistryServer, tmp_path: Path) -> None:
    registry.put_model("library/tiny", "api", LAYERS, CONFIG)
    name = f"http://{registry.host}/library/tiny:api"
    async with listening(tmp_path, hosts=(registry.host,)) as served, served.client() as client:
        told = lines_of(await client.post("/api/pull", json={"model": name, "insecure": True}))
        assert told[0] == {"status": "pulling manifest"}
        assert told[-1] == {"status": "success"}
        assert {
            "status": f"pulling {DIGEST[7:19]}",
            "digest": DIGEST,
            "total": len(WEIGHTS),
            "completed": len(WEIGHTS),
        } in told
        again = await client.post("/api/pull", json={"name": name, "insecure": True, "stream": False})
        assert (again.status_code, again.json()) == (200, {"status": "success"})
        missing = await client.post("/api/pull", json={"model": f"{registry.host}/library/none", "insecure": True})
        assert "pull model manifest: file does not exist" in lines_of(missing)[-1]["error"]
        await client.post("/api/copy", json={"source": name, "destination": f"{registry.host}/library/pushed:1"})
        pushed = lines_of(
            await client.post("/api/push", json={"model": f"{registry.host}/library/pushed:1", "insecure": True})
        )
        assert pushed[0] == {"status": "retrieving manifest"}
        assert [each["status"] for each in pushed[-2:]] == ["pushing manifest", "success"]
        assert registry.request("HEAD", f"/v2/library/pushed/blobs/{DIGEST}")[0] == 200
        accept = {"accept": MANIFEST_TYPE}
        assert registry.request("HEAD", "/v2/library/pushed/manifests/1", headers=accept)[0] == 200


async def test_loaded_models_are_listed_the_one_that_stays_longest_first(tmp_path: Path) -> None:
    async with listening(tmp_path) as served, served.client("sk-as-ada") as client:
        async with served.client() as admin:
            await create(admin, "a")
            await create(admin, "b")
        async with served.local.lease(LeaseRequest(model="a", keep_alive_s=60)):
            pass
        async with served.local.lease(LeaseRequest(model="b", keep_alive_s=FOREVER_S)):
            pass
        state = served.local.states["a:latest"]
        served.local.set(replace(state, expires_at=served.clock.now() + timedelta(seconds=60)))
        first, second = (await client.get("/api/ps")).json()["models"]
        assert first["name"] == "b:latest"
        assert int(first["expires_at"][:4]) > 2300
        assert second["expires_at"] == "2026-01-01T00:01:00Z"
        assert second["details"]["family"] == "llama"
        assert second["context_length"] > 0
        assert second["size_vram"] == 0


@dataclass
class OneMachine:
    """Another machine with two models, one of a name that is here too."""

    async def tags(self, who: Principal) -> Sequence[Mapping[str, JsonValue]]:
        return [{"name": "tiny:latest", "size": 1}, {"name": "far:latest", "size": 2}]

    async def running(self, who: Principal) -> Sequence[Mapping[str, JsonValue]]:
        return [{"name": "far:latest"}]


async def test_models_of_other_machines_are_listed_too(tmp_path: Path) -> None:
    async with listening(tmp_path, remote=OneMachine()) as served, served.client() as client:
        await create(client)
        models = (await client.get("/api/tags")).json()["models"]
        assert [each["name"] for each in models] == ["tiny:latest", "far:latest"]
        assert models[0]["size"] > 1
        assert (await client.get("/api/ps")).json()["models"] == [{"name": "far:latest"}]


async def test_an_ollama_folder_is_used_in_place_and_never_changed(tmp_path: Path) -> None:
    async with listening(tmp_path / "theirs") as served, served.client() as client:
        await create(client, "theirs")
    folder = tmp_path / "theirs" / "models"
    before = sorted(str(each) for each in folder.rglob("*"))
    settings = CatalogSettings(ollama_folders=(folder,))
    async with listening(tmp_path / "ours", settings) as served, served.client() as client:
        assert [each["name"] for each in (await client.get("/api/tags")).json()["models"]] == ["theirs:latest"]
        answer = await client.request("DELETE", "/api/delete", json={"model": "theirs"})
        assert answer.status_code == 400
        assert "never changed" in answer.json()["error"]
        assert (await client.post("/api/copy", json={"source": "theirs", "destination": "ours"})).status_code == 200
        made = await client.post("/api/create", json={"model": "new", "from": "theirs", "system": "x", "stream": False})
        assert made.json() == {"status": "success"}
        names = {each["name"] for each in (await client.get("/api/tags")).json()["models"]}
        assert names == {"theirs:latest", "ours:latest", "new:latest"}
    assert sorted(str(each) for each in folder.rglob("*")) == before


async def test_models_are_given_out_by_the_registrys_protocol(tmp_path: Path) -> None:
    async with listening(tmp_path / "here", CatalogSettings(serve="everyone")) as served:
        async with served.client() as client:
            await create(client, "tiny", system="x")
        async with served.client(key="") as anybody:
            manifest = await anybody.get("/v2/library/tiny/manifests/latest")
            path = tmp_path / "here/models/manifests/registry.ollama.ai/library/tiny/latest"
            assert manifest.content == path.read_bytes()
            head = await anybody.head(f"/v2/library/tiny/blobs/{DIGEST}")
            assert head.headers["content-length"] == str(len(WEIGHTS))
            blob = await anybody.get(f"/v2/library/tiny/blobs/{DIGEST}", headers={"range": "bytes=4-7"})
            assert (blob.status_code, blob.content) == (206, WEIGHTS[4:8])
            assert blob.headers["location"].endswith(f"/v2/library/tiny/blobs/{DIGEST}")
            missing = await anybody.get("/v2/library/none/manifests/latest")
            assert (missing.status_code, missing.json()["errors"][0]["code"]) == (404, "MANIFEST_UNKNOWN")
        host = served.url.removeprefix("http://")
        async with listening(tmp_path / "there", hosts=(host,)) as other, other.client() as client:
            body = {"model": f"{host}/library/tiny", "insecure": True, "stream": False}
            pulled = await client.post("/api/pull", json=body)
            assert (pulled.status_code, pulled.json()) == (200, {"status": "success"})


async def test_another_alcove_pulls_with_a_key(tmp_path: Path) -> None:
    async with listening(tmp_path / "here") as served:
        async with served.client() as client:
            await create(client)
        host = served.url.removeprefix("http://")
        body = {"model": f"{host}/library/tiny", "insecure": True, "stream": False}
        async with listening(tmp_path / "there", hosts=(host,)) as other, other.client() as client:
            refused = await client.post("/api/pull", json=body)
            assert refused.status_code == 401
            assert "runtime.registry.logins" in refused.json()["error"]
        logins = ({"host": host, "token": "sk-as-ada"},)
        async with listening(tmp_path / "there", hosts=(host,), logins=logins) as other, other.client() as client:
            assert (await client.post("/api/pull", json=body)).json() == {"status": "success"}


async def test_a_model_whose_file_is_damaged_is_left_out_and_named(tmp_path: Path) -> None:
    async with listening(tmp_path) as served, served.client() as client:
        await create(client)
        blob = tmp_path / "models/blobs" / DIGEST.replace(":", "-")
        data = bytearray(tiny_model())
        blob.write_bytes(data[:1000])
        assert (await client.get("/api/tags")).json() == {"models": []}
        answer = await client.post("/api/show", json={"model": "tiny"})
        assert answer.status_code == 422
        assert "pull it again" in answer.json()["error"]
