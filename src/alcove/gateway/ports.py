"""What the gateway needs of others."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol, TypeVar

from alcove.gateway.calls import Call, CallKind, Outcome, UsageRow
from alcove.gateway.models import Deployment, ListedModel
from alcove.gateway.passed import PassedRequest
from alcove.gateway.routing.models import DeploymentHealth
from alcove.infra.http import PreparedRequest, Url
from alcove.kernel.chat import JsonValue, Usage
from alcove.kernel.errors import AlcoveError
from alcove.kernel.ports import EmbeddingModel, Model, ModelInfo, Served
from alcove.kernel.principal import BudgetPeriod, Principal


class TransportResponse(Protocol):
    """A response whose head is here."""

    status: int
    content_type: bytes

    @property
    def headers(self) -> Mapping[str, str]:
        """Gives the header fields, names in lower case."""
        ...

    @property
    def is_at_end(self) -> bool:
        """Whether nothing more will come that has not come already."""
        ...

    async def read_some(self) -> bytes:
        """Gives the next bytes of the body; empty at its end."""
        ...

    async def read(self) -> bytes:
        """Gives the whole body."""
        ...

    def close(self) -> None:
        """Ends the exchange; closes the socket at once if there is more to come."""
        ...


class Transport(Protocol):
    """Sends requests; raises `alcove.infra.http.HttpClientError`."""

    async def request(self, method: str, url: Url, headers: Mapping[str, str], body: bytes = b"") -> TransportResponse:
        """Sends a request; returns when the response's head is here. The caller closes the response."""
        ...

    async def send(self, request: PreparedRequest, body: bytes = b"", more: bytes = b"") -> TransportResponse:
        """Sends a prepared request, with more header fields of its own; as `request`."""
        ...


class PassedAnswer(Protocol):
    """An answer of a model server on its way to a client, as bytes that have been checked."""

    @property
    def finish_reason(self) -> str | None:
        """Gives why it ended; None until it has."""
        ...

    @property
    def usage(self) -> Usage | None:
        """Gives the tokens, as far as the server has told."""
        ...

    @property
    def output_tokens(self) -> int:
        """Gives about how many tokens have come: text, reasoning and tool calls."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether what was read is all of it."""
        ...

    async def read(self) -> bytes:
        """Gives the next bytes for the client: whole events of a stream, or all of an answer in one piece; empty at its end.

        Raises:
            AlcoveError: When the answer breaks off, or is none; what was given before stands.
        """
        ...

    def close(self) -> None:
        """Ends it at once; what was not read is not wanted."""
        ...

    async def aclose(self) -> None:
        """As `close`."""
        ...


class PassedChat(Protocol):
    """A model server's chat, for requests that go through as they are."""

    async def ask(self, request: PassedRequest, model: str) -> PassedAnswer:
        """Sends a request; gives the answer once its first bytes are there, and are an answer.

        Args:
            request: The request.
            model: The model's id there.

        Raises:
            AlcoveError: When there is none, or it is an error.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Where a deployment takes requests of OpenAI's protocol as they are.

    Attributes:
        base: The address up to and including `/v1`.
        headers: What goes with every request, the key among it.
        chat: Answers chat requests as they are, its answers checked on their way; None where they are not to be passed through.
        has_detours: Whether options that only Ollama has names for reach the server by another of its protocols.
    """

    base: Url
    headers: Mapping[str, str]
    chat: PassedChat | None = None
    has_detours: bool = False


class Upstream(Protocol):
    """One deployment, opened."""

    @property
    def provider_name(self) -> str:
        """Gives who serves its models: OpenTelemetry's `gen_ai.provider.name`, also what prices go by."""
        ...

    @property
    def endpoint(self) -> Endpoint | None:
        """Gives where it takes requests of OpenAI's protocol as they are; None where its protocol is another."""
        ...

    def chat_model(self, info: ModelInfo, upstream_id: str) -> Model:
        """Gives one of its chat models.

        Args:
            info: How it is known here.
            upstream_id: Its id there.
        """
        ...

    def embedding_model(self, info: ModelInfo, upstream_id: str) -> EmbeddingModel:
        """Gives one of its embedding models."""
        ...

    async def forward(
        self, path: str, body: bytes, *, content_type: str, accept: str, user_id: str = ""
    ) -> TransportResponse:
        """Sends a request of OpenAI's protocol as it is; gives the response if it is a good one. The caller closes it.

        Args:
            path: Path under the base URL, such as `/images/generations`.
            body: The body.
            content_type: What the body is.
            accept: What the client takes.
            user_id: Who asks; for deployments whose turns are fair between users.

        Raises:
            AlcoveError: When there is none, it is an error, or the protocol of this deployment has no such thing.
        """
        ...

    async def list_models(self) -> Sequence[ListedModel]:
        """Asks the server which models it has.

        Raises:
            AlcoveError: When it does not answer, or not in a way that can be understood.
        """
        ...


