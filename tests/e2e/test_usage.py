"""Usage over the death of the process: each answered request has its row, once."""

import threading
import time
from collections import Counter
from collections.abc import Iterator

import httpx2
import pytest

from tests.e2e.conftest import Starter
from tests.e2e.models import FakeModels, fake_models

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

KILLS = 3


@pytest.fixture(scope="module")
def models() -> Iterator[FakeModels]:
    with fake_models() as running:
        yield running


def all_rows(http: httpx2.Client) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    cursor = None
    while True:
        page = http.get("/api/v1/usage/rows", params={"limit": 200, **({"cursor": cursor} if cursor else {})}).json()
        rows += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return rows


def test_every_answered_request_has_one_row_whenever_the_process_is_killed(starter: Starter, models: FakeModels):
    house = models.deployment("echo")
    server = starter(**house)
    key = server.key()
    answered: list[str] = []
    body = {"model": "echo", "messages": [{"role": "user", "content": "say this"}]}
    for number in range(KILLS):
        running = server

        def ask() -> None:
            try:
                with running.client(key) as http:  # noqa: B023  joined below
                    while True:
                        answer = http.post("/v1/chat/completions", json=body)
                        if answer.status_code == 200:
                            answered.append(answer.headers["x-request-id"])
            except httpx2.TransportError:
                return  # it was killed

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(1.2 + 0.37 * number)  # some batches have been moved, some are being, some wait
        server.kill()
        for thread in threads:
            thread.join(10)
        server = starter(**house)
    assert len(answered) > 30
    with server.client(key) as http:
        rows = all_rows(http)
        counts = Counter(str(row["request_id"]) for row in rows)
        assert set(answered) <= set(counts)
        assert set(counts.values()) == {1}
        assert len(counts) <= len(answered) + 3 * KILLS  # those whose answer was on its way when the process died
        total = http.get("/api/v1/usage/summary").json()["total"]
        assert total["requests"] == len(rows)
        assert total["input_tokens"] == sum(int(str(row["input_tokens"])) for row in rows)
    shown = server.run("usage", "--by", "model", "--days", "1", "--json", api_key=key)
    assert shown.returncode == 0, shown.stderr
    assert '"echo"' in shown.stdout
    shown = server.run("usage", "--days", "1", api_key=key)
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[0].split()[:3] == ["model", "requests", "errors"]
    assert lines[-1].split()[:2] == ["all", str(len(rows))]
    assert server.run("usage", api_key="sk-as-wrong").returncode == 1
    assert server.stop() == 0
