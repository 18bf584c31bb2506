"""Finds sentences in any language: what chunking cuts at and what the built-in reader answers with.

Only punctuation and line ends are looked at, in one pass, so a megabyte takes a fraction of a second.
"""
# ruff: noqa: RUF001 - the punctuation of many scripts is meant as written
# ruff: noqa: SIM905 - word lists read better as words

import re
from collections.abc import Iterator
from typing import Final

_CLOSERS: Final = "\"'”’»›)\\]}」』）】》"
_BOUNDARY: Final = re.compile(
    rf"""(?P<blank>\n[ \t]*(?:\n\s*)+)          # an empty line
    |(?P<line>\n)                               # a line end
    |(?P<wide>[。！？｡．！？]+[{_CLOSERS}]*)       # ends that need no space after them
    |(?P<end>[.!?…।؟۔]+[{_CLOSERS}]*+)(?=\s)    # ends that need one
    """,
    re.VERBOSE,
)
_LAST_WORD: Final = re.compile(r"[^\s(\[{\"'“‘«„,;:/–—-]{1,24}$")
_NEXT_WORD: Final = re.compile(r"[\s\"'“‘«„(\[{¿¡*_>-]*(\w?[\w'’-]*)")
_LIST_ITEM: Final = re.compile(
    r"[ \t]*(?:[-*+•◦▪–‣·]\s|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)]\s|#{1,6}\s|\||>\s|`{3}|~{3})"
)
_INITIALS: Final = re.compile(r"(?:\w\.)*\w\.?$")

# Abbreviations (lower case, inner full stops kept) that a sentence never ends with, and ones that it may end with.
_NEVER_LAST: Final = frozenset(
    "mr mrs ms mx dr prof rev hon gen col capt lt sgt gov sen rep pres fr st mt ft messrs mme mlle sr. sra dra "
    "fig figs eq eqs sec sect ch chap no nos nr vol vols pp p pg ed eds art para tab abb abs bd kap "
    "e.g i.e eg ie cf vs v ca approx resp incl excl viz al esp z.b d.h u.a u.ä bzw ggf evtl vgl inkl exkl bspw sog "
    "hr fr frl dipl ing mag p.ex c.-à-d av bl env tel jan feb mar apr jun jul aug sep sept oct okt nov dec dez".split()
)  # fmt: skip
_RARELY_LAST: Final = frozenset(
    "etc inc ltd co corp llc plc bros jr sr ave blvd rd dept est min max a.m p.m am pm usw usf u.s u.k u.n e.u d.c ph.d "
    "m.d b.a m.a b.sc m.sc st str".split()
)  # fmt: skip
_STARTERS: Final = frozenset(
    "The A An This That These Those He She It They We You I In On At By For From With As If When While After Before But And "
    "Or So However There Here His Her Its Their Our My What Who Where Why How Not No Yes Some Many Most All Each Since "
    "Although Because During Under Over Der Die Das Ein Eine Er Sie Es Wir Ich In Im Am Auf Bei Mit Nach Vor Aber Und "
    "Le La Les Un Une Il Elle Ils Nous Vous Dans En El Los Las Una En Por Con".split()
)  # fmt: skip
_MONTHS: Final = frozenset(
    "Januar Jänner Februar März April Mai Juni Juli August September Oktober November Dezember".split()
)
_MAX_INDENT: Final = 12  # of a list item
_SHORT_LINE: Final = 0.6  # of its neighbours: a line that ends so early ends on purpose
_LONG: Final = 1_200  # characters after which a sentence is cut at a weaker place


def sentences(text: str) -> list[tuple[int, int]]:
    """The sentences of a text as (start, end) offsets, in order, without the white space around them.

    Knows no language in particular: it looks at punctuation (Latin, CJK, Arabic, Devanagari), at what comes before a full
    stop (abbreviations, initials, numbers) and after it, and at line ends (headings, list items and table rows end a
    sentence, a wrapped line does not). A stretch without an end is cut at about 1,200 characters.
    """
    found: list[tuple[int, int]] = []
    start = 0
    for end in _ends(text):
        found.extend(_trimmed(text, start, end))
        start = end
    found.extend(_trimmed(text, start, len(text)))
    return found


def _ends(text: str) -> Iterator[int]:
    line_start = 0
    last_length = 0  # of the line before, if it belongs to the same paragraph
    for boundary in _BOUNDARY.finditer(text):
        at = boundary.end()
        match boundary.lastgroup:
            case "blank":
                line_start, last_length = at, 0
                yield at
            case "line":
                if _ends_line(text, line_start, boundary.start(), last_length):
                    yield at
                line_start, last_length = at, boundary.start() - line_start
            case "end" if not _ends_sentence(text, boundary.start("end"), at, line_start):
                pass
            case _:
                yield at


def _ends_line(text: str, start: int, end: int, last_length: int) -> bool:
    """Whether a sentence ends with this line although no punctuation says so."""
    following = text.find("\n", end + 1)
    following = len(text) if following < 0 else following
    if (
        _LIST_ITEM.match(text, end + 1)
        or text.startswith(("#", "|", "```"), start)
        or text.find(" | ", start, min(end, start + 500)) >= 0
    ):
        return True
    first = text[end + 1 : end + 40].lstrip()[:1]
    if not first or first.islower():
        return False
    return end - start < _SHORT_LINE * max(last_length, following - end - 1)


def _ends_sentence(text: str, at: int, end: int, line_start: int) -> bool:
    """Whether the punctuation at `at` ends a sentence."""
    if text[at] == "." and (at == line_start or text[at - 1].isspace()):
        return False
    following = _NEXT_WORD.match(text, end, end + 60)
    word = following[1] if following else ""
    if word and word[0].islower():
        return False
    if text[at] != "." or text.startswith("..", at):
        return True
    before = _LAST_WORD.search(text, max(line_start, at - 24), at)
    if before is None:
        return True
    is_first = before.start() - line_start < _MAX_INDENT and not text[line_start : before.start()].strip()
    return _may_be_last(before[0], word, is_first=is_first)


def _may_be_last(last: str, word: str, *, is_first: bool) -> bool:
    """Whether a sentence may end with `last` and a full stop, before `word`; `is_first`: `last` begins its line."""
    lower = last.lower()
    if lower in _NEVER_LAST:
        return False
    if last.isdecimal():  # a list item ("3." at a line's start) or a date ("3. Oktober")
        return not is_first and word not in _MONTHS
    if lower in _RARELY_LAST or _INITIALS.fullmatch(last):
        return word in _STARTERS and last != "I"
    return True


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The stretch without white space at its ends, in pieces if it is very long; nothing if nothing is left."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while end - start > _LONG:
        cut = weak_place(text, start, start + _LONG)
        yield start, len(text[start:cut].rstrip()) + start
        start = cut
        while start < end and text[start].isspace():
            start += 1
    if start < end:
        yield start, end


def weak_place(text: str, start: int, end: int) -> int:
    """The best place to cut before `end`: after a line, a clause, a word, else anywhere."""
    for pattern in ("\n", "; ", "；", ", ", "，", "、", " "):
        cut = text.rfind(pattern, start + (end - start) // 2, end)
        if cut > start:
            return cut + len(pattern)
    for cut in range(end, (start + end) // 2, -1):
        if text[cut - 1].isspace():
            return cut
    return end
