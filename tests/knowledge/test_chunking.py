"""Sentences and chunks: what the rules promise, on texts made for it and on any text at all."""

# ruff: noqa: RUF001 - the punctuation of many scripts is meant as written

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alcove.kernel.sentences import sentences
from alcove.knowledge.chunking import Chunk, ChunkSettings, chunk
from alcove.knowledge.parsing import PageSpan, ParsedDocument, ParseLimits, Section
from alcove.knowledge.parsing.markdown import read_markdown


def count_words(text: str) -> int:
    return len(text.split())


def document(text: str, *, pages: tuple[PageSpan, ...] = (), sections: tuple[Section, ...] = ()) -> ParsedDocument:
    return ParsedDocument(
        text=text, pages=pages, sections=sections, media_type="text/plain", page_count=len(pages) or None, warnings=()
    )


def markdown(text: str) -> ParsedDocument:
    return read_markdown(text.encode(), name="a.md", limits=ParseLimits())


def cut(parsed: ParsedDocument, smallest: int = 64, largest: int = 128) -> list[Chunk]:
    settings = ChunkSettings(min_tokens=smallest, max_tokens=largest)
    return chunk(parsed, title="file.txt", count_tokens=count_words, settings=settings)


# --- sentences


@pytest.mark.parametrize(
    "expected",
    [
        ["One.", "Two!", "Three?", "Four…", "Five."],
        ["Dr. Smith et al. showed (see Fig. 3) that the U.S. economy grew by 3.5 percent.", "It did!"],
        ['"Did it?" he asked.', '"It did."', "Then nothing."],
        ["J. R. R. Tolkien was born on Jan. 3, 1892.", "He wrote."],
        ["It was founded by Apple Inc. in 1976.", "It moved to the U.S.", "The rest followed."],
        ["Pourquoi ?", "Parce que . . . oui."],
        ["Version 2.0.1 is out at example.org/a.html today.", "Get it."],
        ["Die Prüfung am 3. Oktober ist z. B. um 9 Uhr.", "Er kam."],
        ["El perro ladró.", "¿Por qué?", "¡No sé!"],
        ["Wait... what?!", "No."],
        ["(It rained.)", "[It poured.]", "He left."],
        ["यह एक वाक्य है।", "यह दूसरा है।"],
        ["هل هذا سؤال؟", "نعم."],
    ],
)
def test_sentences_of_one_line(expected: list[str]) -> None:
    text = " ".join(expected)
    assert [text[start:end] for start, end in sentences(text)] == expected


def test_sentences_without_spaces_between_them() -> None:
    text = "这是第一句。这是「第二句！」真的吗？是的"
    assert [text[start:end] for start, end in sentences(text)] == [
        "这是第一句。",
        "这是「第二句！」",
        "真的吗？",
        "是的",
    ]


def test_line_ends_part_headings_items_and_rows_but_not_wrapped_lines() -> None:
    text = (
        "Introduction\nThis paragraph is wrapped at a column and goes on for\nsome more lines until it ends. Like\nhere.\n"
        "1. First item\n2. Second item. It goes on.\n- bullet\n\nName | Size\nTom | big\n"
    )
    assert [" ".join(text[start:end].split()) for start, end in sentences(text)] == [
        "Introduction",
        "This paragraph is wrapped at a column and goes on for some more lines until it ends.",
        "Like here.",
        "1. First item",
        "2. Second item.",
        "It goes on.",
        "- bullet",
        "Name | Size",
        "Tom | big",
    ]


def test_endless_sentence_is_cut_at_clauses_or_words() -> None:
    text = "and so on, " * 1_000
    spans = sentences(text)
    assert max(end - start for start, end in spans) <= 1_200
    assert all(text[start:end].endswith("on,") for start, end in spans)


anything = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from(list(" \n\n..!?。|#-1aAbc,\"')"))), max_size=2_000
)


@given(anything)
def test_sentences_lose_nothing_but_white_space(text: str) -> None:
    at = 0
    for start, end in sentences(text):
        assert at <= start < end
        assert not text[at:start].strip()
        assert text[start:end] == text[start:end].strip()
        at = end
    assert not text[at:].strip()


# --- chunks


def test_chunks_are_whole_sentences_of_the_wanted_size() -> None:
    text = " ".join(f"Sentence number {number} has exactly seven words." for number in range(500))
    chunks = cut(document(text))
    assert all(64 <= count_words(c.text) <= 128 for c in chunks)
    assert all(c.text.startswith("Sentence") and c.text.endswith("words.") for c in chunks)


def test_chunk_ends_with_its_paragraph_once_it_is_large_enough() -> None:
    paragraph = " ".join("Five words are in here." for _ in range(14))
    chunks = cut(document("\n\n".join([paragraph] * 5)))
    assert [c.text for c in chunks] == [paragraph] * 5


def test_last_two_chunks_share_evenly() -> None:
    text = " ".join("Five words are in here." for _ in range(27))
    assert [count_words(c.text) for c in cut(document(text))] == [70, 65]


def test_chunks_stay_inside_their_sections_and_know_their_headings() -> None:
    words = " ".join("Five words are in here." for _ in range(20))
    parsed = markdown(f"# A\n\n{words}\n\n## B\n\n{words}\n\n# C\n\n{words}")
    assert [(c.headings, c.text.split("\n")[0]) for c in cut(parsed)] == [
        (("A",), "# A"),
        (("A", "B"), "## B"),
        (("C",), "# C"),
    ]


