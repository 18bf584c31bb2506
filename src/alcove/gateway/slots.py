"""How many answers and embeddings may be under way at a time."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from alcove.kernel.errors import Overloaded, RateLimited


@dataclass(slots=True)
class AnswerSlots:
    """Counts the answers (and calls for embeddings) under way; nobody waits here, the one too many is refused.

    Attributes:
        max_all: Of everybody together.
        max_per_user: Of one person.
    """

    max_all: int
    max_per_user: int
    _all: int = 0
    _by_user: dict[str, int] = field(default_factory=dict)

    @property
    def taken(self) -> int:
        """How many are under way."""
        return self._all

    @contextlib.contextmanager
    def take(self, user_id: str) -> Iterator[None]:
        """Holds a slot for the body of a `with`.

        Raises:
            RateLimited: When this person has as many as allowed.
            Overloaded: When all are taken.
        """
        self.enter(user_id)
        try:
            yield
        finally:
            self.leave(user_id)

    def enter(self, user_id: str) -> None:
        """Takes a slot; give it back with `leave`.

        Raises:
            RateLimited: When this person has as many as allowed.
            Overloaded: When all are taken.
        """
        own = self._by_user.get(user_id, 0)
        if own >= self.max_per_user:
            detail = f"You have {self.max_per_user} requests under way already; wait for one to end."
            raise RateLimited(detail, retry_after_s=1)
        if self._all >= self.max_all:
            detail = "The server has as many requests under way as it can; try again shortly."
            raise Overloaded(detail, retry_after_s=1)
        self._all += 1
        self._by_user[user_id] = own + 1

    def leave(self, user_id: str) -> None:
        """Gives a slot back."""
        self._all -= 1
        own = self._by_user[user_id] - 1
        if own:
            self._by_user[user_id] = own
        else:
            del self._by_user[user_id]
