"""What the catalogue needs of the rooms above."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from alcove.kernel.chat import JsonValue
from alcove.kernel.principal import Principal
from alcove.runtime.models import InstalledModel


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where something that is audited was asked for.

    Attributes:
        ip: Address the request came from.
        request_id: The request.
    """

    ip: str = ""
    request_id: str = ""


class Audit(Protocol):
    """Remembers who did what, and from where."""

    async def record(self, who: Principal, action: str, subject: str, origin: Origin) -> None:
        """Adds a line to the audit trail; `action` is one of `MODEL_ACTIONS`."""
        ...


MODEL_ACTIONS = (
    "local_model.pull",
    "local_model.push",
    "local_model.create",
    "local_model.copy",
    "local_model.delete",
    "local_model.load",
    "local_model.unload",
    "local_model.pin",
    "local_model.unpin",
)
"""What is recorded of changes to the models on this machine."""


class NoAudit:
    """Remembers nothing; for tests and demonstrations."""

    async def record(self, who: Principal, action: str, subject: str, origin: Origin) -> None:
        """Does nothing."""


class RemoteOllamas(Protocol):
    """Ollama servers of other machines, whose models are listed here too."""

    async def tags(self, who: Principal) -> Sequence[Mapping[str, JsonValue]]:
        """Gives the entries of their `/api/tags` that this person may use; those of servers that do not answer are left out."""
        ...

    async def running(self, who: Principal) -> Sequence[Mapping[str, JsonValue]]:
        """Gives the entries of their `/api/ps`, likewise."""
        ...


class NoRemoteOllamas:
    """No other machines."""

    async def tags(self, who: Principal) -> Sequence[Mapping[str, JsonValue]]:  # noqa: ARG002  the port's signature
        """Gives nothing."""
        return ()

    async def running(self, who: Principal) -> Sequence[Mapping[str, JsonValue]]:  # noqa: ARG002
        """Gives nothing."""
        return ()


class MemoryForecast(Protocol):
    """Knows what models take of this machine's memory."""

    def need_bytes(self, model: InstalledModel) -> int:
        """Predicts the memory a model takes with the context it would be given here."""
        ...

    def budget_bytes(self) -> int:
        """Gives the memory that local models may take together."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class SimpleForecast:
    """Predicts memory by size alone; for tests and demonstrations.

    Attributes:
        budget: Memory that local models may take together.
    """

    budget: int

    def need_bytes(self, model: InstalledModel) -> int:
        """Gives the weights, what is copied of them, and a context of 4,096 tokens."""
        shape = model.shape
        return shape.weights_bytes + shape.repacked_bytes + shape.kv_bytes_per_token * min(4096, shape.context_length)

    def budget_bytes(self) -> int:
        """Gives it."""
        return self.budget
