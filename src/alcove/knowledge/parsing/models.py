"""What a parsed document is, and how much a file may cost to parse."""

from dataclasses import dataclass
from typing import Final

PDF: Final = "application/pdf"
DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
HTML: Final = "text/html"
MARKDOWN: Final = "text/markdown"
PLAIN: Final = "text/plain"

MEDIA_TYPES: Final = (PDF, DOCX, HTML, MARKDOWN, PLAIN)


@dataclass(frozen=True, kw_only=True, slots=True)
class PageSpan:
    """The part of a document's text that stands on one page; pages count from 1."""

    page: int
    start: int
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A stretch of text under one heading; `headings` is the path to it, outermost first, itself last."""

    start: int
    end: int
    headings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedDocument:
    """The text of a file with its structure; every offset counts characters of `text`.

    The sections lie end to end and cover the whole text; a section's own heading is its first line. The pages lie in order
    and may leave line ends between them uncovered; only paged formats (PDF) have any.
    """

    text: str
    pages: tuple[PageSpan, ...]
    sections: tuple[Section, ...]
    media_type: str
    page_count: int | None
    warnings: tuple[str, ...]
    title: str | None = None  # the document's own title where the format has a dependable one (HTML, Markdown)


@dataclass(frozen=True, kw_only=True, slots=True)
class ParseLimits:
    """How much one file may cost. What lies beyond is refused with the reason, never cut off in silence."""

    max_bytes: int = 50_000_000  # size of the file
    max_inflated_bytes: int = 200_000_000  # what the parts of an archive may hold together
    max_inflation_ratio: int = 100  # of one part of an archive, once it is over a megabyte
    max_entries: int = 10_000  # parts of an archive
    max_pages: int = 5_000
    max_characters: int = 10_000_000  # of the text that comes out, about 2,500 printed pages
    memory_bytes: int = 1 << 30  # address space of the process that parses
    cpu_s: int = 30  # processor time
    wall_s: float = 60.0  # from the start of the parse, waiting for a free process not counted

    @property
    def answer_bytes(self) -> int:
        """How many bytes the longest honest answer of the process has: the text in UTF-8, and its structure."""
        return self.max_characters * 4 + 8_000_000
