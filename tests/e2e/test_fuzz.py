"""Requests that schemathesis makes up from the OpenAPI document: no 500, and nothing that the document does not announce."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS

from tests.e2e.conftest import Alcove, start

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"
EXAMPLES = 12

schema = schemathesis.openapi.from_dict(json.loads(DOCUMENT.read_text(encoding="utf-8")))
schema.config.generation.update(modes=list(schemathesis.GenerationMode))


@dataclass(frozen=True)
class Target:
    """A server with one thing of every kind, and a key of its admin."""

    server: Alcove
    headers: dict[str, str]
    ids: dict[str, str]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    server = start(
        tmp_path_factory.mktemp("fuzz") / "data", ALCOVE_IDENTITY__LOGIN_ATTEMPTS="1000", ALCOVE_IDENTITY__MAX_KEYS_PER_USER="10000"
    )  # fmt: skip
    secret = server.key()
    with server.client(secret) as http:
        chat = http.post("/api/v1/chats", json={"title": "Fuzzed"}).json()
        asked = http.post(f"/api/v1/chats/{chat['id']}/messages", json={"content": "What can you do?"}).json()
        collection = http.post("/api/v1/knowledge/collections", json={"name": "Fuzzed"}).json()
        files = {"file": ("lamp.md", b"# Lamps\n\nThe lamp is green.")}
        document = http.post(f"/api/v1/knowledge/collections/{collection['id']}/documents", files=files).json()
        eve = {"email": "eve@example.org", "name": "Eve", "password": "a long enough secret"}
        user = http.post("/api/v1/users", json=eve).json()
        body = {"name": "far", "provider": "openai", "base_url": "https://models.invalid/v1", "models": ["m"]}
        deployment = http.post("/api/v1/deployments", json=body).json()
        key = http.get("/api/v1/keys").json()["items"][0]
    ids = {
        "chat_id": chat["id"], "message_id": asked["assistant_message"]["id"], "collection_id": collection["id"],
        "document_id": document["id"], "user_id": user["id"], "deployment_id": deployment["id"],
        "trace_id": asked["assistant_message"]["trace_id"], "model_id": "alcove/reader", "key_id": key["id"],
    }  # fmt: skip
    yield Target(server, {"authorization": f"Bearer {secret}"}, ids)
    server.kill()


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_made_up_requests_get_announced_answers(case: schemathesis.Case, target: Target):
    if case.path in ENDLESS:  # a stream that goes on for minutes; its own tests read it
        return
    made_up = repr((case.path_parameters, case.query, case.body)).encode()
    is_real = case.method != "DELETE" and crc32(made_up) % 3
    if is_real:  # most of them are about something that is there
        case.path_parameters = {name: target.ids.get(name, value) for name, value in case.path_parameters.items()}
    response = case.call(base_url=target.server.url, headers=target.headers, timeout=60)
    assert response.status_code != 500, response.content
    if case.path != "/api/v1/auth/login":
        assert response.status_code != 401, "the key must stay good, or the rest is tested on nothing"
    excluded = [check for check in CHECKS.get_all() if check.__name__ not in ANNOUNCED]
    case.validate_response(response, excluded_checks=excluded)


ENDLESS = {"/api/v1/runtime/running/events"}
ANNOUNCED = {"status_code_conformance", "content_type_conformance", "response_schema_conformance"}


def test_nothing_went_wrong_inside(target: Target):
    """Last: whatever was sent, the server is well and wrote no traceback."""
    with target.server.client(target.headers["authorization"].removeprefix("Bearer ")) as http:
        assert http.get("/health/ready").status_code == 200
    log = "".join(target.server.errors)
    assert "Traceback" not in log
    assert '"level": "error"' not in log
    lines = [json.loads(line) for line in target.server.errors if '"request_answered"' in line]
    done = {(each["method"], each["route"]) for each in lines if 200 <= each["status"] < 300}
    assert len(done) > 30, sorted(done)  # it got past the checks of most routes
