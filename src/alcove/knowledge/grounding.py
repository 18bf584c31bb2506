"""Searching for a turn: what is asked, what is found, and what the trace shows of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from alcove.kernel.chat import ChatMessage, ChatRequest, ChatRole, Source, TextPart
from alcove.kernel.ports import CallContext
from alcove.kernel.questions import refers_back
from alcove.kernel.trace import ObservationKind
from alcove.knowledge.models import CollectionRecord
from alcove.knowledge.retrieval import Retriever

_NOTHING_FOUND = (
    "The collections attached to this conversation hold nothing that fits the question, or no document that has been read yet. "
    "Say so plainly before answering from anything else."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TurnSearch:
    """Finds sources for turns.

    Attributes:
        retriever: Finds passages.
    """

    retriever: Retriever

    async def sources(
        self, request: ChatRequest, collections: Sequence[CollectionRecord], context: CallContext
    ) -> tuple[Source, ...]:
        """Finds sources for a request, and leaves a retriever observation with scored chunks and times."""
        question = question_of(request)
        with context.tracer.observe(ObservationKind.RETRIEVER, "retrieve") as observation:
            observation.input = {"query": question, "collections": [each.name for each in collections]}
            found = await self.retriever.retrieve(context.principal.user_id, collections, question)
            observation.output = [
                {
                    "number": source.number,
                    "document": source.document,
                    "document_id": source.document_id,
                    "collection": source.collection,
                    "page": source.page,
                    "chunk_index": source.chunk_index,
                    "score": source.score,
                    "text": source.text,
                }
                for source in found.sources
            ]
            observation.metadata["latency_ms"] = dict(found.latency_ms)
            observation.metadata["embedding_model"] = self.retriever.embedder.info.id
        return found.sources


def question_of(request: ChatRequest) -> str:
    """Gives what to search for: the last question; one that refers back ("and when?") with the question before it."""
    asked = [each.text for each in request.messages if each.role is ChatRole.USER and each.text.strip()]
    if not asked:
        return ""
    if len(asked) > 1 and refers_back(asked[-1]):
        return f"{asked[-2]}\n{asked[-1]}"
    return asked[-1]


def told_nothing_found(request: ChatRequest) -> ChatRequest:
    """Tells a model in the system message that nothing was found; a client's own system message stays the first."""
    first, rest = request.messages[:1], request.messages[1:]
    if first and first[0].role in {ChatRole.SYSTEM, ChatRole.DEVELOPER}:
        system = replace(first[0], content=(*first[0].content, TextPart(text=_NOTHING_FOUND)))
        return replace(request, messages=(system, *rest))
    return replace(request, messages=(ChatMessage.of(ChatRole.SYSTEM, _NOTHING_FOUND), *request.messages))
