"""The gateway of the real process, as people and admins use it: one file declares it, keys are limited, calls are counted."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.conftest import ADMIN, Alcove, start

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

FILE = """
deployments:
  - {name: near, provider: fake, models: [echo, failing], options: {prices: {input_usd: 10, output_usd: 1000}}}
  - {name: far, provider: fake, models: [echo, slow]}
guardrails:
  - {name: no-secrets, rule: {kind: redact, finds: [email]}}
model_groups:
  - {model: team/echo, members: [{deployment: near, model: failing}, {deployment: far, model: echo, order: 1}], retries: 1}
  - {model: team/kept, members: [{deployment: far, model: echo}], cache: {mode: exact}}
  - {model: team/guarded, members: [{deployment: far, model: echo}], guards: [no-secrets]}
groups:
  - {name: readers, limits: {requests_per_minute: 1000}, members: [admin@example.org]}
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alcove]:
    """A server with the gateway of the file above."""
    folder = tmp_path_factory.mktemp("gateway")
    server = start(folder / "data")
    (folder / "gateway.yaml").write_text(FILE)
    applied = server.run("apply", "-f", str(folder / "gateway.yaml"), api_key=server.key())
    assert applied.returncode == 0, applied.stderr
    yield server
    if server.process.poll() is None:
        assert server.stop() == 0


def client(house: Alcove, *options: str) -> openai.OpenAI:
    made = house.run(
        "keys", "create", "--user", ADMIN, "--name", "limited", "--data-dir", str(house.data_dir), *options
    )
    assert made.returncode == 0, made.stderr
    return openai.OpenAI(base_url=f"{house.url}/v1", api_key=made.stdout.strip(), max_retries=0)


def ask(asker: openai.OpenAI, model: str, text: str = "good day", **more: Any) -> Any:
    return asker.chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "user", "content": text}], **more
    )


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def rows(house: Alcove, **wanted: str) -> list[dict[str, Any]]:
    with house.client() as http:
        found: list[dict[str, Any]] = http.get("/api/v1/usage/rows", params={"limit": 100, **wanted}).json()["items"]
        return found


def test_a_file_applied_again_changes_nothing(house: Alcove, tmp_path: Path):
    path = tmp_path / "gateway.yaml"
    path.write_text(FILE)
    again = house.run("apply", "-f", str(path), "--json", api_key=house.key())
    assert (again.returncode, again.stdout) == (0, "")
    path.write_text(FILE.replace("retries: 1", "retries: 3"))
    dry = house.run("apply", "-f", str(path), "--json", "--dry-run", api_key=house.key())
    assert json.loads(dry.stdout) == {
        "action": "update", "kind": "model_groups", "name": "team/echo", "joins": [], "leaves": [],
        "differences": [{"field": "retries", "before": 1, "after": 3}],
    }  # fmt: skip


def test_a_group_answers_from_the_member_that_works(house: Alcove):
    with client(house) as asker:
        answer = ask(asker, "team/echo").parse()
    assert answer.choices[0].message.content == "good day "
    wait_for(lambda: any(each["model"] == "team/echo" for each in rows(house)))
    row = next(each for each in rows(house) if each["model"] == "team/echo")
    assert (row["deployment"], row["upstream_model"], row["status"]) == ("far", "echo", 200)
    assert row["attempts"] >= 2


def test_a_budget_of_money_refuses_when_it_is_spent_and_survives_kill(house: Alcove):
    with client(house, "--budget-usd", "0.003", "--period", "month") as asker:
        spent = 0
        with pytest.raises(openai.RateLimitError) as refused:
            for _ in range(20):
                ask(asker, "near/echo", "one two", max_tokens=1)
                spent += 1
        assert refused.value.code == "budget_exceeded"
        assert 1 <= spent <= 3, "a word costs a tenth of a cent"
        assert "0.00" in refused.value.message


def test_requests_a_minute_are_told_and_refused(house: Alcove):
    with client(house, "--rpm", "2") as asker:
        first = ask(asker, "far/echo")
        assert first.headers["x-ratelimit-limit-requests"] == "2"
        assert first.headers["x-ratelimit-remaining-requests"] == "1"
        ask(asker, "far/echo")
        with pytest.raises(openai.RateLimitError) as refused:
            ask(asker, "far/echo")
        assert int(refused.value.response.headers["retry-after"]) >= 1


def test_a_key_for_one_model_and_one_kind_of_call_does_nothing_else(house: Alcove):
    with client(house, "--model", "far/*", "--scope", "chat") as asker:
        assert ask(asker, "far/echo").parse().choices[0].message.content == "good day "
        with pytest.raises(openai.PermissionDeniedError):
            ask(asker, "near/echo")
        with pytest.raises(openai.PermissionDeniedError):
            asker.embeddings.create(model="alcove/minilm", input="x")


def test_an_answer_is_kept_and_costs_nothing_the_second_time(house: Alcove):
    with client(house) as asker:
        first, second = ask(asker, "team/kept", "keep this"), ask(asker, "team/kept", "keep this")
        streamed = "".join(
            piece.choices[0].delta.content or ""
            for piece in asker.chat.completions.create(
                model="team/kept", messages=[{"role": "user", "content": "keep this"}], stream=True
            )
        )
    assert (first.headers["x-alcove-cache"], second.headers["x-alcove-cache"]) == ("miss", "hit")
    assert first.parse().choices[0].message.content == second.parse().choices[0].message.content == streamed
    wait_for(lambda: len([each for each in rows(house) if each["model"] == "team/kept"]) == 3)
    assert {each["cache"] for each in rows(house) if each["model"] == "team/kept"} == {"", "exact"}


def test_what_is_personal_is_hidden_from_the_model_and_put_back(house: Alcove):
    with client(house) as asker:
        raw = ask(asker, "team/guarded", "write to ada@lovelace.org please")
        answer = raw.parse()
    assert "ada@lovelace.org" in answer.choices[0].message.content
    with house.client() as http:
        found: list[str] = []

        def is_kept() -> bool:
            trace = http.get(f"/api/v1/traces/{raw.headers['x-trace-id']}")
            found[:] = [trace.text]
            return trace.status_code == 200

        wait_for(is_kept)
    assert "ada@lovelace.org" not in found[0]
    assert "EMAIL" in found[0]


def test_usage_of_answered_calls_is_there_after_kill(house: Alcove, tmp_path: Path):
    server = start(tmp_path / "data", ALCOVE_GATEWAY__DEPLOYMENTS='[{"name": "fake", "provider": "fake"}]')
    with client(server) as asker:
        for _ in range(5):
            ask(asker, "fake/echo")
    server.kill()
    again = start(tmp_path / "data", ALCOVE_GATEWAY__DEPLOYMENTS='[{"name": "fake", "provider": "fake"}]')
    wait_for(lambda: len(rows(again)) >= 5)
    assert [each["status"] for each in rows(again)] == [200] * 5
    assert again.stop() == 0
