"""Reads Markdown: the text stays as written, its headings become sections (CommonMark 0.31, sections 4.2 and 4.3)."""

import re

from alcove.knowledge.parsing.models import MARKDOWN, ParsedDocument, ParseLimits
from alcove.knowledge.parsing.plain import decode
from alcove.knowledge.parsing.writing import Writer, clean

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_BLOCK_START = re.compile(r" {0,3}(?:[-*+>|]|\d+[.)]\s|`{3}|~{3}|<)|\s*$| {4}|\t")
_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|$)", re.DOTALL)
_TITLE = re.compile(r"^title:[ \t]*(.+?)[ \t]*$", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]\[]{0,300})\]\([^()\s]{0,2000}[^()]{0,300}\)")
_MARKS = re.compile(r"[*_`~]{1,3}(?=\S)|(?<=\S)[*`~_]{1,3}(?=\W|$)")
_MAX_FRONT_MATTER = 20_000
_MAX_HEADING_LINE = 1_000


def read_markdown(data: bytes, *, name: str, limits: ParseLimits) -> ParsedDocument:
    """The text as written but for front matter, whose `title` becomes the document's title."""
    writer = Writer(name=name, limits=limits)
    text = clean(decode(data, name=name, warnings=writer.warnings)).strip("\n")
    title = None
    if matter := _FRONT_MATTER.match(text[:_MAX_FRONT_MATTER]):
        found = _TITLE.search(matter[1])
        title = found[1].strip("\"'") if found else None
        text = text[matter.end() :]
    text = text.strip("\n").rstrip()
    writer.write(text)
    for at, level, heading in _headings(text):
        writer.begin_section(heading, level=level, at=at)
        if title is None and level == 1:
            title = heading
    return writer.finish(MARKDOWN, title=title)


def _headings(text: str) -> list[tuple[int, int, str]]:
    """Each heading's offset, level and words; the ones inside code fences are not headings."""
    found: list[tuple[int, int, str]] = []
    fence: str | None = None
    paragraph: tuple[int, str] | None = None  # the line before, if it can be a setext heading
    at = 0
    for line in text.split("\n"):
        start, at = at, at + len(line) + 1
        if len(line) > _MAX_HEADING_LINE:
            paragraph = None
            continue
        opened = _FENCE.match(line)
        if fence is not None:
            if opened and opened[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = None
            continue
        if opened:
            fence, paragraph = opened[1], None
        elif atx := _ATX.match(line):
            if words := _words(atx[2] or ""):
                found.append((start, len(atx[1]), words))
            paragraph = None
        elif paragraph and (setext := _SETEXT.match(line)):
            found.append((paragraph[0], 1 if setext[1][0] == "=" else 2, _words(paragraph[1])))
            paragraph = None
        else:
            paragraph = None if _BLOCK_START.match(line) else (start, line)
    return [heading for heading in found if heading[2]]


def _words(heading: str) -> str:
    """A heading's words without the marks of links, emphasis and code."""
    return _MARKS.sub("", _LINK.sub(r"\1", heading)).strip()
