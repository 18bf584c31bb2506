"""Reads PDF documents with PDFium: each page's text in order, words that a line end broke put together again."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

import pypdfium2
import pypdfium2.raw as pdfium

from alcove.knowledge.parsing.errors import DamagedDocument, DocumentTooLarge, EncryptedDocument, NoTextLayer
from alcove.knowledge.parsing.models import PDF, ParsedDocument, ParseLimits
from alcove.knowledge.parsing.writing import Writer, clean, one_line

# A hyphen at a line end. PDFium often writes U+0002 for hyphen and line end, whether it divides a word or belongs to it.
_DIVISION: Final = re.compile(
    r"(?<!\w)(\w++)(?:(?:(\u00ad)|[-\u2010])[ \t]*\n[ \t]*|[\x02\ufffe](?:[ \t]*\n[ \t]*)?)(\w+)"
)
_SOFT: Final = re.compile("[\u00ad\ufffe\x02]")
_WORD: Final = re.compile(r"\w+(?:[-\u2010]\w+)*")
_LINE_END_SPACES: Final = re.compile(r"(?<![ \t\u00a0])[ \t\u00a0]++\n")
_LIGATURES: Final = {
    ord(sign): text for sign, text in zip("ﬀﬁﬂﬃﬄﬅﬆ", ("ff", "fi", "fl", "ffi", "ffl", "st", "st"), strict=True)
}
_MIN_CHARACTERS_PER_PAGE: Final = 3  # fewer on average: page numbers stamped on scanned pages
_MAX_BOOKMARKS: Final = 5_000
_MAX_BOOKMARK_DEPTH: Final = 6


def read_pdf(data: bytes, *, name: str, limits: ParseLimits) -> ParsedDocument:
    """The text of every page; the bookmarks, where there are any, become sections.

    Raises:
        EncryptedDocument: It needs a password to be opened.
        DamagedDocument: PDFium cannot open it.
        DocumentTooLarge: It has too many pages or too much text.
        NoTextLayer: There is (nearly) no text on its pages: a scan.
    """
    document = _open(data, name)
    count = len(document)
    if count > limits.max_pages:
        message = f"{name!r} has {count:,} pages; {limits.max_pages:,} are allowed. Split it into smaller files."
        raise DocumentTooLarge(message)
    if count == 0:
        message = f"{name!r} has no pages; it is damaged. Save it again as PDF and upload the copy."
        raise DamagedDocument(message)
    writer = Writer(name=name, limits=limits)
    raw: list[str] = []
    total = broken = 0
    for text in _page_texts(document):
        raw.append(text or "")
        total += len(raw[-1])
        broken += text is None
        if total > limits.max_characters * 2:
            message = (
                f"{name!r} holds more than {limits.max_characters:,} characters of text; split it into smaller files."
            )
            raise DocumentTooLarge(message)
    pages = [_tidy(text) for text in _join_divided(raw)]
    empty = sum(not page for page in pages)
    if sum(map(len, pages)) < _MIN_CHARACTERS_PER_PAGE * count or empty == count:
        message = (
            f"{name!r} has no text layer: its pages are pictures (a scan). Run it through OCR and upload the result."
        )
        raise NoTextLayer(message)
    starts = [writer.page(number, page) for number, page in enumerate(pages, start=1)]
    if broken:
        writer.warnings.append(f"{broken} of {count} pages could not be read.")
    if empty - broken > 0:
        writer.warnings.append(f"{empty - broken} of {count} pages have no text; they may be scans.")
    for at, level, heading in _bookmarks(document, pages, starts):
        writer.begin_section(heading, level=level, at=at)
    return writer.finish(PDF, page_count=count)


def _open(data: bytes, name: str) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        code = getattr(error, "err_code", None)
        if code in {pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY} or "password" in str(error).lower():
            message = f"{name!r} is protected by a password; save a copy without one and upload that."
            raise EncryptedDocument(message) from error
        message = f"{name!r} is damaged: it cannot be opened as a PDF. Save it again as PDF and upload the copy."
        raise DamagedDocument(message) from error


def _page_texts(document: pypdfium2.PdfDocument) -> Iterator[str | None]:
    """Each page's text as PDFium gives it, None for a page that it cannot load."""
    for index in range(len(document)):
        try:
            page = document[index]
            textpage = page.get_textpage()
        except pypdfium2.PdfiumError:
            yield None
            continue
        text = textpage.get_text_bounded()
        textpage.close()
        page.close()
        yield text.replace("\r\n", "\n").replace("\r", "\n")


def _join_divided(pages: list[str]) -> list[str]:
    """Put words together that a line end divided.

    A soft hyphen always goes. Any other goes too, unless the document writes the word with its hyphen elsewhere, or the
    second part looks like a name or a number, and the word never stands there without the hyphen.
    """
    if not any(_DIVISION.search(page) for page in pages):
        return pages
    known: Counter[str] = Counter()
    for page in pages:
        known.update(word.casefold().replace("\u2010", "-") for word in _WORD.findall(page))

    def join(found: re.Match[str]) -> str:
        first, soft, second = found.groups()
        joined, hyphened = (first + second).casefold(), f"{first}-{second}".casefold()
        is_name_or_number = second[0].isupper() or second[0].isdigit() or first[-1].isdigit()
        if soft is None and not known[joined] and (known[hyphened] or is_name_or_number):
            return f"{first}-{second}"
        return first + second

    return [_DIVISION.sub(join, page) for page in pages]


def _tidy(text: str) -> str:
    text = clean(_SOFT.sub("", text)).translate(_LIGATURES)
    return _LINE_END_SPACES.sub("\n", text).strip()


def _bookmarks(document: pypdfium2.PdfDocument, pages: list[str], starts: list[int]) -> list[tuple[int, int, str]]:
    """Where each bookmark's section begins: at its words on its page, else at the top of the page."""
    found: list[tuple[int, int, str]] = []
    last = 0
    try:
        for number, item in enumerate(document.get_toc(max_depth=_MAX_BOOKMARK_DEPTH)):
            title = one_line(clean(item.get_title()))
            target = item.get_dest()
            index = target.get_index() if target is not None else None
            if number >= _MAX_BOOKMARKS:
                break
            if not title or index is None or not 0 <= index < len(pages) or not pages[index]:
                continue
            words = r"\s+".join(map(re.escape, title.split()))
            where = re.search(words, pages[index], re.IGNORECASE)
            at = starts[index] + (where.start() if where else 0)
            if at >= last:  # an outline that jumps about cannot be made into sections
                found.append((at, item.level + 1, title))
                last = at
    except pypdfium2.PdfiumError:
        return []
    return found
