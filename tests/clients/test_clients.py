"""Other people's clients, unmodified, against the real process."""

import importlib.util
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Alcove, start

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

PROGRAMS = Path(__file__).parent / "programs"
_spec = importlib.util.spec_from_file_location(
    "clients_environment", Path(__file__).parents[2] / "scripts" / "clients.py"
)
assert _spec is not None
assert _spec.loader is not None
environment = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(environment)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alcove]:
    """A server whose only deployment is the built-in fake one."""
    server = start(
        tmp_path_factory.mktemp("house") / "data",
        ALCOVE_GATEWAY__DEPLOYMENTS='[{"name": "fake", "provider": "fake"}]',
    )  # fmt: skip
    yield server
    if server.process.poll() is None:
        server.kill()


@pytest.mark.parametrize("program", sorted(PROGRAMS.glob("*_program.py")), ids=lambda path: path.stem)
def test_unmodified_client(house: Alcove, program: Path):
    python = environment.python()
    if python is None:
        pytest.skip("the client libraries are not installed: run scripts/clients.py")
    done = subprocess.run(
        [python, program, house.url, house.key()],
        capture_output=True, text=True, timeout=150, check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(house.data_dir), "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "*"},
    )  # fmt: skip
    assert done.stdout.strip().endswith("ok"), done.stderr[-3000:]


def test_open_webui_finds_models_and_chats(house: Alcove):
    """The requests that Open WebUI sends to an OpenAI connection: the list, then a streamed chat with its own extra fields."""
    with house.client() as client:
        listed = client.get("/v1/models").json()
        assert listed["object"] == "list"
        assert "fake/echo" in {each["id"] for each in listed["data"]} or "echo" in {
            each["id"] for each in listed["data"]
        }
        asked = {
            "stream": True,
            "model": "fake/echo",
            "messages": [{"role": "user", "content": "good day"}],
            "stream_options": {"include_usage": True},
        }
        headers = {"X-OpenWebUI-User-Name": "Ada", "X-OpenWebUI-User-Role": "user"}
        with client.stream("POST", "/v1/chat/completions", json=asked, headers=headers) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = [line for line in answer.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert any('"usage":{' in line for line in lines)
