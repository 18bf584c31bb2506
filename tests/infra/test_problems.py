import json
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from structlog.testing import capture_logs

from alcove.infra.middleware import HostNotAllowed, RequestContext
from alcove.infra.problems import (
    anthropic_error,
    install_error_handlers,
    ollama_error,
    openai_error,
    problem,
    render,
    responses_error,
    validation_error,
)
from alcove.kernel import errors
from alcove.kernel.errors import AlcoveError, FieldError, NotAuthenticated, NotFound, RateLimited, UpstreamError


def all_errors(kind: type[AlcoveError] = AlcoveError) -> list[type[AlcoveError]]:
    return [kind, *(each for child in kind.__subclasses__() for each in all_errors(child))]


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_every_error_has_both_faces(kind: type[AlcoveError]) -> None:
    error = kind()
    shown = problem(error, instance="/api/v1/x", trace_id="r1")
    assert shown.status == error.status >= 400
    assert shown.code == error.code
    assert shown.type.endswith(f"/{error.code}")
    assert shown.detail
    assert shown.title
    body: Any = openai_error(error)
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert body["error"]["message"] == shown.detail
    other: Any = anthropic_error(error, request_id="r1")
    assert (other["type"], other["error"]["message"], other["request_id"]) == ("error", shown.detail, "r1")
    assert other["error"]["type"].endswith("_error") or error.status == 413
    assert responses_error(error)["message"] == shown.detail
    assert ollama_error(error) == {"error": shown.detail}


def test_codes_tell_the_errors_of_the_kernel_apart() -> None:
    kinds = [kind for kind in all_errors() if kind.__module__ == errors.__name__ and kind is not AlcoveError]
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/api/v1/x", "application/problem+json"),
        ("/v1/x", "application/json"),
        ("/v1", "application/json"),
        ("/v10", "application/problem+json"),
    ],
)
def test_the_path_chooses_the_face(path: str, media_type: str) -> None:
    answer = render(NotFound("Gone."), path, request_id="r1")
    assert answer.media_type == media_type
    assert answer.status_code == 404
    body = json.loads(bytes(answer.body))
    if media_type == "application/json":
        assert body == {
            "error": {"message": "Gone.", "type": "invalid_request_error", "param": None, "code": "not_found"}
        }
    else:
        assert (body["instance"], body["trace_id"], "errors" in body) == (path, "r1", False)


def test_the_registrys_protocol_has_its_own_face() -> None:
    answer = render(NotFound("no such model"), "/v2/library/x/manifests/latest")
    assert (answer.status_code, json.loads(answer.body)) == (
        404,
        {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "no such model"}]},
    )


def test_a_foreign_host_name_gets_ollamas_empty_answer_on_its_paths() -> None:
    answer = render(HostNotAllowed(), "/api/tags")
    assert (answer.status_code, answer.body) == (403, b"")


@pytest.mark.parametrize(
    "path", ["/api/chat", "/api/generate", "/api/embed", "/api/tags", f"/api/blobs/sha256:{0:064x}"]
)
def test_paths_of_ollamas_protocol_have_its_face(path: str) -> None:
    answer = render(RateLimited("Wait.", retry_after_s=3), path, request_id="r1")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
    assert json.loads(bytes(answer.body)) == {"error": "Wait."}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.InvalidRequest(), "invalid_request_error"),
        (errors.NotAuthenticated(), "authentication_error"),
        (errors.Forbidden(), "permission_error"),
        (errors.ModelNotFound(), "not_found_error"),
        (errors.TooLarge(), "request_too_large"),
        (errors.Unprocessable(), "invalid_request_error"),
        (errors.RateLimited(), "rate_limit_error"),
        (errors.Overloaded(), "overloaded_error"),
        (errors.Unavailable(), "api_error"),
        (errors.UpstreamTimeout(), "timeout_error"),
        (UpstreamError(status=529), "overloaded_error"),
        (UpstreamError(status=402), "billing_error"),
        (UpstreamError(), "api_error"),
    ],
)
def test_anthropics_face_says_what_kind_of_error_it_is(error: AlcoveError, kind: str) -> None:
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        answer = render(error, path, request_id="r1")
        body = json.loads(bytes(answer.body))
        assert body == {"type": "error", "error": {"type": kind, "message": error.detail}, "request_id": "r1"}
        assert (answer.status_code, answer.headers["request-id"]) == (error.status, "r1")
    assert "request_id" not in json.loads(bytes(render(error, "/v1/messagesx").body))


def test_headers_tell_what_to_do() -> None:
    assert render(RateLimited(retry_after_s=0.2), "/v1/x").headers["retry-after"] == "1"
    assert render(RateLimited(retry_after_s=1.2), "/v1/x").headers["retry-after"] == "2"
    assert render(NotAuthenticated(), "/v1/x").headers["www-authenticate"] == "Bearer"
    kept = UpstreamError("No.", status=429, retry_after_s=7, headers={"x-upstream-request-id": "u"}, upstream_code="c")
    answer = render(kept, "/v1/x")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.headers["x-upstream-request-id"] == "u"
    assert json.loads(bytes(answer.body))["error"]["code"] == "c"


def test_fields_at_fault_are_named_by_their_path() -> None:
    error = validation_error([{"loc": ("body", "limits", 0, "amount"), "msg": "too much"}, {"loc": ("query", "q")}])
    assert error.fields == (
        FieldError(field="limits.0.amount", message="too much"),
        FieldError(field="q", message="is not valid"),
    )
    shown = problem(error)
    assert shown.errors is not None
    assert shown.errors[0].field == "limits.0.amount"


class Thing(BaseModel):
    amount: int


def build_client() -> httpx2.AsyncClient:
    app = FastAPI()
    install_error_handlers(app)

    @app.post("/api/v1/things")
    async def write(thing: Thing) -> Thing:
        return thing

    @app.get("/v1/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "short and stout", headers={"x-tea": "yes"})

    @app.get("/v1/fails")
    async def fails() -> None:
        raise ZeroDivisionError("planted secret")

    @app.get("/api/v1/refuses")
    async def refuses() -> None:
        raise NotFound("No such thing.")

    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=RequestContext(app)), base_url="http://localhost")


async def test_all_that_the_framework_refuses_has_our_face() -> None:
    client = build_client()
    wrong = await client.post("/api/v1/things", json={"amount": "planted secret"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "amount")
    assert "planted" not in wrong.text
    assert (await client.post("/api/v1/things", content=b"{")).status_code == 400
    nowhere = await client.get("/api/v1/nowhere")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not_found")
    method = await client.put("/api/v1/things")
    assert (method.status_code, method.headers["allow"]) == (405, "POST")
    tea = await client.get("/v1/teapot")
    assert (tea.status_code, tea.headers["x-tea"]) == (418, "yes")
    assert tea.json()["error"]["message"] == "short and stout"
    refused = await client.get("/api/v1/refuses")
    assert refused.json()["trace_id"] == refused.headers["x-request-id"]


async def test_what_nobody_foresaw_shows_only_in_the_log() -> None:
    with capture_logs() as logs:
        answer = await build_client().get("/v1/fails")
    assert answer.status_code == 500
    assert "planted" not in answer.text
    assert answer.json()["error"]["code"] == "internal_error"
    failed = [entry for entry in logs if entry["event"] == "request_failed"]
    assert len(failed) == 1
    assert isinstance(failed[0]["exc_info"], ZeroDivisionError)
