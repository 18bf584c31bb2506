"""The ports that people know from other products."""

import socket
from pathlib import Path

import httpx2
import pytest

from alcove.main.process import OLLAMA_PORT, SEED_PORTS
from tests.e2e.conftest import start

pytestmark = pytest.mark.e2e


def is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def test_known_ports_answer_everything_and_only_ollamas_has_its_heartbeat(tmp_path: Path) -> None:
    if not all(map(is_free, SEED_PORTS)):
        pytest.skip("somebody's own Ollama or proxy runs here, which is why these ports are not opened unasked")
    server = start(tmp_path, "--seed-ports", ALCOVE_GATEWAY__OLLAMA_DISCOVERY="true")
    with server.client() as client:
        for port in SEED_PORTS:
            answer = client.get(f"http://127.0.0.1:{port}/v1/models")
            assert answer.status_code == 200
            assert {each["owned_by"] for each in answer.json()["data"]} == {"alcove"}, (
                "itself must not be found as an Ollama"
            )
        assert client.get(f"http://127.0.0.1:{OLLAMA_PORT}/api/version").json()["version"]
    with httpx2.Client(trust_env=False) as nobody:
        assert nobody.get(f"http://127.0.0.1:{OLLAMA_PORT}/").text == "Ollama is running"
        assert nobody.head(f"http://127.0.0.1:{OLLAMA_PORT}/").status_code == 200
        assert "Ollama is running" not in nobody.get(f"http://127.0.0.1:{SEED_PORTS[0]}/").text
        assert nobody.get(f"http://127.0.0.1:{OLLAMA_PORT}/api/tags").status_code == 401
    assert server.stop() == 0
