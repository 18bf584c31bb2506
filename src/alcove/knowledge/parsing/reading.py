"""Chooses the reader for a file and runs it. Runs inside the limited process; the server never calls it."""

from pathlib import Path

from alcove.knowledge.parsing.docx import read_docx
from alcove.knowledge.parsing.errors import DocumentTooLarge, EmptyFile
from alcove.knowledge.parsing.html import read_html
from alcove.knowledge.parsing.markdown import read_markdown
from alcove.knowledge.parsing.models import DOCX, HTML, MARKDOWN, PDF, PLAIN, ParsedDocument, ParseLimits
from alcove.knowledge.parsing.pdf import read_pdf
from alcove.knowledge.parsing.plain import read_plain
from alcove.knowledge.parsing.sniffing import sniff

_READERS = {PDF: read_pdf, DOCX: read_docx, HTML: read_html, MARKDOWN: read_markdown, PLAIN: read_plain}


def load(path: Path, *, name: str, limits: ParseLimits) -> tuple[str, bytes]:
    """The media type and the bytes of a file.

    Raises:
        DocumentTooLarge: The file is larger than allowed.
        AlcoveError: As `sniff` raises.
    """
    media_type = sniff(path, name)
    with path.open("rb") as file:
        data = file.read(limits.max_bytes + 1)
    if len(data) > limits.max_bytes:
        message = f"{name!r} is larger than {limits.max_bytes:,} bytes; split it into smaller files."
        raise DocumentTooLarge(message)
    return media_type, data


def read(media_type: str, data: bytes, *, name: str, limits: ParseLimits) -> ParsedDocument:
    """The document in these bytes.

    Raises:
        EmptyFile: It holds no text.
        AlcoveError: As the reader of its kind raises.
    """
    document = _READERS[media_type](data, name=name, limits=limits)
    if not document.text.strip():
        message = f"{name!r} holds no text that could be read; choose a file with text in it."
        raise EmptyFile(message)
    return document
