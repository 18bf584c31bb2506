"""Who can answer for a model, and the account that is kept of each call to them."""

from dataclasses import dataclass

from alcove.gateway.ports import Target
from alcove.gateway.routing.capacity import Capacity
from alcove.gateway.routing.circuit import Circuit
from alcove.gateway.routing.failures import is_fault, is_limit
from alcove.kernel.clock import Clock
from alcove.kernel.errors import AlcoveError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Member:
    """A model on a deployment that answers for a model id.

    Attributes:
        target: The model on the deployment.
        capacity: The deployment's room.
        circuit: The model's circuit there.
        weight: Its share of the calls.
        order: Members of a higher order come later.
        input_usd: Price of a million input tokens; None when it is not known.
        output_usd: Likewise of output.
        provider: Who serves it, as the target's server says.
        key: What stands for it when prompts are spread by hash.
    """

    target: Target
    capacity: Capacity
    circuit: Circuit
    weight: float = 1.0
    order: int = 0
    input_usd: float | None = None
    output_usd: float | None = None
    provider: str = ""
    key: bytes = b""


class PooledLease:
    """One call to a member. It holds a place in the deployment's room until it is said what came of the call.

    Attributes:
        is_trial: Whether it tries a circuit that is open.
    """

    __slots__ = ("_clock", "_is_over", "_member", "_waited_s", "is_trial")

    def __init__(self, member: Member, clock: Clock, now_s: float, began_s: float) -> None:
        """Begins one; the place has been taken.

        Args:
            member: Who is asked.
            clock: The time.
            now_s: What it is now, by the monotonic clock.
            began_s: When the call began.
        """
        self._member = member
        self._clock = clock
        self._is_over = False
        self._waited_s = now_s - began_s
        self.is_trial = member.circuit.is_open
        if self.is_trial:
            member.circuit.try_it()
        member.capacity.requests += 1

    @property
    def target(self) -> Target:
        """Gives what was asked."""
        return self._member.target

    def begun(self) -> None:
        """Notes that the answer has begun."""
        if self.is_trial and not self._is_over:
            self.is_trial = False
            self._member.circuit.began(self._clock.monotonic_s())

    def succeeded(self, *, first_s: float, total_s: float) -> None:  # noqa: ARG002  the port's signature
        """Notes a whole answer: seconds from the call's beginning to the answer's first piece and to its end."""
        if self._is_over:
            return
        self._is_over = True
        member = self._member
        member.circuit.succeeded(self._clock.monotonic_s(), max(first_s - self._waited_s, 0.0))
        member.capacity.give_back()

    def failed(self, error: AlcoveError) -> None:
        """Notes that the answer broke off, or did not begin."""
        if self._is_over:
            return
        self._is_over = True
        now_s = self._clock.monotonic_s()
        if is_fault(error) or is_limit(error):
            self._member.capacity.note_failure(now_s, error)
        self._member.circuit.failed(now_s, error, is_trial=self.is_trial)
        self._member.capacity.give_back()

    def abandoned(self) -> None:
        """Notes that nobody waited for the end."""
        if self._is_over:
            return
        self._is_over = True
        self._member.circuit.abandoned(is_trial=self.is_trial)
        self._member.capacity.give_back()
