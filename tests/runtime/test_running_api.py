"""The page's routes about what runs: who may, what is told, and the stream of changes."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx2

from alcove.kernel.clock import FakeClock
from alcove.runtime.errors import ModelFailed
from alcove.runtime.models import FOREVER_S, RunningModel
from alcove.runtime.running_events import Rhythm, RunningEvents, Seats
from alcove.runtime.service import RuntimeService
from alcove.runtime.testing.catalog import FakeCatalog, fake_model
from alcove.runtime.testing.local import FakeLocalModels
from tests.runtime.houses import House, settled
from tests.runtime.serving import listening
from tests.runtime.test_ollama_api import create

BASE = "/api/v1/runtime"


def failed(model: str) -> RunningModel:
    return RunningModel(
        model=model,
        digest="d",
        state="failed",
        reason="out of luck",
        stderr=("line 1", "line 2"),
        keep_alive_s=FOREVER_S,
    )


class Told:
    """The events of a stream, one after the other."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def next(self, wanted: str = "change") -> dict[str, Any]:
        with anyio.fail_after(10):
            name = ""
            while True:
                line = await anext(self._lines)
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                if line.startswith("data: ") and name == wanted:
                    found: dict[str, Any] = json.loads(line.removeprefix("data: "))
                    return found


@contextlib.asynccontextmanager
async def following(client: httpx2.AsyncClient) -> AsyncIterator[Told]:
    async with client.stream("GET", f"{BASE}/running/events") as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        yield Told(aiter(answer.aiter_lines()))


async def test_only_admins_change_and_nobody_reads_without_a_key(tmp_path: Path) -> None:
    changes: list[tuple[str, str, Any]] = [
        ("POST", f"{BASE}/running", {"model": "x"}),
        ("DELETE", f"{BASE}/running/x", None),
        ("PUT", f"{BASE}/pins/x", None),
        ("DELETE", f"{BASE}/pins/x", None),
    ]
    async with listening(tmp_path) as served, served.client("sk-as-ada") as user, served.client("") as nobody:
        for method, path, body in changes:
            assert (await user.request(method, path, json=body)).status_code == 403
            assert (await nobody.request(method, path, json=body)).status_code == 401
        for path in (f"{BASE}/running", f"{BASE}/running/events"):
            assert (await nobody.get(path)).status_code == 401
        assert (await user.get(f"{BASE}/running")).json()["items"] == []
    assert served.audit.lines == []


async def test_models_are_loaded_pinned_and_unloaded_by_name_with_a_line_in_the_audit(tmp_path: Path) -> None:
    async with listening(tmp_path) as served, served.client() as client:
        await create(client, "team/tiny")
        loaded = await client.post(f"{BASE}/running", json={"model": "team/tiny"})
        assert (loaded.status_code, loaded.json()["model"]) == (200, "team/tiny:latest")
        assert (loaded.json()["state"], loaded.json()["is_pinned"]) == ("loaded", False)
        assert (await client.put(f"{BASE}/pins/team/tiny:latest")).status_code == 204
        found = (await client.get(f"{BASE}/running")).json()
        assert [(each["model"], each["is_pinned"]) for each in found["items"]] == [("team/tiny:latest", True)]
        assert found["memory"]["budget_bytes"] == 1 << 30
        assert found["memory"]["taken_bytes"] == found["items"][0]["size_bytes"] > 0
        assert (await client.delete(f"{BASE}/pins/team%2Ftiny:latest")).status_code == 204
        assert not (await client.get(f"{BASE}/running")).json()["items"][0]["is_pinned"]
        assert (await client.delete(f"{BASE}/running/team/tiny:latest")).status_code == 204
        assert (await client.get(f"{BASE}/running")).json()["items"] == []
        for method, path in (("DELETE", "running"), ("PUT", "pins"), ("DELETE", "pins")):
            missing = await client.request(method, f"{BASE}/{path}/nothing")
            assert (missing.status_code, missing.json()["code"]) == (404, "model_not_found")
        assert (await client.post(f"{BASE}/running", json={"model": "nothing"})).status_code == 404
        assert (await client.post(f"{BASE}/running", json={"model": ""})).status_code in {400, 422}
    assert [line for line in served.audit.lines if line[1] != "local_model.create"] == [
        ("user-root", f"local_model.{action}", "team/tiny:latest") for action in ("load", "pin", "unpin", "unload")
    ]


