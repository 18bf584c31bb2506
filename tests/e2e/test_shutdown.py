"""SIGTERM while answers run and are watched: one deadline for all, nothing cut off without a word, nothing lost."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.e2e.conftest import Starter
from tests.e2e.models import FakeModels, fake_models

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

DRAIN_S = 2


@pytest.fixture(scope="module")
def models() -> Iterator[FakeModels]:
    with fake_models() as running:
        yield running


def test_sigterm_ends_stalled_answers_and_their_watchers_in_time(starter: Starter, models: FakeModels):
    server = starter(**models.deployment("stall"), ALCOVE_SERVER__DRAIN_S=str(DRAIN_S))
    seen: list[str] = []
    begun, streamed = threading.Event(), threading.Event()
    key = server.key()

    def watch(url: str) -> None:
        with server.client(key) as http, http.stream("GET", url) as events:
            for line in events.iter_lines():
                seen.append(line)
                if line == "event: delta":
                    begun.set()

    def stream() -> None:
        body: dict[str, Any] = {"model": "stall", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
        try:
            with server.client(key) as http, http.stream("POST", "/v1/chat/completions", json=body) as answer:
                for _ in answer.iter_lines():
                    streamed.set()
        except httpx2.HTTPError:  # cut off, since its model says nothing
            streamed.set()

    with server.client(key) as http:
        chat_id = http.post("/api/v1/chats", json={"model": "stall"}).json()["id"]
        asked = http.post(f"/api/v1/chats/{chat_id}/messages", json={"content": "Hi"})
        assert asked.status_code == 201, asked.text
        answer = asked.json()["assistant_message"]
    watcher = threading.Thread(
        target=watch, args=(f"/api/v1/chats/{chat_id}/messages/{answer['id']}/events",), daemon=True
    )
    streamer = threading.Thread(target=stream, daemon=True)
    for thread in (watcher, streamer):
        thread.start()
    assert begun.wait(20)
    assert streamed.wait(20)
    started = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0
    assert time.monotonic() - started < DRAIN_S + 2
    watcher.join(5)
    assert [line for line in seen if line.startswith("event: ")][-1] == "event: done"
    last = json.loads([line for line in seen if line.startswith("data: ")][-1].removeprefix("data: "))
    assert last["message"]["status"] == "interrupted"
    assert last["message"]["content"] == "begun "
    assert not [line for line in server.errors if "Traceback" in line]

    server = starter(**models.deployment("stall"))
    with server.client(key) as http:
        kept = http.get(f"/api/v1/chats/{chat_id}").json()["messages"][-1]
    assert (kept["status"], kept["content"]) == ("interrupted", "begun ")


def test_a_second_signal_does_not_wait(starter: Starter, models: FakeModels):
    server = starter(**models.deployment("stall"), ALCOVE_SERVER__DRAIN_S="60")
    with server.client() as http:
        chat_id = http.post("/api/v1/chats", json={"model": "stall"}).json()["id"]
        assert http.post(f"/api/v1/chats/{chat_id}/messages", json={"content": "Hi"}).status_code == 201
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert server.process.poll() is None
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(5) == 0
