"""What others ask of the gateway: models by id, and the deployments that admins look after."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import anyio
from pydantic import SecretStr

from alcove.gateway.access import check_use, may_use
from alcove.gateway.directory import DeploymentDirectory
from alcove.gateway.models import (
    Deployment,
    DeploymentCard,
    DeploymentCreate,
    DeploymentPatch,
    DeploymentSource,
    DeploymentTest,
    ModelCard,
    ModelList,
    Provider,
    key_hint,
)
from alcove.gateway.ports import AddressCheck, Audit, Cipher, DeploymentStanding, DeploymentStore, Origin
from alcove.gateway.routing.models import DeploymentHealth
from alcove.infra.http import AddressNotAllowed, ConnectFailed, Url
from alcove.kernel.clock import Clock
from alcove.kernel.errors import (
    AlcoveError,
    AlreadyExists,
    Conflict,
    FieldError,
    InvalidRequest,
    ModelNotAllowed,
    ModelNotFound,
    NotFound,
)
from alcove.kernel.ids import new_id
from alcove.kernel.ports import DEFAULT_MODEL, EmbeddingModel, Model, ModelInfo, ModelSource
from alcove.kernel.principal import Principal

_READER = "alcove/reader"
_NO_MODEL = (
    "No generative model is set up yet: answers are quoted from your documents by the built-in reader. To get one, start Ollama on "
    "this machine and pull a model (ollama pull qwen2.5:0.5b); it is found by itself. Or have an admin add an OpenAI-compatible server."
)
_TEST_TIMEOUT_S = 10.0
_FIRST_LOOK_S = 2.0  # how long a change waits for the server's list of models; later it is asked again
_NO_REQUEST = Origin()


@dataclass(frozen=True, slots=True)
class BuiltInModels:
    """The models that are part of the house.

    Attributes:
        chat: Those that answer.
        embedding: Those that embed.
    """

    chat: tuple[Model, ...] = ()
    embedding: tuple[EmbeddingModel, ...] = ()

    async def list_models(self, principal: Principal) -> Sequence[ModelInfo]:  # noqa: ARG002  all are for everybody
        """Lists them."""
        return [each.info for each in self.chat] + [each.info for each in self.embedding]

    async def find_model(self, model_id: str, principal: Principal) -> Model | None:  # noqa: ARG002
        """Gives the chat model of that id, if it is one of them."""
        return next((each for each in self.chat if each.info.id == model_id), None)

    async def find_embedding_model(self, model_id: str, principal: Principal) -> EmbeddingModel | None:  # noqa: ARG002
        """Gives the embedding model of that id, if it is one of them."""
        return next((each for each in self.embedding if each.info.id == model_id), None)


@dataclass(slots=True)
class ModelCatalogue:
    """Every model a person may use, wherever it comes from.

    Attributes:
        sources: Where models come from; the first that knows an id has it.
        default_model: The model an operator chose for new chats.
    """

    sources: list[ModelSource] = field(default_factory=list)
    default_model: str | None = None

    def add_source(self, source: ModelSource) -> None:
        """Adds a place models come from; for rooms above this one."""
        self.sources.append(source)

    async def chat_model(self, model_id: str, principal: Principal) -> Model:
        """Gives the chat model of that id.

        Raises:
            ModelNotFound: When there is none, or not for this person.
            ModelNotAllowed: When there is, but this key or person may not use it.
            InvalidRequest: When it is an embedding model.
        """
        if model_id == DEFAULT_MODEL:
            model_id = await self.default_chat_model(principal)
        for source in self.sources:
            model = await source.find_model(model_id, principal)
            if model is not None:
                return _used(model, principal)
        for source in self.sources:
            if await source.find_embedding_model(model_id, principal) is not None:
                message = f"{model_id!r} is an embedding model; use it with /v1/embeddings"
                raise InvalidRequest(f"model: {message}", fields=(FieldError(field="model", message=message),))
        raise ModelNotFound(_unknown(model_id), fields=(FieldError(field="model", message="no such model"),))

    async def embedding_model(self, model_id: str, principal: Principal) -> EmbeddingModel:
        """Gives the embedding model of that id.

        Raises:
            ModelNotFound: When there is none, or not for this person.
            ModelNotAllowed: When there is, but this key or person may not use it.
        """
        for source in self.sources:
            model = await source.find_embedding_model(model_id, principal)
            if model is not None:
                return _used(model, principal)
        raise ModelNotFound(_unknown(model_id), fields=(FieldError(field="model", message="no such model"),))

    async def model_info(self, model_id: str, principal: Principal) -> ModelInfo:
        """Gives what is known of the model of that id, of either kind.

        Raises:
            ModelNotFound: When there is none, or not for this person.
        """
        try:
            for source in self.sources:
                model = await source.find_model(model_id, principal)
                if model is not None:
                    return _used(model, principal).info
            return (await self.embedding_model(model_id, principal)).info
        except ModelNotAllowed:  # what one may not use is not listed, singly neither
            raise ModelNotFound(_unknown(model_id)) from None

    async def list_models(self, principal: Principal) -> Sequence[ModelInfo]:
        """Lists the models of all sources, each id once."""
        found: dict[str, ModelInfo] = {}
        for source in self.sources:
            for info in await source.list_models(principal):
                if may_use(principal, info):
                    found.setdefault(info.id, info)
        return list(found.values())

    async def default_chat_model(self, principal: Principal) -> str:
        """Gives the id of the model a new chat begins with."""
        return self._default(await self.list_models(principal))

    async def cards(self, principal: Principal) -> ModelList:
        """Gives the models as the page shows them."""
        infos = await self.list_models(principal)
        default_id = self._default(infos)
        has_generative = any(_is_generative(info) for info in infos)
        return ModelList(
            items=[ModelCard.of(info, default_id=default_id) for info in infos],
            notice=None if has_generative else _NO_MODEL,
        )

    def _default(self, infos: Sequence[ModelInfo]) -> str:
        if self.default_model is not None and any(info.id == self.default_model for info in infos):
            return self.default_model
        return next((info.id for info in infos if _is_generative(info)), _READER)


M = TypeVar("M", Model, EmbeddingModel)


def _used(model: M, who: Principal) -> M:
    """Gives a model, if this principal may use it.

    Raises:
        ModelNotAllowed: When they may not.
    """
    if who.allowances:
        check_use(who, model.info)
    return model


def _is_generative(info: ModelInfo) -> bool:
    return info.kind == "chat" and info.is_generative and not info.is_composite


def _unknown(model_id: str) -> str:
    return f"There is no model {model_id[:200]!r} here; `GET /v1/models` lists the ones there are."


class NothingKnown:
    """Knows nothing of deployments."""

    def health(self, deployment: Deployment) -> DeploymentHealth:  # noqa: ARG002  the port's signature
        """Gives the health of one that was never asked."""
        return DeploymentHealth()

    def groups_with(self, name: str) -> Sequence[str]:  # noqa: ARG002
        """Gives none."""
        return ()


_NOTHING_KNOWN = NothingKnown()


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentService:
    """Looks after the deployments, for admins. Every change takes effect at once.

    Attributes:
        directory: The deployments in use.
        store: Those that admins added.
        cipher: Encrypts their keys.
        addresses: Judges their addresses.
        audit: Remembers who did what.
        clock: The time.
        standing: What else is known of deployments.
    """

    directory: DeploymentDirectory
    store: DeploymentStore
    cipher: Cipher
    addresses: AddressCheck
    audit: Audit
    clock: Clock
    standing: DeploymentStanding = _NOTHING_KNOWN
    _changing: anyio.Lock = field(default_factory=anyio.Lock)

    async def list(self) -> Sequence[DeploymentCard]:
        """Lists all deployments: of the settings, of admins, discovered."""
        found = [
            *self.directory.deployments_of(DeploymentSource.SETTINGS),
            *await self.store.list(),
            *self.directory.deployments_of(DeploymentSource.DISCOVERED),
        ]
        return [self._card(each) for each in found]

    async def create(self, data: DeploymentCreate, who: Principal, origin: Origin = _NO_REQUEST) -> DeploymentCard:
        """Adds a deployment.

        Raises:
            InvalidRequest: When its address may not be connected to.
            AlreadyExists: When its name is taken.
        """
        self._check_free(data.name)
        if data.provider is not Provider.FAKE:
            await self._check_address(data.base_url)
        now = self.clock.now()
        deployment = self._with_key(
            Deployment(
                id=new_id(),
                name=data.name,
                provider=data.provider,
                base_url=data.base_url,
                models=tuple(dict.fromkeys(data.models)),
                is_enabled=data.enabled,
                options=data.options,
                source=DeploymentSource.ADMIN,
                created_at=now,
                updated_at=now,
                changed_by=who.user_id,
            ),
            data.api_key,
        )
        async with self._changing:
            await self.store.add(deployment)
            await self._changed(who, "deployment.create", deployment.id, origin)
        await self._look()
        return self._card(deployment)

    async def update(
        self, deployment_id: str, data: DeploymentPatch, who: Principal, origin: Origin = _NO_REQUEST
    ) -> DeploymentCard:
        """Changes a deployment. A new address without a new key clears the key, so that it never goes to another server.

        Raises:
            NotFound: When there is none of that id.
            Conflict: When it is not one that admins added, or would be renamed while model groups name it.
            InvalidRequest: When its address, or that with its new provider, may not be connected to.
            AlreadyExists: When its new name is taken.
        """
        async with self._changing:
            old = await self._get(deployment_id)
            if data.name is not None:
                self._check_free(data.name)
                self._check_unnamed(old, data.name)
            new = self._with_patch(old, data, who)
            if new.provider is not Provider.FAKE and (new.provider, new.base_url) != (old.provider, old.base_url):
                await self._check_address(new.base_url)
            await self.store.update(new)
            await self._changed(who, "deployment.update", deployment_id, origin)
        await self._look()
        return self._card(new)

    def _with_patch(self, old: Deployment, data: DeploymentPatch, who: Principal) -> Deployment:
        new = replace(
            old,
            name=data.name or old.name,
            provider=data.provider or old.provider,
            base_url=data.base_url or old.base_url,
            models=old.models if data.models is None else tuple(dict.fromkeys(data.models)),
            is_enabled=old.is_enabled if data.enabled is None else data.enabled,
            options=data.options or old.options,
            updated_at=self.clock.now(),
            changed_by=who.user_id,
        )
        if "api_key" in data.model_fields_set or new.base_url != old.base_url:
            return self._with_key(new, data.api_key)
        return new

    async def delete(self, deployment_id: str, who: Principal, origin: Origin = _NO_REQUEST) -> None:
        """Deletes a deployment.

        Raises:
            NotFound: When there is none of that id.
            Conflict: When it is not one that admins added.
        """
        async with self._changing:
            await self._get(deployment_id)
            await self.store.delete(deployment_id)
            await self._changed(who, "deployment.delete", deployment_id, origin)
        await self._look()

    async def test(self, deployment_id: str, who: Principal, origin: Origin = _NO_REQUEST) -> DeploymentTest:
        """Asks a deployment for its models and says what came of it.

        Raises:
            NotFound: When there is none of that id.
        """
        deployment = self._in_use(deployment_id) or await self._get(deployment_id)
        started_s = self.clock.monotonic_s()
        models: list[str] = []
        try:
            with anyio.fail_after(_TEST_TIMEOUT_S):
                models = [each.id for each in await self.directory.open(deployment).list_models()]
            detail = f"It answered with {len(models)} models."
            is_fine = True
        except TimeoutError:
            detail, is_fine = f"It did not answer within {_TEST_TIMEOUT_S:g} s.", False
        except AlcoveError as error:
            detail, is_fine = error.detail, False
        latency_ms = round((self.clock.monotonic_s() - started_s) * 1000, 1)
        await self.audit.record(who, "deployment.test", f"deployment:{deployment_id}", origin)
        return DeploymentTest(ok=is_fine, detail=detail, models=models, latency_ms=latency_ms)

    def _card(self, deployment: Deployment) -> DeploymentCard:
        return DeploymentCard.of(deployment, self.standing.health(deployment))

    def _in_use(self, deployment_id: str) -> Deployment | None:
        fixed = [
            *self.directory.deployments_of(DeploymentSource.SETTINGS),
            *self.directory.deployments_of(DeploymentSource.DISCOVERED),
        ]
        return next((each for each in fixed if each.id == deployment_id), None)

    async def _get(self, deployment_id: str) -> Deployment:
        found = next((each for each in await self.store.list() if each.id == deployment_id), None)
        if found is not None:
            return found
        if self._in_use(deployment_id) is not None:
            detail = "This deployment is not kept here: change it in the settings, or switch its discovery off there."
            raise Conflict(detail)
        raise NotFound

    def _check_free(self, name: str) -> None:
        """The store refuses names of other rows; this, those of the settings and of what may be discovered."""
        taken = {each.name.lower() for each in self.directory.settings.deployments}
        if name.lower() in taken:
            detail = f"There is a deployment named {name!r} in the settings; choose another name."
            raise AlreadyExists(detail, fields=(FieldError(field="name", message="is taken"),))

    def _check_unnamed(self, old: Deployment, name: str) -> None:
        groups = self.standing.groups_with(old.name) if name != old.name else ()
        if groups:
            detail = f"The model groups {', '.join(map(repr, groups))} name this deployment; take it out of them, then rename it."
            raise Conflict(detail, fields=(FieldError(field="name", message="is in use by model groups"),))

    async def _check_address(self, base_url: str) -> None:
        try:
            await self.addresses.addresses(Url.parse(base_url))
        except AddressNotAllowed as error:
            raise InvalidRequest(str(error), fields=(FieldError(field="base_url", message=str(error)),)) from error
        except ConnectFailed:
            return  # its name may be known later; the address is judged again at every connection

    def _with_key(self, deployment: Deployment, key: SecretStr | None) -> Deployment:
        plain = key.get_secret_value().strip() if key is not None else ""
        if not plain:
            return replace(deployment, sealed_key=None, key_hint=None)
        if not plain.isascii() or not plain.isprintable() or " " in plain:
            message = "must be printable ASCII without blanks"
            raise InvalidRequest(f"api_key: {message}", fields=(FieldError(field="api_key", message=message),))
        sealed = self.cipher.encrypt(plain, record_id=deployment.id)
        return replace(deployment, sealed_key=sealed, key_hint=key_hint(plain) or None)

    async def _changed(self, who: Principal, action: str, deployment_id: str, origin: Origin) -> None:
        await self.audit.record(who, action, f"deployment:{deployment_id}", origin)
        await self.directory.load()

    async def _look(self) -> None:
        with anyio.move_on_after(_FIRST_LOOK_S):
            await self.directory.ask_servers()
