"""What an account or key may use of models, and how a key's own limits are held against those of the account it is charged to.

A call is charged to one account: the group of its key, where the key has one, else the person. The limits of the key and those of
that account hold at once; of a key of a group, also which models its owner may use, and their guardrails. So a key can never reach more
than whoever made it; what is checked when a key is made only tells of it early.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from alcove.infra.addresses import parse_ip
from alcove.kernel.errors import FieldError, InvalidRequest
from alcove.kernel.principal import Allowance, BudgetPeriod, Quota

IpNetwork = IPv4Network | IPv6Network

_NUMBERS = ("requests_per_minute", "tokens_per_minute", "max_parallel")
_BUDGETS = ("budget_usd", "budget_tokens")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits(Quota):
    """What an account or key is given of models."""

    @property
    def is_any(self) -> bool:
        """Whether anything is limited."""
        return bool(self.guards) or any(getattr(self, name) is not None for name in ("models", *_NUMBERS, *_BUDGETS))

    def allowance(self, subject: str, name: str) -> Allowance:
        """Gives the limits as what one subject may use."""
        return Allowance(subject=subject, name=name, **{each.name: getattr(self, each.name) for each in fields(self)})

    def to_json(self) -> dict[str, object] | None:
        """Gives the limits as they are stored; None when there are none."""
        if not self.is_any:
            return None
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        found["budget_usd"] = None if self.budget_usd is None else str(self.budget_usd)
        found["budget_period"] = self.budget_period.value
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}

    @classmethod
    def of_json(cls, data: Mapping[str, object] | None) -> "Limits":
        """Gives limits as they were stored."""
        if not data:
            return NO_LIMITS
        found: dict[str, object] = dict(data)
        models, guards, budget = found.get("models"), found.get("guards"), found.get("budget_usd")
        found["models"] = tuple(models) if isinstance(models, list) else None
        found["guards"] = tuple(guards) if isinstance(guards, list) else ()
        found["budget_usd"] = None if budget is None else Decimal(str(budget))
        found["budget_period"] = BudgetPeriod(str(found.get("budget_period", "month")))
        return cls(**found)  # type: ignore[arg-type]  # what `to_json` wrote


NO_LIMITS = Limits()


def check_within(wanted: Limits, most: Limits, *, whose: str) -> None:
    """Refuses limits of a key that promise more than the account it is charged to has.

    Args:
        wanted: Those of the key.
        most: Those of the account.
        whose: What people call the account (`your own`, `those of the group 'Research'`).

    Raises:
        InvalidRequest: With every field that is too much, and how much there is.
    """
    wrong: list[FieldError] = []
    for pattern in wanted.models or ():
        if most.models is not None and not any(_covers(each, pattern) for each in most.models):
            allowed = ", ".join(most.models) or "none"
            wrong.append(FieldError(field="limits.models", message=f"{pattern!r} is not among {whose}: {allowed}"))
    same_period = wanted.budget_period is most.budget_period
    for name in (*_NUMBERS, *(_BUDGETS if same_period else ())):
        asked, there = getattr(wanted, name), getattr(most, name)
        if asked is not None and there is not None and asked > there:
            wrong.append(FieldError(field=f"limits.{name}", message=f"{asked} is more than {whose}: {there}"))
    if wrong:
        raise InvalidRequest("; ".join(f"{each.field}: {each.message}" for each in wrong), fields=tuple(wrong))


def _covers(pattern: str, narrower: str) -> bool:
    """Tells whether all that one pattern stands for is in another; of access groups only the very same is known to be."""
    if pattern == narrower:
        return True
    if narrower.startswith("@") or not pattern.endswith("*"):
        return False
    return narrower.startswith(pattern[:-1])


def networks_of(texts: Sequence[str]) -> tuple[IpNetwork, ...]:
    """Gives the networks that a list of addresses and CIDR ranges names.

    Raises:
        InvalidRequest: When one is neither; names it.
    """
    found: list[IpNetwork] = []
    for text in texts:
        try:
            found.append(ip_network(text, strict=False))
        except ValueError as error:
            reason = f"{text!r} is neither an address nor a network such as 10.0.0.0/8"
            raise InvalidRequest(
                f"allowed_ips: {reason}.", fields=(FieldError(field="allowed_ips", message=reason),)
            ) from error
    return tuple(found)


def is_within(address: str, networks: Sequence[IpNetwork]) -> bool:
    """Tells whether an address is in one of the networks; what is no address is in none."""
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)


@lru_cache(maxsize=4096)
def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    return parse_ip(address)
