"""Who may use which model: one rule for lists, for look-ups and for calls."""

from collections.abc import Collection, Iterable

from alcove.kernel.errors import FieldError, ModelNotAllowed
from alcove.kernel.ports import ModelInfo
from alcove.kernel.principal import Allowance, Principal


def matches(patterns: Iterable[str], names: Collection[str], access_groups: Collection[str] = ()) -> bool:
    """Tells whether a model is among those that patterns name.

    Args:
        patterns: Ids of models, `prefix*`, `*` for all, or `@name` for an access group.
        names: Every id of the model.
        access_groups: The access groups it is in.
    """
    for pattern in patterns:
        if pattern.startswith("@"):
            if pattern[1:] in access_groups:
                return True
        elif pattern.endswith("*"):
            prefix = pattern[:-1]
            if any(name.startswith(prefix) for name in names):
                return True
        elif pattern in names:
            return True
    return False


def may_use(who: Principal, model: ModelInfo) -> bool:
    """Tells whether all allowances of a principal let them use a model."""
    return _refusing(who, model) is None


def check_use(who: Principal, model: ModelInfo) -> None:
    """Lets a principal use a model, or refuses.

    Raises:
        ModelNotAllowed: When an allowance does not name it; says whose.
    """
    refusing = _refusing(who, model)
    if refusing is not None:
        detail = f"{refusing.name!r} may not use the model {model.id[:200]!r}; `GET /v1/models` lists those it may use."
        raise ModelNotAllowed(detail, fields=(FieldError(field="model", message="may not be used"),))


def _refusing(who: Principal, model: ModelInfo) -> Allowance | None:
    for allowance in who.allowances:
        if allowance.models is not None and not matches(
            allowance.models, (model.id, *model.aliases), model.access_groups
        ):
            return allowance
    return None
