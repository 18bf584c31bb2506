"""What deployments and models may be called."""

from typing import Annotated

from pydantic import StringConstraints

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_RESERVED = frozenset({"alcove", "agent", "knowledge", "pipe", "memory", "discovered"})

DeploymentName = Annotated[str, StringConstraints(pattern=rf"^{_NAME}$")]
ModelName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[!-~]+$")]


def check_name(value: str) -> str:
    """Gives the name of a deployment back if no other thing's model ids begin with it.

    Raises:
        ValueError: When they do.
    """
    if value.lower() in _RESERVED:
        msg = f"{value!r} is reserved; choose another name"
        raise ValueError(msg)
    return value


def check_model_id(value: str) -> str:
    """Gives the id of a model group back if it cannot be mistaken for something else's.

    Raises:
        ValueError: When it can.
    """
    if value == "default" or value.startswith("@") or "*" in value or value.split("/", 1)[0].lower() in _RESERVED:
        msg = f"{value!r} is reserved; choose another id, without `@` at its beginning and without `*`"
        raise ValueError(msg)
    return value
