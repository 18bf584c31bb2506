"""Where a model is asked: bare xllamacpp, our runner, and the whole platform; all with the same plan."""

import contextlib
import hashlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

import alcove
from alcove.kernel.chat import JsonValue
from alcove.runtime.catalog.catalog import DiskCatalog
from alcove.runtime.catalog.checked import CheckedFiles
from alcove.runtime.catalog.folder import ModelFolder
from alcove.runtime.engine.plan import ENVIRONMENT, child_line
from alcove.runtime.engine.process import ProcessEngine
from alcove.runtime.machine import budget_bytes, processors
from alcove.runtime.models import LoadOptions, RunnerPlan, RuntimeSettings
from alcove.runtime.scheduler.planning import Planner
from house import House, running_house
from runtime.client import Answer, Door, Run
from runtime.models import model_file

SETTINGS = RuntimeSettings(parallel=8, context_length=1024, keep_alive_s=-1)
"""As many slots as there are streams at most, so that what is measured is not the queue."""

_HOUSE = {
    "ALCOVE_RUNTIME__PARALLEL": "8", "ALCOVE_RUNTIME__CONTEXT_LENGTH": "1024", "ALCOVE_RUNTIME__KEEP_ALIVE_S": "-1",
    "ALCOVE_EDGE__MAX_UPLOAD_BYTES": str(2 << 30), "ALCOVE_GATEWAY__OLLAMA_DISCOVERY": "false",
}  # fmt: skip
_LIMITS = ("--rpm", "1000000", "--tpm", "1000000000", "--parallel", "1000", "--budget-usd", "1000000", "--budget-tokens", "1000000000000")  # fmt: skip


@dataclass(frozen=True)
class Platform:
    """Alcove, with a key that has every limit."""

    house: House
    key: str

    def door(self, model: str) -> Door:
        """Gives where to ask for a model."""
        port = int(self.house.url.rpartition(":")[2].rstrip("/"))
        return Door(
            connect=lambda: socket.create_connection(("127.0.0.1", port)),
            model=model,
            headers=f"authorization: Bearer {self.key}\r\n",
        )

    def call(self, path: str, **body: JsonValue) -> dict[str, Any]:
        """Calls one of Ollama's routes."""
        headers = {"authorization": f"Bearer {self.key}"}
        answer = httpx2.post(f"{self.house.url}/api/{path}", json={"stream": False, **body}, headers=headers, timeout=120)  # fmt: skip
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def add(self, model: str) -> None:
        """Brings a model in as a person would: a blob, and a model made of it."""
        data = model_file(model).read_bytes()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        headers = {"authorization": f"Bearer {self.key}"}
        httpx2.post(f"{self.house.url}/api/blobs/{digest}", content=data, headers=headers, timeout=120).raise_for_status()  # fmt: skip
        self.call("create", model=model, files={f"{model}.gguf": digest})

    def load_s(self, model: str) -> float:
        """Gives the seconds that loading a model takes that is not loaded; it stays loaded."""
        self.unload(model)
        began_s = time.perf_counter()
        self.call("generate", model=model)
        return time.perf_counter() - began_s

    def unload(self, model: str) -> None:
        """Unloads a model, and waits until its process is gone."""
        self.call("generate", model=model, keep_alive=0)
        until_s = time.monotonic() + 20
        while self.children() and time.monotonic() < until_s:
            time.sleep(0.02)

    def children(self) -> list[int]:
        """Gives the processes of its models."""
        found: list[int] = []
        for task in Path(f"/proc/{self.house.process.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found += map(int, (task / "children").read_text().split())
        return [each for each in found if _is_model(each)]


def _is_model(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return b"child.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


@contextlib.contextmanager
def platform(folder: Path) -> Iterator[Platform]:
    """Starts Alcove."""
    with running_house(folder, _HOUSE) as house:
        yield Platform(house, house.new_key(*_LIMITS))


async def plan_of(data_dir: Path, model: str) -> RunnerPlan:
    """Gives the plan by which the platform runs a model."""
    catalog = DiskCatalog(own=ModelFolder(data_dir / "models"), checked=CheckedFiles(data_dir / "bench-checked.json"))
    planner = Planner(settings=SETTINGS, budget_bytes=budget_bytes(SETTINGS), processors=processors())
    return planner.plan(await catalog.get(model), LoadOptions(), "chat")


@contextlib.asynccontextmanager
async def our_runner(plan: RunnerPlan) -> AsyncIterator[tuple[Door, float]]:
    """Starts a model with our runner; gives where to ask it, and the seconds of loading."""
    engine = ProcessEngine.open(SETTINGS)
    try:
        began_s = time.perf_counter()
        runner = await engine.start(plan)
        load_s = time.perf_counter() - began_s
        try:
            yield Door(connect=lambda: _unix(runner.socket), model=plan.model.name), load_s
        finally:
            await runner.stop()
    finally:
        engine.close()


def _unix(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(str(path))
    return connection


@dataclass(frozen=True)
class Bare:
    """xllamacpp in a process of its own.

    Attributes:
        process: That.
        load_s: Seconds from its start to the model being there.
        load_inside_s: Of those, what xllamacpp took once Python was there.
    """

    process: "subprocess.Popen[str]"
    load_s: float
    load_inside_s: float

    def run(self, prompts: list[list[str]], fields: dict[str, Any]) -> Run:
        """Asks as many prompts at a time as there are lists."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"prompts": prompts, "fields": fields}) + "\n")
        self.process.stdin.flush()
        said = json.loads(self.process.stdout.readline())
        return Run(said["wall_s"], [Answer(**each) for each in said["answers"]])


@contextlib.contextmanager
def bare(plan: RunnerPlan, folder: Path) -> Iterator[Bare]:
    """Starts xllamacpp with a plan."""
    source = str(Path(str(alcove.__file__)).parents[1])
    address = folder / "bare.sock"
    address.unlink(missing_ok=True)  # left by the one before, which was killed
    line = child_line(plan, address, cache_type=SETTINGS.cache_type, limit_address_space=False)  # fmt: skip
    began_s = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("bare.py")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**ENVIRONMENT, "PYTHONPATH": source},
    )  # fmt: skip
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line.decode())
        process.stdin.flush()
        said = process.stdout.readline().split()
        if not said:
            msg = f"bare xllamacpp ended with {process.wait()}"
            raise SystemExit(msg)
        yield Bare(process, time.perf_counter() - began_s, float(said[1]))
    finally:
        process.kill()
        process.wait()
