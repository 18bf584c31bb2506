"""What spans pieces of a stream is found before it leaves."""

from contextlib import suppress
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from alcove.gateway.guards.checks import Guard
from alcove.gateway.guards.models import BlockRule, Guardrail
from alcove.gateway.guards.window import Hit, Window
from alcove.kernel.clock import FakeClock

NOW = FakeClock().now()


def guard(**rule: object) -> Guard:
    return Guard.of(Guardrail(id="1", name="g", rule=BlockRule.model_validate(rule), created_at=NOW, updated_at=NOW))


TEXT = st.lists(
    st.sampled_from(["bad", "badge", " ", "b", "ad word", "bad word", "x" * 30, "\n", "ä", "secret-12", "7"]),
    max_size=15,
)


def cut(text: str, cuts: list[int]) -> list[str]:
    places = sorted({0, len(text), *(each for each in cuts if each < len(text))})
    return [text[start:end] for start, end in pairwise(places)]


@given(words=TEXT, cuts=st.lists(st.integers(0, 200), max_size=40))
def test_masks_are_the_same_wherever_the_text_is_cut(words: list[str], cuts: list[int]):
    checked = guard(words=["bad", "bad word"], patterns=[r"secret-\d+"])
    text = "".join(words)
    whole = Window(checked.spans, 20, is_final=False).push(text, is_last=True)
    window = Window(checked.spans, 20, is_final=False)
    assert "".join(window.push(part) for part in cut(text, cuts)) + window.push("", is_last=True) == whole


@given(words=TEXT, cuts=st.lists(st.integers(0, 200), max_size=40))
def test_nothing_of_a_find_leaves(words: list[str], cuts: list[int]):
    checked = guard(words=["bad", "bad word"], patterns=[r"secret-\d+"])
    text = "".join(words)
    window, out = Window(checked.spans, 20, is_final=True), ""
    with suppress(Hit):
        try:
            for part in cut(text, cuts):
                out += window.push(part)
            out += window.push("", is_last=True)
        except Hit as hit:
            out += hit.before
            assert checked.spans(text)
            raise
        assert not checked.spans(text)
    first = checked.spans(text)
    assert out == (text[: first[0][0]] if first else text)


def test_neighbouring_words_and_parts_of_phrases_are_found():
    found = guard(words=["bad", "bad word"])
    assert [each[:2] for each in found.spans("bad bad bad, bad wordy badge")] == [(0, 3), (4, 7), (8, 11), (13, 16)]


def test_no_more_is_held_back_than_the_window():
    window = Window(guard(words=["bad"], window=16).spans, 16, is_final=True)
    assert len(window.push("a" * 100)) == 83
