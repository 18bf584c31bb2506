"""What limits need of others."""

from collections.abc import Sequence
from typing import Protocol

from alcove.gateway.calls import Call
from alcove.gateway.limits.models import LimitsLeft, Standing
from alcove.kernel.principal import Allowance


class Reservation(Protocol):
    """What a call holds of every limit that binds it, until it is settled."""

    def left(self) -> LimitsLeft:
        """Gives what is left of the limits, this call counted."""
        ...

    def settle(self, tokens: int, nano_usd: int) -> None:
        """Counts what the call came to in place of what it held; returns at once. A second time does nothing."""
        ...


class LimitStore(Protocol):
    """Counts. What one `reserve` finds and takes, it finds and takes in one step: no other comes between."""

    async def reserve(self, allowances: Sequence[Allowance], tokens: int, nano_usd: int) -> Reservation | Standing:
        """Takes a call's part of every limit, or of none.

        A call may begin as long as something is left of each limit: what others have used, and what calls under way hold, is
        less than the limit. So all calls together go beyond a limit by one call at most, as long as none uses more than it holds.

        Args:
            allowances: The limits that bind the call; all hold at once.
            tokens: What the call may use at most, estimated.
            nano_usd: What it may cost at most, estimated.

        Returns:
            What the call holds; or the limit that has nothing left.

        Raises:
            Unavailable: When the store, or what was spent before, cannot be reached.
        """
        ...

    async def look(self, allowances: Sequence[Allowance]) -> Sequence[Standing]:
        """Gives how every limit stands, and takes nothing.

        Raises:
            Unavailable: When the store cannot be reached.
        """
        ...


class CostEstimate(Protocol):
    """Knows what a call may cost before it is made."""

    def nano_usd(self, call: Call) -> int:
        """Gives the most a call may cost, in nano-dollars; 0 when no price is known."""
        ...


class Allowances(Protocol):
    """Knows what each subject may use."""

    async def of(self, subject: str) -> Allowance | None:
        """Gives what a key, person or group may use (`key:<id>`, …); None when there is no such subject."""
        ...
