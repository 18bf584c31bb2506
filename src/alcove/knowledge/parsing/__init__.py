"""Turns files into text: PDF, DOCX, HTML, Markdown and plain text, each file in a limited process of its own.

Use `Parsers` (one for the server's life) or `parse` (one file). The names that need an event loop are loaded on first use,
because the parsing process imports this package too and must stay small.
"""

from typing import TYPE_CHECKING

from alcove.knowledge.parsing.errors import (
    DamagedDocument,
    DocumentTooLarge,
    EmptyFile,
    EncryptedDocument,
    NoTextLayer,
    ParseLimit,
    UnsupportedDocument,
)
from alcove.knowledge.parsing.models import MEDIA_TYPES, PageSpan, ParsedDocument, ParseLimits, Section
from alcove.knowledge.parsing.sniffing import sniff

if TYPE_CHECKING:
    from alcove.knowledge.parsing.pool import Parsers, parse

__all__ = [
    "MEDIA_TYPES",
    "DamagedDocument",
    "DocumentTooLarge",
    "EmptyFile",
    "EncryptedDocument",
    "NoTextLayer",
    "PageSpan",
    "ParseLimit",
    "ParseLimits",
    "ParsedDocument",
    "Parsers",
    "Section",
    "UnsupportedDocument",
    "parse",
    "sniff",
]


def __getattr__(name: str) -> object:
    if name in {"Parsers", "parse"}:
        from alcove.knowledge.parsing import pool  # noqa: PLC0415 - see above

        return getattr(pool, name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
