"""The commands for local models, against running routes."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse
from typer.testing import CliRunner

from alcove.cli.app import app
from alcove.kernel.errors import AlcoveError
from tests.runtime.places import CONFIG, LAYERS
from tests.runtime.serving import Served, listening
from tests.wire.registry_server import RegistryServer

chats = APIRouter()


@chats.post("/api/chat")
async def chat(request: Request) -> StreamingResponse:
    """Answers with what was asked, in two pieces; stands in for the gateway's own."""
    body = await request.json()

    async def lines() -> AsyncIterator[str]:
        asked = body["messages"][-1]["content"]
        system = next((each["content"] for each in body["messages"] if each["role"] == "system"), "")
        for text in ("You said: ", f"{asked} [{system}]"):
            yield (
                json.dumps({"model": body["model"], "message": {"role": "assistant", "content": text}, "done": False})
                + "\n"
            )
        yield (
            json.dumps(
                {
                    "model": body["model"],
                    "message": {"content": ""},
                    "done": True,
                    "eval_count": 4,
                    "eval_duration": 10**9,
                }
            )
            + "\n"
        )

    return StreamingResponse(lines(), media_type="application/x-ndjson")


async def alcove(served: Served, *arguments: str, key: str = "sk-as-root", given: str | None = None) -> Any:
    """Runs a command in a thread, as a person would."""

    def run() -> Any:
        return CliRunner().invoke(app, [*arguments, "--url", served.url, "--api-key", key], input=given)

    return await anyio.to_thread.run_sync(run)


async def test_a_model_is_pulled_listed_shown_copied_pushed_and_deleted(
    registry: RegistryServer, tmp_path: Path
) -> None:
    registry.put_model("library/tiny", "cli", LAYERS, CONFIG)
    name = f"{registry.host}/library/tiny:cli"
    async with listening(tmp_path, hosts=(registry.host,)) as served:
        nothing = await alcove(served, "list")
        assert "alcove pull" in nothing.output
        pulled = await alcove(served, "pull", name, "--insecure")
        assert pulled.exit_code == 0, pulled.output
        assert "success" in pulled.output
        listed = await alcove(served, "list")
        head, row = listed.output.splitlines()
        assert head.split() == ["NAME", "ID", "SIZE", "MODIFIED"]
        assert row.split()[0] == name
        shown = await alcove(served, "show", name)
        assert "llama" in shown.output
        assert "completion, tools" in shown.output
        assert (await alcove(served, "show", name, "--system")).output.strip() == "You are small."
        assert json.loads((await alcove(served, "show", name, "--json")).output)["details"]["family"] == "llama"
        assert (await alcove(served, "cp", name, f"{registry.host}/team/tiny:1")).exit_code == 0
        assert "success" in (await alcove(served, "push", f"{registry.host}/team/tiny:1", "--insecure")).output
        assert "No model is loaded" in (await alcove(served, "ps")).output
        gone = await alcove(served, "rm", name, f"{registry.host}/team/tiny:1")
        assert gone.output.count("deleted") == 2


async def test_a_model_is_made_from_a_modelfile_and_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "tiny.gguf").write_bytes(LAYERS["model"])
    (folder / "Modelfile").write_text(
        'FROM ./tiny.gguf\nSYSTEM Be brief.\nPARAMETER temperature 0.2\nPARAMETER stop "###"\n'
    )
    async with listening(tmp_path / "data") as served:
        for _ in range(2):  # the second time, the server has the file
            made = await alcove(served, "create", "mine", "-f", str(folder / "Modelfile"))
            assert made.exit_code == 0, (made.output, made.exception)
        model = await served.library.catalog.get("mine")
        assert model.system == "Be brief."
        assert model.parameters == {"temperature": 0.2, "stop": ["###"]}
        (folder / "Modelfile").write_text("FROM mine\nPARAMETER colour red\n")
        failed = await alcove(served, "create", "other", "-f", str(folder / "Modelfile"))
        assert isinstance(failed.exception, AlcoveError)
        assert "line 2: unknown parameter 'colour'" in failed.exception.detail


@pytest.mark.parametrize(
    ("arguments", "key", "words"),
    [
        (("pull", "evil.example.org/a/b"), "sk-as-root", "runtime.registry.hosts"),
        (("pull", "x"), "sk-as-ada", "Only an admin"),
        (("list",), "wrong", "--api-key"),
        (("rm", "none"), "sk-as-root", "model 'none' not found"),
        (("show", "none"), "sk-as-root", "model 'none' not found"),
    ],
)
async def test_what_goes_wrong_is_said(tmp_path: Path, arguments: tuple[str, ...], key: str, words: str) -> None:
    async with listening(tmp_path) as served:
        failed = await alcove(served, *arguments, key=key)
        assert isinstance(failed.exception, AlcoveError), failed.output
        assert words in failed.exception.detail


async def test_run_pulls_what_is_not_there_and_answers(registry: RegistryServer, tmp_path: Path) -> None:
    registry.put_model("library/tiny", "run", LAYERS, CONFIG)
    name = f"{registry.host}/library/tiny:run"
    async with listening(tmp_path, hosts=(registry.host,), routers=(chats,)) as served:
        done = await alcove(served, "run", name, "hello", "there", "--insecure", "--system", "S", "--verbose")
        assert done.exit_code == 0, (done.output, done.exception)
        assert "You said: hello there [S]" in done.output
        assert "4 tokens, 4.0 a second" in done.output
        piped = await alcove(served, "run", name, given="from a pipe\n")
        assert "You said: from a pipe []" in piped.output
