"""What kind of file this is. The content decides; the name only tells apart kinds of text.

Reads a bounded part of the file and parses nothing, so it is safe to call on a file that nobody has looked at yet.
"""

import re
from pathlib import Path
from typing import Final

from alcove.knowledge.parsing.errors import DamagedDocument, EmptyFile, EncryptedDocument, UnsupportedDocument
from alcove.knowledge.parsing.models import DOCX, HTML, MARKDOWN, PDF, PLAIN

_HEAD: Final = 8192
_TAIL: Final = 1 << 17  # holds an archive's directory of about a thousand parts
_READABLE: Final = "Upload PDF, DOCX, HTML, Markdown or plain text."

_MARKDOWN_NAMES: Final = {".md", ".markdown", ".mdown", ".mkd"}
_HTML_NAMES: Final = {".html", ".htm", ".xhtml"}
_HTML_START: Final = re.compile(
    rb"\s*+(?:<\?xml[^>]*+>\s*+)?+(?>(?:<!--.*?-->\s*+)*)<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)

# What a file starts with, and what people call such a file.
_FOREIGN: Final = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"RIFF", "a sound, film or WebP file"),
    (b"{\\rtf", "an RTF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"%!PS", "a PostScript file"),
    (b"ID3", "a sound file"),
    (b"OggS", "a sound or film file"),
    (b"fLaC", "a sound file"),
    (b"\x00\x00\x00\x18ftyp", "a film"),
    (b"\x00\x00\x00\x20ftyp", "a film"),
    (b"SQLite format 3", "a database"),
    (b"\x80\x04\x95", "a Python pickle"),
    (b"wOF", "a font"),
)
_FOREIGN_TEXT: Final = {b"{\\rtf", b"%!PS"}  # kinds that look like text
_ZIP_STARTS: Final = (b"PK\x03\x04", b"PK\x05\x06")
_OLE_START: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def sniff(path: Path, name: str) -> str:
    """The media type of a file that can be read: one of `models.MEDIA_TYPES`.

    Raises:
        EmptyFile: There is not a byte in it.
        EncryptedDocument: An Office document behind a password.
        DamagedDocument: The name promises a PDF or DOCX that the content is not.
        UnsupportedDocument: Any other kind of file.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL))
        tail = file.read(_TAIL)
    if not head.strip(b"\x00\t\n\r "):
        if size <= _HEAD:
            message = f"{name!r} is empty; choose a file with text in it."
            raise EmptyFile(message)
        if b"\x00" in head:
            message = f"{name!r} is a binary file that cannot be read here. {_READABLE}"
            raise UnsupportedDocument(message)
    return sniff_bytes(head, tail, name)


def sniff_bytes(head: bytes, tail: bytes, name: str) -> str:
    """As `sniff`, from the first and the last bytes of a file."""
    suffix = Path(name).suffix.lower()
    binary = is_binary(head)
    if head.lstrip().startswith(b"%PDF-") or (b"%PDF-" in head[:1024] and (binary or suffix == ".pdf")):
        return PDF
    if head.startswith(_ZIP_STARTS):
        return _archive(head, tail, name)
    if head.startswith(_OLE_START):
        return _ole(head, tail, name)
    for start, what in _FOREIGN:
        if head.startswith(start) and (binary or not start.isascii() or start in _FOREIGN_TEXT):
            message = f"{name!r} is {what}, which cannot be read here. {_READABLE}"
            raise UnsupportedDocument(message)
    if suffix in {".pdf", ".docx"}:
        kind = suffix[1:].upper()
        message = (
            f"{name!r} is named like a {kind} document but is not one: it is damaged or has the wrong name. "
            f"Save it again as {kind}, or give it its right ending."
        )
        raise DamagedDocument(message)
    if binary:
        message = f"{name!r} is a binary file that cannot be read here. {_READABLE}"
        raise UnsupportedDocument(message)
    return _kind_of_text(head, suffix)


def _kind_of_text(head: bytes, suffix: str) -> str:
    narrow = (
        head.replace(b"\x00", b"").removeprefix(b"\xef\xbb\xbf").removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff")
    )
    if suffix in _HTML_NAMES or (_HTML_START.match(narrow) and suffix not in _MARKDOWN_NAMES):
        return HTML
    return MARKDOWN if suffix in _MARKDOWN_NAMES else PLAIN


def _archive(head: bytes, tail: bytes, name: str) -> str:
    if b"mimetypeapplication/" in head[:200]:  # OpenDocument and EPUB put their type first, uncompressed
        what = "an EPUB book" if b"epub" in head[:200] else "an OpenDocument file"
        message = f"{name!r} is {what}, which cannot be read here; save it as DOCX or PDF."
        raise UnsupportedDocument(message)
    seen = head + tail
    if b"word/" in seen:
        return DOCX
    for folder, what in ((b"xl/", "an Excel workbook"), (b"ppt/", "a PowerPoint presentation")):
        if folder in seen:
            message = f"{name!r} is {what}, which cannot be read here; save it as PDF."
            raise UnsupportedDocument(message)
    if b"[Content_Types].xml" in seen or name.lower().endswith(".docx"):
        return DOCX  # its reader says what is missing
    message = f"{name!r} is a ZIP archive; unpack it and upload the files in it."
    raise UnsupportedDocument(message)


def _ole(head: bytes, tail: bytes, name: str) -> str:
    """Refuse an OLE container, which holds old Office documents and every encrypted one (MS-OFFCRYPTO 2.1)."""
    if "EncryptedPackage".encode("utf-16-le") in head + tail or name.lower().endswith((".docx", ".xlsx", ".pptx")):
        message = f"{name!r} is protected by a password; save a copy without one and upload that."
        raise EncryptedDocument(message)
    message = f"{name!r} is an Office document from before 2007, which cannot be read here; save it as DOCX or PDF."
    raise UnsupportedDocument(message)


def is_utf16(head: bytes) -> str | None:
    """The codec of UTF-16 text, by its byte order mark or by where its zero bytes stand."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if half >= 2 and odd > half * 0.7 and even == 0:  # noqa: PLR2004
        return "utf-16-le"
    if half >= 2 and even > half * 0.7 and odd == 0:  # noqa: PLR2004
        return "utf-16-be"
    return None


def is_binary(head: bytes) -> bool:
    """Whether these first bytes of a file are no text in any encoding we read."""
    if is_utf16(head):
        return False
    if b"\x00" in head:
        return True
    control = sum(head.count(byte) for byte in range(32) if byte not in {8, 9, 10, 12, 13, 27})
    return control > len(head) * 0.02
