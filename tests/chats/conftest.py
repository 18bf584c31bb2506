"""A chat room with a scripted model, a fake knowledge and the real store."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import pytest

from alcove.chats.answers import Answers
from alcove.chats.models import ChatSettings, CollectionRef, DocumentRef
from alcove.chats.service import ChatService
from alcove.chats.store import SqlChatStore
from alcove.infra.background import background_tasks
from alcove.infra.database import Database
from alcove.kernel.chat import ChatRequest, Delta
from alcove.kernel.clock import SystemClock
from alcove.kernel.errors import AlcoveError, ModelNotFound, NotFound, Unprocessable
from alcove.kernel.ports import CallContext, Model, ModelInfo, NoPricing
from alcove.kernel.principal import Principal
from alcove.kernel.runner import TurnRunner
from alcove.kernel.trace import ListTraceSink

Script = Callable[[ChatRequest], AsyncGenerator[Delta, None]]


@dataclass
class ScriptedModel:
    """Answers as its script says, and remembers what it was asked and how often it was closed early."""

    script: Script
    id: str = "scripted"
    requests: list[ChatRequest] = field(default_factory=list)
    closed: int = 0

    @property
    def info(self) -> ModelInfo:
        return ModelInfo(id=self.id)

    async def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        try:
            async for delta in self.script(request):
                yield delta
        except BaseException:
            self.closed += 1
            raise


@dataclass
class OneModel:
    """A catalogue of one model, which is also the default."""

    model: ScriptedModel

    async def chat_model(self, model_id: str, principal: Principal) -> Model:
        if model_id not in {self.model.id, "default"}:
            raise ModelNotFound
        return self.model


@dataclass
class FakeDocuments:
    """Collections and documents in dictionaries, by owner."""

    by_owner: dict[str, dict[str, CollectionRef]] = field(default_factory=dict)
    own: dict[str, CollectionRef] = field(default_factory=dict)
    reading: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    async def collections(self, who: Principal, collection_ids: Sequence[str]) -> Sequence[CollectionRef]:
        mine = {**self.by_owner.get(who.user_id, {}), **{each.id: each for each in self.own.values()}}
        return [mine[each] for each in collection_ids if each in mine]

    async def own_collection(self, who: Principal, chat_id: str) -> CollectionRef:
        return self.own.setdefault(chat_id, CollectionRef(id=f"own-{chat_id}", name="Files", kind="chat"))

    async def delete_own_collection(self, who: Principal, chat_id: str) -> None:
        self.own.pop(chat_id, None)

    async def documents(self, who: Principal, document_ids: Sequence[str]) -> Sequence[DocumentRef]:
        if any(each.startswith("foreign") for each in document_ids):
            raise NotFound
        return [DocumentRef(id=each, name=f"{each}.pdf") for each in document_ids]

    async def unread(self, who: Principal, document_ids: Sequence[str]) -> Sequence[DocumentRef]:
        if self.broken & set(document_ids):
            raise Unprocessable("paper.pdf: it is encrypted")
        return [DocumentRef(id=each, name=f"{each}.pdf") for each in document_ids if each in self.reading]


@dataclass
class FakeTraces:
    deleted: list[tuple[str, str]] = field(default_factory=list)

    async def delete_session(self, owner_id: str, session_id: str) -> None:
        self.deleted.append((owner_id, session_id))


@dataclass
class Room:
    service: ChatService
    model: ScriptedModel
    documents: FakeDocuments
    traces: FakeTraces
    sink: ListTraceSink
    store: SqlChatStore


async def two_words(request: ChatRequest) -> AsyncGenerator[Delta, None]:
    yield Delta(content="Hello ")
    yield Delta(content="there", finish_reason="stop")


async def broken(request: ChatRequest) -> AsyncGenerator[Delta, None]:
    yield Delta(content="Half an ")
    raise AlcoveError("the model server fell over")


@pytest.fixture
async def room(database: Database) -> AsyncIterator[Room]:
    clock = SystemClock()
    model, documents, traces, sink = ScriptedModel(two_words), FakeDocuments(), FakeTraces(), ListTraceSink()
    store = SqlChatStore(database)
    async with background_tasks(drain_s=0.1) as background:
        runner = TurnRunner(
            models=OneModel(model), filters=(), sink=sink, pricing=NoPricing(), background=background, clock=clock
        )
        answers = Answers(
            store=store,
            documents=documents,
            runner=runner,
            background=background,
            settings=ChatSettings(max_answers=3, max_answers_per_user=2, checkpoint_s=0.05, keep_alive_s=1),
            clock=clock,
        )
        service = ChatService(
            store=store, answers=answers, documents=documents, traces=traces, models=OneModel(model), clock=clock
        )
        yield Room(service, model, documents, traces, sink, store)