async def test_a_model_that_does_not_load_says_why(tmp_path: Path) -> None:
    async with listening(tmp_path) as served, served.client() as client:
        await create(client, "tiny")
        served.local.failure = ModelFailed("'tiny:latest' could not be loaded: out of luck.")
        answer = await client.post(f"{BASE}/running", json={"model": "tiny"})
    assert (answer.status_code, answer.json()["code"]) == (500, "model_failed")
    assert "out of luck" in answer.json()["detail"]


async def test_last_lines_of_a_process_are_for_admins_only(tmp_path: Path) -> None:
    async with listening(tmp_path) as served, served.client() as admin, served.client("sk-as-ada") as user:
        served.local.set(failed("broken:1"))
        (theirs,) = (await admin.get(f"{BASE}/running")).json()["items"]
        (hers,) = (await user.get(f"{BASE}/running")).json()["items"]
        async with following(user) as told:
            (streamed,) = (await told.next("snapshot"))["items"]
    assert theirs["stderr"] == ["line 1", "line 2"]
    assert hers["stderr"] == streamed["stderr"] == []
    assert hers["reason"] == streamed["reason"] == "out of luck"
    assert hers["keep_alive_s"] is None


async def test_changes_are_told_as_they_happen_and_streams_end_with_their_clients(tmp_path: Path) -> None:
    async with listening(tmp_path) as served, served.client() as client:
        await create(client, "tiny")
        async with following(client) as told:
            assert (await told.next("snapshot"))["items"] == []
            await client.post(f"{BASE}/running", json={"model": "tiny"})
            change = await told.next()
            assert [(each["model"], each["state"]) for each in change["items"]] == [("tiny:latest", "loaded")]
            assert change["memory"]["taken_bytes"] > 0
            state = served.local.states["tiny:latest"]
            for queued in range(500):  # only the last of them waits to be sent
                served.local.set(replace(state, queued=queued))
            while (change := await told.next())["items"][0]["queued"] != 499:
                pass
            await client.delete(f"{BASE}/running/tiny:latest")
            while (change := await told.next())["items"][0]["state"] != "unloaded":
                pass
            assert change["memory"]["taken_bytes"] == 0
        for _ in range(14):  # more than one person may have open: those that were left are closed
            async with following(client) as told:
                await told.next("snapshot")
            await anyio.sleep(0.05)


async def test_too_many_streams_of_one_person_are_refused_and_others_go_on(tmp_path: Path) -> None:
    async with listening(tmp_path) as served, contextlib.AsyncExitStack() as stack:
        held: list[Told] = []  # an iterator that nobody holds closes its stream
        for _ in range(12):
            told = await stack.enter_async_context(following(await stack.enter_async_context(served.client())))
            held.append(told)
            await told.next("snapshot")
        async with served.client() as again, served.client("sk-as-ada") as other:
            refused = await again.get(f"{BASE}/running/events")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
            async with following(other) as told:
                await told.next("snapshot")


async def sent_by(stream: RunningEvents) -> list[bytes]:
    """Gives what a stream sends to a client that stays, until it ends by itself."""
    bodies: list[bytes] = []

    async def receive() -> dict[str, Any]:
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: Any) -> None:
        bodies.append(message.get("body", b""))

    await stream({"type": "http"}, receive, send)
    return bodies


def quick(**more: float) -> RunningEvents:
    service = RuntimeService(FakeLocalModels(FakeCatalog()))
    rhythm = Rhythm(**{"pause_s": 0.005, "tick_s": 0.01, "whole_s": 0.03, **more})
    return RunningEvents(service, lambda models: str(len(models)).encode(), Seats().taken("ada"), rhythm)


async def test_the_whole_is_told_again_and_the_stream_ends_after_its_time() -> None:
    bodies = await sent_by(quick(life_s=0.2))
    assert bodies.count(b"event: snapshot\ndata: 0\n\n") > 2
    assert bodies[-1] == b""


async def test_the_stream_ends_soon_when_all_requests_are_given_a_deadline() -> None:
    began_s = anyio.current_time()
    with anyio.CancelScope(deadline=began_s + 20):  # as the server does when it is told to stop
        await sent_by(quick())
    assert anyio.current_time() - began_s < 5


async def test_a_pinned_model_is_told_of_also_while_it_is_not_loaded() -> None:
    async with House(clock=FakeClock()).open() as house:
        house.catalog.add(fake_model("tiny:latest", megabytes=10))
        service = RuntimeService(house.scheduler)
        await service.pin("tiny:latest")
        assert [(each.model, each.state, each.is_pinned) for each in service.running()] == [
            ("tiny:latest", "unloaded", True)
        ]
        await service.unpin("tiny:latest")
        await settled()
        assert service.running() == []
