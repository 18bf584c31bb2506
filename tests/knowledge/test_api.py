"""The routes over HTTP: nobody, somebody else, bad input first; then what they are for."""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote

import httpx2
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from alcove.infra.middleware import SecurityHeaders
from alcove.infra.problems import install_error_handlers
from alcove.kernel.ids import new_id
from alcove.kernel.principal import Principal
from alcove.knowledge import api
from tests.knowledge.conftest import PAGE_CHARACTERS, Room, make_room, paragraphs, with_settings

BASE = "/api/v1/knowledge"
TEXT = paragraphs(20)


@dataclass
class Door:
    """Lets a person in whom it was told of, as the identity room's middleware would; and hands out the services."""

    app: ASGIApp
    room: Room
    who: Principal | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = {"principal": self.who, "collections": self.room.collections, "documents": self.room.documents}
        await self.app({**scope, "state": {**scope.get("state", {}), **state}}, receive, send)


def client_of(room: Room, who: Principal | None) -> httpx2.AsyncClient:
    app = FastAPI()
    app.include_router(api.router)
    install_error_handlers(app)
    transport = httpx2.ASGITransport(app=SecurityHeaders(Door(app, room, who)))
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost")


@pytest.fixture
async def anna(room: Room, ada: Principal) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of Ada's."""
    async with client_of(room, ada) as client:
        yield client


@pytest.fixture
async def bert(room: Room, bob: Principal) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of Bob's."""
    async with client_of(room, bob) as client:
        yield client


async def made(client: httpx2.AsyncClient, name: str = "Papers") -> str:
    answer = await client.post(f"{BASE}/collections", json={"name": name})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def sent(
    client: httpx2.AsyncClient, collection_id: str, content: bytes = TEXT.encode(), name: str = "paper.txt"
) -> httpx2.Response:
    files = {"file": (name, content, "text/plain")}
    return await client.post(f"{BASE}/collections/{collection_id}/documents", files=files)


def is_problem(answer: httpx2.Response, status: int, code: str) -> bool:
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code), answer.text
    return True


ROUTES = [
    ("GET", "/collections", None),
    ("POST", "/collections", {"name": "x"}),
    ("GET", "/collections/{collection}", None),
    ("PATCH", "/collections/{collection}", {"name": "stolen"}),
    ("DELETE", "/collections/{collection}", None),
    ("GET", "/collections/{collection}/documents", None),
    ("POST", "/collections/{collection}/documents", "file"),
    ("POST", "/collections/{collection}/search", {"query": "topic7"}),
    ("GET", "/documents/{document}", None),
    ("DELETE", "/documents/{document}", None),
    ("POST", "/documents/{document}/retry", None),
    ("GET", "/documents/{document}/text", None),
    ("GET", "/documents/{document}/file", None),
]
OF_ONE = [each for each in ROUTES if "{" in each[1]]


async def call(client: httpx2.AsyncClient, route: tuple, **ids: str) -> httpx2.Response:
    method, path, body = route
    options = {"files": {"file": ("x.txt", b"words", "text/plain")}} if body == "file" else {"json": body}
    return await client.request(method, BASE + path.format(**ids), **(options if body is not None else {}))


def test_every_route_is_in_the_table():
    assert sorted((method, f"{BASE}{path}") for method, path, _ in ROUTES) == sorted(
        (method, route.path.replace("_id}", "}")) for route in api.router.routes for method in route.methods
    )


@pytest.mark.parametrize("route", ROUTES, ids=lambda each: f"{each[0]} {each[1]}")
async def test_without_a_key_nothing_is_answered_or_kept(room: Room, anna, route):
    collection = await made(anna)
    document = (await sent(anna, collection)).json()["id"]
    async with client_of(room, None) as nobody:
        answer = await call(nobody, route, collection=collection, document=document)
    assert is_problem(answer, 401, "not_authenticated")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert len(room.files()) == 1
    assert (await anna.get(f"{BASE}/collections/{collection}")).json()["name"] == "Papers"


@pytest.mark.parametrize("route", OF_ONE, ids=lambda each: f"{each[0]} {each[1]}")
async def test_another_persons_things_are_as_absent_as_nobodys(room: Room, anna, bert, route):
    collection = await made(anna)
    document = (await sent(anna, collection)).json()["id"]
    await room.work()
    nobodys = new_id()
    theirs = await call(bert, route, collection=collection, document=document)
    absent = await call(bert, route, collection=nobodys, document=nobodys)
    assert is_problem(theirs, 404, "not_found")
    hidden = {**theirs.json(), "instance": ""}
    for given in (collection, document):
        hidden["detail"] = hidden["detail"].replace(given, nobodys)
    assert hidden == {**absent.json(), "instance": ""}
    after = (await anna.get(f"{BASE}/documents/{document}")).json()
    assert after["status"] == "ready"
    assert (await anna.get(f"{BASE}/collections/{collection}")).json()["name"] == "Papers"
    assert len(room.files()) == 1


