"""Writes `docs/reference/settings.md` from the settings; with --check, fails when the page is stale."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from alcove.settings import PREFIX, Settings

FILE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "settings.md"
HEAD = f"""# Settings

Made from `alcove/settings.py` by `make docs`; do not edit by hand.

A setting comes from, the first that has it: the command line, an environment variable, the file `alcove.toml` in the data folder
(or the one `ALCOVE_CONFIG` names), the default. Groups are joined by two underscores in variables and are tables in the file:

```bash
{PREFIX}SERVER__PORT=8080 alcove up
```

```toml
[server]
port = 8080
```

Lists and objects in variables are JSON: `{PREFIX}EDGE__ALLOWED_HOSTS='["alcove.example.org"]'`.
"""


def main() -> int:
    text = "\n".join([HEAD, *_lines()]).rstrip() + "\n"
    if "--check" in sys.argv[1:]:
        if not FILE.is_file() or FILE.read_text(encoding="utf-8") != text:
            print(f"{FILE.name} is stale: run `make docs`.", file=sys.stderr)
            return 1
        return 0
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(text, encoding="utf-8")
    return 0


def _lines() -> Iterator[str]:
    plain = {name: info for name, info in Settings.model_fields.items() if not _group(info)}
    yield "## General\n"
    for name, info in plain.items():
        yield _entry((name,), info)
    for name, info in Settings.model_fields.items():
        group = _group(info)
        if group is not None:
            yield from _group_lines((name,), group)


def _group_lines(path: tuple[str, ...], group: type[BaseModel]) -> Iterator[str]:
    """Gives a group's settings, then those of the groups in it."""
    yield f"## {'.'.join(path)}\n"
    yield f"{_sentence(group.__doc__)}\n"
    inner: list[tuple[str, type[BaseModel]]] = []
    for field, info in group.model_fields.items():
        found = _group(info)
        if found is None or _is_value(found):
            yield _entry((*path, field), info)
        else:
            inner.append((field, found))
    for field, found in inner:
        yield from _group_lines((*path, field), found)


def _is_value(kind: type[BaseModel]) -> bool:
    """Tells whether a model is a value, given as a whole: it cannot be made of nothing."""
    return any(info.is_required() for info in kind.model_fields.values())


def _group(info: FieldInfo) -> type[BaseModel] | None:
    kind = info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _entry(path: tuple[str, ...], info: FieldInfo) -> str:
    variable = f"{PREFIX}{'__'.join(path).upper()}"
    default = _default(info)
    shown = f" · default `{default}`" if default else ""
    return f"### `{'.'.join(path)}`\n\n`{variable}`{shown}\n\n{_sentence(info.description)}\n"


def _default(info: FieldInfo) -> str:
    value: Any = info.default
    if value is PydanticUndefined or value is None or value in ((), ""):
        return ""
    if isinstance(value, tuple | list):
        return ", ".join(str(each) for each in value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split())


if __name__ == "__main__":
    sys.exit(main())
