"""Settings and generated pages: every field is told of, and what is written down is what the program does."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from alcove.settings import PREFIX, load_settings
from tests.main.settings_tree import fields, groups

ROOT = Path(__file__).parents[2]


def script(name: str) -> ModuleType:
    """Gives a script of the repository as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_setting_says_what_it_is_for():
    assert len(fields()) > 40
    assert [name for name, description in fields().items() if not description or len(description) < 20] == []


def test_every_group_forbids_what_it_does_not_know_and_does_not_change():
    for _, group in groups():
        assert group.__doc__, group
        assert group.model_config.get("extra") == "forbid", group
        assert group.model_config.get("frozen") is True, group


@pytest.mark.parametrize("name", ["settings_reference", "openapi"])
def test_generated_page_is_what_the_program_says_now(name: str, monkeypatch: pytest.MonkeyPatch):
    module = script(name)
    monkeypatch.setattr("sys.argv", [name, "--check"])
    assert module.main() == 0, f"run `make docs`: {module.FILE.name} is stale"


def test_every_setting_is_in_the_reference():
    page = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    for name in fields():
        assert f"### `{name}`" in page
        assert f"`{PREFIX}{name.replace('.', '__').upper()}`" in page


def test_the_environment_beats_the_file_and_the_command_line_beats_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "alcove.toml").write_text(
        "[server]\nport = 1111\ndrain_s = 7\n[chats]\nreplay_s = 9\n", encoding="utf-8"
    )
    monkeypatch.setenv("ALCOVE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ALCOVE_SERVER__PORT", "2222")
    settings = load_settings()
    assert (settings.server.port, settings.server.drain_s, settings.chats.replay_s) == (2222, 7, 9)
    settings = load_settings(server={"port": 3333})
    assert (settings.server.port, settings.server.drain_s) == (3333, 7)


def test_secrets_do_not_show_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    planted = "planted-secret-0123456789"
    monkeypatch.setenv("ALCOVE_SETUP__ADMIN_PASSWORD", planted)
    monkeypatch.setenv("ALCOVE_SECURITY__MASTER_KEY", planted)
    monkeypatch.setenv("ALCOVE_DATABASE__URL", f"postgresql+psycopg://u:{planted}@h/d")
    entry = f'[{{"name": "x", "base_url": "http://127.0.0.1:1/v1", "api_key": "{planted}"}}]'
    monkeypatch.setenv("ALCOVE_GATEWAY__DEPLOYMENTS", entry)
    settings = load_settings(data_dir=tmp_path)
    assert planted not in repr(settings)
    assert planted not in str(settings.model_dump())
    assert planted not in settings.model_dump_json()
