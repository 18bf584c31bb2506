"""Local models in the real process: found on disk, streamed, killed, unloaded with the server."""

import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from alcove.runtime.testing.gguf import SLOW, tiny_model
from tests.e2e.conftest import Alcove, start

pytestmark = pytest.mark.e2e


def add(client: httpx2.Client, name: str, data: bytes) -> None:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert client.post(f"/api/blobs/{digest}", content=data).status_code == 201
    made = client.post("/api/create", json={"model": name, "files": {f"{name}.gguf": digest}, "stream": False})
    assert made.json() == {"status": "success"}, made.text


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Alcove]:
    lacking = bytearray(tiny_model())
    lacking[lacking.index(b"blk.1.ffn_up.weight")] = ord("z")
    server = start(tmp_path)
    with server.client() as client:
        add(client, "tiny", tiny_model())
        add(client, "slow", tiny_model(SLOW))
        add(client, "embed", tiny_model(is_embedder=True))
        add(client, "lacking", bytes(lacking))
    yield server
    if server.process.poll() is None:
        server.kill()


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(each) for each in found if b"child.py" in Path(f"/proc/{each}/cmdline").read_bytes()]


def chat(model: str, **more: object) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 20, **more}


def test_model_on_disk_answers_streams_embeds_and_ends_with_the_server(house: Alcove) -> None:
    with house.client() as client:
        listed = {each["id"] for each in client.get("/v1/models").json()["data"]}
        assert {"tiny:latest", "slow:latest", "embed:latest"} <= listed
        broken = tiny_model()[:5000]
        digest = f"sha256:{hashlib.sha256(broken).hexdigest()}"
        assert client.post(f"/api/blobs/{digest}", content=broken).status_code == 201
        refused = client.post("/api/create", json={"model": "broken", "files": {"b.gguf": digest}, "stream": False})
        assert "error" in refused.json()
        assert "broken:latest" not in {each["id"] for each in client.get("/v1/models").json()["data"]}
        whole = client.post("/v1/chat/completions", json=chat("tiny", ignore_eos=True))
        assert whole.status_code == 200, whole.text
        assert whole.json()["usage"]["completion_tokens"] == 20
        body = chat("local/tiny", stream=True, num_ctx=512, keep_alive="10m", user="x", metadata={"a": "b"})
        with client.stream("POST", "/v1/chat/completions", json=body) as response:
            lines = [each for each in response.iter_lines() if each.startswith("data: ")]
        assert lines[-1] == "data: [DONE]"
        assert len(lines) > 3
        vectors = client.post("/v1/embeddings", json={"model": "embed", "input": ["a", "b"]})
        assert [len(each["embedding"]) for each in vectors.json()["data"]] == [64, 64]
        too_long = client.post(
            "/v1/chat/completions",
            json={**chat("tiny", num_ctx=512), "messages": [{"role": "user", "content": "word " * 900}]},
        )
        assert too_long.status_code == 400
        assert too_long.json()["error"]["code"] == "context_length_exceeded"
        assert "512" in too_long.json()["error"]["message"]
        assert client.post("/v1/chat/completions", json=chat("tiny", num_ctx="x")).status_code == 400
        failed = client.post("/v1/chat/completions", json=chat("lacking")).json()["error"]
        assert failed["code"] == "model_failed"
        assert "blk.1.ffn_up.weight" in failed["message"]
        assert str(house.data_dir) not in failed["message"]
    running = children(house.process.pid)
    assert len(running) == 2
    assert house.stop() == 0
    assert not [each for each in running if Path(f"/proc/{each}").exists()]


def test_killed_model_ends_the_stream_with_an_error_and_the_next_is_served(house: Alcove) -> None:
    with house.client() as client:
        body = chat("slow", stream=True, max_tokens=4000, ignore_eos=True)
        with client.stream("POST", "/v1/chat/completions", json=body) as response:
            lines = response.iter_lines()
            next(lines)
            (pid,) = children(house.process.pid)
            os.kill(pid, signal.SIGKILL)
            began_s = time.monotonic()
            rest = [each for each in lines if each.startswith("data: ")]
        assert time.monotonic() - began_s < 5
        error = next(
            data["error"]
            for each in rest
            if "error" in (data := json.loads(each[6:] if each != "data: [DONE]" else "{}"))
        )
        assert error["code"] == "runner_stopped"
        assert client.post("/v1/chat/completions", json=chat("slow", max_tokens=2)).status_code == 200


def test_client_that_leaves_gives_its_turn_back(house: Alcove) -> None:
    with house.client() as client:
        for _ in range(6):  # more than there are turns
            body = chat("slow", stream=True, max_tokens=4000, ignore_eos=True)
            with client.stream("POST", "/v1/chat/completions", json=body) as response:
                next(response.iter_lines())
        assert client.post("/v1/chat/completions", json=chat("slow", max_tokens=2)).status_code == 200
