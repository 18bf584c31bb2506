"""What a house promises over the death of its process: nothing acknowledged is lost, nothing half-done is seen."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2
import pytest

from alcove.infra.qdrant_edge import QdrantEdgeIndex
from alcove.infra.vectors import Scope
from tests.e2e.conftest import ADMIN, PASSWORD, Alcove, Starter
from tests.e2e.models import FakeModels, fake_models

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

WORDS = "".join(f"word{index} " for index in range(200))  # what the model `slow` says
PATIENCE_S = 90


@pytest.fixture(scope="module")
def models() -> Iterator[FakeModels]:
    with fake_models() as running:
        yield running


def report(paragraphs: int, subject: str = "pump") -> bytes:
    """Gives a document in which every paragraph says something of its own."""
    colours = ("amber", "blue", "crimson", "green", "ivory", "violet")
    lines = []
    for number in range(paragraphs):
        colour = colours[number % len(colours)]
        lines.append(f"## Station {number}\n")
        lines.append(
            f"The {subject} of station {number} was painted {colour} in the year {1500 + number}. "
            f"Inspector {colour.title()}son number {number} wrote that its valve {number * 7} leaked in the rain, and that "
            f"the keeper of hut {number * 3} had replaced {number % 9 + 2} bolts before anybody asked for them. "
            f"Nobody has gone back to station {number} since the bridge over brook {number * 11} was closed to carts.\n"
        )
    return "\n".join(lines).encode()


def ask(http: httpx2.Client, chat_id: str, content: str, model: str, parent_id: str | None = None) -> dict[str, Any]:
    body = {"content": content, "model": model, "parent_id": parent_id}
    asked = http.post(f"/api/v1/chats/{chat_id}/messages", json=body)
    assert asked.status_code == 201, asked.text
    return dict(asked.json())


def read_events(http: httpx2.Client, url: str, until: Callable[[list[tuple[str, Any]]], bool]) -> list[tuple[str, Any]]:
    """Gives the events of an answer, up to the end or until enough of them came."""
    found: list[tuple[str, Any]] = []
    name = ""
    with http.stream("GET", url) as events:
        assert events.status_code == 200
        for line in events.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                found.append((name, json.loads(line.removeprefix("data: "))))
                if until(found):
                    break
    return found


def to_the_end(_: list[tuple[str, Any]]) -> bool:
    return False


def messages_of(http: httpx2.Client, chat_id: str) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in http.get(f"/api/v1/chats/{chat_id}").json()["messages"]}


def wait_for(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def upload(http: httpx2.Client, collection_id: str, name: str, data: bytes) -> dict[str, Any]:
    sent = http.post(f"/api/v1/knowledge/collections/{collection_id}/documents", files={"file": (name, data)})
    assert sent.status_code == 202, sent.text
    return dict(sent.json())


def make_collection(http: httpx2.Client, name: str) -> str:
    made = http.post("/api/v1/knowledge/collections", json={"name": name})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def document_of(http: httpx2.Client, document_id: str) -> dict[str, Any]:
    found = http.get(f"/api/v1/knowledge/documents/{document_id}")
    assert found.status_code == 200, found.text
    return dict(found.json())


def when_read(http: httpx2.Client, document_id: str) -> dict[str, Any]:
    def is_read() -> dict[str, Any] | None:
        document = document_of(http, document_id)
        assert document["status"] != "failed", document
        return document if document["status"] == "ready" else None

    return dict(wait_for(is_read))


def search(http: httpx2.Client, collection_id: str, query: str, strategy: str = "hybrid") -> list[dict[str, Any]]:
    body = {"query": query, "top_k": 50, "strategy": strategy}
    found = http.post(f"/api/v1/knowledge/collections/{collection_id}/search", json=body)
    assert found.status_code == 200, found.text
    return list(found.json()["sources"])


def points_in(server: Alcove, owner_id: str, collection_id: str) -> int:
    """Counts the points of a collection in the index of a server that has ended."""

    async def count() -> int:
        index = QdrantEdgeIndex(server.data_dir / "vectors", dimensions=384)
        try:
            return await index.count(Scope(owner_id=owner_id, collection_ids=(collection_id,)))
        finally:
            await index.aclose()

    return anyio.run(count)


def test_killed_in_mid_answer_keeps_question_and_text_so_far(starter: Starter, models: FakeModels):
    house = models.deployment("slow", "echo")
    server = starter(**house)
    key = server.key()
    with server.client(key) as http:
        chat_id = http.post("/api/v1/chats", json={}).json()["id"]
        first = ask(http, chat_id, "an earlier question", "echo")
        earlier = first["assistant_message"]
        url = f"/api/v1/chats/{chat_id}/messages/{earlier['id']}/events"
        assert read_events(http, url, to_the_end)[-1][0] == "done"
        exchange = ask(http, chat_id, "Tell me many words", "slow", earlier["id"])
        question, answer = exchange["user_message"], exchange["assistant_message"]
        url = f"/api/v1/chats/{chat_id}/messages/{answer['id']}/events"
        seen = read_events(http, url, lambda found: len([each for each in found if each[0] == "delta"]) > 60)
    server.kill()
    shown = "".join(data["content"] for name, data in seen if name == "delta")

    server = starter(**house)
    with server.client(key) as http:
        found = messages_of(http, chat_id)
        assert found[earlier["id"]]["content"].strip() == "an earlier question"
        assert found[earlier["id"]]["status"] == "complete"
        assert found[question["id"]]["content"] == "Tell me many words"
        cut = found[answer["id"]]
        assert cut["status"] == "interrupted"
        assert cut["finished_at"] is not None
        trace = http.get(f"/api/v1/traces/{cut['trace_id']}")
        assert trace.status_code == 200, trace.text
        assert trace.json()["trace"]["output"] == cut["content"]
        assert trace.json()["trace"]["level"] == "warning"
        assert len(cut["content"]) > 0
        assert WORDS.startswith(cut["content"])
        assert shown.startswith(cut["content"][:20])
        for headers in ({}, {"last-event-id": "7"}):
            with http.stream("GET", url, headers=headers) as events:
                lines = list(events.iter_lines())
            assert [line for line in lines if line.startswith("event: ")] == ["event: done"]
            (data,) = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
            assert data["message"]["status"] == "interrupted"
            assert data["message"]["content"] == cut["content"]
        follow = ask(http, chat_id, "And then?", "echo", answer["id"])["assistant_message"]
        again = http.post(f"/api/v1/chats/{chat_id}/messages/{answer['id']}/regenerate", json={"model": "echo"})
        assert again.status_code == 201, again.text
        sibling = again.json()["assistant_message"]
        assert sibling["parent_id"] == question["id"]
        for each in (follow, sibling):
            ended = read_events(http, f"/api/v1/chats/{chat_id}/messages/{each['id']}/events", to_the_end)[-1]
            assert ended[0] == "done"
            assert ended[1]["message"]["status"] == "complete"
        assert messages_of(http, chat_id)[answer["id"]]["status"] == "interrupted"


def test_killed_in_mid_ingestion_reads_the_document_by_itself(starter: Starter):
    data = report(420)
    server = starter()
    key = server.key()
    with server.client(key) as http:
        owner_id = http.get("/api/v1/users/me").json()["id"]
        collection_id, other_id = make_collection(http, "Disturbed"), make_collection(http, "Undisturbed")
        document = upload(http, collection_id, "stations.md", data)
    for share in (0.3, 0.6):
        with server.client(key) as http:
            wait_for(lambda: document_of(http, document["id"])["progress"] >= share)  # noqa: B023
            before = document_of(http, document["id"])
            if before["status"] != "ready":
                for strategy in ("hybrid", "dense", "sparse"):
                    assert search(http, collection_id, "pump painted amber", strategy) == []
        server.kill()
        server = starter()
        with server.client(key) as http:
            found = search(http, collection_id, "the pump of station 12 was painted amber")
            now = document_of(http, document["id"])
            assert found == [] or now["status"] == "ready"
            assert http.get(f"/api/v1/knowledge/collections/{collection_id}").json()["document_count"] == 1
            if now["status"] != "ready":
                assert http.get(f"/api/v1/knowledge/documents/{document['id']}/text").status_code == 409
    with server.client(key) as http:
        read = when_read(http, document["id"])
        same = when_read(http, upload(http, other_id, "stations.md", data)["id"])
        assert read["chunk_count"] == same["chunk_count"] > 200
        assert read["character_count"] == same["character_count"]
        sources = search(http, collection_id, "valve that leaked in the rain", "dense")
        assert len(sources) > 10
        assert len({each["chunk_index"] for each in sources}) == len(sources)
        texts = [http.get(f"/api/v1/knowledge/documents/{each['id']}/text").json()["text"] for each in (document, same)]
        assert texts[0] == texts[1]
        best = search(http, collection_id, "inspector of station 333")
        assert "station 333" in best[0]["text"]
        assert best[0]["text"] == search(http, other_id, "inspector of station 333")[0]["text"]
    assert server.stop() == 0
    assert points_in(server, owner_id, collection_id) == points_in(server, owner_id, other_id) == read["chunk_count"]


def test_what_was_acknowledged_survives_a_kill_at_once(starter: Starter, models: FakeModels):
    house = models.deployment("echo")
    server = starter(**house)
    key = server.key()
    data = report(3, "lamp")
    with server.client(key) as http:
        collection_id = make_collection(http, "Lamps")
        document = upload(http, collection_id, "lamps.md", data)
    server.kill()  # the 202 is not a moment old

    server = starter(**house)
    with server.client(key) as http:
        assert when_read(http, document["id"])["chunk_count"] >= 1
        assert http.get(f"/api/v1/knowledge/documents/{document['id']}/file").content == data
        assert search(http, collection_id, "lamp of station 2")[0]["document_id"] == document["id"]
        body = {"model": "echo", "messages": [{"role": "user", "content": "say this again"}]}
        answered = http.post("/v1/chat/completions", json=body)
        assert answered.status_code == 200, answered.text
    server.kill()  # the answer is not a moment old

    server = starter(**house)
    with server.client(key) as http:
        trace = http.get(f"/api/v1/traces/{answered.headers['x-trace-id']}")
        assert trace.status_code == 200, trace.text
        assert trace.json()["trace"]["output"].strip() == "say this again"
        assert any(each["kind"] == "generation" for each in trace.json()["observations"])
        with http.stream("POST", "/v1/chat/completions", json={**body, "stream": True}) as streamed:
            trace_id = streamed.headers["x-trace-id"]
            for line in streamed.iter_lines():
                if line == "data: [DONE]":
                    break
            server.kill()  # the last byte is not a moment old

    server = starter(**house)
    with server.client(key) as http:
        assert http.get(f"/api/v1/traces/{trace_id}").json()["trace"]["output"].strip() == "say this again"


def test_what_was_made_survives_a_kill_at_once(starter: Starter):
    server = starter()
    with httpx2.Client(base_url=server.url, timeout=30, trust_env=False) as page:
        signed_in = page.post("/api/v1/auth/login", json={"email": ADMIN, "password": PASSWORD})
        page.headers["origin"] = server.url
        page.headers["x-csrf-token"] = signed_in.json()["csrf_token"]
        made: dict[str, Any] = {}
        for path, body in (
            ("/api/v1/users", {"email": "eve@example.org", "name": "Eve", "password": "a long enough secret", "role": "user"}),
            ("/api/v1/knowledge/collections", {"name": "Kept", "description": "over a crash"}),
            ("/api/v1/chats", {"title": "Kept too"}),
            ("/api/v1/deployments", {"name": "far", "provider": "openai", "base_url": "https://models.invalid/v1", "api_key": "sk-provider-0123456789"}),
            ("/api/v1/keys", {"name": "kept"}),
        ):  # fmt: skip
            answer = page.post(path, json=body)
            assert answer.status_code == 201, answer.text
            made[path] = answer.json()
        kept_chat = made["/api/v1/chats"]["id"]
        gone_chat = page.post("/api/v1/chats", json={}).json()["id"]
        assert page.delete(f"/api/v1/chats/{gone_chat}").status_code == 204
        assert page.patch("/api/v1/users/me", json={"name": "Renamed"}).status_code == 200
        assert page.patch(f"/api/v1/chats/{kept_chat}", json={"pinned": True}).status_code == 200
        cookies = dict(page.cookies)
        server.kill()

    server = starter()
    with httpx2.Client(base_url=server.url, timeout=30, trust_env=False, cookies=cookies) as page:
        me = page.get("/api/v1/users/me")
        assert me.status_code == 200  # the session lives on
        assert me.json()["name"] == "Renamed"
        assert page.get(f"/api/v1/chats/{kept_chat}").json()["chat"]["pinned"] is True
        assert page.get(f"/api/v1/chats/{gone_chat}").status_code == 404
    with server.client(made["/api/v1/keys"]["secret"]) as http:
        emails = [each["email"] for each in http.get("/api/v1/users").json()["items"]]
        assert "eve@example.org" in emails
        collection = made["/api/v1/knowledge/collections"]["id"]
        assert http.get(f"/api/v1/knowledge/collections/{collection}").json()["description"] == "over a crash"
        (deployment,) = http.get("/api/v1/deployments").json()["items"]
        assert deployment["name"] == "far"
        assert deployment["api_key_hint"].endswith("6789")
        actions = [each["action"] for each in http.get("/api/v1/audit?limit=200").json()["items"]]
        assert {"setup", "login", "user.create", "key.create", "deployment.create"} <= set(actions)
    login = {"email": "eve@example.org", "password": "a long enough secret"}
    assert httpx2.post(f"{server.url}/api/v1/auth/login", json=login, timeout=30, trust_env=False).status_code == 200


@dataclass
class Promised:
    """What a house has acknowledged, as its client remembers."""

    chats: list[str] = field(default_factory=list)
    questions: list[tuple[str, str]] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)


def keep_busy(http: httpx2.Client, collection_id: str, promised: Promised, start: int) -> None:
    """Makes one thing after the other until the house dies; remembers what it promised."""
    number = start
    with suppress(httpx2.HTTPError):
        while True:
            number += 1
            chat = http.post("/api/v1/chats", json={"title": f"chat {number}"})
            if chat.status_code != 201:
                return
            chat_id = chat.json()["id"]
            promised.chats.append(chat_id)
            asked = http.post(f"/api/v1/chats/{chat_id}/messages", json={"content": f"words {number}", "model": "slow"})
            if asked.status_code == 201:
                promised.questions.append((chat_id, asked.json()["user_message"]["id"]))
            name = f"paper {number}.md"
            sent = http.post(
                f"/api/v1/knowledge/collections/{collection_id}/documents",
                files={"file": (name, report(2, f"engine {number}"))},
            )
            if sent.status_code == 202:
                promised.documents.append(sent.json()["id"])
            body = {"model": "echo", "messages": [{"role": "user", "content": f"say {number}"}]}
            answered = http.post("/v1/chat/completions", json=body)
            if answered.status_code == 200:
                promised.traces.append(answered.headers["x-trace-id"])


@pytest.mark.timeout(300)
def test_rounds_of_kills_at_any_moment_lose_nothing(starter: Starter, models: FakeModels):
    chance = random.Random(20261121)
    house = models.deployment("slow", "echo")
    server = starter(**house)
    key = server.key()
    promised = Promised()
    with server.client(key) as http:
        collection_id = make_collection(http, "Papers")
    for round_number in range(3):
        with server.client(key) as http:
            worker = threading.Thread(target=keep_busy, args=(http, collection_id, promised, round_number * 1000))
            before = len(promised.chats)
            worker.start()
            wait_for(lambda: len(promised.chats) > before)  # noqa: B023
            time.sleep(chance.uniform(0.1, 2.5))
            server.kill()
            worker.join(60)
            assert not worker.is_alive()
        server = starter(**house)
    assert promised.chats
    assert promised.questions
    assert promised.documents
    assert promised.traces
    with server.client(key) as http:
        for chat_id in promised.chats:
            assert http.get(f"/api/v1/chats/{chat_id}").status_code == 200
        for chat_id, message_id in promised.questions:
            found = messages_of(http, chat_id)
            assert message_id in found
            answers = [each for each in found.values() if each["role"] == "assistant"]
            assert [each["status"] for each in answers] == ["interrupted"] or answers[0][
                "content"
            ].strip() == WORDS.strip()
            assert WORDS.startswith(answers[0]["content"])
        for trace_id in promised.traces:
            assert http.get(f"/api/v1/traces/{trace_id}").status_code == 200, trace_id
        chunks = [when_read(http, document_id)["chunk_count"] for document_id in promised.documents]
        listed = http.get(f"/api/v1/knowledge/collections/{collection_id}/documents?limit=200").json()["items"]
        assert set(promised.documents) <= {each["id"] for each in listed}
        total = sum(when_read(http, each["id"])["chunk_count"] for each in listed)
        owner_id = http.get("/api/v1/users/me").json()["id"]
    assert all(chunks)
    assert server.stop() == 0
    assert points_in(server, owner_id, collection_id) == total


@pytest.mark.parametrize(("drain_s", "status"), [("20", "complete"), ("0.5", "interrupted")])
def test_sigterm_in_mid_answer_lets_it_end_or_says_that_it_did_not(
    starter: Starter, models: FakeModels, drain_s: str, status: str
):
    house = {**models.deployment("slow"), "ALCOVE_SERVER__DRAIN_S": drain_s}
    server = starter(**house)
    key = server.key()
    with server.client(key) as http:
        chat_id = http.post("/api/v1/chats", json={}).json()["id"]
        answer = ask(http, chat_id, "Go on", "slow")["assistant_message"]
        url = f"/api/v1/chats/{chat_id}/messages/{answer['id']}/events"
        read_events(http, url, lambda found: len(found) > 40)
        body = {"model": "slow", "stream": True, "messages": [{"role": "user", "content": "Go on"}]}
        with http.stream("POST", "/v1/chat/completions", json=body) as streamed:
            lines = streamed.iter_lines()
            trace_id = streamed.headers["x-trace-id"]
            next(lines)
            server.process.terminate()
            with suppress(httpx2.HTTPError):
                rest = list(lines)
                assert status == "interrupted" or "data: [DONE]" in rest
    assert server.process.wait(60) == 0, "".join(server.errors)
    log = "".join(server.errors)
    if status == "complete":
        assert "Traceback" not in log
        assert '"level": "error"' not in log

    server = starter(**house)
    with server.client(key) as http:
        message = messages_of(http, chat_id)[answer["id"]]
        assert message["status"] == status
        assert message["content"] == WORDS if status == "complete" else WORDS.startswith(message["content"])
        assert message["content"]
        assert http.get(f"/api/v1/traces/{message['trace_id']}").status_code == 200
        assert http.get(f"/api/v1/traces/{trace_id}").status_code == 200
