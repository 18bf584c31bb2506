"""Cuts documents into chunks of whole sentences, small enough for the embedding model to read entirely.

Measured (docs: retrieval): whole sentences up to 64 to 128 tokens put more of the passages that matter into the same
context than fixed windows of characters or words do, and the packaged model reads no more than 256 tokens of a chunk.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from alcove.kernel.sentences import sentences, weak_place
from alcove.knowledge.parsing.models import ParsedDocument, Section

_MODEL_TOKENS: Final = 256
_SEPARATOR: Final = " › "  # noqa: RUF001 - a sign, not a letter


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkSettings:
    """How large chunks are, in the embedding model's tokens."""

    min_tokens: int = 64  # from here on a chunk ends where its paragraph does
    max_tokens: int = 128  # and never holds more, the last two of a section excepted, which share evenly

    def __post_init__(self) -> None:
        if not 1 <= self.min_tokens <= self.max_tokens <= _MODEL_TOKENS:
            message = f"Chunks need 1 <= min_tokens <= max_tokens <= {_MODEL_TOKENS}, not {self.min_tokens}, {self.max_tokens}."
            raise ValueError(message)


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """A passage of a document: `document.text[start:end] == text`."""

    index: int
    text: str
    start: int
    end: int
    page: int | None
    headings: tuple[str, ...]
    embedding_text: str  # what the embedding model reads: title and headings, then the text


@dataclass(frozen=True, slots=True)
class _Piece:
    """A sentence, or a part of one that is too long for a chunk."""

    start: int
    end: int
    tokens: int
    begins_paragraph: bool


@dataclass(slots=True)
class _Group:
    """Neighbouring sections that are cut as one."""

    headings: tuple[str, ...]
    pieces: list[_Piece]
    tokens: int
    is_mixed: bool = False  # holds sections that stand side by side


CountTokens = Callable[[str], int]


def chunk(
    document: ParsedDocument, *, title: str, count_tokens: CountTokens, settings: ChunkSettings | None = None
) -> list[Chunk]:
    """Cut a document into chunks, in order; only white space lies between them.

    Args:
        document: What the parser gave.
        title: What the document is called (its file name) where it has no title of its own.
        count_tokens: Tokens of a text without the model's marks for start and end; asked about once a sentence.
        settings: How large the chunks are.
    """
    settings = settings or ChunkSettings()
    page_starts = [page.start for page in document.pages]
    prefixes = _Prefixes(document.title or title, count_tokens)
    chunks: list[Chunk] = []
    for group in _groups(document, count_tokens, settings):
        for pieces in _packed(group.pieces, settings):
            start, end = pieces[0].start, pieces[-1].end
            text = document.text[start:end]
            at = bisect_right(page_starts, start) - 1
            chunks.append(
                Chunk(
                    index=len(chunks),
                    text=text,
                    start=start,
                    end=end,
                    page=document.pages[at].page if at >= 0 else None,
                    headings=group.headings,
                    embedding_text=prefixes.before(group.headings, _MODEL_TOKENS - sum(p.tokens for p in pieces))
                    + text,
                )
            )
    return chunks


