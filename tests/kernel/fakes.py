"""Models, filters and a background for turns in tests."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import anyio

from alcove.kernel.chat import ChatMessage, ChatRequest, ChatRole, Delta, Usage
from alcove.kernel.clock import FakeClock
from alcove.kernel.errors import ModelNotFound
from alcove.kernel.filters import BaseFilter
from alcove.kernel.ports import CallContext, Model, ModelInfo
from alcove.kernel.principal import Principal
from alcove.kernel.turn import Turn

DONE = Delta(finish_reason="stop", usage=Usage(input_tokens=5, output_tokens=2))


@dataclass
class FakeModel:
    """Answers with fixed deltas, and notes what became of it."""

    deltas: Sequence[Delta] = (Delta(content="Hello"), Delta(content=" there"), DONE)
    error: BaseException | None = None
    error_after: int = 0
    hangs_after: int | None = None
    info: ModelInfo = field(default_factory=lambda: ModelInfo(id="small"))
    clock: FakeClock | None = None
    requests: list[ChatRequest] = field(default_factory=list)
    closed: int = 0

    async def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        try:
            for number, delta in enumerate(self.deltas):
                if self.clock is not None:
                    self.clock.advance(1)
                if self.error is not None and number == self.error_after:
                    raise self.error
                if number == self.hangs_after:
                    await anyio.sleep_forever()
                yield delta
        finally:
            self.closed += 1


@dataclass
class OneModel:
    """A house with one model."""

    model: Model

    async def chat_model(self, model_id: str, principal: Principal) -> Model:
        if model_id != self.model.info.id:
            detail = f"There is no model {model_id!r}."
            raise ModelNotFound(detail)
        return self.model


@dataclass
class HeldBackground:
    """Keeps background tasks until a test runs them."""

    tasks: list[tuple[str, Callable[[], Awaitable[None]]]] = field(default_factory=list)

    def start(self, task: Callable[[], Awaitable[None]], name: str) -> None:
        self.tasks.append((name, task))

    async def run(self) -> None:
        while self.tasks:
            await self.tasks.pop(0)[1]()


class NotingFilter(BaseFilter):
    """Notes when it is called, and can do harm."""

    def __init__(self, name: str, notes: list[str], *, priority: int = 0, error: Exception | None = None) -> None:
        self.name = name
        self.priority = priority
        self.notes = notes
        self.error = error

    async def inlet(self, turn: Turn) -> None:
        self.notes.append(f"{self.name} inlet")

    async def outlet(self, turn: Turn) -> None:
        self.notes.append(f"{self.name} outlet: {turn.answer.content}")
        if self.error is not None:
            raise self.error


class ShoutingFilter(BaseFilter):
    """Changes the deltas, and notes whether it was closed."""

    name = "shout"

    def __init__(self, suffix: str = "!", priority: int = 0) -> None:
        self.suffix = suffix
        self.priority = priority
        self.closed = 0

    async def stream(self, turn: Turn, deltas: AsyncGenerator[Delta, None]) -> AsyncGenerator[Delta, None]:
        try:
            async for delta in deltas:
                yield Delta(content=delta.content.upper() + self.suffix) if delta.content else delta
        finally:
            self.closed += 1


def question(text: str = "Hi?", model: str = "small", **fields: object) -> ChatRequest:
    return ChatRequest(model=model, messages=(ChatMessage.of(ChatRole.USER, text),), **fields)