class UpstreamFactory(Protocol):
    """Opens deployments that speak one protocol."""

    def open(self, deployment: Deployment) -> Upstream:
        """Gives the deployment, ready for use; nothing is sent yet."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A model on a deployment that is to be asked.

    Attributes:
        deployment: Name of the deployment.
        info: How the model is known here.
        upstream_id: The model's id there.
        upstream: The deployment, opened.
    """

    deployment: str
    info: ModelInfo
    upstream_id: str
    upstream: Upstream


class Closable(Protocol):
    """The beginning of an answer."""

    async def aclose(self) -> None:
        """Ends it; what was not read is not wanted."""
        ...


T = TypeVar("T", bound=Closable)


class ModelLoading(Protocol):
    """Loads models before they are asked, and unloads them, where that can be done from here."""

    async def load(
        self, model_id: str, who: Principal, *, options: Mapping[str, JsonValue], keep_alive: JsonValue
    ) -> bool:
        """Loads a model, and returns when it can be asked; False for one that nobody here loads: it is always ready.

        Args:
            model_id: Its id here.
            who: Who wants it.
            options: What can be chosen only as it is loaded, by Ollama's names (`num_ctx`, …).
            keep_alive: How long it stays, as the client said it; None where it did not.

        Raises:
            AlcoveError: When it cannot be loaded.
        """
        ...

    async def unload(self, model_id: str, who: Principal) -> bool:
        """Unloads a model once its requests have ended; False for one that nobody here loads.

        Only for admins does that hold in any case: others cannot unload what is pinned, or what somebody waits for.

        Raises:
            AlcoveError: When its server cannot be reached.
        """
        ...


class Lease(Protocol):
    """A deployment that answers a call; say what came of it once, in every case."""

    @property
    def target(self) -> Target:
        """Gives what was asked."""
        ...

    def succeeded(self, *, first_s: float, total_s: float) -> None:
        """Notes a whole answer: seconds from the call's beginning (`Call.began_s`) to its first piece and to its end."""
        ...

    def failed(self, error: AlcoveError) -> None:
        """Notes that the answer broke off."""
        ...

    def abandoned(self) -> None:
        """Notes that nobody waited for the end."""
        ...


class Route(Protocol):
    """The way to a model: which deployments may answer for it, and what is done when one does not."""

    @property
    def info(self) -> ModelInfo:
        """Gives how the model is known here."""
        ...

    @property
    def can_pass_through(self) -> bool:
        """Whether every deployment of it takes OpenAI's bytes as they are."""
        ...

    @property
    def has_detours(self) -> bool:
        """Whether options that only Ollama has names for reach one of its deployments by another protocol."""
        ...

    async def attempt(
        self, call: Call, send: Callable[[Target], Awaitable[T]], served: Served, *, prefix: bytes = b""
    ) -> tuple[Lease, T]:
        """Asks deployments until one begins to answer: picks, waits for room, retries, falls back, hedges.

        Args:
            call: What is wanted.
            send: Asks one deployment; returns once its answer has begun.
            served: Is told who serves.
            prefix: The beginning of the prompt, for deployments that keep it in a cache.

        Raises:
            AlcoveError: The last failure, when none does.
        """
        ...


class Router(Protocol):
    """Finds the way to a model."""

    async def route(self, model_id: str, who: Principal, kind: CallKind) -> Route | None:
        """Gives the way to the model of that id; None when no deployment has it for this person."""
        ...


