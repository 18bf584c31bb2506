"""The real process: started as a person starts it, ended by signal."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx2
import pytest

ADMIN = "admin@example.org"
PASSWORD = "correct horse battery staple"
START_S = 60


@dataclass
class Alcove:
    """One running server."""

    data_dir: Path
    environment: dict[str, str]
    process: subprocess.Popen[str]
    url: str
    errors: list[str] = field(default_factory=list)

    def run(self, *arguments: str, api_key: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs `alcove ARGUMENT…` beside the server, as a script would."""
        environment = {**self.environment, "ALCOVE_URL": self.url, "ALCOVE_API_KEY": api_key}
        return subprocess.run(
            [sys.executable, "-m", "alcove", *arguments],
            env=environment, capture_output=True, text=True, timeout=60, check=False, **options,
        )  # fmt: skip

    def key(self, email: str = ADMIN) -> str:
        """Gives a new API key, made on the data folder."""
        made = self.run("keys", "create", "--user", email, "--name", "test", "--data-dir", str(self.data_dir))
        assert made.returncode == 0, made.stderr
        assert len(made.stdout.splitlines()) == 1
        return made.stdout.strip()

    def client(self, api_key: str | None = None) -> httpx2.Client:
        """Gives an HTTP client that sends a key."""
        headers = {"authorization": f"Bearer {api_key or self.key()}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)

    def kill(self) -> None:
        """Ends it without mercy."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """Ends it as an operator does; gives the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(25)


def start(data_dir: Path, *arguments: str, **environment: str) -> Alcove:
    """Starts `alcove up` on a free port and waits until it says that it is ready."""
    base = {name: value for name, value in os.environ.items() if not name.startswith("ALCOVE_")}
    full = {
        **base,
        "ALCOVE_DATA_DIR": str(data_dir),
        "ALCOVE_SETUP__ADMIN_EMAIL": ADMIN,
        "ALCOVE_SETUP__ADMIN_PASSWORD": PASSWORD,
        "ALCOVE_GATEWAY__OLLAMA_DISCOVERY": "false",
        "PYTHONUNBUFFERED": "1",
        **environment,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "alcove", "up", "--port", "0", *arguments],
        env={name: value for name, value in full.items() if value != ""},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    server = Alcove(data_dir, full, process, "")
    assert process.stderr is not None
    assert process.stdout is not None
    threading.Thread(target=_read_out, args=(process.stderr, server.errors), daemon=True).start()
    watchdog = threading.Timer(START_S, process.kill)
    watchdog.start()
    for line in process.stdout:
        if line.startswith("ready "):
            server.url = line.split()[1]
            break
    watchdog.cancel()
    assert server.url, f"no ready line; exit status {process.poll()}; {''.join(server.errors)}"
    threading.Thread(target=_read_out, args=(process.stdout, []), daemon=True).start()
    return server


def _read_out(pipe: IO[str], lines: list[str]) -> None:
    with pipe:
        lines.extend(pipe)


Starter = Callable[..., Alcove]


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[Starter]:
    """Starts servers on one data folder, one after the other; ends what is left."""
    started: list[Alcove] = []

    def begin(*arguments: str, **environment: str) -> Alcove:
        server = start(tmp_path / "data", *arguments, **environment)
        started.append(server)
        return server

    yield begin
    for server in started:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture(scope="module")
def alcove(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alcove]:
    """One server for the tests of a module."""
    server = start(tmp_path_factory.mktemp("house") / "data")
    yield server
    if server.process.poll() is None:
        server.kill()
