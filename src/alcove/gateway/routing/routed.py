"""Models over a route: what the catalogue offers of the deployments and groups."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from alcove.gateway.access import may_use
from alcove.gateway.calls import Call, CallKind
from alcove.gateway.directory import DeploymentDirectory
from alcove.gateway.ports import Lease, Route, Target
from alcove.gateway.routing.router import PoolRouter
from alcove.gateway.routing.strategies import MAX_PREFIX_BYTES
from alcove.kernel.chat import ChatRequest, ChatRole, Delta
from alcove.kernel.clock import Clock
from alcove.kernel.errors import AlcoveError, UpstreamError
from alcove.kernel.ports import CallContext, EmbeddingContext, EmbeddingModel, Embeddings, Model, ModelInfo
from alcove.kernel.principal import Principal


@dataclass(frozen=True, slots=True)
class _Begun:
    """A stream whose first delta is here."""

    first: Delta
    rest: AsyncGenerator[Delta, None]

    async def aclose(self) -> None:
        await self.rest.aclose()


@dataclass(frozen=True, slots=True)
class _Whole:
    """An answer that came in one piece."""

    vectors: Embeddings

    async def aclose(self) -> None:
        """There is nothing to end."""


@dataclass(frozen=True, slots=True)
class RoutedModel:
    """A chat model that is asked wherever its route leads.

    Attributes:
        route: The way to it.
        clock: The time.
    """

    route: Route
    clock: Clock

    @property
    def info(self) -> ModelInfo:
        """Gives how the model is known here."""
        return self.route.info

    async def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
        """Answers piece by piece, from the first deployment that begins to; closing it ends the call there at once.

        Raises:
            AlcoveError: When none begins, or the answer breaks off.
        """
        began_s = self.clock.monotonic_s()
        call = Call(
            model=request.model,
            endpoint=context.endpoint,
            is_streaming=request.is_streaming,
            request_id=context.request_id,
            trace_id=context.tracer.trace.id,
            at=self.clock.now(),
            began_s=began_s,
        )

        async def begin(target: Target) -> _Begun:
            stream = target.upstream.chat_model(target.info, target.upstream_id).stream(request, context)
            try:
                return _Begun(await anext(stream), stream)
            except StopAsyncIteration:
                detail = f"The model server of {target.deployment!r} answered with nothing."
                raise UpstreamError(detail) from None

        lease, answer = await self.route.attempt(call, begin, context.served, prefix=prompt_start(request))
        first_s = self.clock.monotonic_s() - began_s
        try:
            async with aclosing(answer.rest) as rest:
                yield answer.first
                async for delta in rest:
                    yield delta
        except AlcoveError as error:
            lease.failed(error)
            raise
        except BaseException:
            lease.abandoned()
            raise
        lease.succeeded(first_s=first_s, total_s=self.clock.monotonic_s() - began_s)


def prompt_start(request: ChatRequest) -> bytes:
    """Gives the beginning of a prompt: all up to the first thing the user wrote, which stays as the conversation grows."""
    pieces: list[str] = []
    length = 0
    for message in request.messages:
        text = message.text[:MAX_PREFIX_BYTES]
        pieces.append(text)
        length += len(text)
        if message.role is ChatRole.USER or length >= MAX_PREFIX_BYTES:
            break
    return "\n".join(pieces)[:MAX_PREFIX_BYTES].encode(errors="replace")


@dataclass(frozen=True, slots=True)
class RoutedEmbeddingModel:
    """An embedding model that is asked wherever its route leads.

    Attributes:
        route: The way to it.
        clock: The time.
    """

    route: Route
    clock: Clock

    @property
    def info(self) -> ModelInfo:
        """Gives how the model is known here."""
        return self.route.info

    @property
    def dimensions(self) -> int:
        """Gives 0: known after the first call."""
        return 0

    async def embed(self, texts: Sequence[str], *, context: EmbeddingContext | None = None) -> Embeddings:
        """Gives a vector for each text.

        Raises:
            AlcoveError: When no deployment answers.
        """
        context = context or EmbeddingContext()
        began_s = self.clock.monotonic_s()
        call = Call(
            kind=CallKind(context.kind),
            model=self.route.info.id,
            endpoint=context.endpoint,
            request_id=context.request_id,
            trace_id=context.trace_id,
            at=self.clock.now(),
            began_s=began_s,
        )

        async def send(target: Target) -> _Whole:
            model = target.upstream.embedding_model(target.info, target.upstream_id)
            return _Whole(await model.embed(texts, context=context))

        lease, answer = await self.route.attempt(call, send, context.served)
        _done(lease, self.clock.monotonic_s() - began_s)
        return answer.vectors


def _done(lease: Lease, total_s: float) -> None:
    lease.succeeded(first_s=total_s, total_s=total_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedModels:
    """The models of all deployments and groups; a `ModelSource` for the catalogue.

    Attributes:
        directory: The deployments in use.
        router: Finds the way to a model.
        clock: The time.
    """

    directory: DeploymentDirectory
    router: PoolRouter
    clock: Clock

    async def list_models(self, principal: Principal) -> Sequence[ModelInfo]:
        """Lists the models this person may use: groups first. A model that a group stands before is listed by its full id."""
        offered = await self.directory.list_models(principal)
        groups = self.router.listing()
        found = [each.info for each in groups if may_use(principal, each.info)]
        taken = {each.info.id for each in groups}
        for info in offered:
            if self.router.group(info.id) is not None:
                full_id = f"{info.owned_by}/{info.id}"
                shown = replace(info, id=full_id, name=full_id)
            else:
                shown = info
            if shown.id not in taken and may_use(principal, shown):
                taken.add(shown.id)
                found.append(shown)
        return found

    async def find_model(self, model_id: str, principal: Principal) -> Model | None:
        """Gives the chat model of that id, or None when it is not from here.

        Raises:
            ModelNotAllowed: When this person may not use it.
        """
        route = await self.router.route(model_id, principal, CallKind.CHAT)
        return RoutedModel(route, self.clock) if route is not None and route.info.kind != "embedding" else None

    async def find_embedding_model(self, model_id: str, principal: Principal) -> EmbeddingModel | None:
        """Gives the embedding model of that id, or None. A chat model is given too: many servers embed with those.

        Raises:
            ModelNotAllowed: When this person may not use it.
        """
        route = await self.router.route(model_id, principal, CallKind.EMBEDDING)
        return RoutedEmbeddingModel(route, self.clock) if route is not None else None
