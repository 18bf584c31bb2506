"""The port of everything that acts around an answer."""

from collections.abc import AsyncGenerator
from typing import Protocol

from alcove.kernel.chat import Delta
from alcove.kernel.turn import Turn


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
