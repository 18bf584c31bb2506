"""Keys and groups from the command line, on a data folder."""

import json
from pathlib import Path

import anyio
import pytest
from typer.testing import CliRunner

from alcove.cli.app import app
from alcove.infra.database import migrate, open_database
from alcove.kernel.errors import AlcoveError, first_known
from alcove.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    async def prepare() -> None:
        database = open_database(Settings(data_dir=tmp_path).database_url)
        await migrate(database)
        await database.close()

    anyio.run(prepare)
    return tmp_path


def test_a_limited_key_is_made_rotated_and_charged_to_a_group(folder: Path) -> None:
    run = CliRunner()

    def alcove(*words: str, stdin: str | None = None) -> str:
        done = run.invoke(app, [*words, "--data-dir", str(folder)], input=stdin)
        if isinstance(done.exception, BaseExceptionGroup):
            raise first_known(done.exception)  # as the program itself does
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout.strip()

    alcove("users", "create", "--email", "ada@example.org", "--name", "Ada", stdin="correct horse battery\n")
    key = alcove("keys", "create", "--user", "ada@example.org", "--name", "plain")
    assert key.startswith("sk-as-")
    assert len(key.splitlines()) == 1
    alcove("groups", "create", "Research", "--budget-usd", "100", "--period", "week", "--model", "gpt-*")
    limited = [
        "keys", "create", "-u", "ada@example.org", "-n", "ci", "--group", "Research", "--model", "gpt-4o", "--rpm", "60",
        "--tpm", "1000", "--parallel", "2", "--budget-usd", "0.50", "--period", "day", "--scope", "chat", "--ip", "10.0.0.0/8",
        "--expires", "2030-01-01",
    ]  # fmt: skip
    with pytest.raises(AlcoveError, match="no group that the owner"):
        alcove(*limited)
    alcove("groups", "add", "research", "ada@example.org")
    secret = alcove(*limited)
    rotated = alcove("keys", "rotate", secret[6:14], "--grace-hours", "1")
    assert rotated[:14] == secret[:14]
    assert rotated != secret
    rows = json.loads(alcove("keys", "list", "--json"))
    assert {(row["name"], row["expires_at"], row["state"]) for row in rows} == {
        ("plain", "", "active"), ("ci", "2030-01-01 00:00", "active")
    }  # fmt: skip
    assert [(row["name"], row["members"]) for row in json.loads(alcove("groups", "list", "--json"))] == [
        ("Research", "1")
    ]
    for bad in ("five", "-1", "NaN"):
        with pytest.raises(AlcoveError, match="--budget-usd"):
            alcove("keys", "create", "-u", "ada@example.org", "-n", "x", "--budget-usd", bad)
    alcove("groups", "remove", "Research", "ada@example.org")
    alcove("groups", "delete", "Research")
    states = {row["name"]: row["state"] for row in json.loads(alcove("keys", "list", "--json"))}
    assert states == {"plain": "active", "ci": "revoked"}
