"""The gateways that are measured beside each other, each installed by this script into an environment of its own under `~/.cache`.

    python -m gateway.peers          (in `benchmarks/`) installs all of them and says which cannot be

Each is set up as fast as it goes without giving up what it is for: one worker, no access log, no database, kept connections upstream.
LiteLLM checks its master key; Alcove a key with limits and a budget, and it writes a usage row and a trace for each answer.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from gateway.cases import MODELS
from gateway.processes import TARGET_CORE, Launch, Unavailable, free_port, ready_line, running, wait_for_port
from gateway.programs import CACHE, FOLDER

_INSTALL_S = 900
_KEY = "sk-bench-0123456789"
_EMAIL = "bench@example.org"
_PRICES = {"input_usd": 0.15, "output_usd": 0.6}
"""What a million tokens cost, so that money is counted too."""

BUDGET_USD = 1_000_000
"""What Alcove's key may spend."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Something running that answers chat completions.

    Attributes:
        port: Where, on the loopback.
        pid: Its first process; the figures are of the tree.
        headers: What a request needs besides.
        notes: What is to be known of it.
        data_dir: Its data, where it is Alcove.
    """

    port: int
    pid: int
    headers: Mapping[str, str] = field(default_factory=dict)
    notes: str = ""
    data_dir: Path | None = None


@dataclass(frozen=True)
class Peer:
    """A gateway, and how to have it run before an upstream's port.

    Attributes:
        name: Its name in the tables.
        start: Gives it running; takes a folder for its files and the port of the upstream.
        install: Puts it on this machine where it is not there yet; raises `Unavailable` when that cannot be.
    """

    name: str
    start: Callable[[Path, int], AbstractContextManager[Target]]
    install: Callable[[], object]


# nginx


def _nginx() -> Path:
    found = shutil.which("nginx", path=f"{os.defpath}:/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        _run(["apt-get", "install", "-y", "--no-install-recommends", "nginx-light"])
        found = shutil.which("nginx", path="/usr/sbin")
    if found is None:
        msg = "nginx is not installed (Debian: apt-get install nginx-light)"
        raise Unavailable(msg)
    return Path(found)


_NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log error;
events {{ worker_connections 8192; multi_accept on; }}
http {{
  access_log off; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 600s; client_max_body_size 20m; client_body_buffer_size 1m;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream mock {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; proxy_read_timeout 600s; }}
  }}
}}
"""


@contextlib.contextmanager
def _start_nginx(folder: Path, upstream: int) -> Iterator[Target]:
    port, log = free_port(), folder / "nginx.out"
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, port=port, upstream=upstream))
    command: list[str | Path] = [_nginx(), "-p", folder, "-c", config, "-e", folder / "nginx.log"]
    with running(Launch(command=command, core=TARGET_CORE, log=log, is_read=False)) as process:
        wait_for_port(process, port, log)
        yield Target(port=port, pid=process.pid)


# LiteLLM


def _litellm() -> Path:
    program = CACHE / "litellm" / "bin" / "litellm"
    if not program.exists():
        _run([sys.executable, "-m", "venv", CACHE / "litellm"])
        _run([CACHE / "litellm" / "bin" / "pip", "install", "-q", "litellm[proxy]"])
    return program


@contextlib.contextmanager
def _start_litellm(folder: Path, upstream: int) -> Iterator[Target]:
    port, log, config = free_port(), folder / "litellm.log", folder / "litellm.json"
    models = [
        {"model_name": model, "litellm_params": {"model": f"openai/{model}", "api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": "none"}}
        for model in MODELS
    ]  # fmt: skip
    config.write_text(json.dumps({"model_list": models, "general_settings": {"master_key": _KEY}}))
    command: list[str | Path] = [_litellm(), "--config", config, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1", "--telemetry", "False"]  # fmt: skip
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "DATABASE_URL": None}
    with running(Launch(command=command, core=TARGET_CORE, log=log, env=env, cwd=folder, is_read=False)) as process:
        wait_for_port(process, port, log)
        yield Target(port=port, pid=process.pid, headers={"authorization": f"Bearer {_KEY}"})


# Portkey


_PORTKEY_SERVER = "@hono/node-server@1.12.0"
"""Under newer ones, which it allows, Portkey 1.15.2 answers every stream with 500 ("immutable" headers)."""


def _portkey() -> Path:
    if shutil.which("node") is None:
        msg = "Portkey needs Node, which is not installed"
        raise Unavailable(msg)
    program = CACHE / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if not program.exists():
        (CACHE / "portkey").mkdir(parents=True, exist_ok=True)
        _run(
            [
                "npm",
                "install",
                "--prefix",
                CACHE / "portkey",
                "--no-audit",
                "--no-fund",
                "--legacy-peer-deps",
                "@portkey-ai/gateway",
                _PORTKEY_SERVER,
            ]
        )
    return program


