"""Collects the text of a document and its structure while a reader walks through the file.

The one place where offsets are made: readers hand over pieces of text and never count characters themselves.
"""

import re
from dataclasses import dataclass

from alcove.knowledge.parsing.errors import DocumentTooLarge
from alcove.knowledge.parsing.models import PageSpan, ParsedDocument, ParseLimits, Section

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff\ud800-\udfff]")
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_UNCLEAN = re.compile(f"{_CONTROL.pattern}|{_LINE_ENDS.pattern}")
_MAX_HEADING = 200  # a "heading" longer than this is a paragraph in disguise: its path entry is cut


def clean(text: str) -> str:
    r"""The text with `\n` as the only line end and without control characters and lone surrogates."""
    if not _UNCLEAN.search(text):
        return text
    return _CONTROL.sub("", _LINE_ENDS.sub("\n", text))


def one_line(text: str) -> str:
    """The text on one line, each run of white space one space."""
    return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class _Heading:
    level: int
    text: str


class Writer:
    """Takes blocks of text in reading order and keeps pages and sections with them."""

    def __init__(self, *, name: str, limits: ParseLimits) -> None:
        self._name = name
        self._limits = limits
        self._pieces: list[str] = []
        self._length = 0
        self._sections: list[tuple[int, tuple[str, ...]]] = [(0, ())]
        self._open: list[_Heading] = []
        self._pages: list[PageSpan] = []
        self.warnings: list[str] = []

    @property
    def length(self) -> int:
        """How many characters there are so far."""
        return self._length

    def write(self, text: str, *, separator: str = "\n\n") -> None:
        """Append a block, cleaned and without empty lines at its ends, parted from the one before by `separator`."""
        text = clean(text).strip("\n").rstrip()
        if text:
            self._append(text, separator)

    def heading(self, text: str, *, level: int, separator: str = "\n\n") -> None:
        """Append a heading; what follows belongs to it until a heading of the same or a lower level."""
        text = one_line(clean(text))
        if not text:
            return
        start = self._append(text, separator)
        self.begin_section(text, level=level, at=start)

    def begin_section(self, heading: str, *, level: int, at: int) -> None:
        """Let the text from `at` on belong to `heading`, whose words stand in the text already (or nowhere)."""
        while self._open and self._open[-1].level >= level:
            self._open.pop()
        self._open.append(_Heading(level, one_line(clean(heading))[:_MAX_HEADING]))
        path = tuple(heading.text for heading in self._open)
        if self._sections[-1][0] == at:
            self._sections[-1] = (at, path)
        else:
            self._sections.append((at, path))

    def page(self, page: int, text: str) -> int:
        """Append one page's text (already clean) and return where it starts."""
        start = self._append(text, "\n") if text else self._length
        self._pages.append(PageSpan(page=page, start=start, end=self._length))
        return start

    def _append(self, text: str, separator: str) -> int:
        if self._length:
            self._pieces.append(separator)
            self._length += len(separator)
        start = self._length
        self._pieces.append(text)
        self._length += len(text)
        if self._length > self._limits.max_characters:
            message = (
                f"{self._name!r} holds more than {self._limits.max_characters:,} characters of text; "
                "split it into smaller files."
            )
            raise DocumentTooLarge(message)
        return start

    def finish(self, media_type: str, *, page_count: int | None = None, title: str | None = None) -> ParsedDocument:
        """The document, with sections that cover the whole text."""
        starts = [start for start, _ in self._sections] + [self._length]
        sections = tuple(
            Section(start=start, end=end, headings=path)
            for (start, path), end in zip(self._sections, starts[1:], strict=True)
            if end > start
        )
        return ParsedDocument(
            text="".join(self._pieces),
            pages=tuple(self._pages),
            sections=sections,
            media_type=media_type,
            page_count=page_count,
            warnings=tuple(self.warnings),
            title=one_line(clean(title))[:_MAX_HEADING] or None if title else None,
        )
