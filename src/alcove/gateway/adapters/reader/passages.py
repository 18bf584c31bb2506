"""What there is to read, and what is asked about it: from numbered sources, tool results, or text pasted into messages."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from alcove.kernel.chat import ChatMessage, ChatRequest, ChatRole, JsonValue, Source

MAX_CHARACTERS = 400_000
"""Pasted text beyond this is not read."""

_PASTED_CHARACTERS = 400
_QUESTION_CHARACTERS = 600
_INSTRUCTION_CHARACTERS = 800
_TOOL_TEXT_CHARACTERS = 20
_QUOTABLE_CHARACTERS = 40

_QUESTION_TAGS, _CONTEXT_TAGS, _SOURCE_TAGS = (
    "user_query|query|question",
    "context|documents|sources",
    "source|document",
)
_TAG_NUMBER = re.compile(r"\b(?:id|index)\s*=\s*[\"']?(\d{1,3})\b")
_TAG_NAME = re.compile(r"\b(?:name|title)\s*=\s*[\"']([^\"']*)[\"']")
_QUESTION_LABEL = re.compile(
    r"^[#* \t]*(?:user(?:'s)? )?(?:question|query)[* \t]*:[* \t]*", re.MULTILINE | re.IGNORECASE
)
_CONTEXT_LABEL = re.compile(
    r"(?:^|(?<=[.!?]))[#* \t]*(?:(?:retrieved |relevant |search )?(?:context|documents?|sources?|passages?|results|memories|knowledge)"
    r"(?: information)?(?: is below)?)[* \t]*[:.]?[*]*\s*?(?:\n|(?<=:)[ \t*]*)",
    re.MULTILINE | re.IGNORECASE,
)
_ANSWER_LABEL = re.compile(
    r"^[#* \t]*(?:helpful |final |your )?(?:answer|response)[* \t]*:[* \t]*\Z", re.MULTILINE | re.IGNORECASE
)
_NUMBERED = re.compile(r"^[ \t]*\[(\d{1,3})\][ \t:]*", re.MULTILINE)
_INSTRUCTION = re.compile(r"\b(?:answer|respond|reply)\b.*\b(?:question|query|context)\b", re.IGNORECASE | re.DOTALL)
_RULE = re.compile(r"^[ \t]*(?:-{3,}|={3,}|`{3,}\w*|\"{3,})[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """A text to quote from.

    Attributes:
        text: The text.
        number: How an answer refers to it; None where it has no number.
        name: What it is from, as people know it (a file's name).
        title: The same in words.
        score: How well whoever found it thinks it fits, 0 to 1.
        start: Offset of the text in its document, where known.
        is_source: Whether it is one of the request's sources, so that a citation of it can be followed.
    """

    text: str
    number: int | None = None
    name: str = ""
    title: str = ""
    score: float = 0.0
    start: int | None = None
    is_source: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A question and what there is to read.

    Attributes:
        question: What is asked, without anything pasted around it.
        earlier: The question before it, for questions that refer back.
        passages: What there is to read.
    """

    question: str
    earlier: str
    passages: tuple[Passage, ...]


def reading(request: ChatRequest) -> Reading:
    """Finds the question and the passages of a request: its sources, or else what tools and people put into messages."""
    asked = [message.text for message in request.messages if message.role is ChatRole.USER and message.text.strip()]
    question, pasted = _split(asked[-1]) if asked else ("", ())
    earlier = _split(asked[-2])[0] if len(asked) > 1 else ""
    if request.sources:
        return Reading(question=question, earlier=earlier, passages=tuple(_of_source(each) for each in request.sources))
    found = [*pasted, *_of_other_messages(request.messages)]
    return Reading(question=question, earlier=earlier, passages=tuple(_within_limit(found)))


def _of_source(source: Source) -> Passage:
    return Passage(
        text=source.text,
        number=source.number,
        name=source.document,
        title=_title(source.document),
        score=source.score,
        start=source.start,
        is_source=True,
    )


def _title(name: str) -> str:
    """Makes words of a file's name."""
    path = PurePath(name)
    stem = path.stem if re.fullmatch(r"\.[A-Za-z][A-Za-z0-9]{0,4}", path.suffix) else path.name
    return re.sub(r"[_\-\s]+", " ", stem).strip()


def _of_other_messages(messages: Sequence[ChatMessage]) -> Iterator[Passage]:
    """Gives what tools answered since the last question, then context of system messages, then texts pasted earlier."""
    last = max((i for i, message in enumerate(messages) if message.role is ChatRole.USER), default=-1)
    for message in messages[last + 1 :]:
        if message.role is ChatRole.TOOL:
            yield from _of_tool(message)
    for message in messages:
        if message.role in {ChatRole.SYSTEM, ChatRole.DEVELOPER}:
            context = _context(message.text)
            if context is not None:
                yield from _of_text(context)
    for message in reversed(messages[: max(last, 0)]):
        if message.role is ChatRole.USER:
            yield from _split(message.text)[1]
        elif message.role is ChatRole.TOOL:
            yield from _of_tool(message)


def _of_tool(message: ChatMessage) -> Iterator[Passage]:
    title = message.name or ""
    try:
        value = json.loads(message.text)
    except (ValueError, RecursionError):
        value = None
    found = list(_texts(value, title, depth=0)) if isinstance(value, dict | list) else []
    if found:
        yield from found
    elif message.text.strip():
        yield Passage(text=message.text, name=title, title=_title(title))


def _texts(value: JsonValue, title: str, *, depth: int) -> Iterator[Passage]:
    """Gives the longer texts of a JSON value, each under the title or name beside it."""
    if isinstance(value, str):
        if len(value) >= _TOOL_TEXT_CHARACTERS:
            yield Passage(text=value, name=title, title=_title(title))
    elif depth > 8:  # noqa: PLR2004  deeper is no result of a search
        return
    elif isinstance(value, dict):
        label = value.get("title") or value.get("name") or title
        for key, each in value.items():
            if key not in {"title", "name", "url", "id"}:
                yield from _texts(each, label if isinstance(label, str) else title, depth=depth + 1)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, title, depth=depth + 1)


