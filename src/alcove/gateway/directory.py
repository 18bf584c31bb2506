"""The deployments in use, opened: which models there are, and which deployment answers for an id.

Everything a request needs is in dictionaries that are replaced as a whole when something changes; finding a model is a look-up.
Ids: a model is offered under its own id by the first deployment that has it (settings, then admins', then discovered), and
always also as `deployment/model`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import anyio
import structlog
from pydantic import SecretStr

from alcove.gateway.calls import ModelPrices
from alcove.gateway.models import (
    LOCAL_BASE_URL,
    LOCAL_NAME,
    Deployment,
    DeploymentSource,
    GatewaySettings,
    ListedModel,
    Provider,
)
from alcove.gateway.ports import Cipher, DeploymentStore, PriceBook, Target, Upstream, UpstreamFactory
from alcove.infra.secrets import Undecryptable
from alcove.kernel.clock import Clock
from alcove.kernel.errors import AlcoveError
from alcove.kernel.ports import EmbeddingModel, Model, ModelInfo, ModelKind
from alcove.kernel.principal import Principal

log = structlog.get_logger(__name__)

_PROBE_EVERY_S = 30.0  # for a discovered server, and for one that did not answer
_LIST_EVERY_S = 600.0  # for one that did
_ON_DEMAND_S = 2.0  # how often a question for models may ask the servers at most
_LIST_TIMEOUT_S = 10.0
_DISCOVERY_TIMEOUT_S = 1.0


@dataclass(slots=True)
class _Open:
    deployment: Deployment
    upstream: Upstream
    listed: tuple[ListedModel, ...] = ()
    is_reached: bool | None = None
    listed_at_s: float = float("-inf")

    @property
    def is_worth_telling(self) -> bool:
        """Whether people want to know that it is there: local models are no server, so without a model there is nothing."""
        return self.deployment.provider is not Provider.LOCAL or bool(self.listed)

    @property
    def is_discovered(self) -> bool:
        return self.deployment.source is DeploymentSource.DISCOVERED

    @property
    def offered(self) -> tuple[ListedModel, ...]:
        """The models to offer: those named, with what the server says of them; or else all it lists."""
        if not self.deployment.models:
            return self.listed
        by_id = {each.id: each for each in self.listed}
        return tuple(by_id.get(name) or ListedModel(id=name, kind=_kind(name)) for name in self.deployment.models)

    def is_due(self, now_s: float) -> bool:
        every_s = _LIST_EVERY_S if self.is_reached and not self.is_discovered else _PROBE_EVERY_S
        return now_s - self.listed_at_s >= every_s


@dataclass(frozen=True, slots=True)
class _Entry:
    info: ModelInfo
    upstream_id: str
    upstream: Upstream
    chat: Model
    embedding: EmbeddingModel


@dataclass(slots=True)
class DeploymentDirectory:
    """Knows the deployments and their models; a `ModelSource` for the catalogue.

    Attributes:
        settings: The gateway's settings.
        store: The deployments admins added.
        cipher: Opens their keys.
        factories: Opens deployments, by protocol.
        clock: The time.
        prices: Gets ready for the providers in use; None where nothing is priced.
        version: Grows with every change of what there is.
    """

    settings: GatewaySettings
    store: DeploymentStore
    cipher: Cipher
    factories: Mapping[Provider, UpstreamFactory]
    clock: Clock
    prices: PriceBook | None = None
    version: int = 0
    _open: tuple[_Open, ...] = ()
    _named: Mapping[str, _Open] = field(default_factory=dict)  # by name in lower case
    _entries: Mapping[str, _Entry] = field(default_factory=dict)
    _listing: tuple[ModelInfo, ...] = ()
    _asking: anyio.Lock = field(default_factory=anyio.Lock)
    _loading: anyio.Lock = field(default_factory=anyio.Lock)
    _asked_at_s: float = float("-inf")
    _started_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        """Notes the time, as that from which the deployments of the settings are there."""
        self._started_at = self.clock.now()

    async def load(self) -> None:
        """Reads the deployments anew; those that did not change stay as they are. Takes effect at once."""
        async with self._loading:  # or what was read first could be put in place last
            await self._load()

    async def _load(self) -> None:
        before = {each.deployment: each for each in self._open}
        stored = [self._unsealed(each) for each in await self.store.list()]
        deployments = [*self._of_settings(), *stored, *self._discovered()]
        names: set[str] = set()
        addresses: set[str] = set()
        opened: list[_Open] = []
        for deployment in deployments:
            is_again = deployment.source is DeploymentSource.DISCOVERED and deployment.base_url in addresses
            if not deployment.is_enabled or deployment.name.lower() in names or is_again:
                continue
            names.add(deployment.name.lower())
            addresses.add(deployment.base_url)
            opened.append(
                before.get(deployment) or _Open(deployment, self.factories[deployment.provider].open(deployment))
            )
        self._open = tuple(opened)
        self._rebuild()

    async def run(self) -> None:
        """Asks the servers for their models, now and again, until cancelled."""
        while True:
            if self.prices is not None:
                await self.prices.prepare({each.upstream.provider_name for each in self._open})
            await self.ask_servers()
            await anyio.sleep(_PROBE_EVERY_S)

    async def ask_servers(self, *, only_absent: bool = False) -> None:
        """Asks every server whose list of models is due.

        Args:
            only_absent: Whether to ask just those that are discovered, or were never asked, due or not.
        """
        async with self._asking:
            self._asked_at_s = now_s = self.clock.monotonic_s()
            due = [each for each in self._open if _is_wanted(each, now_s, only_absent=only_absent)]
            async with anyio.create_task_group() as group:
                for each in due:
                    group.start_soon(self._ask, each)
            if due:
                self._rebuild()

    def deployments_of(self, source: DeploymentSource) -> Sequence[Deployment]:
        """Gives the deployments in use from one source; a discovered one with the models it has."""
        return [
            replace(each.deployment, models=tuple(model.id for model in each.offered))
            if each.is_discovered
            else each.deployment
            for each in self._open
            if each.deployment.source is source
            and (not each.is_discovered or (each.is_reached and each.is_worth_telling))
        ]

    def has_generative(self) -> bool:
        """Tells whether any deployment offers a model that writes."""
        return any(each.is_generative and each.kind == "chat" for each in self._listing)

    def unreached(self) -> Sequence[str]:
        """Gives the names of deployments that were asked and did not answer; a discovered one need not be there."""
        return [each.deployment.name for each in self._open if each.is_reached is False and not each.is_discovered]

    def open(self, deployment: Deployment) -> Upstream:
        """Gives a deployment opened, in use or not."""
        return self.factories[deployment.provider].open(self._unsealed(deployment))

    async def list_models(self, principal: Principal) -> Sequence[ModelInfo]:  # noqa: ARG002  all are for everybody
        """Lists the models of all deployments."""
        await self._ask_again()
        return self._listing

    async def find_model(self, model_id: str, principal: Principal) -> Model | None:  # noqa: ARG002
        """Gives the model of that id for chat, or None when no deployment has it, or it is one that embeds.

        Of what else a model does there is only a guess by its name, so its server decides whether it chats.
        """
        entry = self._find(model_id)
        if entry is None:
            await self._ask_again()
            entry = self._find(model_id)
        return entry.chat if entry is not None and entry.info.kind != "embedding" else None

    async def find_embedding_model(self, model_id: str, principal: Principal) -> EmbeddingModel | None:  # noqa: ARG002
        """Gives the embedding model of that id, or None. A chat model is given too: many servers embed with those."""
        entry = self._find(model_id)
        if entry is None:
            await self._ask_again()
            entry = self._find(model_id)
        return entry.embedding if entry is not None else None

    async def target(self, model_id: str) -> Target | None:
        """Gives the model of that id on the deployment that has it, of whatever kind; None when none has."""
        found = self.known_target(model_id)
        if found is None:
            await self._ask_again()
            found = self.known_target(model_id)
        return found

    def known_target(self, model_id: str) -> Target | None:
        """Gives the model of that id as `target` does, without asking servers what they have."""
        entry = self._find(model_id)
        return None if entry is None else _target(entry)

    def target_on(self, name: str, upstream_id: str) -> Target | None:
        """Gives a model on the deployment of that name, offered or not; None when no such deployment is in use."""
        entry = self._entries.get(f"{name}/{upstream_id}")
        if entry is not None and entry.info.owned_by == name:
            return _target(entry)
        opened = self._named.get(name.lower())
        if opened is None:
            return None
        listed = {each.id: each for each in opened.listed}
        model = listed.get(upstream_id) or ListedModel(id=upstream_id, kind=_kind(upstream_id))
        return _target(_entry(opened, model, f"{opened.deployment.name}/{upstream_id}"))

    def deployment(self, name: str) -> Deployment | None:
        """Gives the deployment of that name, if it is in use."""
        opened = self._named.get(name.lower())
        return None if opened is None else opened.deployment

    def prices_of(self, name: str) -> ModelPrices | None:
        """Gives a deployment's own prices; None where it has none. Asked at every call."""
        opened = self._named.get(name.lower())
        return None if opened is None else opened.deployment.options.prices

    def deployments(self) -> Sequence[Deployment]:
        """Gives the deployments in use."""
        return [each.deployment for each in self._open]

    def upstream(self, name: str) -> Upstream | None:
        """Gives the deployment of that name opened, if it is in use."""
        opened = self._named.get(name.lower())
        return None if opened is None else opened.upstream

    def first_chat_target(self, name: str) -> Target | None:
        """Gives the first model that chats on the deployment of that name; None when it has none, or none is known yet."""
        opened = self._named.get(name.lower())
        offered = opened.offered if opened is not None else ()
        model = next((each for each in offered if each.kind == "chat"), None)
        return None if model is None else self.target_on(name, model.id)

    def is_offered(self, model_id: str) -> bool:
        """Tells whether a deployment offers a model under this id; more ids than these may be asked for."""
        return model_id in self._entries

    def is_prefixed(self, model_id: str) -> bool:
        """Tells whether an id begins with the name of a deployment in use."""
        name, slash, _ = model_id.partition("/")
        opened = self._named.get(name.lower()) if slash else None
        return opened is not None and opened.deployment.name == name

    def known(self, model_id: str) -> ModelInfo | None:
        """Gives what is known of a model, without asking any server."""
        entry = self._find(model_id)
        return None if entry is None else entry.info

    def _find(self, model_id: str) -> _Entry | None:
        entry = self._entries.get(model_id)
        if entry is not None or "/" not in model_id:
            return entry
        name, upstream_id = model_id.split("/", 1)
        for each in self._open:
            if each.deployment.name == name and not each.deployment.models and upstream_id and not each.is_discovered:
                return _entry(each, ListedModel(id=upstream_id, kind=_kind(upstream_id)), model_id)
        return None

    async def _ask_again(self) -> None:
        """Asks servers on demand: not too often, and not for long."""
        if self.clock.monotonic_s() - self._asked_at_s >= _ON_DEMAND_S or self._asking.locked():
            with anyio.move_on_after(_DISCOVERY_TIMEOUT_S):
                await self.ask_servers(only_absent=True)

    async def _ask(self, each: _Open) -> None:
        was_reached = each.is_reached
        each.listed_at_s = self.clock.monotonic_s()
        try:
            with anyio.fail_after(_DISCOVERY_TIMEOUT_S if each.is_discovered else _LIST_TIMEOUT_S):
                each.listed = tuple(await each.upstream.list_models())
            each.is_reached = True
        except Exception as error:
            is_foreseen = isinstance(error, (AlcoveError, TimeoutError))
            if not is_foreseen:  # whatever one server answers, the others are asked, and the house goes on
                log.exception("deployment_not_listed", deployment=each.deployment.name)
            each.is_reached = False
            if each.is_discovered:
                each.listed = ()
            elif was_reached is not False and is_foreseen:
                log.warning("deployment_unreachable", deployment=each.deployment.name, reason=str(error))
            return
        if was_reached is not True:
            log.info("deployment_reached", deployment=each.deployment.name, models=len(each.listed))

    def _rebuild(self) -> None:
        entries: dict[str, _Entry] = {}
        plain: dict[str, _Entry] = {}
        for each in self._open:
            for model in each.offered:
                prefixed = f"{each.deployment.name}/{model.id}"
                entries[prefixed] = _entry(each, model, prefixed)
                if model.id not in plain:
                    plain[model.id] = _entry(each, model, model.id)
                if each.deployment.provider in _TAGGED:  # clients of Ollama's leave out the usual tag
                    entries.setdefault(prefixed.removesuffix(_LATEST), entries[prefixed])
                    plain.setdefault(model.id.removesuffix(_LATEST), plain[model.id])
        self._named = {each.deployment.name.lower(): each for each in self._open}
        own_names = {each.deployment.name for each in self._open}
        listing: list[ModelInfo] = []
        for each in self._open:
            for model in each.offered:
                first = plain[model.id]
                is_shadowed = model.id.split("/", 1)[0] in own_names and "/" in model.id
                prefixed = f"{each.deployment.name}/{model.id}"
                listing.append(
                    first.info if first.upstream is each.upstream and not is_shadowed else entries[prefixed].info
                )
        self._entries = {**plain, **entries}
        self._listing = tuple(listing)
        self.version += 1

    def _of_settings(self) -> list[Deployment]:
        now = self._started_at
        return [
            Deployment(
                id=f"settings:{each.name}",
                name=each.name,
                provider=each.provider,
                base_url=each.base_url,
                models=each.models,
                source=DeploymentSource.SETTINGS,
                created_at=now,
                updated_at=now,
                options=each.options,
                api_key=each.api_key,
            )
            for each in self.settings.deployments
        ]

    def _discovered(self) -> list[Deployment]:
        """Gives what is there without being named: the models on this machine's disk, then an Ollama's."""
        found: list[tuple[str, Provider, str]] = []
        if Provider.LOCAL in self.factories:
            found.append((LOCAL_NAME, Provider.LOCAL, LOCAL_BASE_URL))
        if self.settings.ollama_discovery:
            found.append(("ollama", Provider.OLLAMA, self.settings.ollama_url))
        return [
            Deployment(
                id=f"discovered:{name}",
                name=name,
                provider=provider,
                base_url=base_url,
                source=DeploymentSource.DISCOVERED,
                created_at=self._started_at,
                updated_at=self._started_at,
            )
            for name, provider, base_url in found
        ]

    def _unsealed(self, deployment: Deployment) -> Deployment:
        if deployment.sealed_key is None:
            return deployment
        try:
            key = self.cipher.decrypt(deployment.sealed_key, record_id=deployment.id)
        except Undecryptable:
            log.warning("deployment_key_unreadable", deployment=deployment.name)
            return deployment
        return replace(deployment, api_key=SecretStr(key))


