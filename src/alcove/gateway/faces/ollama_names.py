"""Models by the names that Ollama's clients use: case is of no matter, and `:latest` may be left out."""

from dataclasses import dataclass
from typing import Literal

from alcove.gateway.service import ModelCatalogue
from alcove.kernel.errors import InvalidRequest, ModelNotFound
from alcove.kernel.ports import EmbeddingModel, ModelInfo
from alcove.kernel.principal import Principal

_LATEST = ":latest"


@dataclass(frozen=True, slots=True)
class OllamaNames:
    """Finds models.

    Attributes:
        catalogue: Every model there is.
    """

    catalogue: ModelCatalogue

    async def chat_model(self, name: str, who: Principal, *, way: Literal["chat", "generate"]) -> ModelInfo:
        """Gives what is known of a chat model.

        Raises:
            ModelNotFound: When there is none of that name for this person.
            InvalidRequest: When it does not answer, or would do so on somebody else's machine.
        """
        _check_not_remote(name)
        try:
            return (await self.catalogue.chat_model(name, who)).info
        except ModelNotFound:
            model_id = await self._other_spelling(name, who)
            return (await self.catalogue.chat_model(model_id, who)).info
        except InvalidRequest:
            raise InvalidRequest(f'"{name}" does not support {way}') from None

    async def embedding_model(self, name: str, who: Principal) -> EmbeddingModel:
        """Gives an embedding model.

        Raises:
            ModelNotFound: When there is none of that name for this person.
            InvalidRequest: When it would run on somebody else's machine.
        """
        _check_not_remote(name)
        try:
            return await self.catalogue.embedding_model(name, who)
        except ModelNotFound:
            return await self.catalogue.embedding_model(await self._other_spelling(name, who), who)

    async def _other_spelling(self, name: str, who: Principal) -> str:
        """Gives the id of the model that a name stands for, which is spelt differently here."""
        wanted = name.lower()
        has_tag = ":" in wanted.rpartition("/")[2]
        spellings = {wanted, wanted.removesuffix(_LATEST)} if has_tag else {wanted, wanted + _LATEST}
        infos = await self.catalogue.list_models(who)
        found = next((each.id for each in infos if wanted and each.id.lower() in spellings), None)
        if found is None:
            raise ModelNotFound
        return found


def _check_not_remote(name: str) -> None:
    tag = name.rpartition("/")[2].partition(":")[2].lower()
    if tag == "cloud" or tag.endswith("-cloud"):
        detail = f'"{name[:200]}" runs in the cloud of Ollama\'s makers; this house asks its own servers only'
        raise InvalidRequest(detail)
