"""Whether a model on a deployment is asked: closed while it answers, open for a while after failures, half open for one try.

It is kept for each model of a deployment, because a vendor's limit or a broken model file stops one model and not the others,
and for each kind of call, because a model may chat well and not embed at all.
"""

import random
from dataclasses import dataclass, field

from alcove.gateway.routing.failures import is_fault, is_limit
from alcove.gateway.routing.models import CircuitState
from alcove.kernel.errors import AlcoveError

_REMEMBERED = 20  # outcomes of which the failure rate is taken
_MASK = (1 << _REMEMBERED) - 1
_ENOUGH = 10
_NO_RETRY_AFTER_S = 1.0
_MAX_DOUBLINGS = 30
_JITTER = 0.2
_SMOOTHING = 0.3
_STALE_S = 60.0  # so old a latency says nothing any more


@dataclass(frozen=True, kw_only=True, slots=True)
class CircuitLimits:
    """When a circuit opens, and for how long.

    Attributes:
        failures: Failures in a row that open it.
        cooldown_s: Seconds it stays open the first time; doubled each time it opens again.
        max_cooldown_s: Seconds it stays open at most.
    """

    failures: int = 3
    cooldown_s: float = 5.0
    max_cooldown_s: float = 300.0


@dataclass(slots=True, kw_only=True, eq=False)
class Circuit:
    """The circuit of one model on one deployment, for one kind of call.

    Attributes:
        model: The model's id there.
        limits: When it opens.
        chance: Where jitter comes from.
        spared_until_s: Until when it is not asked, by the monotonic clock.
        is_open: Whether it opened and no call has begun to answer since.
        since_s: When its state changed last; None for never.
    """

    model: str
    limits: CircuitLimits
    chance: random.Random
    spared_until_s: float = float("-inf")
    is_open: bool = False
    since_s: float | None = None
    _is_probing: bool = False
    _failures_in_a_row: int = 0
    _openings: int = 0
    _outcomes: int = 0  # one bit an outcome, 1 for a failure
    _noted: int = 0
    _first_s: float | None = None
    _first_noted_s: float = field(default=float("-inf"))

    def is_ready(self, now_s: float) -> bool:
        """Tells whether it may be asked now; an open one whose time is over lets one call try."""
        return self.spared_until_s <= now_s and not (self.is_open and self._is_probing)

    def state(self, now_s: float) -> CircuitState:
        """Gives its state in a word."""
        if self.is_open:
            return "half_open" if self.spared_until_s <= now_s else "open"
        return "closed" if self.spared_until_s <= now_s else "limited"

    def first_s(self, now_s: float) -> float | None:
        """Gives how long its answers lately took to begin, in seconds; None when that is not known."""
        return self._first_s if now_s - self._first_noted_s <= _STALE_S else None

    def try_it(self) -> None:
        """Notes that a call tries it, though it is open; until that call is over, no other does."""
        self._is_probing = True

    def began(self, now_s: float) -> None:
        """Notes that the call that tried it has begun to answer: it is closed."""
        self._is_probing = False
        self.is_open = False
        self.spared_until_s = min(self.spared_until_s, now_s)
        self._outcomes = self._noted = 0
        self.since_s = now_s

    def succeeded(self, now_s: float, first_s: float) -> None:
        """Notes a whole answer, and the seconds to its beginning."""
        self._failures_in_a_row = self._openings = 0
        self._outcomes = (self._outcomes << 1) & _MASK
        if self._noted < _REMEMBERED:
            self._noted += 1
        if self._first_s is None or now_s - self._first_noted_s > _STALE_S:
            self._first_s = first_s
        else:
            self._first_s += _SMOOTHING * (first_s - self._first_s)
        self._first_noted_s = now_s

    def failed(self, now_s: float, error: AlcoveError, *, is_trial: bool) -> None:
        """Notes a failure.

        Args:
            now_s: The time.
            error: What happened.
            is_trial: Whether this call tried an open circuit.
        """
        if is_trial:
            self._is_probing = False
        if is_limit(error):
            pause_s = _NO_RETRY_AFTER_S if error.retry_after_s is None else error.retry_after_s
            self.spared_until_s = max(self.spared_until_s, now_s + min(pause_s, self.limits.max_cooldown_s))
            self.since_s = now_s
            return
        if not is_fault(error):
            return
        self._failures_in_a_row += 1
        self._outcomes = ((self._outcomes << 1) | 1) & _MASK
        self._noted = min(self._noted + 1, _REMEMBERED)
        if self.is_open and not is_trial:
            return  # a call from before it opened
        if is_trial or self._failures_in_a_row >= self.limits.failures or self._is_failing_often():
            self._open(now_s)

    def abandoned(self, *, is_trial: bool) -> None:
        """Notes that nobody waited for the answer."""
        if is_trial:
            self._is_probing = False

    def _is_failing_often(self) -> bool:
        return self._noted >= _ENOUGH and 2 * self._outcomes.bit_count() >= self._noted

    def _open(self, now_s: float) -> None:
        limits = self.limits
        pause_s = min(limits.cooldown_s * 2 ** min(self._openings, _MAX_DOUBLINGS), limits.max_cooldown_s)
        pause_s *= 1 + _JITTER * (2 * self.chance.random() - 1)
        self.spared_until_s = max(self.spared_until_s, now_s + pause_s)
        self.is_open = True
        self.since_s = now_s
        self._openings += 1
        self._outcomes = self._noted = 0
