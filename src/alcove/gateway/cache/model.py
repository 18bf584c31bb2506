"""Models whose answers are kept."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import numpy as np

from alcove.gateway.cache.flights import Flights
from alcove.gateway.cache.keys import ChatKey, chat_key, is_cacheable, text_key
from alcove.gateway.cache.models import Entry, Found, Neighbourhood
from alcove.gateway.cache.replay import KeptAnswer
from alcove.gateway.cache.shelf import Shelf
from alcove.gateway.calls import CachePolicy
from alcove.kernel.chat import Answer, ChatRequest, Delta, Usage
from alcove.kernel.ports import CacheKind, CallContext, EmbeddingContext, EmbeddingModel, Embeddings, Model, ModelInfo
from alcove.kernel.principal import Principal


@dataclass(slots=True)
class _Asked:
    """One request on its way through the cache."""

    key: ChatKey
    context: CallContext
    near: Neighbourhood | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CachedModel:
    """A chat model whose good, whole answers are given again.

    Attributes:
        inner: The model.
        policy: Whether and how.
        shelf: Where answers are kept.
        flights: Requests under way.
    """

    inner: Model
    policy: CachePolicy
    shelf: Shelf
    flights: Flights

    @property
    def info(self) -> ModelInfo:
        """Gives what is known of the model."""
        return self.inner.info

    async def stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
        """Answers from the cache, or asks the model.

        Raises:
            AlcoveError: As the model does; the cache raises nothing.
        """
        if not is_cacheable(request, max_temperature=self.shelf.settings.max_temperature) or (
            {"no-cache", "no-store"} <= context.cache_control
        ):
            own = self.inner.stream(request, context)
        else:
            own = self._stream(request, context)
        try:
            async for delta in own:
                yield delta
        finally:
            await own.aclose()

    async def _stream(self, request: ChatRequest, context: CallContext) -> AsyncGenerator[Delta, None]:
        asked = _Asked(chat_key(request, self.info.id, self.policy, context.principal), context)
        if "no-cache" not in context.cache_control:
            kept = await self._find(asked)
            if kept is None and await self.flights.landed(asked.key.exact):
                kept = await self._exact(asked)
            if kept is not None:
                for delta in kept.deltas():
                    yield delta
                return
            self.shelf.counts.misses += 1
        context.served.is_cache_missed = True
        async with self.flights.flying(asked.key.exact):
            deltas = self._asked(request, asked)
            try:
                async for delta in deltas:
                    yield delta
            finally:
                await deltas.aclose()

    async def _asked(self, request: ChatRequest, asked: _Asked) -> AsyncGenerator[Delta, None]:
        answer = Answer()
        own = self.inner.stream(request, asked.context)
        try:
            async for delta in own:
                answer.add(delta)
                yield delta
        finally:
            await own.aclose()
        if "no-store" not in asked.context.cache_control:
            await self._keep(answer, asked)

    async def _find(self, asked: _Asked) -> KeptAnswer | None:
        kept = await self._exact(asked)
        if kept is not None or not asked.key.neighbourhood:
            return kept
        asked.near = await self.shelf.near(asked.key.neighbourhood, asked.key.question)
        if asked.near is None:
            return None
        found = await self.shelf.find_alike(asked.near, self.policy.threshold)
        kept = self._told(found, asked.context, "semantic")
        self.shelf.counts.semantic_hits += kept is not None
        return kept

    async def _exact(self, asked: _Asked) -> KeptAnswer | None:
        found = (await self.shelf.find([asked.key.exact]))[0]
        kept = self._told(found, asked.context, "exact")
        self.shelf.counts.hits += kept is not None
        return kept

    def _told(self, found: Found | None, context: CallContext, kind: CacheKind) -> KeptAnswer | None:
        kept = None if found is None else KeptAnswer.decoded(found.value)
        if kept is not None and found is not None:
            context.served.cache = kind
            context.served.cache_age_s = found.age_s
        return kept

    async def _keep(self, answer: Answer, asked: _Asked) -> None:
        kept = KeptAnswer.of(answer)
        if kept is None:
            return
        if asked.near is None and asked.key.neighbourhood:
            asked.near = await self.shelf.near(asked.key.neighbourhood, asked.key.question)
        entry = Entry(
            key=asked.key.exact,
            owner_id=asked.context.principal.user_id,
            model=self.info.id,
            value=kept.encoded(),
            near=asked.near,
        )
        await self.shelf.keep([entry], self.policy.ttl_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class CachedEmbeddingModel:
    """An embedding model that is asked only for texts it was not asked for lately.

    `usage` counts the tokens of the texts that were really embedded.

    Attributes:
        inner: The model.
        policy: How long.
        shelf: Where vectors are kept.
        who: Whose they are.
    """

    inner: EmbeddingModel
    policy: CachePolicy
    shelf: Shelf
    who: Principal

    @property
    def info(self) -> ModelInfo:
        """Gives what is known of the model."""
        return self.inner.info

    @property
    def dimensions(self) -> int:
        """Gives the length of its vectors; 0 when it is not known yet."""
        return self.inner.dimensions

    async def embed(self, texts: Sequence[str], *, context: EmbeddingContext | None = None) -> Embeddings:
        """Gives a vector for each text.

        Raises:
            AlcoveError: As the model does; the cache raises nothing.
        """
        context = context or EmbeddingContext(user_id=self.who.user_id)
        keys = {text: text_key(text, self.info.id, self.policy, self.who) for text in texts}
        found = await self.shelf.find(list(keys.values()))
        known: dict[str, Sequence[float]] = {
            text: np.frombuffer(each.value, dtype=np.float32).tolist()
            for text, each in zip(keys, found, strict=True)
            if each is not None
        }
        missing = [text for text in keys if text not in known]
        self.shelf.counts.hits += len(known)
        self.shelf.counts.misses += len(missing)
        usage = Usage()
        context.served.is_cache_missed = bool(missing)
        if missing:
            made = await self.inner.embed(missing, context=context)
            usage = made.usage
            known.update(zip(missing, made.vectors, strict=True))
            entries = [
                Entry(
                    key=keys[text],
                    owner_id=self.who.user_id,
                    model=self.info.id,
                    value=np.asarray(known[text], dtype=np.float32).tobytes(),
                )
                for text in missing
            ]
            await self.shelf.keep(entries, self.policy.ttl_s)
        elif texts:
            context.served.cache = "exact"
        return Embeddings(vectors=[known[text] for text in texts], usage=usage)