class _Prefixes:
    """Title and headings as they stand before a chunk's text, as many as the model still has room for."""

    _MARKS: Final = 2  # the model's own marks for start and end

    def __init__(self, title: str, count_tokens: CountTokens) -> None:
        self._title = " ".join(title.split())
        self._count = count_tokens
        self._known: dict[tuple[tuple[str, ...], int], str] = {}
        self._tokens: dict[str, int] = {}

    def before(self, headings: tuple[str, ...], room: int) -> str:
        room = min(room - self._MARKS, _MODEL_TOKENS // 4)
        key = (headings, room)
        if key not in self._known:
            self._known[key] = self._make(headings, room)
        return self._known[key]

    def _make(self, headings: tuple[str, ...], room: int) -> str:
        names = [name for name in (self._title, *headings) if name]
        names = names[:1] + [name for last, name in pairwise(names) if name != last]
        kept: list[str] = []
        for name in reversed(names):  # the innermost heading says most
            room -= self._tokens.setdefault(name, self._count(name)) + (1 if kept else 0)
            if room < 0:
                break
            kept.insert(0, name)
        return _SEPARATOR.join(kept) + "\n" if kept else ""


def _groups(document: ParsedDocument, count_tokens: CountTokens, settings: ChunkSettings) -> Iterator[_Group]:
    """The sections' sentences; small sections join the next, so that no heading stands alone."""
    whole = (Section(start=0, end=len(document.text), headings=()),)
    group: _Group | None = None
    for section in document.sections or whole:
        pieces = list(_pieces(document.text, section, count_tokens, settings.max_tokens))
        if not pieces:
            continue
        following = _Group(section.headings, pieces, sum(piece.tokens for piece in pieces))
        if group is None:
            group = following
        elif (path := _joint_path(group, following, settings)) is not None:
            is_mixed = group.is_mixed or path != following.headings
            group = _Group(path, group.pieces + pieces, group.tokens + following.tokens, is_mixed)
        else:
            yield group
            group = following
    if group is not None:
        yield group


def _joint_path(group: _Group, following: _Group, settings: ChunkSettings) -> tuple[str, ...] | None:
    """The headings of two neighbours cut as one; None if each is better off alone."""
    is_child = following.headings[: len(group.headings)] == group.headings
    if is_child and not group.is_mixed and group.tokens < settings.min_tokens // 4:  # hardly more than a heading
        return following.headings
    is_sibling = following.headings[:-1] == group.headings[:-1]
    is_small = group.tokens < settings.min_tokens and group.tokens + following.tokens <= settings.max_tokens
    if is_small and (is_child or is_sibling):
        return group.headings if is_child else group.headings[:-1]
    return None


def _pieces(text: str, section: Section, count_tokens: CountTokens, max_tokens: int) -> Iterator[_Piece]:
    last = section.start
    for start, end in sentences(text[section.start : section.end]):
        begin, finish = start + section.start, end + section.start
        begins_paragraph = text.count("\n", last, begin) > 1
        last = finish
        for piece_start, piece_end, tokens in _fitting(text, begin, finish, count_tokens, max_tokens):
            yield _Piece(piece_start, piece_end, tokens, begins_paragraph)
            begins_paragraph = False


def _fitting(
    text: str, start: int, end: int, count_tokens: CountTokens, max_tokens: int
) -> Iterator[tuple[int, int, int]]:
    """The stretch, halved at weak places until each part has at most `max_tokens`."""
    open_parts = [(start, end)]
    while open_parts:
        start, end = open_parts.pop()
        tokens = count_tokens(text[start:end])
        if tokens <= max_tokens or end - start < 2:  # noqa: PLR2004 - one character cannot be halved
            yield start, end, tokens
            continue
        cut = weak_place(text, start, start + max(1, (end - start) * 2 // 3))
        if not start < cut < end:
            cut = (start + end) // 2
        left, right = len(text[start:cut].rstrip()) + start, cut
        while text[right].isspace():
            right += 1
        open_parts.extend(((right, end), (start, left)))


def _packed(pieces: list[_Piece], settings: ChunkSettings) -> Iterator[list[_Piece]]:
    """The pieces in chunks: full ones, ended by preference where a paragraph ends."""
    packs: list[list[_Piece]] = []
    pack: list[_Piece] = []
    tokens = 0
    for piece in pieces:
        is_full = tokens + piece.tokens > settings.max_tokens
        if pack and (is_full or (piece.begins_paragraph and tokens >= settings.min_tokens)):
            packs.append(pack)
            pack, tokens = [], 0
        pack.append(piece)
        tokens += piece.tokens
    packs.append(pack)
    if len(packs) > 1 and tokens < settings.min_tokens:
        packs[-2:] = _shared(packs[-2] + packs[-1], settings)
    yield from packs


def _shared(pieces: list[_Piece], settings: ChunkSettings) -> list[list[_Piece]]:
    """The pieces of a section's last two chunks: one chunk if it fits, else two of about the same size."""
    total = sum(piece.tokens for piece in pieces)
    if total <= settings.max_tokens:
        return [pieces]
    best, best_cut, before = total, 0, 0
    for cut, piece in enumerate(pieces[:-1], start=1):
        before += piece.tokens
        larger = max(before, total - before)
        if larger <= best:
            best, best_cut = larger, cut
    return [pieces[:best_cut], pieces[best_cut:]]
