"""How the commands for local models write what they found."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import typer

_YEAR_OF_FOREVER = 2200


def tell(found: dict[str, Any], *, verbose: bool) -> None:
    """Tells what `POST /api/show` answered."""
    details, info = found.get("details") or {}, found.get("model_info") or {}
    architecture = info.get("general.architecture", details.get("family", ""))
    rows = [
        ("architecture", architecture),
        ("parameters", details.get("parameter_size", "")),
        ("context length", info.get(f"{architecture}.context_length", "")),
        ("embedding length", info.get(f"{architecture}.embedding_length", "")),
        ("quantization", details.get("quantization_level", "")),
        ("capabilities", ", ".join(found.get("capabilities") or [])),
    ]
    _section("Model", [f"{name:<20} {value}" for name, value in rows if value != ""])
    _section("Options", str(found.get("parameters", "")).splitlines())
    _section("System", str(found.get("system", "")).splitlines()[:10])
    _section("License", str(found.get("license", "")).splitlines()[:2])
    if verbose:
        _section("Values", [f"{key:<50} {_brief(value)}" for key, value in info.items()])
        shapes = [f"{each['name']:<40} {each['type']:<8} {each['shape']}" for each in found.get("tensors") or []]
        _section("Tensors", shapes)


def _section(title: str, lines: Sequence[str]) -> None:
    if lines:
        typer.echo(f"  {title}")
        for line in lines:
            typer.echo(f"    {line}")
        typer.echo("")


def _brief(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004  a line of a terminal


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Writes rows under their heads."""
    widths = [max(len(row[index]) for row in (heads, *rows)) for index in range(len(heads))]
    for row in (heads, *rows):
        typer.echo("    ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def size_text(size: int) -> str:
    """Gives bytes as people read them: `398 MB`, `4.7 GB`."""
    for unit, bytes_of in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if size >= bytes_of:
            number = size / bytes_of
            return f"{number:.1f} {unit}" if number < 10 else f"{number:.0f} {unit}"  # noqa: PLR2004  two digits are enough
    return f"{size} B"


def processor(running: dict[str, Any]) -> str:
    """Gives where a model is loaded: `100% CPU`."""
    size, vram = running.get("size") or 0, running.get("size_vram") or 0
    if not vram or not size:
        return "100% CPU"
    share = min(100, round(100 * vram / size))
    return "100% GPU" if share == 100 else f"{100 - share}%/{share}% CPU/GPU"  # noqa: PLR2004  all of it


def ago(text: str) -> str:
    """Gives how long ago a time was."""
    at = _time(text)
    return "" if at is None else f"{_duration((datetime.now(UTC) - at).total_seconds())} ago"


def until(text: str) -> str:
    """Gives how long it is to a time."""
    at = _time(text)
    if at is None:
        return ""
    if at.year > _YEAR_OF_FOREVER:
        return "for ever"
    left_s = (at - datetime.now(UTC)).total_seconds()
    return f"{_duration(left_s)} from now" if left_s > 0 else "stopping"


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} seconds"


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    except ValueError:
        return None
