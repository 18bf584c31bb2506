"""Finding sentences: where each begins and ends in a text, so that it can be quoted to the character."""

import re
from collections.abc import Iterator

MAX_SENTENCE_CHARACTERS = 600
"""Longer runs without a full stop (tables, logs, a file of one line) are cut at a space."""

_ABBREVIATIONS = frozenset(
    """
    al approx art bros ca cf ch co col corp dept dr e.g ed eds eq est etc ex fig figs gen gov hon i.e inc jan feb mar apr jun
    jul aug sep sept oct nov dec jr lt ltd maj mr mrs ms mt no nos op p para pp prof pt rep resp rev sec sen sgt sr st
    u.k u.n u.s usw v viz vol vs z.b bzw
    """.split()  # noqa: SIM905  reads better than sixty strings
)
_END = re.compile("(?<!\\s)[.!?\u2026]+[\"'\u201d\u2019\u00bb)\\]]*(?=\\s)|[\u3002\uff01\uff1f]+[\u300d\u300f\u201d]*")
_LINE_END = re.compile(r"\n[ \t]*")
_OPENER = re.compile(r"(?:[-*\u2022\u2023\u25aa\u00b7\u2013]|#{1,6}|\(?\d{1,3}[.)]|[a-z]\)|\|)[ \t]")
_BULLET = re.compile(r"(?:(?:[-*\u2022\u2023\u25aa\u00b7\u2013]|#{1,6}|>|\(?\d{1,3}[.)])[ \t]+)+")
_LAST_WORD = re.compile(r"[\w.]+$")
_HEADING_CHARACTERS = 60


def sentences(text: str) -> list[tuple[int, int]]:
    """Gives start and end of every sentence; blank space and the marks of lists and headings belong to none."""
    spans: list[tuple[int, int]] = []
    for start, end in _blocks(text):
        begin = start
        for match in _END.finditer(text, start, end):
            if _ends_here(text, begin, match, end):
                spans.extend(_trimmed(text, begin, match.end()))
                begin = match.end()
        spans.extend(_trimmed(text, begin, end))
    return spans


def _ends_here(text: str, begin: int, match: re.Match[str], end: int) -> bool:
    """Tells a full stop from the dot of an abbreviation, an initial or a number."""
    rest = text[match.end() : min(end, match.end() + 40)].lstrip()
    if not rest:
        return True
    if match.group()[0] != ".":
        return not rest[0].islower()
    if rest[0].islower():
        return False
    word = _LAST_WORD.search(text, max(begin, match.start() - 20), match.start())
    last = word.group() if word else ""
    if len(last) == 1 and last.isupper():  # an initial (J. Smith), unless it closes a sentence (vitamin C. The …)
        return False
    if last.lower() in _ABBREVIATIONS:
        return False
    return not (last.isdigit() and text[begin : match.start()].strip() == last)  # "3. The third item"


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Cuts at blank lines, at items of lists, and after lines that read like headings; other line breaks are only wraps."""
    start = 0
    for match in _LINE_END.finditer(text):
        if match.start() < start:
            continue
        line_start = text.rfind("\n", start, match.start()) + 1 or start
        line = text[line_start : match.start()].strip()
        following = text[match.end() : match.end() + 8]
        is_boundary = (
            following[:1] in {"", "\n", "\r"}
            or _OPENER.match(following) is not None
            or line.startswith(("#", "|"))
            or (len(line) < _HEADING_CHARACTERS and line[-1:].isalnum() and following[:1].isupper())
        )
        if is_boundary:
            yield start, match.start()
            start = match.end()
    yield start, len(text)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Gives the span without space and list marks around it, in pieces no longer than allowed; nothing for an empty one."""
    while True:
        while start < end and text[start].isspace():
            start += 1
        while end > start and text[end - 1].isspace():
            end -= 1
        mark = _BULLET.match(text, start, end)
        if mark is None or mark.end() >= end:
            break
        start = mark.end()
    while end - start > MAX_SENTENCE_CHARACTERS:
        limit = start + MAX_SENTENCE_CHARACTERS
        cut = max(text.rfind(" ", start + 1, limit), text.rfind("\n", start + 1, limit))
        cut = cut if cut > start else limit
        yield start, cut
        start = cut
        while start < end and text[start].isspace():
            start += 1
    if any(character.isalnum() for character in text[start : min(end, start + MAX_SENTENCE_CHARACTERS)]):
        yield start, end
