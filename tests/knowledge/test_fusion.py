"""Fusing two lists of hits."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from alcove.infra.vectors import Hit
from alcove.knowledge.retrieval import fuse

NAMES = [f"point-{number:02}" for number in range(12)]
COSINES = st.floats(-1, 1, allow_nan=False).map(lambda each: round(each, 6))
SCORES = st.floats(0.000001, 60, allow_nan=False).map(lambda each: round(each, 6))


def hit(name: str, score: float) -> Hit:
    return Hit(id=name, collection_id="c", document_id=f"document of {name}", chunk_index=0, score=score)


def best_first(scores: dict[str, float]) -> list[Hit]:
    return [hit(name, score) for name, score in sorted(scores.items(), key=lambda each: (-each[1], each[0]))]


@st.composite
def found(draw: st.DrawFn) -> tuple[list[Hit], list[Hit], dict[str, float]]:
    """What two searches put forward, and the cosines of what search by words alone found (one may have gone meanwhile)."""
    dense = draw(st.dictionaries(st.sampled_from(NAMES), COSINES))
    sparse = draw(st.dictionaries(st.sampled_from(NAMES), SCORES))
    cosines = {name: draw(COSINES) for name in sparse if name not in dense and draw(st.integers(0, 4))}
    return best_first(dense), best_first(sparse), cosines


@given(found(), st.floats(0, 1))
def test_scores_are_between_0_and_1_best_first_and_every_hit_comes_once(lists, weight):
    dense, sparse, cosines = lists
    fused = fuse(dense, sparse, cosines, weight=weight)
    assert all(0 <= each.score <= 1 for each in fused)
    assert [each.score for each in fused] == sorted((each.score for each in fused), reverse=True)
    assert sorted(each.id for each in fused) == sorted({each.id for each in (*dense, *sparse)})
    assert all(each.document_id == f"document of {each.id}" for each in fused)


@given(found(), st.floats(0, 1))
def test_the_order_does_not_depend_on_the_order_of_the_lists(lists, weight):
    dense, sparse, cosines = lists
    assert fuse(dense[::-1], sparse[::-1], cosines, weight=weight) == fuse(dense, sparse, cosines, weight=weight)


@given(found())
def test_weight_1_is_search_by_meaning(lists):
    dense, sparse, cosines = lists
    alone = fuse(dense, [], {}, weight=1)
    assert [each.id for each in alone] == [each.id for each in dense]
    fused = fuse(dense, sparse, dict.fromkeys(cosines, -1.0), weight=1)
    kept = [each for each in fused if each.id in {other.id for other in dense}]
    assert kept == alone


@given(found())
def test_weight_0_is_search_by_words(lists):
    dense, sparse, cosines = lists
    alone = fuse([], sparse, {}, weight=0)
    assert [each.id for each in alone] == [each.id for each in sparse]
    assert not sparse or alone[0].score == 1
    fused = fuse(dense, sparse, cosines, weight=0)
    assert fused[: len(alone)] == alone
    assert all(each.score == 0 for each in fused[len(alone) :])


@given(found(), st.floats(0, 1))
def test_better_by_meaning_and_by_words_is_better(lists, weight):
    dense, sparse, cosines = lists
    meaning = {**cosines, **{each.id: each.score for each in dense}}
    words = {each.id: each.score for each in sparse}
    place = {each.id: at for at, each in enumerate(fuse(dense, sparse, cosines, weight=weight))}
    for one, other in permutations(meaning, 2):
        if meaning[one] > meaning[other] and words.get(one, 0) > words.get(other, 0):
            assert place[one] < place[other]


def test_a_hit_by_words_alone_has_its_own_cosine_and_not_zero():
    fused = fuse([hit("a", 0.9)], [hit("b", 10.0)], {"b": 0.8}, weight=0.7)
    assert [(each.id, round(each.score, 6)) for each in fused] == [("b", 0.86), ("a", 0.63)]


def test_nothing_found_is_nothing():
    assert fuse([], [], {}, weight=0.7) == []
