import pytest

from alcove.kernel.questions import refers_back


@pytest.mark.parametrize(
    "question",
    ["And when?", "When?", "Why not?", "Who built it?", "and in winter?", "What about the costs?", "How old are they?"],
)
def test_questions_that_need_the_one_before(question: str):
    assert refers_back(question)


@pytest.mark.parametrize(
    "question",
    [
        "Who built the lighthouse?",
        "When were Priya's tasks due?",
        "Costs of dredging in 2025?",
        "Why did the lamp change to gas?",
    ],
)
def test_short_questions_that_stand_for_themselves(question: str):
    assert not refers_back(question)