def _context(text: str) -> str | None:
    """Gives what a system message marks as context; None when it marks nothing, for its instructions are not to be quoted."""
    tagged = _tagged(text, _CONTEXT_TAGS)
    if tagged:
        return "\n\n".join(each.text for each in tagged)
    label = _CONTEXT_LABEL.search(text)
    return text[label.end() :] if label else None


def _split(text: str) -> tuple[str, tuple[Passage, ...]]:
    """Parts a message into the question and the passages pasted around it."""
    if len(text) <= _PASTED_CHARACTERS and not _is_labelled(text):
        return text.strip(), ()
    body = _ANSWER_LABEL.sub("", text[:MAX_CHARACTERS].rstrip())
    asked = next(iter(_tagged(body, _QUESTION_TAGS)), None)
    contexts = _tagged(body, _CONTEXT_TAGS)
    if contexts:
        outside = body[contexts[-1].end :].strip() or body[: contexts[0].start].strip()
        question = (asked.text if asked else outside).strip()[-_QUESTION_CHARACTERS:]
        return question, tuple(_of_text("\n\n".join(each.text for each in contexts)))
    question, rest = (asked.text, body[: asked.start] + body[asked.end :]) if asked else _question_of(body)
    label = _CONTEXT_LABEL.search(rest)
    if label and label.start() <= _INSTRUCTION_CHARACTERS and rest[label.end() :].strip():
        rest = rest[label.end() :]
    return question.strip()[:_QUESTION_CHARACTERS], tuple(_of_text(rest))


def _is_labelled(text: str) -> bool:
    """Tells whether even a short message holds more than a question."""
    if _tagged(text, _CONTEXT_TAGS):
        return True
    question = _QUESTION_LABEL.search(text)
    return question is not None and (question.start() > _QUOTABLE_CHARACTERS or _CONTEXT_LABEL.search(text) is not None)


def _question_of(body: str) -> tuple[str, str]:
    """Finds the question in a long message: after a label, or its last or first short paragraph."""
    labels = list(_QUESTION_LABEL.finditer(body))
    if labels:
        after = body[labels[-1].end() :]
        label = _CONTEXT_LABEL.search(after)
        end = label.start() if label else len(after)
        return after[:end], body[: labels[-1].start()] + "\n\n" + after[end:]
    paragraphs = [(match.start(), match.end()) for match in re.finditer(r"\S(?:.|\n(?!\s*\n))*", body)]
    for start, end in (*paragraphs[-1:], *paragraphs[:1]):
        if end - start <= _PASTED_CHARACTERS and len(paragraphs) > 1:
            is_last = start == paragraphs[-1][0]
            if not is_last or "?" in body[start:end] or body[start:end].count(" ") < 20:  # noqa: PLR2004  a short wish
                return body[start:end], body[:start] + body[end:]
    first, _, others = body.partition("\n")
    if others and len(first) <= _PASTED_CHARACTERS:
        return first, others
    return "", body


@dataclass(frozen=True, slots=True)
class _Tagged:
    """What stands between a tag and its end."""

    text: str
    attributes: str
    start: int
    end: int


def _tagged(text: str, names: str) -> list[_Tagged]:
    """Finds tagged parts, not nested; one pass per tag, so that unclosed tags cost nothing."""
    found: list[_Tagged] = []
    lowered = text.lower()
    at = 0
    for match in re.finditer(rf"<({names})\b([^<>]{{0,300}})>", text, re.IGNORECASE):
        if match.start() < at:
            continue
        closing = f"</{match.group(1).lower()}>"
        close = lowered.find(closing, match.end())
        if close < 0:
            break
        at = close + len(closing)
        found.append(_Tagged(text[match.end() : close], match.group(2), match.start(), at))
    return found


def _of_text(text: str) -> Iterator[Passage]:
    """Parts pasted context into its own numbered pieces; text without numbers stays whole, without the instructions around it."""
    tagged = _tagged(text, _SOURCE_TAGS)
    if tagged:
        for each in tagged:
            number, name = _TAG_NUMBER.search(each.attributes), _TAG_NAME.search(each.attributes)
            yield Passage(
                text=each.text,
                number=int(number.group(1)) if number else None,
                name=name.group(1) if name else "",
                title=_title(name.group(1)) if name else "",
            )
        return
    marks = list(_NUMBERED.finditer(text))
    yield from _plain(text[: marks[0].start()] if marks else text)
    for mark, following in zip(marks, [*marks[1:], None], strict=True) if marks else ():
        piece = text[mark.end() : following.start() if following else len(text)]
        yield Passage(text=piece, number=int(mark.group(1)))


def _plain(text: str) -> Iterator[Passage]:
    for piece in _RULE.split(text):
        kept = [each for each in re.split(r"\n\s*\n", piece) if not _is_instruction(each)]
        if any(each.strip() for each in kept):
            yield Passage(text="\n\n".join(kept))


def _is_instruction(paragraph: str) -> bool:
    return len(paragraph) <= _PASTED_CHARACTERS and _INSTRUCTION.search(paragraph) is not None


def _within_limit(passages: Sequence[Passage]) -> Iterator[Passage]:
    room = MAX_CHARACTERS
    for passage in passages:
        if room <= 0:
            return
        room -= len(passage.text)
        yield passage
