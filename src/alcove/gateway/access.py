"""Who may use which model: one rule for lists, for look-ups and for calls."""

from collections.abc import Collection, Iterable

from alcove.kernel.errors import FieldError, ModelNotAllowed
from alcove.kernel.ports import ModelInfo
from alcove.kernel.principal import Principal


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


def may_use(who: Principal, model: ModelInfo, *other_names: str) -> bool:
    """Tells whether all allowances of a principal let them use a model.

    Args:
        who: Who asks.
        model: The model.
        other_names: Further ids under which it is known.
    """
    for allowance in who.allowances:
        if allowance.models is not None and not matches(
            allowance.models, (model.id, *other_names), model.access_groups
        ):
            return False
    return True


def check_use(who: Principal, model: ModelInfo, *other_names: str) -> None:
    """Lets a principal use a model, or refuses.

    Raises:
        ModelNotAllowed: When an allowance does not name it; says whose.
    """
    for allowance in who.allowances:
        if allowance.models is not None and not matches(
            allowance.models, (model.id, *other_names), model.access_groups
        ):
            detail = (
                f"{allowance.name!r} may not use the model {model.id[:200]!r}; `GET /v1/models` lists those it may use."
            )
            raise ModelNotAllowed(detail, fields=(FieldError(field="model", message="may not be used"),))
