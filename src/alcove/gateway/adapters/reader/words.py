"""Words as the reader compares them: lower case, roughly stemmed, without the small ones; and the names among them."""

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?|[^\W_]")
_NAME = re.compile(r"\b[A-Z\u00c0-\u00de][^\W_]*(?:['\u2019\-][^\W_]+)*")
_IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")

STOP_WORDS = frozenset(
    """
    a about after all also an and any are as at be because been before being between both but by can could did do does doing
    each for from further had has have having he her here hers him his how i if in into is it its itself just me more most
    my no nor not now of off on once only or other our out over own same she should so some such than that the their them
    then there these they this those through to too under until up upon very was we were what when where which while who
    whom whose why will with would you your please tell give show know say name named called many much often long
    der das dem den ein eine einen einem einer eines und oder ist sind wird werden wurde wie viel viele welche welcher welches
    wer wo wann warum wieso ich du er sie es wir ihr nicht auch auf aus bei mit nach von vor zu zum zur im am gibt kann
    le la les un une du et ou est sont que qui quoi quel quelle quels quelles combien comment quand dans avec il elle nous vous
    el las una unos unas y es son qué quien quién cuál cuánto cuántos cuándo dónde cómo por para del
    """.split()  # noqa: SIM905  reads better than two hundred strings
)
"""Words that say nothing about what is asked."""


def words(text: str) -> list[str]:
    """Gives the words of a text in order, comparable; scripts without spaces give pairs of characters."""
    found: list[str] = []
    for match in _WORD.finditer(text):
        word = match.group()
        if _IDEOGRAPH.search(word):
            found.extend(word[i : i + 2] for i in range(max(1, len(word) - 1)))
            continue
        word = _plain(word)
        if word not in STOP_WORDS:
            found.append(_stem(word))
    return found


def names(text: str) -> frozenset[str]:
    """Gives the capitalised words of a text, comparable."""
    return frozenset(word for match in _NAME.finditer(text) for word in words(match.group()) if len(word) > 1)


def _plain(word: str) -> str:
    word = word.lower().removesuffix("'s").removesuffix("\u2019s")
    if word.isascii():
        return word
    return "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))


def _stem(word: str) -> str:
    """Takes common English endings off; crude, but the same on both sides."""
    if len(word) <= 3 or not word.isalpha():  # noqa: PLR2004  short words and numbers have no endings
        return word
    for ending, replacement in (
        ("ies", "y"),
        ("sses", "ss"),
        ("ing", ""),
        ("ed", ""),
        ("es", ""),
        ("s", ""),
        ("e", ""),
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):  # noqa: PLR2004
            return word[: -len(ending)] + replacement
    return word
