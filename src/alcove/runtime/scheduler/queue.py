"""Those who wait for a model, in turns that are fair between users."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from alcove.runtime.scheduler.turns import Ticket


@dataclass(slots=True)
class FairQueue:
    """Tickets, given out one user after the other, and of each user the oldest first."""

    _by_user: OrderedDict[str, deque[Ticket]] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return sum(len(each) for each in self._by_user.values())

    def add(self, ticket: Ticket) -> None:
        """Puts one at the end of its user's line."""
        self._by_user.setdefault(ticket.request.user_id, deque()).append(ticket)

    def first(self) -> Ticket | None:
        """Gives the next one, which stays."""
        return next(iter(self._by_user.values()))[0] if self._by_user else None

    def oldest(self) -> int:
        """Gives the number of the one that has waited longest."""
        return min((each[0].number for each in self._by_user.values()), default=0)

    def take(self) -> Ticket:
        """Gives the next one, which leaves; its user's next turn comes after everybody else's."""
        user, line = next(iter(self._by_user.items()))
        ticket = line.popleft()
        self._by_user.move_to_end(user)
        if not line:
            del self._by_user[user]
        return ticket

    def discard(self, ticket: Ticket) -> bool:
        """Takes one out wherever it stands; False when it is not here."""
        line = self._by_user.get(ticket.request.user_id)
        if line is None or ticket not in line:
            return False
        line.remove(ticket)
        if not line:
            del self._by_user[ticket.request.user_id]
        return True

    def all(self) -> list[Ticket]:
        """Gives all, in no order that matters."""
        return [each for line in self._by_user.values() for each in line]
