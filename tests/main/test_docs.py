"""What README and the guides tell people to type is there to be typed."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from alcove.cli.app import app
from alcove.settings import CLIENT_VARIABLES, PREFIX, Settings, unknown_variables
from tests.main.settings_tree import fields

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")


def blocks(*kinds: str) -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")):
            if kind in kinds:
                yield page, text


def commands() -> list[tuple[str, list[str]]]:
    """Gives each command line of ours in a shell block, as a page and its words."""
    found = []
    for page, text in blocks("bash", "sh", "shell", "console"):
        for line in text.replace("\\\n", " ").splitlines():
            for part in re.split(r"\s(?:&&|\|\||\||;)\s", re.sub(r"\s#\s.*$", "", line.removeprefix("$ "))):
                words = shlex.split(part, comments=True)
                while words and re.fullmatch(r"[A-Z_]+=.*", words[0], re.DOTALL):
                    words = words[1:]
                if words and words[0].rsplit("/", 1)[-1] in {"alcove", "make"}:
                    found.append((page.name, [words[0].rsplit("/", 1)[-1], *words[1:]]))
    return found


def test_there_are_commands_to_check():
    assert ("README.md", ["make", "run"]) in [(page, words[:2]) for page, words in commands()]


@pytest.mark.parametrize(("page", "words"), [each for each in commands() if each[1][0] == "alcove"], ids=str)
def test_documented_command_exists_with_its_options(page: str, words: list[str]):
    command = typer.main.get_command(app)
    rest = words[1:]
    while isinstance(command, TyperGroup) and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"{page}: there is no `alcove {' '.join(words[1:])}`"
        command, rest = command.commands[rest[0]], rest[1:]
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"--help"}
    for word in rest:
        if word.startswith("-") and not word.lstrip("-").isdigit():
            assert word.split("=")[0] in known, f"{page}: `{' '.join(words)}` has no option {word}"


@pytest.mark.parametrize(("page", "words"), [each for each in commands() if each[1][0] == "make"], ids=str)
def test_documented_recipe_exists(page: str, words: list[str]):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for word in words[1:]:
        if not word.startswith("-") and "=" not in word:
            assert re.search(rf"^{re.escape(word)}:", makefile, re.MULTILINE), f"{page}: there is no `make {word}`"


def test_documented_variables_are_settings():
    known = {f"{PREFIX}{name.replace('.', '__').upper()}" for name in fields()}
    known |= (
        {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | CLIENT_VARIABLES | {"ALCOVE_TEST_POSTGRES_URL"}
    )
    for page in PAGES:
        named = set(re.findall(r"\bALCOVE_[A-Z0-9_]+[A-Z0-9]\b", page.read_text(encoding="utf-8")))
        assert named - known == set(), page.name
        assert unknown_variables(dict.fromkeys(named - {"ALCOVE_TEST_POSTGRES_URL"}, "x")) == []


def test_documented_paths_are_routes():
    document = json.loads((ROOT / "docs" / "reference" / "openapi.json").read_text(encoding="utf-8"))
    known = [re.compile(re.sub(r"\\\{\w+\\\}", "[^/ ]+", re.escape(path)) + r"/?") for path in document["paths"]]
    for page, text in blocks("bash", "sh", "shell", "console", "python"):
        for path in re.findall(r"(?:localhost|127\.0\.0\.1)(?::\d+)?(/(?:api|v1|health|metrics)[\w./-]*)", text):
            is_base = path.rstrip("/") in {"/v1", "/api/v1"}  # as clients want it
            assert is_base or any(each.fullmatch(path) for each in known), f"{page.name}: {path}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name}: {target}"