@contextlib.contextmanager
def _start_portkey(folder: Path, upstream: int) -> Iterator[Target]:
    port, log = free_port(), folder / "portkey.log"
    env = {"TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost", "NODE_ENV": "production"}
    command: list[str | Path] = ["node", _portkey(), "--headless", f"--port={port}"]
    with running(Launch(command=command, core=TARGET_CORE, log=log, env=env, cwd=folder, is_read=False)) as process:
        wait_for_port(process, port, log)
        headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": f"http://127.0.0.1:{upstream}/v1", "authorization": f"Bearer {_KEY}"}  # fmt: skip
        yield Target(port=port, pid=process.pid, headers=headers)


# Alcove, and the floor under it


def _here() -> None:
    """Alcove is what runs this script."""


@contextlib.contextmanager
def _start_bare(folder: Path, _upstream: int) -> Iterator[Target]:
    log = folder / "bare.log"
    launch = Launch(command=[sys.executable, FOLDER / "bare.py"], core=TARGET_CORE, log=log)
    with running(launch) as process:
        yield Target(port=int(ready_line(process, log)), pid=process.pid)


_LIMITS = (
    ("--rpm", "1000000000"), ("--tpm", "1000000000"), ("--parallel", "100000"),
    ("--budget-usd", str(BUDGET_USD)), ("--budget-tokens", "1000000000000"),
)  # fmt: skip
"""What a key is limited by: far too high to bind, so that counting is measured and not refusing."""


def _limited_key(alcove: Sequence[str], env: Mapping[str, str | None]) -> tuple[str, str]:
    """Makes a key with every limit this version knows; gives it, and which were set."""
    whole = {**os.environ, **{name: value for name, value in env.items() if value is not None}, "COLUMNS": "200"}  # noqa: TID251
    make = [*alcove, "keys", "create"]
    known = subprocess.run([*make, "--help"], env=whole, capture_output=True, text=True, check=True).stdout
    limits = [(option, value) for option, value in _LIMITS if f"{option} " in known]
    command: list[str | Path] = [
        *make,
        "--user",
        _EMAIL,
        "--name",
        "bench",
        *(word for limit in limits for word in limit),
    ]
    made = subprocess.run(command, env=whole, capture_output=True, text=True, check=True)
    return made.stdout.strip(), " ".join(option.lstrip("-") for option, _ in limits) or "none known"


def alcove(*verb: str, settings: Mapping[str, str] | None = None) -> Callable[[Path, int], AbstractContextManager[Target]]:  # fmt: skip
    """Gives how to start Alcove as `alcove VERB…` on a data folder of its own."""

    @contextlib.contextmanager
    def start(folder: Path, upstream: int) -> Iterator[Target]:
        log = folder / f"alcove-{verb[0]}.log"
        data_dir = Path(tempfile.mkdtemp(prefix="data-", dir=folder))
        named = [
            {
                "name": "mock",
                "base_url": f"http://127.0.0.1:{upstream}/v1",
                "models": list(MODELS),
                "options": {"prices": _PRICES},
            }
        ]
        env: dict[str, str | None] = {
            "ALCOVE_DATA_DIR": str(data_dir), "ALCOVE_SETUP__ADMIN_EMAIL": _EMAIL, "ALCOVE_SETUP__ADMIN_PASSWORD": "a long sentence nobody else would choose",
            "ALCOVE_GATEWAY__DEPLOYMENTS": json.dumps(named), "ALCOVE_GATEWAY__OLLAMA_DISCOVERY": "false", "ALCOVE_LOGGING__LEVEL": "warning",
            "ALCOVE_GATEWAY__MAX_STREAMS": "10000", "ALCOVE_GATEWAY__MAX_STREAMS_PER_USER": "10000", "ALCOVE_GATEWAY__CONNECTIONS_PER_SERVER": "10000",
            **(settings or {}),
        }  # fmt: skip
        program = [sys.executable, "-m", "alcove"]
        launch = Launch(command=[*program, *verb, "--port", "0"], core=TARGET_CORE, log=log, env=env)
        with running(launch) as process:
            port = int(ready_line(process, log).rpartition(":")[2].rstrip("/"))
            key, limits = _limited_key(program, env)
            headers = {"authorization": f"Bearer {key}"}
            yield Target(port=port, pid=process.pid, headers=headers, notes=f"limits: {limits}", data_dir=data_dir)

    return start


PEERS = {
    "bare": Peer("bare uvicorn, from memory", _start_bare, _here),
    "nginx": Peer("nginx", _start_nginx, _nginx),
    "litellm": Peer("LiteLLM", _start_litellm, _litellm),
    "portkey": Peer("Portkey", _start_portkey, _portkey),
    "alcove": Peer("Alcove (up)", alcove("up"), _here),
    "alcove-gateway": Peer("Alcove (serve gateway)", alcove("serve", "gateway"), _here),
}


def _run(command: Sequence[str | Path]) -> None:
    try:
        subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True, timeout=_INSTALL_S)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        msg = f"`{' '.join(map(str, command[:3]))}…` failed: {' '.join(str(said).split())[-200:]}"
        raise Unavailable(msg) from error


def main() -> None:
    """Installs every peer, and says which cannot be."""
    for name, peer in PEERS.items():
        try:
            peer.install()
        except Unavailable as error:
            print(f"{name}: no: {error}")
        else:
            print(f"{name}: yes")


if __name__ == "__main__":
    main()