NO_IDS = ["../x", "..", "x\x00y", "user-memory-1", "' OR 1=1--", "\udcff", "x" * 10_000, "ä", "*", "%25", "\u202ex"]


@pytest.mark.parametrize("route", OF_ONE, ids=lambda each: f"{each[0]} {each[1]}")
async def test_ids_that_are_none_are_not_found(room: Room, anna, route):
    for given in NO_IDS:
        as_path = quote(given.encode("utf-8", "surrogateescape"), safe="")
        answer = await call(anna, route, collection=as_path, document=as_path)
        assert answer.status_code in {404, 405}, answer.text  # 405 where `..` leads to another route
        assert (answer.status_code == 404) or ".." in given
    assert room.files() == []
    assert room.embedder.batches == 0


async def test_the_same_ids_are_not_found_on_every_database(database, tmp_path, ada):
    room = await make_room(database, tmp_path)
    async with client_of(room, ada) as client:
        for route in OF_ONE:
            for given in ("%00", "a%00b", "%ED%A0%80", "x" * 5_000):
                assert is_problem(await call(client, route, collection=given, document=given), 404, "not_found")
        for name in ("%00", "%ED%A0%80"):
            answer = await client.get(f"{BASE}/collections?name={name}")
            assert answer.json()["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "  "},
        {"name": "x" * 101},
        {"name": "x" * 1_000_000},
        {"name": "a\nb"},
        {"name": "a\x00b"},
        {"name": "\x1b[31m"},
        {"name": "\u202egnp"},
        {"name": "a\ud800"},
        {"name": 7},
        {"name": None},
        {"name": ["x"]},
        {"name": "x", "description": "x" * 1_001},
        {"name": "x", "description": "a\x00b"},
        {"name": "x", "owner_id": "user-bob"},
        {"name": "x", "kind": "chat"},
        [],
        "x",
    ],
)
async def test_what_is_no_collection_is_refused_and_the_field_is_named(anna, body):
    content = json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    answer = await anna.post(f"{BASE}/collections", content=content, headers=headers)
    assert is_problem(answer, 400, "invalid_request")
    assert answer.json()["errors"]
    assert len(answer.content) < 5_000
    assert (await anna.get(f"{BASE}/collections")).json()["items"] == []


@pytest.mark.parametrize("body", [{"name": ""}, {"name": "a\x00b"}, {"owner_id": "x"}, {"description": "\x00"}])
async def test_what_is_no_change_is_refused(anna, body):
    collection = await made(anna)
    assert is_problem(await anna.patch(f"{BASE}/collections/{collection}", json=body), 400, "invalid_request")


@pytest.mark.parametrize(
    "query",
    ["cursor=x", "cursor=%00", "cursor=WyJcdTAwMDAiXQ", "cursor=" + "x" * 600, "limit=0", "limit=201", "limit=x"],
)
async def test_bad_pages_are_refused(anna, query):
    collection = await made(anna)
    for path in ("/collections", f"/collections/{collection}/documents"):
        assert is_problem(await anna.get(f"{BASE}{path}?{query}"), 400, "invalid_request")
    assert is_problem(await anna.get(f"{BASE}/collections?kind=all"), 400, "invalid_request")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": " "},
        {"query": "x" * 10_001},
        {"query": "x", "top_k": 0},
        {"query": "x", "top_k": 51},
        {"query": "x", "strategy": "all"},
        {"query": "x", "collection_ids": ["y"]},
    ],
)
async def test_bad_searches_are_refused(anna, body):
    collection = await made(anna)
    assert is_problem(await anna.post(f"{BASE}/collections/{collection}/search", json=body), 400, "invalid_request")


