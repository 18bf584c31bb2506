"""Reads plain text, and decodes the bytes of every textual format."""

import codecs

from alcove.knowledge.parsing.errors import UnsupportedDocument
from alcove.knowledge.parsing.models import PLAIN, ParsedDocument, ParseLimits
from alcove.knowledge.parsing.sniffing import is_utf16
from alcove.knowledge.parsing.writing import Writer

_SAMPLE = 8192


def decode(data: bytes, *, name: str, warnings: list[str], declared: str | None = None) -> str:
    """The text of the bytes: by byte order mark, as UTF-8, as declared, else as Windows-1252, with a warning.

    Raises:
        UnsupportedDocument: It is no text, since it holds NUL characters.
    """
    text = _decode(data, warnings, declared)
    if "\x00" in text:
        message = f"{name!r} is a binary file that cannot be read here. Upload PDF, DOCX, HTML, Markdown or plain text."
        raise UnsupportedDocument(message)
    return text


def _decode(data: bytes, warnings: list[str], declared: str | None) -> str:
    if codec := is_utf16(data[:_SAMPLE]):
        text = data.decode(codec, "replace")
        if "\ufffd" in text:
            warnings.append("Some characters could not be decoded from UTF-16.")
        return text
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    if declared:
        try:
            if not codecs.lookup(declared).name.startswith(("utf-8", "utf-16", "utf-32")):
                return data.decode(declared)
        except (LookupError, ValueError):
            warnings.append(f"The declared encoding {declared[:40]!r} does not fit the file.")
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    warnings.append("The file is not UTF-8; it was read as Windows-1252, so unusual characters may be wrong.")
    return text


def read_plain(data: bytes, *, name: str, limits: ParseLimits) -> ParsedDocument:
    """The text as it stands, one section."""
    writer = Writer(name=name, limits=limits)
    writer.write(decode(data, name=name, warnings=writer.warnings))
    return writer.finish(PLAIN)
