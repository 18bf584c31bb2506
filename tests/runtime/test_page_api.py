"""The page's routes about local models: what is here, what fits, what is being pulled."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx2

from alcove.runtime.models import LeaseRequest
from tests.runtime.places import LAYERS
from tests.runtime.serving import listening
from tests.runtime.test_ollama_api import create
from tests.runtime.test_resuming import DIGEST, PARTS, registry_answer
from tests.wire.front_server import Answer, Asked, part, running_front

BASE = "/api/v1/runtime"


async def until(client: httpx2.AsyncClient, path: str, wanted: str) -> dict[str, Any]:
    with anyio.fail_after(10):
        while True:
            found = (await client.get(path)).json()
            if found["state"] == wanted:
                return found
            await anyio.sleep(0.02)


async def test_only_admins_change_and_nobody_reads_without_a_key(tmp_path: Path) -> None:
    changes = [
        ("POST", f"{BASE}/pulls", {"model": "x"}),
        ("DELETE", f"{BASE}/pulls/x", None),
        ("POST", f"{BASE}/models", {"name": "x", "origin": "y"}),
        ("DELETE", f"{BASE}/models/x", None),
    ]
    reads = [f"{BASE}/models", f"{BASE}/known-models", f"{BASE}/pulls", f"{BASE}/pulls/x"]
    async with listening(tmp_path) as served, served.client("sk-as-ada") as user, served.client("") as nobody:
        for method, path, body in changes:
            assert (await user.request(method, path, json=body)).status_code == 403
            assert (await nobody.request(method, path, json=body)).status_code == 401
        for path in reads:
            assert (await nobody.get(path)).status_code == 401
        assert (await user.get(f"{BASE}/pulls/x")).json()["code"] == "not_found"


async def test_models_are_listed_with_what_they_take_and_do(tmp_path: Path) -> None:
    async with listening(tmp_path) as served, served.client() as client:
        await create(client, "tiny")
        made = await client.post(f"{BASE}/models", json={"name": "team/brief", "origin": "tiny", "system": "Be brief."})
        assert (made.status_code, made.json()["name"]) == (201, "team/brief:latest")
        bad = await client.post(
            f"{BASE}/models", json={"name": "x", "origin": "tiny", "parameters": {"num_ctx": "much"}}
        )
        assert (bad.status_code, bad.json()["code"]) == (400, "cannot_create_model")
        async with served.local.lease(LeaseRequest(model="tiny")):
            state = served.local.states["tiny:latest"]
            served.local.set(replace(state, queued=3, reason="2 answers under way"))
            found = (await client.get(f"{BASE}/models")).json()
        assert found["machine"]["memory_budget_bytes"] == 1 << 30
        assert found["machine"]["disk_free_bytes"] > 0
        cards = {each["name"]: each for each in found["items"]}
        assert set(cards) == {"tiny:latest", "team/brief:latest"}
        tiny = cards["tiny:latest"]
        assert (tiny["state"], tiny["queued"], tiny["active"]) == ("loaded", 3, 1)
        assert tiny["reason"] == "2 answers under way"
        assert tiny["fits"]
        assert 0 < tiny["memory_bytes"] < 1 << 30
        assert cards["team/brief:latest"]["state"] == "unloaded"
        assert (await client.delete(f"{BASE}/models/team/brief:latest")).status_code == 204
        assert (await client.delete(f"{BASE}/models/team/brief")).status_code == 404


async def test_known_models_say_whether_they_are_here_and_fit(tmp_path: Path) -> None:
    async with listening(tmp_path) as served, served.client() as client:
        await create(client, "qwen2.5:0.5b")
        known = {each["name"]: each for each in (await client.get(f"{BASE}/known-models")).json()["items"]}
    for name in ("tinyllama:latest", "llama3.2:1b", "qwen2.5:7b", "gemma3:4b", "phi4:14b", "codellama:13b"):
        assert not known[name]["is_installed"]
    assert known["qwen2.5:0.5b"]["is_installed"]
    assert known["qwen2.5:0.5b"]["fits"]  # into the gigabyte of this test
    assert not known["phi4:14b"]["fits"]
    assert known["nomic-embed-text:latest"]["purpose"] == "embedding"


async def test_a_pull_runs_on_its_own_and_can_be_ended(tmp_path: Path) -> None:
    go = anyio.Event()

    async def answer(asked: Asked) -> Answer:
        if asked.path.endswith(DIGEST) and asked.range[0]:
            await go.wait()
        return registry_answer(asked)

    async with running_front(answer) as front:
        options: dict[str, Any] = {"hosts": (front.host,), **PARTS, "stall_s": 20}
        async with listening(tmp_path, **options) as served, served.client() as client:
            body = {"model": f"{front.host}/library/big", "insecure": True, "name": "mine:1"}
            started = await client.post(f"{BASE}/pulls", json=body)
            assert started.status_code == 202
            pull = f"{BASE}/pulls/{started.json()['id']}"
            assert (await client.post(f"{BASE}/pulls", json=body)).json()["id"] == started.json()["id"]
            with anyio.fail_after(10):
                while not (await client.get(pull)).json()["completed_bytes"]:
                    await anyio.sleep(0.02)
            assert (await client.delete(pull)).status_code == 204
            ended = await until(client, pull, "cancelled")
            assert "kept" in ended["error"]
            go.set()
            again = (await client.post(f"{BASE}/pulls", json=body)).json()
            done = await until(client, f"{BASE}/pulls/{again['id']}", "done")
            assert done["status"] == "success"
            assert done["completed_bytes"] == done["total_bytes"] > 0
            assert [each["state"] for each in (await client.get(f"{BASE}/pulls")).json()["items"]] == [
                "done",
                "cancelled",
            ]
            assert [each["name"] for each in (await client.get(f"{BASE}/models")).json()["items"]] == ["mine:1"]
            refused = await client.post(f"{BASE}/pulls", json={"model": "evil.example.org/a/b"})
            assert (refused.status_code, refused.json()["code"]) == (403, "registry_not_allowed")


async def test_a_pull_under_another_name_is_another_pull(tmp_path: Path) -> None:
    go = anyio.Event()

    async def answer(asked: Asked) -> Answer:
        if asked.path.endswith(DIGEST):
            await go.wait()
        return registry_answer(asked)

    async with running_front(answer) as front:
        options: dict[str, Any] = {"hosts": (front.host,), **PARTS, "stall_s": 20}
        async with listening(tmp_path, **options) as served, served.client() as client:
            body = {"model": f"{front.host}/library/big", "insecure": True}
            first, mine, joined = [
                (await client.post(f"{BASE}/pulls", json={**body, **more})).json()["id"]
                for more in ({}, {"name": "mine"}, {"name": "mine"})
            ]
            assert first != mine == joined
            go.set()
            for each in (first, mine):
                await until(client, f"{BASE}/pulls/{each}", "done")
            names = {each["name"] for each in (await client.get(f"{BASE}/models")).json()["items"]}
            assert names == {f"{front.host}/library/big:latest", "mine:latest"}
            weights = [each for each in front.asked if each.path.endswith(DIGEST)]
            assert sum(each.range[0] == 0 for each in weights) == 1  # both wait for one download


async def test_the_secret_part_of_an_address_is_not_shown(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Answer:
        return part(asked, LAYERS["model"]) if asked.path == "/x.gguf?token=secret" else Answer(status=404)

    async with running_front(answer) as front, listening(tmp_path, hosts=(front.host,)) as served:
        address = f"http://{front.host}/x.gguf"
        async with served.client() as client:
            for path, state in (("x.gguf", "done"), ("y.gguf", "failed")):
                body = {"model": f"http://{front.host}/{path}?token=secret", "insecure": True}
                pull = (await client.post(f"{BASE}/pulls", json=body)).json()
                ended = await until(client, f"{BASE}/pulls/{pull['id']}", state)
                assert ended["model"] == f"http://{front.host}/{path}"
                assert "secret" not in str(ended)
            await client.post("/api/push", json={"model": f"http://ada:secret@{front.host}/x.gguf?token=secret"})
        assert served.audit.lines[0][1:] == ("local_model.pull", address)
        assert served.audit.lines[2][1:] == ("local_model.push", address)
        assert "secret" not in str(served.audit.lines)


async def test_a_pull_of_a_client_ends_when_the_client_leaves(tmp_path: Path) -> None:
    async def answer(asked: Asked) -> Answer:
        if asked.path.endswith(DIGEST):
            await anyio.sleep(20)
        return registry_answer(asked)

    async with running_front(answer) as front:
        options: dict[str, Any] = {"hosts": (front.host,), **PARTS, "stall_s": 20}
        async with listening(tmp_path, **options) as served, served.client() as client:
            for number, is_streaming in enumerate((True, False)):
                body = {"model": f"{front.host}/library/big:{number}", "insecure": True, "stream": is_streaming}
                with anyio.move_on_after(0.5):
                    await client.post("/api/pull", json=body)
                (pull, *_) = (await client.get(f"{BASE}/pulls")).json()["items"]
                assert pull["model"] == body["model"]
                await until(client, f"{BASE}/pulls/{pull['id']}", "cancelled")
