"""Which questions can only be understood with the one before."""

import re

_REFERS_BACK = re.compile(
    r"\b(?:it|its|they|them|their|theirs|he|him|his|she|her|hers|that|those|this|these|there|then|one|ones|former|latter|same|else)\b",
    re.IGNORECASE,
)
_GOES_ON = re.compile(
    r"\W*(?:and|but|so|or|what about|how about|also|how come|really|more|tell me more|go on)\b", re.IGNORECASE
)
_BARE_WORDS = 2  # "When?", "Why not?"
_SOME_WORDS = 12
_SHORT_WORDS = 8


def refers_back(question: str) -> bool:
    """Tells whether a question needs the one before it to be understood: "And when?", "Who built it?".

    A short question that stands for itself ("Who built the lighthouse?") does not: the one before would only mislead.
    """
    count = len(question.split())
    return (
        count <= _BARE_WORDS
        or (count <= _SOME_WORDS and _REFERS_BACK.search(question) is not None)
        or (count <= _SHORT_WORDS and _GOES_ON.match(question) is not None)
    )
