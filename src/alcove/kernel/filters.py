"""The port of everything that acts around an answer."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from alcove.kernel.chat import Delta
from alcove.kernel.principal import Principal
from alcove.kernel.turn import Turn


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestHead:
    """What is known of a request before it has been read whole.

    Attributes:
        model: Id of the model that is to answer.
        fields: Names of the fields of the client's request.
        principal: Who asks.
    """

    model: str
    fields: frozenset[str]
    principal: Principal


class Filter(Protocol):
    """Acts around an answer: changes the request on its way in, the deltas, or looks at the answer afterwards."""

    @property
    def name(self) -> str:
        """Gives the name under which it appears in traces."""
        ...

    @property
    def priority(self) -> int:
        """Gives its place: lower acts earlier on the way in."""
        ...

    @property
    def status(self) -> str:
        """Gives what people who wait are told while its inlet works; empty for quick ones."""
        ...

    def concerns(self, head: RequestHead) -> bool:
        """Tells whether it may have anything to do in the turn of such a request.

        Where no filter has, the bytes of a model server's answer may go to the client as they come. When in doubt: yes.
        """
        ...

    def applies(self, turn: Turn) -> bool:
        """Tells whether it has anything to do in this turn; if not, it costs nothing."""
        ...

    async def inlet(self, turn: Turn) -> None:
        """Acts before the model is asked: reads and replaces `turn.request`.

        Raises:
            AlcoveError: To refuse the request.
        """
        ...

    def stream(self, turn: Turn, deltas: AsyncGenerator[Delta, None]) -> AsyncGenerator[Delta, None]:
        """Wraps the stream of deltas; the plain filter gives `deltas` itself back."""
        ...

    async def outlet(self, turn: Turn) -> None:
        """Acts after the last delta, off the client's path: reads `turn.answer`."""
        ...


class BaseFilter:
    """A filter that does nothing; real ones override what they need."""

    name: str = "filter"
    priority: int = 0
    status: str = ""

    def concerns(self, head: RequestHead) -> bool:  # noqa: ARG002  the port's signature
        """May concern every request."""
        return True

    def applies(self, turn: Turn) -> bool:  # noqa: ARG002  the port's signature
        """Applies to every turn."""
        return True

    async def inlet(self, turn: Turn) -> None:
        """Changes nothing."""

    def stream(self, turn: Turn, deltas: AsyncGenerator[Delta, None]) -> AsyncGenerator[Delta, None]:  # noqa: ARG002
        """Gives the stream back as it is."""
        return deltas

    async def outlet(self, turn: Turn) -> None:
        """Does nothing."""
