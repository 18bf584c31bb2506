"""Model servers beside the real process: one that speaks well or badly as told, and one that only notes who came."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import create_server

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class FakeModels:
    """The model server of the wire tests, in a process of its own."""

    base_url: str

    def deployment(self, *models: str, api_key: str = "") -> dict[str, str]:
        """Gives the environment that makes it a deployment of a house."""
        entry = {"name": "fake", "base_url": self.base_url, "models": list(models)}
        if api_key:
            entry["api_key"] = api_key
        return {"ALCOVE_GATEWAY__DEPLOYMENTS": json.dumps([entry])}


@contextmanager
def fake_models() -> Iterator[FakeModels]:
    """Runs the model server."""
    command = [sys.executable, "-m", "tests.wire.openai_server", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield FakeModels(process.stdout.readline().removeprefix("ready ").strip())
        finally:
            process.kill()


@dataclass
class Canary:
    """A listener that nobody may connect to."""

    port: int
    visits: list[str] = field(default_factory=list)


@contextmanager
def canary() -> Iterator[Canary]:
    """Listens on a loopback port and notes every connection."""
    with create_server(("127.0.0.1", 0)) as listener:
        bird = Canary(listener.getsockname()[1])

        def listen() -> None:
            while True:
                try:
                    connection, address = listener.accept()
                except OSError:
                    return
                bird.visits.append(str(address))
                connection.close()

        threading.Thread(target=listen, daemon=True).start()
        yield bird
