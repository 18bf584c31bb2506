"""The unmodified `ollama` client manages models here."""

import importlib.util
import os
from pathlib import Path

import anyio
import pytest

from tests.runtime.places import CONFIG, LAYERS
from tests.runtime.serving import listening
from tests.wire.registry_server import RegistryServer

PROGRAM = Path(__file__).parents[1] / "clients" / "programs" / "ollama_models.py"
_spec = importlib.util.spec_from_file_location("clients_script", Path(__file__).parents[2] / "scripts" / "clients.py")
assert _spec is not None
assert _spec.loader is not None
environment = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(environment)


@pytest.mark.timeout(90)
async def test_unmodified_client_manages_models(registry: RegistryServer, tmp_path: Path) -> None:
    python = environment.python()
    if python is None:
        pytest.skip("the client libraries are not installed: run scripts/clients.py")
    registry.put_model("library/tiny", "client", LAYERS, CONFIG)
    file = tmp_path / "tiny.gguf"
    await anyio.Path(file).write_bytes(LAYERS["model"])
    name = f"{registry.host}/library/tiny:client"
    async with listening(tmp_path / "data", hosts=(registry.host,)) as served:
        command = [str(each) for each in (python, PROGRAM, served.url, "sk-as-root", registry.host, name, file)]
        done = await anyio.run_process(command, check=False, env={"PATH": os.defpath, "HOME": str(tmp_path)})
    assert done.stdout.strip() == b"ok", done.stderr.decode()[-3000:]
