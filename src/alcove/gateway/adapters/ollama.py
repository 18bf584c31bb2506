"""Ollama: chat and embeddings through its OpenAI-compatible `/v1`, or its own protocol where only that says all; lists by `/api/tags`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pydantic_core
from pydantic import BaseModel, ValidationError

from alcove.gateway.adapters.ollama_native import OllamaChatModel, OllamaEmbeddingModel
from alcove.gateway.adapters.openai_compatible import OpenAiUpstream
from alcove.gateway.adapters.profiles import OLLAMA, kind_of
from alcove.gateway.adapters.upstream import UpstreamServer, unix_seconds
from alcove.gateway.models import Deployment, ListedModel
from alcove.gateway.ports import Endpoint, Transport, TransportResponse
from alcove.infra.http import Url
from alcove.kernel.chat import JsonValue
from alcove.kernel.errors import UpstreamError
from alcove.kernel.ports import EmbeddingModel, Model, ModelInfo
from alcove.kernel.principal import Principal

_CAPABILITIES = {
    "tools": "tools",
    "vision": "vision",
    "thinking": "reasoning",
    "completion": "completion",
    "insert": "insert",
}
_BAD_REQUEST = 400


class _Details(BaseModel):
    family: str | None = None
    families: list[str] | None = None
    parameter_size: str | None = None
    quantization_level: str | None = None


class _Tag(BaseModel):
    name: str
    modified_at: datetime | None = None
    details: _Details | None = None
    capabilities: list[str] | None = None


class _Tags(BaseModel):
    models: list[_Tag] | None = None


@dataclass(frozen=True, slots=True)
class OllamaUpstream:
    """An Ollama server, opened."""

    server: UpstreamServer
    openai: OpenAiUpstream

    @property
    def provider_name(self) -> str:
        """Gives who serves its models."""
        return OLLAMA.provider

    @property
    def endpoint(self) -> Endpoint | None:
        """Gives where it takes requests of OpenAI's protocol as they are."""
        endpoint = self.openai.endpoint
        return None if endpoint is None else replace(endpoint, has_detours=True)

    async def forward(
        self, path: str, body: bytes, *, content_type: str, accept: str, user_id: str = ""
    ) -> TransportResponse:
        """Sends a request of OpenAI's protocol as it is.

        Raises:
            AlcoveError: When there is no good response.
        """
        return await self.openai.forward(path, body, content_type=content_type, accept=accept, user_id=user_id)

    def chat_model(self, info: ModelInfo, upstream_id: str) -> Model:
        """Gives one of its chat models."""
        return OllamaChatModel(info, upstream_id, self.server, self.openai.chat_model(info, upstream_id))

    def embedding_model(self, info: ModelInfo, upstream_id: str) -> EmbeddingModel:
        """Gives one of its embedding models."""
        return OllamaEmbeddingModel(info, upstream_id, self.server, self.openai.embedding_model(info, upstream_id))

    async def load(
        self,
        upstream_id: str,
        who: Principal,  # noqa: ARG002  the port's signature
        *,
        options: Mapping[str, JsonValue],
        keep_alive: JsonValue,
    ) -> None:
        """Loads one of its models.

        Raises:
            AlcoveError: When the server cannot be reached, or refuses.
        """
        body: dict[str, JsonValue] = {"model": upstream_id, "stream": False}
        if options:
            body["options"] = options
        if keep_alive is not None:
            body["keep_alive"] = keep_alive
        await self._ask_for_nothing(body)

    async def unload(self, upstream_id: str, who: Principal) -> None:
        """Unloads one of its models for admins; for others it does nothing, since the server cannot tell who else uses it.

        Raises:
            AlcoveError: When the server cannot be reached, or refuses.
        """
        if who.is_admin:
            await self._ask_for_nothing({"model": upstream_id, "stream": False, "keep_alive": 0})

    async def _ask_for_nothing(self, body: dict[str, JsonValue]) -> None:
        try:
            await self.server.json("POST", "/api/generate", pydantic_core.to_json(body))
        except UpstreamError as error:
            if error.status != _BAD_REQUEST:
                raise
            await self.server.json("POST", "/api/embed", pydantic_core.to_json({**body, "input": ""}))  # it only embeds

    async def list_models(self) -> Sequence[ListedModel]:
        """Asks the server which models it has.

        Raises:
            AlcoveError: When it does not answer, or is no Ollama.
        """
        answer = await self.server.json("GET", "/api/tags")
        try:
            tags = _Tags.model_validate(answer)
        except ValidationError:
            detail = f"The server of {self.server.name!r} does not answer like Ollama."
            raise UpstreamError(detail) from None
        return [_listed(each) for each in tags.models or []]


def _listed(tag: _Tag) -> ListedModel:
    details = tag.details or _Details()
    families = [details.family or "", *(details.families or [])]
    capabilities = tag.capabilities or []
    is_embedding = (
        "embedding" in capabilities
        if capabilities
        else any("bert" in family for family in families) or kind_of(tag.name) == "embedding"
    )
    facts = [fact for fact in (details.parameter_size, details.quantization_level) if fact]
    return ListedModel(
        id=tag.name,
        kind="embedding" if is_embedding else "chat",
        created=unix_seconds(tag.modified_at),
        description=f"On this network's Ollama: {', '.join(facts)}" if facts else "",
        capabilities=tuple(word for key, word in _CAPABILITIES.items() if key in capabilities),
    )


@dataclass(frozen=True, slots=True)
class OllamaUpstreamFactory:
    """Opens Ollama servers."""

    transport: Transport

    def open(self, deployment: Deployment) -> OllamaUpstream:
        """Gives the server, ready for use."""
        url = Url.parse(deployment.base_url.removesuffix("/v1"))
        server = UpstreamServer(deployment.name, url, self.transport, deployment.api_key)
        openai_url = url.at(url.target.rstrip("/") + "/v1")
        openai = UpstreamServer(deployment.name, openai_url, self.transport, deployment.api_key)
        return OllamaUpstream(server, OpenAiUpstream(openai, OLLAMA))