_LATEST = ":latest"
_TAGGED = frozenset({Provider.LOCAL, Provider.OLLAMA})


def _is_wanted(each: _Open, now_s: float, *, only_absent: bool) -> bool:
    if each.deployment.models:
        return False  # named ones need no list
    return each.is_discovered or each.is_reached is None if only_absent else each.is_due(now_s)


def _kind(model_id: str) -> ModelKind:
    return "embedding" if "embed" in model_id.lower() else "chat"


def _target(entry: _Entry) -> Target:
    return Target(
        deployment=entry.info.owned_by, info=entry.info, upstream_id=entry.upstream_id, upstream=entry.upstream
    )


def _entry(each: _Open, model: ListedModel, model_id: str) -> _Entry:
    info = ModelInfo(
        id=model_id,
        kind=model.kind,
        name=model_id,
        provider=each.upstream.provider_name,
        owned_by=each.deployment.name,
        description=model.description or f"From {each.deployment.name}",
        created=model.created,
        capabilities=model.capabilities,
        access_groups=each.deployment.options.access_groups,
    )
    return _Entry(
        info=info,
        upstream_id=model.id,
        upstream=each.upstream,
        chat=each.upstream.chat_model(info, model.id),
        embedding=each.upstream.embedding_model(info, model.id),
    )