class Admission(Protocol):
    """A call that may be made; settle it once, in every case."""

    def lines(self) -> bytes:
        """Gives the header fields, as things stand now, that tell how much is left (`x-ratelimit-*`), each ended by CR LF."""
        ...

    def settle(self, outcome: Outcome) -> None:
        """Counts what the call came to in place of what was reserved, and keeps its usage row. Never raises; a second call does nothing.

        When this returns, the row survives `kill -9`.
        """
        ...


class Meter(Protocol):
    """Checks calls before they are made, and counts them afterwards."""

    async def admit(self, who: Principal, call: Call) -> Admission:
        """Reserves what a call may come to.

        Raises:
            Forbidden: When this principal may not use the model, or not in this way.
            RateLimited: When a limit is reached, with the seconds to wait.
            BudgetExceeded: When a budget is spent.
            Unavailable: When limits cannot be checked; they fail closed.
        """
        ...


class UsageLog(Protocol):
    """Keeps usage rows."""

    def admit(self) -> None:
        """Says whether the row of another call could be kept. Takes less than a microsecond.

        Raises:
            Unavailable: When it could not; a call that cannot be counted may not be made.
            Overloaded: Likewise, when too many rows wait.
        """
        ...

    def append(self, row: UsageRow) -> None:
        """Adds a row; when this returns, it survives `kill -9`. Takes microseconds and never waits for a store.

        Raises:
            AlcoveError: When it cannot be kept.
        """
        ...


class SpendLedger(Protocol):
    """Knows what was spent."""

    async def spent(self, subject: str, period: BudgetPeriod, period_start: datetime) -> tuple[Decimal, int]:
        """Gives the US dollars and tokens a subject has used in a period, with every call that was over before this one.

        Args:
            subject: `key:<id>`: every call with that key; `group:<id>`: every call charged to the group; `user:<id>`: every call
                of the person that was charged to no group.
            period: How long the period is.
            period_start: When it began, UTC; of no matter for the total.

        Raises:
            Unavailable: When that cannot be told now; budgets fail closed.
        """
        ...


class DeploymentStore(Protocol):
    """Keeps the deployments that admins added."""

    async def list(self) -> Sequence[Deployment]:
        """Gives all, oldest first."""
        ...

    async def add(self, deployment: Deployment) -> None:
        """Adds one.

        Raises:
            AlreadyExists: When the name is taken.
        """
        ...

    async def update(self, deployment: Deployment) -> None:
        """Replaces one.

        Raises:
            AlreadyExists: When the name is taken.
            NotFound: When it is gone.
        """
        ...

    async def delete(self, deployment_id: str) -> bool:
        """Deletes one; False when there was none."""
        ...


class DeploymentStanding(Protocol):
    """What routing knows of deployments."""

    def health(self, deployment: Deployment) -> DeploymentHealth:
        """Gives how it does."""
        ...

    def groups_with(self, name: str) -> Sequence[str]:
        """Gives the ids of the model groups that name a deployment."""
        ...


class Cipher(Protocol):
    """Encrypts secrets, each bound to its record."""

    def encrypt(self, plain: str, *, record_id: str) -> str:
        """Gives the secret encrypted."""
        ...

    def decrypt(self, token: str, *, record_id: str) -> str:
        """Gives the secret back.

        Raises:
            Undecryptable: When it was not made with our key for this record.
        """
        ...


class PriceBook(Protocol):
    """Knows prices, once it has been told whose."""

    async def prepare(self, providers: Collection[str]) -> None:
        """Gets ready for calls to these providers, so that the first one is not held up."""
        ...


class AddressCheck(Protocol):
    """Judges addresses before they are stored."""

    async def addresses(self, url: Url) -> Sequence[str]:
        """Gives the addresses behind a URL.

        Raises:
            AddressNotAllowed: When one of them may not be connected to.
            ConnectFailed: When there is no such host.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where something that is audited was asked for.

    Attributes:
        ip: Address the request came from; empty outside of requests.
        request_id: The request; empty outside of requests.
    """

    ip: str = ""
    request_id: str = ""


class Audit(Protocol):
    """Remembers who did what, and from where."""

    async def record(self, who: Principal, action: str, subject: str, origin: Origin) -> None:
        """Adds a line to the audit trail."""
        ...