def test_heading_alone_is_no_chunk() -> None:
    words = " ".join("Five words are in here." for _ in range(20))
    parsed = markdown(f"# Chapter\n\n## Section\n\n{words}")
    (only,) = cut(parsed)
    assert only.headings == ("Chapter", "Section")
    assert only.text.startswith("# Chapter\n\n## Section")


def test_tiny_neighbours_are_put_together_under_what_they_share() -> None:
    parsed = markdown("# Questions\n\n## One?\n\nYes.\n\n## Two?\n\nNo.\n\n## Three?\n\nPerhaps.")
    (only,) = cut(parsed)
    assert only.headings == ("Questions",)


def test_page_is_where_the_chunk_starts() -> None:
    words = " ".join("Five words are in here." for _ in range(20))
    text = f"{words}\n\n{words}"
    pages = (
        PageSpan(page=1, start=0, end=len(words)),
        PageSpan(page=2, start=len(words), end=len(words)),
        PageSpan(page=3, start=len(words) + 2, end=len(text)),
    )
    assert [c.page for c in cut(document(text, pages=pages))] == [1, 3]
    assert [c.page for c in cut(document(text))] == [None, None]


def test_embedding_text_begins_with_title_and_headings() -> None:
    parsed = markdown("---\ntitle: Handbook\n---\n# Holidays\n\nThere are thirty days.")
    (only,) = cut(parsed)
    assert only.embedding_text == "Handbook › Holidays\n# Holidays\n\nThere are thirty days."
    (plain,) = cut(document("Just text."))
    assert plain.embedding_text == "file.txt\nJust text."


def test_long_titles_and_headings_never_push_the_text_out_of_the_model() -> None:
    words = " ".join("Five words are in here." for _ in range(25))
    sections = (Section(start=0, end=len(words), headings=("outer " * 40, "inner " * 40)),)
    (only,) = cut(document(words, sections=sections))
    assert only.embedding_text.startswith("inner")
    assert count_words(only.embedding_text) <= 254


def test_sentence_longer_than_a_chunk_is_parted_at_words() -> None:
    text = "word " * 1_000
    chunks = cut(document(text))
    assert all(count_words(c.text) <= 128 for c in chunks)
    assert sum(count_words(c.text) for c in chunks) == 1_000


def test_settings_refuse_nonsense() -> None:
    for smallest, largest in ((0, 10), (20, 10), (10, 300)):
        with pytest.raises(ValueError, match="min_tokens"):
            ChunkSettings(min_tokens=smallest, max_tokens=largest)


def count_characters(text: str) -> int:
    return (len(text) + 3) // 4


@st.composite
def documents(draw: st.DrawFn) -> ParsedDocument:
    text = draw(anything)
    cuts = sorted(set(draw(st.lists(st.integers(0, len(text)), max_size=6))) | {0, len(text)})
    path = st.lists(st.sampled_from(["A", "B", "Heading of some words"]), max_size=3).map(tuple)
    sections = tuple(Section(start=start, end=end, headings=draw(path)) for start, end in pairwise(cuts))
    pages = tuple(
        PageSpan(page=number, start=start, end=end) for number, (start, end) in enumerate(pairwise(cuts), start=1)
    )
    return document(text, sections=sections, pages=pages)


@settings(max_examples=200)
@given(documents(), st.sampled_from([count_words, count_characters]), st.sampled_from([(1, 1), (4, 8), (64, 128)]))
def test_chunks_keep_their_promises(parsed: ParsedDocument, count_tokens, bounds: tuple[int, int]) -> None:
    wanted = ChunkSettings(min_tokens=bounds[0], max_tokens=bounds[1])
    chunks = chunk(parsed, title="t", count_tokens=count_tokens, settings=wanted)
    assert chunks == chunk(parsed, title="t", count_tokens=count_tokens, settings=wanted)
    at = 0
    for index, piece in enumerate(chunks):
        assert piece.index == index
        assert parsed.text[piece.start : piece.end] == piece.text == piece.text.strip() != ""
        assert at <= piece.start
        assert not parsed.text[at : piece.start].strip()
        assert piece.embedding_text.endswith(piece.text)
        assert piece.page is not None
        page = parsed.pages[piece.page - 1]
        assert page.start <= piece.start < page.end
        if count_tokens is count_words:  # adds up exactly
            assert count_words(piece.text) <= wanted.max_tokens
        at = piece.end
    assert not parsed.text[at:].strip()


@pytest.mark.parametrize(
    "text",
    [
        "The quick brown fox jumps over the lazy dog, again and again. Was it 3.5 m? Yes!\n\n" * 12_000,
        "It is 3.5 m long. Was it 4. Mai? Yes, e.g. Tom. " * 21_000,
        "x" * 1_000_000,
        ". " * 500_000,
        "a\n" * 500_000,
        " " * 1_000_000 + "x",
        "\n \n" * 300_000,
        "word, " * 170_000,
        "。" * 1_000_000,
        '."' * 500_000,
    ],
)
def test_a_megabyte_takes_a_moment(text: str) -> None:
    started = time.perf_counter()
    chunk(document(text), title="t", count_tokens=count_characters)
    assert time.perf_counter() - started < 6  # about one second when the machine has nothing else to do
