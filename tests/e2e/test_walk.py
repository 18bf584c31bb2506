"""The main job through the real process: a document in, a question, a cited and traced answer out."""

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import openai
import pytest

from tests.e2e.conftest import ADMIN, PASSWORD, Alcove, Starter

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

TEXT = """# The lighthouse of Skerry Point

The lighthouse of Skerry Point was built in 1874 by Agnes Thornbury. Its lamp burned whale oil until 1911.

The keeper's cottage has a green door. In winter the path to it is under water twice a day.
"""


@pytest.fixture(scope="module")
def key(alcove: Alcove) -> str:
    return alcove.key()


@pytest.fixture(scope="module")
def lighthouse(alcove: Alcove, key: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("papers")
    (folder / "lighthouse.md").write_text(TEXT, encoding="utf-8")
    (folder / "ignored.bin").write_bytes(b"\0" * 10)
    done = alcove.run("ingest", str(folder), "--collection", "Lighthouses", "--json", api_key=key)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["status"] == "ready"
    assert outcome["chunks"] >= 1
    return "Lighthouses"


def test_ask_gives_answer_sources_and_trace(alcove: Alcove, key: str, lighthouse: str):
    asked = alcove.run("ask", "Who built the lighthouse?", "--collection", lighthouse, "--json", api_key=key)
    assert asked.returncode == 0, asked.stderr
    result = json.loads(asked.stdout)
    assert "Agnes Thornbury" in result["answer"]
    assert "[1]" in result["answer"]
    source = result["sources"][0]
    assert source["document"] == "lighthouse.md"
    assert "Agnes Thornbury" in source["text"]
    assert 0 < source["score"] <= 1
    with alcove.client(key) as http:
        trace = http.get(f"/api/v1/traces/{result['trace_id']}").json()
    kinds = [each["kind"] for each in trace["observations"]]
    assert "retriever" in kinds
    assert "generation" in kinds
    generation = next(each for each in trace["observations"] if each["kind"] == "generation")
    assert generation["model"] == "alcove/reader"
    assert generation["usage"]["output_tokens"] > 0
    assert generation["time_to_first_token_ms"] is not None
    retriever = next(each for each in trace["observations"] if each["kind"] == "retriever")
    assert "lighthouse.md" in json.dumps(retriever["output"])
    assert "score" in json.dumps(retriever["output"])


def test_unmodified_openai_client_streams_embeds_and_lists(alcove: Alcove, key: str, lighthouse: str):
    with openai.OpenAI(base_url=f"{alcove.url}/v1", api_key=key) as client:
        models = [model.id for model in client.models.list()]
        assert {"alcove/reader", "alcove/minilm", f"knowledge/{lighthouse}"} <= set(models)
        stream = client.chat.completions.create(
            model=f"knowledge/{lighthouse}",
            messages=[{"role": "user", "content": "When was the lighthouse built?"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert "1874" in text
        assert len([chunk for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]) > 3
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.completion_tokens > 0
        whole = client.chat.completions.create(
            model="alcove/reader",
            messages=[{"role": "user", "content": "What colour is the door of the cottage?"}],
            extra_body={"collections": [lighthouse]},
        )
        assert "green" in (whole.choices[0].message.content or "")
        assert whole.model_extra is not None
        assert whole.model_extra["sources"][0]["document"] == "lighthouse.md"
        vectors = client.embeddings.create(model="alcove/minilm", input=["a lighthouse", "a beacon", "tax law"])
        near, far = (
            sum(a * b for a, b in zip(vectors.data[0].embedding, vectors.data[other].embedding, strict=True))
            for other in (1, 2)
        )
        assert len(vectors.data[0].embedding) == 384
        assert near > far
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="nope", messages=[{"role": "user", "content": "Hi"}])
    with openai.OpenAI(base_url=f"{alcove.url}/v1", api_key="sk-as-wrongone_" + "x" * 32) as client:
        with pytest.raises(openai.AuthenticationError):
            client.models.list()


def test_chat_of_the_page_answers_from_a_dropped_document(alcove: Alcove, key: str):
    with alcove.client(key) as http:
        chat = http.post("/api/v1/chats", json={}).json()
        document = http.post(
            f"/api/v1/chats/{chat['id']}/documents", files={"file": ("door.txt", b"The door of the cottage is green.")}
        )
        assert document.status_code == 202, document.text
        asked = http.post(
            f"/api/v1/chats/{chat['id']}/messages",
            json={"content": "What colour is the door?", "document_ids": [document.json()["id"]]},
        )
        assert asked.status_code == 201, asked.text
        answer = asked.json()["assistant_message"]
        with http.stream("GET", f"/api/v1/chats/{chat['id']}/messages/{answer['id']}/events") as events:
            lines = list(events.iter_lines())
        names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
        assert names[-1] == "done"
        assert "sources" in names
        assert "delta" in names
        message = http.get(f"/api/v1/chats/{chat['id']}").json()["messages"][-1]
        assert "green" in message["content"]
        assert message["sources"][0]["document"] == "door.txt"
        assert message["citations"][0]["number"] == message["sources"][0]["number"]
        assert http.get(f"/api/v1/traces/{message['trace_id']}").status_code == 200
        document_id = document.json()["id"]
        assert http.delete(f"/api/v1/chats/{chat['id']}").status_code == 204
        assert http.get(f"/api/v1/knowledge/documents/{document_id}").status_code == 404
        assert http.get(f"/api/v1/traces/{message['trace_id']}").status_code == 404


def test_chat_command_reads_lines_and_remembers(alcove: Alcove, key: str, lighthouse: str):
    done = alcove.run(
        "chat",
        "--collection",
        lighthouse,
        "--json",
        api_key=key,
        input="Who built the lighthouse?\nWhen was it built?\n",
    )
    assert done.returncode == 0, done.stderr
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert "Agnes Thornbury" in first["answer"]
    assert second["trace_id"] != first["trace_id"]


def test_bad_files_fail_alone_with_their_reason(alcove: Alcove, key: str, tmp_path: Path):
    (tmp_path / "good.txt").write_text("Axolotls live in lakes near Mexico City.", encoding="utf-8")
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7\nnot really")
    (tmp_path / "fake.docx").write_bytes(b"PK\x03\x04 rubbish")
    done = alcove.run("ingest", str(tmp_path), "-c", "Mixed", "--json", api_key=key)
    assert done.returncode == 1
    outcomes = {Path(each["path"]).name: each for each in map(json.loads, done.stdout.splitlines())}
    assert outcomes["good.txt"]["status"] == "ready"
    for name in ("empty.txt", "broken.pdf", "fake.docx"):
        assert outcomes[name]["status"] == "failed"
        assert len(outcomes[name]["error"]) > 10
    answer = alcove.run("ask", "Where do axolotls live?", "-c", "Mixed", api_key=key)
    assert "Mexico City" in answer.stdout


def test_commands_say_what_to_do(alcove: Alcove, key: str):
    no_key = alcove.run("ask", "Hi")
    assert no_key.returncode == 1
    assert "ALCOVE_API_KEY" in no_key.stderr
    no_server = alcove.run("ask", "Hi", "--url", "http://127.0.0.1:9", api_key=key)
    assert no_server.returncode == 1
    assert "alcove up" in no_server.stderr
    unknown = alcove.run("ask", "Hi", "-c", "no such collection", api_key=key)
    assert unknown.returncode == 1
    assert "no such collection" in unknown.stderr
    for outcome in (no_key, no_server, unknown):
        assert "Traceback" not in outcome.stderr


def test_keys_and_users_on_the_command_line(alcove: Alcove):
    folder = ["--data-dir", str(alcove.data_dir)]
    made = alcove.run(
        "users", "create", "--email", "eve@example.org", "--name", "Eve", *folder, input="a long enough secret\n"
    )
    assert made.returncode == 0, made.stderr
    secret = alcove.key("eve@example.org")
    with alcove.client(secret) as http:
        assert http.get("/api/v1/users/me").json()["email"] == "eve@example.org"
        assert http.get("/api/v1/users").status_code == 403
        listed = alcove.run("keys", "list", "--json", *folder)
        mine = [each for each in json.loads(listed.stdout) if each["prefix"] == secret[6:14]]
        assert len(mine) == 1
        assert secret not in listed.stdout
        revoked = alcove.run("keys", "revoke", mine[0]["id"], *folder)
        assert revoked.returncode == 0, revoked.stderr
        deadline = time.monotonic() + 7
        while http.get("/api/v1/users/me").status_code != 401:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    unknown = alcove.run("keys", "create", "--user", "nobody@example.org", "--name", "x", *folder)
    assert unknown.returncode == 1
    assert unknown.stdout == ""
    assert "nobody@example.org" in unknown.stderr


def test_health_metrics_and_headers(alcove: Alcove, key: str):
    with alcove.client(key) as http:
        assert http.get("/health/live").status_code == 200
        assert http.get("/health/ready").status_code == 200
        metrics = http.get("/metrics").text
        assert "alcove_" in metrics
        page = http.get("/")
        assert page.status_code == 200
        assert "default-src 'self'" in page.headers["content-security-policy"]
        assert page.headers["x-content-type-options"] == "nosniff"
        deep = http.get("/c/0192-some-chat", headers={"accept": "text/html"})
        assert deep.status_code == 200
        assert "<div id=" in deep.text
        assert http.get("/api/v1/nope").status_code == 404
        assert http.get("/api/v1/nope").headers["content-type"] == "application/problem+json"
        assert http.get("/v1/nope").json()["error"]["code"] == "not_found"
        for hostile in (
            "/..%2f..%2f..%2fetc/passwd",
            "/assets/..%2f..%2f__init__.py",
            "/assets/%2e%2e/%2e%2e/main/app.py",
        ):
            answer = http.get(hostile)
            assert "root:" not in answer.text
            assert "import" not in answer.text.split("<script")[0]
        status = http.get("/api/v1/status").json()
        assert status["parts"]
        assert all(part["healthy"] for part in status["parts"]), status


def test_secrets_are_private_and_nowhere_in_the_logs(alcove: Alcove, key: str):
    for name in ("master.key", "alcove.db"):
        assert stat.S_IMODE((alcove.data_dir / name).stat().st_mode) & 0o077 == 0, name
    log = "".join(alcove.errors)
    assert key not in log
    assert "correct horse" not in log
    assert ADMIN not in log


def test_doctor_is_content(alcove: Alcove):
    done = alcove.run("doctor", "--json", "--data-dir", str(alcove.data_dir))
    findings = json.loads(done.stdout)
    assert done.returncode == 0, findings
    assert {"Database", "Embedding model", "Data folder"} <= {each["name"] for each in findings}


def test_sigterm_drains_and_exits_zero(starter: Starter):
    server = starter()
    assert server.stop() == 0
    assert (server.data_dir / "alcove.db").exists()


def test_second_server_on_the_same_folder_is_refused_with_a_reason(starter: Starter):
    server = starter()
    second = server.run("up", "--port", "0", "--data-dir", str(server.data_dir))
    assert second.returncode != 0
    assert "Traceback" not in second.stderr
    assert "already" in second.stderr


@pytest.mark.parametrize(
    "variable", [("ALCOVE_SETUP__ADMIN_PASSWORD", "changeme"), ("ALCOVE_SECURITY__MASTER_KEY", "sk-1234")]
)
def test_placeholder_secrets_are_refused_at_start(variable: tuple[str, str], tmp_path: Path):
    name, value = variable
    refused = _up(tmp_path, **{name: value})
    assert refused.returncode == 78, refused.stderr
    assert "Traceback" not in refused.stderr
    assert value not in refused.stderr


def test_misspelt_settings_are_named(tmp_path: Path):
    refused = _up(tmp_path, ALCOVE_SERVER__DRAIN_S="eighty")
    assert refused.returncode == 78
    assert "ALCOVE_SERVER__DRAIN_S" in refused.stderr
    refused = _up(tmp_path, ALCOVE_SERVER__PROT="80")
    assert refused.returncode == 78
    assert "ALCOVE_SERVER__PROT" in refused.stderr


def _up(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    base = {name: value for name, value in os.environ.items() if not name.startswith("ALCOVE_")}
    full = {**base, "ALCOVE_SETUP__ADMIN_EMAIL": ADMIN, "ALCOVE_SETUP__ADMIN_PASSWORD": PASSWORD, **environment}
    command = [sys.executable, "-m", "alcove", "up", "--port", "0", "--data-dir", str(tmp_path / "data")]
    return subprocess.run(command, env=full, capture_output=True, text=True, timeout=30, check=False)
