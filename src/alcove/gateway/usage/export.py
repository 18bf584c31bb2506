"""Usage as a file: CSV for spreadsheets, JSON for programs; written piece by piece, so that its size does not matter.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, and names of models are chosen by others: such
a text gets an apostrophe before it, as OWASP advises ("CSV Injection").
"""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from enum import StrEnum

from alcove.gateway.usage.models import StoredRow

_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")
_NAMES = tuple(StoredRow.model_fields)


class Format(StrEnum):
    """What kind of file."""

    CSV = "csv"
    JSON = "json"


async def written(pieces: AsyncIterator[Sequence[StoredRow]], form: Format) -> AsyncIterator[bytes]:
    """Gives a file of rows."""
    if form is Format.CSV:
        yield _csv([_NAMES])
        async for rows in pieces:
            yield _csv([_cells(row) for row in rows])
        return
    before = b"[\n"
    async for rows in pieces:
        yield before + b",\n".join(row.model_dump_json().encode() for row in rows)
        before = b",\n"
    yield b"[]\n" if before == b"[\n" else b"\n]\n"


def _csv(lines: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue().encode()


def _cells(row: StoredRow) -> list[object]:
    return [_cell(value) for value in row.model_dump(mode="json").values()]


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value