async def test_collections_are_made_listed_found_changed_and_deleted(anna, bert):
    papers = await made(anna)
    await made(anna, "Notes")
    await made(bert, "Papers")
    assert is_problem(await anna.post(f"{BASE}/collections", json={"name": " PAPERS "}), 409, "already_exists")
    listed = (await anna.get(f"{BASE}/collections")).json()
    assert [each["name"] for each in listed["items"]] == ["Notes", "Papers"]
    assert listed["next_cursor"] is None
    first = (await anna.get(f"{BASE}/collections?limit=1")).json()
    rest = (await anna.get(f"{BASE}/collections", params={"limit": 1, "cursor": first["next_cursor"]})).json()
    assert [each["name"] for each in first["items"] + rest["items"]] == ["Notes", "Papers"]
    found = (await anna.get(f"{BASE}/collections", params={"name": "papers"})).json()["items"]
    assert [each["id"] for each in found] == [papers]
    changed = await anna.patch(f"{BASE}/collections/{papers}", json={"description": "Of mine"})
    assert changed.status_code == 200
    assert changed.json() == (await anna.get(f"{BASE}/collections/{papers}")).json()
    assert set(changed.json()) == {
        "id", "name", "description", "kind", "document_count", "chunk_count", "embedding_model", "created_at", "updated_at",
    }  # fmt: skip
    assert is_problem(await anna.patch(f"{BASE}/collections/{papers}", json={"name": "notes"}), 409, "already_exists")
    assert (await anna.delete(f"{BASE}/collections/{papers}")).status_code == 204
    assert is_problem(await anna.get(f"{BASE}/collections/{papers}"), 404, "not_found")


async def test_the_files_of_chats_are_listed_only_when_asked_for(room: Room, anna, ada):
    await room.collections.make_of_chat(ada, "chat-1")
    assert (await anna.get(f"{BASE}/collections")).json()["items"] == []
    listed = (await anna.get(f"{BASE}/collections?kind=chat")).json()["items"]
    assert [each["kind"] for each in listed] == ["chat"]


async def test_an_upload_is_accepted_read_and_found(room: Room, anna):
    collection = await made(anna)
    answer = await sent(anna, collection)
    assert answer.status_code == 202
    document = answer.json()
    assert (document["status"], document["stage"], document["progress"]) == ("queued", "waiting", 0.0)
    assert document["sha256"] == hashlib.sha256(TEXT.encode()).hexdigest()
    assert room.files() == [document["sha256"]]  # it is there before the answer is
    assert is_problem(await anna.get(f"{BASE}/documents/{document['id']}/text"), 409, "conflict")
    assert is_problem(await anna.post(f"{BASE}/documents/{document['id']}/retry"), 409, "conflict")
    await room.work()
    document = (await anna.get(f"{BASE}/documents/{document['id']}")).json()
    assert (document["status"], document["stage"], document["progress"]) == ("ready", "done", 1.0)
    listed = (await anna.get(f"{BASE}/collections/{collection}/documents")).json()
    assert listed == {"items": [document], "next_cursor": None}
    counted = (await anna.get(f"{BASE}/collections/{collection}")).json()
    assert (counted["document_count"], counted["chunk_count"]) == (1, document["chunk_count"])
    text = (await anna.get(f"{BASE}/documents/{document['id']}/text")).json()
    assert text["name"] == "paper.txt"
    assert text["text"] == TEXT
    assert text["pages"][0] == {"page": 1, "start": 0, "end": min(PAGE_CHARACTERS, len(text["text"]))}
    for strategy in ("hybrid", "dense", "sparse"):
        body = {"query": "topic7 part7x3", "top_k": 3, "strategy": strategy}
        found = (await anna.post(f"{BASE}/collections/{collection}/search", json=body)).json()
        assert 1 <= len(found["sources"]) <= 3
        best = found["sources"][0]
        assert best["text"] == TEXT[best["start"] : best["end"]]
        assert "topic7 has" in best["text"]
        assert found["latency_ms"]


async def test_more_searches_than_a_person_may_make_are_429_and_bind_nobody_else(room: Room, ada, bob):
    small = with_settings(room, searches_per_minute=2)
    async with client_of(small, ada) as anna, client_of(small, bob) as bert:
        mine, his = await made(anna), await made(bert)
        for _ in range(2):
            assert (await anna.post(f"{BASE}/collections/{mine}/search", json={"query": "x"})).status_code == 200
        refused = await anna.post(f"{BASE}/collections/{mine}/search", json={"query": "x"})
        assert is_problem(refused, 429, "rate_limited")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert (await bert.post(f"{BASE}/collections/{his}/search", json={"query": "x"})).status_code == 200


async def test_more_searches_at_once_than_a_person_may_run_are_429(room: Room, ada):
    small = with_settings(room, searches_at_once=1)
    async with client_of(small, ada) as anna:
        collection = await made(anna)
        address = f"{BASE}/collections/{collection}/search"
        async with small.collections.searches.passing(ada.user_id, "searches"):
            refused = await anna.post(address, json={"query": "x"})
        assert is_problem(refused, 429, "rate_limited")
        assert refused.headers["retry-after"] == "1"
        assert (await anna.post(address, json={"query": "x"})).status_code == 200


