"""Patterns that cannot hang the server: RE2 matches in time that grows with the text alone, whatever the pattern is."""

from collections.abc import Iterator
from typing import Protocol

import re2

MAX_PATTERN = 500
_MAX_MEMORY = 4 << 20  # of one compiled pattern; larger ones are refused


class Match(Protocol):
    """Where a pattern matched."""

    def span(self, group: int = 0) -> tuple[int, int]:
        """Gives where it, or a group of it, begins and ends."""
        ...


class Pattern(Protocol):
    """A compiled pattern."""

    def search(self, text: str) -> Match | None:
        """Gives the first match."""
        ...

    def finditer(self, text: str) -> Iterator[Match]:
        """Gives all matches that do not overlap."""
        ...


class BadPattern(ValueError):
    """A pattern that cannot be used."""


def compiled(pattern: str, *, is_case_sensitive: bool = True) -> Pattern:
    """Gives a pattern ready for use.

    Raises:
        BadPattern: When it is none of RE2's, is too large, or matches the empty text.
    """
    options = re2.Options()
    options.case_sensitive = is_case_sensitive
    options.max_mem = _MAX_MEMORY
    options.log_errors = False
    try:
        found: Pattern = re2.compile(pattern, options)
    except re2.error as error:
        told = error.args[0] if error.args else b""
        msg = f"{pattern[:80]!r} is no pattern of RE2: {told.decode(errors='replace') if isinstance(told, bytes) else told}"
        raise BadPattern(msg) from None
    if found.search("") is not None:
        msg = f"{pattern[:80]!r} matches the empty text, and so everything"
        raise BadPattern(msg)
    return found


def of_words(words: tuple[str, ...]) -> str:
    """Gives the pattern of any of these words or phrases, blanks of any kind between them; see `whole_words`."""
    longest_first = sorted(words, key=len, reverse=True)
    any_word = "|".join(r"\s+".join(re2.escape(each) for each in word.split()) for word in longest_first)
    return rf"(?:^|[^\pL\pN_])({any_word})(?:$|[^\pL\pN_])"


def whole_words(pattern: Pattern, text: str) -> Iterator[tuple[int, int]]:
    """Finds words that are no parts of longer ones, in any script; not in order.

    A match takes the character after its word along, so a word right after it is seen only when the text is looked at again
    with the found words blanked; twice is enough, whatever the text.
    """
    while found := [match.span(1) for match in pattern.finditer(text)]:
        yield from found
        pieces: list[str] = []
        end = 0
        for start, stop in found:
            pieces += [text[end:start], " " * (stop - start)]
            end = stop
        text = "".join([*pieces, text[end:]])
