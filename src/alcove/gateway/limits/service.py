"""How people stand with what limits them."""

from collections.abc import Sequence
from dataclasses import dataclass

from alcove.gateway.limits.models import Standing
from alcove.gateway.limits.ports import Allowances, LimitStore
from alcove.kernel.errors import NotFound
from alcove.kernel.principal import Allowance, Principal


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitService:
    """Tells what binds whom, and how much of it is used.

    Attributes:
        store: Counts.
        allowances: Knows what each subject may use.
    """

    store: LimitStore
    allowances: Allowances

    async def mine(self, who: Principal) -> Sequence[tuple[Allowance, Sequence[Standing]]]:
        """Gives what binds a principal, and how it stands.

        Raises:
            Unavailable: When the store cannot be reached.
        """
        return _by_allowance(who.allowances, await self.store.look(who.allowances))

    async def of(self, subject: str) -> tuple[Allowance, Sequence[Standing]]:
        """Gives what binds one subject, and how it stands.

        Raises:
            NotFound: When there is no such subject.
            Unavailable: When the store cannot be reached.
        """
        allowance = await self.allowances.of(subject)
        if allowance is None:
            detail = "There is no such key, person or group; name it as key:<id>, user:<id> or group:<id>."
            raise NotFound(detail)
        return allowance, await self.store.look((allowance,))


def _by_allowance(
    allowances: Sequence[Allowance], standings: Sequence[Standing]
) -> Sequence[tuple[Allowance, Sequence[Standing]]]:
    return [
        (allowance, [each for each in standings if each.allowance.subject == allowance.subject])
        for allowance in allowances
    ]