async def test_the_same_content_again_is_200_with_the_document_there_is(room: Room, anna):
    collection = await made(anna)
    first = await sent(anna, collection)
    again = await sent(anna, collection, name="other name.txt")
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json() == again.json()
    assert len(room.files()) == 1


async def test_a_file_too_large_is_413_and_leaves_nothing(room: Room, ada):
    room = with_settings(room, max_upload_bytes=2_000)
    async with client_of(room, ada) as client:
        collection = await made(client)
        assert is_problem(await sent(client, collection, b"x" * 2_001), 413, "too_large")
        assert room.files() == []
        assert (await sent(client, collection, b"x" * 2_000)).status_code == 202
        assert (await client.get(f"{BASE}/collections/{collection}")).json()["document_count"] == 1


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"content-type": "application/json"}, b"{}", 415),
        ({"content-type": "application/pdf"}, b"%PDF-1.7", 415),
        ({}, b"x", 415),
        ({"content-type": "multipart/form-data"}, b"x", 415),
        ({"content-type": "multipart/form-data; boundary=b"}, b"no form at all", 400),
        ({"content-type": "multipart/form-data; boundary=b"}, b"", 400),
        ({"content-type": "multipart/form-data; boundary=b"}, b'--b\r\ncontent-disposition: form-data; name="x"\r\n\r\n1\r\n--b--', 400),
    ],
)  # fmt: skip
async def test_what_is_no_upload_is_refused_and_leaves_nothing(room: Room, anna, headers, content, status):
    collection = await made(anna)
    answer = await anna.post(f"{BASE}/collections/{collection}/documents", content=content, headers=headers)
    assert is_problem(answer, status, "unsupported_media" if status == 415 else "invalid_request")
    assert room.files() == []
    assert (await anna.get(f"{BASE}/collections/{collection}")).json()["document_count"] == 0


async def test_a_document_that_cannot_be_read_says_why_and_can_be_tried_again(room: Room, anna):
    collection = await made(anna)
    document = (await sent(anna, collection, b"  \n")).json()["id"]
    await room.work()
    failed = (await anna.get(f"{BASE}/documents/{document}")).json()
    assert failed["status"] == "failed"
    assert failed["error"]["code"] == "no_text"
    assert "paper.txt" in failed["error"]["detail"]
    again = await anna.post(f"{BASE}/documents/{document}/retry")
    assert again.status_code == 202
    assert again.json()["status"] == "queued"
    await room.work()
    assert (await anna.get(f"{BASE}/documents/{document}")).json()["status"] == "failed"


async def test_a_deleted_document_is_gone_from_everywhere(room: Room, anna):
    collection = await made(anna)
    document = (await sent(anna, collection)).json()["id"]
    await room.work()
    assert (await anna.delete(f"{BASE}/documents/{document}")).status_code == 204
    for path in ("", "/text", "/file"):
        assert is_problem(await anna.get(f"{BASE}/documents/{document}{path}"), 404, "not_found")
    found = await anna.post(f"{BASE}/collections/{collection}/search", json={"query": "topic7 part7x3"})
    assert found.json()["sources"] == []
    assert is_problem(await anna.delete(f"{BASE}/documents/{document}"), 404, "not_found")
    await room.work()
    assert room.files() == []


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("page.html", "page.html"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("Übersicht „1“.txt", "Übersicht „1“.txt"),
        ("\u202egnp.exe.txt", "gnp.exe.txt"),
        ("<script>alert(1)</script>.html", "script>.html"),
        ("x" * 500 + ".txt", "x" * 196 + ".txt"),
    ],
)
async def test_a_download_is_the_file_as_it_was_and_never_shown(anna, name, kept):
    collection = await made(anna)
    hostile = b"<html><script>alert(document.cookie)</script></html>"
    document = (await sent(anna, collection, hostile, name)).json()
    assert document["name"] == kept
    answer = await anna.get(f"{BASE}/documents/{document['id']}/file")
    assert answer.status_code == 200
    assert answer.content == hostile
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''{quote(kept, safe='')}"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_file_missing_from_the_data_folder_is_503(room: Room, anna):
    collection = await made(anna)
    document = (await sent(anna, collection)).json()
    room.blobs.path(document["sha256"]).unlink()
    assert is_problem(await anna.get(f"{BASE}/documents/{document['id']}/file"), 503, "unavailable")


async def test_an_error_tells_nothing_of_the_machine(room: Room, anna):
    collection = await made(anna)
    document = (await sent(anna, collection)).json()
    room.blobs.path(document["sha256"]).unlink()
    answer = await anna.get(f"{BASE}/documents/{document['id']}/file")
    assert str(room.blobs.folder) not in answer.text
