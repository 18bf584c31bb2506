"""What the gateway needs of others."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from alcove.gateway.models import Deployment, ListedModel
from alcove.infra.http import Url
from alcove.kernel.ports import EmbeddingModel, Model, ModelInfo
from alcove.kernel.principal import Principal


class TransportResponse(Protocol):
    """A response whose head is here."""

    status: int
    headers: Mapping[str, str]

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


class Upstream(Protocol):
    """One deployment, opened."""

    @property
    def provider_name(self) -> str:
        """Gives who serves its models: OpenTelemetry's `gen_ai.provider.name`, also what prices go by."""
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
