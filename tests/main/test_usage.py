"""Usage through a whole house: calls leave rows, everyone sees their own, admins everyone's, and files stay small in memory."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from alcove.gateway.usage.store import SqlUsageStore, usage_rows
from alcove.kernel.ids import new_id
from alcove.kernel.principal import Role
from tests.gateway.usage.conftest import row
from tests.main.conftest import ACTOR, Place

pytestmark = pytest.mark.timeout(120)

BASE = "/api/v1/usage"
QUESTION = {"model": "alcove/reader", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
async def people(place: Place):
    ann, bob, root = await place.user("ann"), await place.user("bob"), await place.user("root", Role.ADMIN)
    keys = {user.name: await place.key(user) for user in (ann, bob, root)}
    clients = {name: place.keyed(secret) for name, (_, secret) in keys.items()}
    assert (await clients["Ann"].post("/v1/chat/completions", json=QUESTION)).status_code == 200
    streamed = await clients["Ann"].post("/v1/chat/completions", json={**QUESTION, "stream": True})
    assert streamed.status_code == 200
    embedded = await clients["Bob"].post("/v1/embeddings", json={"model": "alcove/minilm", "input": "Hello"})
    assert embedded.status_code == 200
    return {"ann": ann, "bob": bob, "root": root, "keys": keys, **{name: clients[name] for name in clients}}


async def test_chat_and_embedding_leave_rows(place: Place, people):
    found = (await people["Ann"].get(f"{BASE}/rows")).json()["items"]
    assert [each["is_streaming"] for each in found] == [True, False]
    for each in found:
        assert each["user_id"] == people["ann"].id
        assert each["key_id"] == people["keys"]["Ann"][0]
        assert (each["kind"], each["model"], each["status"]) == ("chat", "alcove/reader", 200)
        assert each["cost_usd"] is None
        assert each["latency_ms"] > 0
        assert each["trace_id"]
        assert each["request_id"]
    (bobs,) = (await people["Bob"].get(f"{BASE}/rows")).json()["items"]
    assert (bobs["kind"], bobs["user_id"]) == ("embedding", people["bob"].id)
    assert bobs["input_tokens"] > 0


async def test_calls_in_ollamas_protocol_leave_rows_with_their_own_paths(place: Place):
    client = place.keyed((await place.key(await place.user("olly")))[1])
    question = QUESTION["messages"]
    asked = {
        "/api/chat": {"model": "alcove/reader", "messages": question},
        "/api/generate": {"model": "alcove/reader:latest", "prompt": "Hello", "stream": False},
        "/api/embed": {"model": "alcove/minilm", "input": "Hello"},
        "/api/embeddings": {"model": "alcove/minilm", "prompt": "Hello"},
    }
    for path, body in asked.items():
        answer = await client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-trace-id"]
    rows = (await client.get(f"{BASE}/rows")).json()["items"]
    assert [(each["endpoint"], each["kind"], each["is_streaming"]) for each in reversed(rows)] == [
        ("/api/chat", "chat", True),
        ("/api/generate", "chat", False),
        ("/api/embed", "embedding", False),
        ("/api/embeddings", "embedding", False),
    ]


async def test_others_usage_is_for_admins_alone(place: Place, people):
    ann, bob = people["ann"], people["Bob"]
    for path in ("rows", "summary", "export"):
        for query in ({"all": "true"}, {"user_id": ann.id}, {"all": "true", "user_id": people["bob"].id}):
            answer = await bob.get(f"{BASE}/{path}", params=query)
            assert answer.status_code == 403, (path, query)
            assert "admin" in answer.json()["detail"]
        mine = await bob.get(f"{BASE}/{path}", params={"key_id": people["keys"]["Ann"][0]})
        assert mine.status_code == 200
        assert ann.id not in mine.text
        assert (await bob.get(f"{BASE}/{path}", params={"user_id": people["bob"].id})).status_code == 200
    assert (await bob.get(f"{BASE}/live")).status_code == 403
    rows = (await people["Root"].get(f"{BASE}/rows", params={"all": "true"})).json()["items"]
    assert {each["user_id"] for each in rows} >= {ann.id, people["bob"].id}
    rows = (await people["Root"].get(f"{BASE}/rows", params={"user_id": ann.id})).json()["items"]
    assert {each["user_id"] for each in rows} == {ann.id}
    assert (await people["Root"].get(f"{BASE}/rows")).json()["items"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"since": "yesterday"}, {"since": "2026-01-01T00:00:00"}, {"kind": "poem"}, {"status": "7"}, {"cursor": "../../etc"},
        {"cursor": "1.2"}, {"cursor": f"{'9' * 40}.{new_id()}"}, {"user_id": "' OR 1=1"}, {"model": "a\x00b"}, {"limit": "0"},
        {"limit": "100000"},
    ],
)  # fmt: skip
async def test_bad_input_is_refused_with_the_reason(people, query):
    answer = await people["Ann"].get(f"{BASE}/rows", params=query)
    assert answer.status_code == 400, answer.text
    assert answer.json()["detail"]


async def test_times_at_the_ends_of_the_calendar_are_times(people):
    ends = {"since": "0001-01-01T00:00:00+14:00", "until": "9999-12-31T23:59:59-14:00"}
    for path in ("rows", "summary", "export"):
        for interval in ("hour", "day", "all"):
            answer = await people["Ann"].get(f"{BASE}/{path}", params={**ends, "interval": interval})
            assert answer.status_code == 200, answer.text


async def test_bad_groupings_and_formats_are_refused(people):
    assert (await people["Ann"].get(f"{BASE}/summary", params={"by": "colour"})).status_code == 400
    assert (await people["Ann"].get(f"{BASE}/summary", params={"interval": "week"})).status_code == 400
    assert (await people["Ann"].get(f"{BASE}/export", params={"format": "xls"})).status_code == 400


async def test_pages_give_every_row_once(place: Place, people):
    user, journal = new_id(), place.house.usage.mover._journal
    at = datetime(2025, 3, 1, tzinfo=UTC)
    for number in range(25):
        journal.append(row(user_id=user, at=at + timedelta(seconds=number // 5)))
    seen: list[str] = []
    cursor = None
    while True:
        query = {"user_id": user, "limit": "7", **({"cursor": cursor} if cursor else {})}
        page = (await people["Root"].get(f"{BASE}/rows", params=query)).json()
        seen += [each["id"] for each in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 25


async def test_summary_counts_by_what_and_when(place: Place, people):
    user, journal = new_id(), place.house.usage.mover._journal
    at = datetime(2025, 5, 1, 10, 30, tzinfo=UTC)
    base = row(user_id=user, at=at, group_id="g-1")
    for number, changes in enumerate([
        {}, {"model": "large", "cost_usd": None}, {"status": 500, "latency_ms": 900.0}, {"status": 499},
        {"at": at + timedelta(hours=1), "cache": "exact"}, {"at": at + timedelta(days=1)},
    ]):  # fmt: skip
        journal.append(replace(base, id=new_id(), trace_id=str(number), **changes))

    async def ask(**query: str):
        answer = await people["Root"].get(f"{BASE}/summary", params={"user_id": user, **query})
        assert answer.status_code == 200, answer.text
        return answer.json()

    total = (await ask())["total"]
    assert (total["requests"], total["errors"], total["unpriced"], total["cached"]) == (6, 1, 1, 1)
    assert Decimal(total["cost_usd"]) == 5 * Decimal("0.0012345678")
    assert 100 <= total["latency_p50_ms"] <= 250
    assert 500 <= total["latency_p95_ms"] <= 1000
    assert {each["name"]: each["requests"] for each in (await ask(by="model"))["items"]} == {"small": 5, "large": 1}
    assert {each["name"]: each["requests"] for each in (await ask(by="status"))["items"]} == {
        "200": 4,
        "499": 1,
        "500": 1,
    }
    for by, name in (("user", user), ("key", "key-1"), ("group", "g-1"), ("deployment", "up"), ("kind", "chat")):
        assert [each["name"] for each in (await ask(by=by))["items"]] == [name]
    days = (await ask(interval="day"))["items"]
    assert [(each["start"], each["requests"]) for each in days] == [
        ("2025-05-01T00:00:00Z", 5),
        ("2025-05-02T00:00:00Z", 1),
    ]
    hours = (await ask(interval="hour", by="model", since="2025-05-01T10:00:00Z", until="2025-05-01T11:00:00Z"))[
        "items"
    ]
    assert [(each["start"], each["name"], each["requests"]) for each in hours] == [
        ("2025-05-01T10:00:00Z", "large", 1), ("2025-05-01T10:00:00Z", "small", 3),
    ]  # fmt: skip
    assert (await ask(status="500"))["total"]["requests"] == 1
    nobody = await people["Root"].get(f"{BASE}/summary", params={"user_id": new_id()})
    assert nobody.json()["total"]["requests"] == 0
    assert nobody.json()["total"]["latency_p50_ms"] is None


async def test_files_carry_no_formula_and_every_row(place: Place, people):
    user, journal = new_id(), place.house.usage.mover._journal
    at = datetime(2025, 7, 1, tzinfo=UTC)
    for number, model in enumerate(["=cmd|' /C calc'!A0", "+1", "-1", "@x", "\tx", 'quote"d, and\nlined', "plain"]):
        journal.append(row(user_id=user, model=model, at=at + timedelta(seconds=number)))
    answer = await people["Root"].get(f"{BASE}/export", params={"user_id": user})
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(lines) == 7
    assert not [cell for line in lines for cell in line.values() if cell.startswith(("=", "+", "-", "@", "\t"))]
    assert lines[0]["model"] == "plain"
    assert lines[1]["model"] == 'quote"d, and\nlined'
    answer = await people["Root"].get(f"{BASE}/export", params={"user_id": user, "format": "json"})
    assert [each["model"] for each in answer.json()][-1] == "=cmd|' /C calc'!A0"
    empty = await people["Root"].get(f"{BASE}/export", params={"user_id": new_id(), "format": "json"})
    assert empty.json() == []


async def test_hundred_thousand_rows_are_written_in_bounded_memory(place: Place, people):
    user, mover = new_id(), place.house.usage.mover
    mover._journal.append(row(user_id=user, id=new_id(), at=datetime(2025, 9, 1, tzinfo=UTC)))
    await mover.move()
    store = place.house.usage.store
    assert isinstance(store, SqlUsageStore)
    others = ", ".join(column.name for column in usage_rows.columns if column.name not in {"id", "at_ms"})
    async with store.database.write() as connection:
        await connection.exec_driver_sql(
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 99999) "
            f"INSERT INTO usage_rows (id, at_ms, {others}) SELECT 'row-' || n, at_ms + n, {others} "
            "FROM usage_rows, numbers WHERE user_id = ?",
            (user,),
        )
    url = f"{BASE}/export?format=json&user_id={user}"
    requests = [{"type": "http.request", "body": b"", "more_body": False}]
    count = size = 0
    before = peak = resident_bytes()

    async def receive():
        if not requests:
            await anyio.sleep_forever()
        return requests.pop()

    async def send(message):
        nonlocal count, size, peak
        body = message.get("body", b"")
        count += body.count(b'"request_id"')
        size += len(body)
        peak = max(peak, resident_bytes())

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": url.split("?", maxsplit=1)[0], "raw_path": url.split("?", maxsplit=1)[0].encode(), "query_string": url.split("?")[1].encode(),
        "headers": [(b"host", b"127.0.0.1"), (b"authorization", people["Root"].headers["authorization"].encode())],
        "client": ("127.0.0.1", 50_000), "server": ("127.0.0.1", 80), "root_path": "", "state": {},
    }  # fmt: skip
    await place.asgi(scope, receive, send)
    assert count == 100_000
    assert size > 40 << 20
    assert peak - before < 24 << 20


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def test_live_usage_and_metrics_and_status_tell_of_it(place: Place, people):
    assert (await people["Ann"].post("/v1/chat/completions", json=QUESTION)).status_code == 200
    now = (await people["Root"].get(f"{BASE}/live")).json()
    assert now["requests"] >= 1
    assert len(now["models"][0]["requests_by_second"]) == 60
    metrics = (await place.client().get("/metrics")).text
    for name in ("alcove_usage_journal_bytes", "alcove_usage_rows_held", "alcove_usage_rows_lost"):
        assert f"\n{name} " in metrics
    parts = {each["name"]: each for each in (await people["Root"].get("/api/v1/status")).json()["parts"]}
    assert parts["Usage"]["healthy"] is True


async def test_deleting_a_person_deletes_their_rows(place: Place, people):
    gone = await place.user("gone")
    _, secret = await place.key(gone)
    assert (await place.keyed(secret).post("/v1/chat/completions", json=QUESTION)).status_code == 200
    query = {"user_id": gone.id}
    assert len((await people["Root"].get(f"{BASE}/rows", params=query)).json()["items"]) == 1
    await place.house.identity.accounts.delete(gone.id, ACTOR)
    assert (await people["Root"].get(f"{BASE}/rows", params=query)).json()["items"] == []
    assert (await people["Root"].get(f"{BASE}/summary", params=query)).json()["total"]["requests"] == 0
    assert (
        json.dumps(gone.id)
        not in (await people["Root"].get(f"{BASE}/export?all=true&format=json&since=2026-01-01T00:00:00Z")).text
    )
