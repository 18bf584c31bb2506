"""Reading the fields of a request: of the right type, or refused with the field's name."""

from collections.abc import Mapping, Sequence
from typing import NoReturn

from alcove.kernel.chat import JsonValue
from alcove.kernel.errors import FieldError, InvalidRequest

MAX_ID = 200
MAX_ITEMS = 10_000
_MAX_COLLECTIONS = 50

Fields = Mapping[str, JsonValue]
"""A JSON object."""


def refuse(field: str, message: str) -> NoReturn:
    """Refuses the request for one of its fields.

    Raises:
        InvalidRequest: Always.
    """
    raise InvalidRequest(f"{field}: {message}", fields=(FieldError(field=field, message=message),))


def model_id(data: Fields) -> str:
    """Gives the id of the model that is asked."""
    model = data.get("model")
    if not isinstance(model, str) or not 0 < len(model) <= MAX_ID:
        refuse("model", f"must be the id of a model, a text of 1 to {MAX_ID} characters")
    return model


def a_text(data: Fields, key: str, path: str = "") -> str:
    """Gives a text that must be there."""
    value = data.get(key)
    if not isinstance(value, str):
        refuse(_at(path, key), "must be a text")
    return value


def maybe_text(data: Fields, key: str, path: str = "") -> str | None:
    """Gives a text, or None."""
    return None if data.get(key) is None else a_text(data, key, path)


def maybe_flag(data: Fields, key: str, path: str = "") -> bool | None:
    """Gives a truth value, or None."""
    value = data.get(key)
    if value is not None and not isinstance(value, bool):
        refuse(_at(path, key), "must be true or false")
    return value


def maybe_count(data: Fields, key: str, *, least: int = 0, path: str = "") -> int | None:
    """Gives a whole number of at least so many, or None."""
    value = data.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        refuse(_at(path, key), f"must be a whole number of at least {least}")
    return value


def maybe_number(data: Fields, key: str, path: str = "") -> float | None:
    """Gives a number, or None."""
    value = data.get(key)
    if value is not None and (not isinstance(value, int | float) or isinstance(value, bool)):
        refuse(_at(path, key), "must be a number")
    return value


def maybe_object(data: Fields, key: str, path: str = "") -> Fields | None:
    """Gives an object, or None."""
    value = data.get(key)
    if value is not None and not isinstance(value, Mapping):
        refuse(_at(path, key), "must be an object")
    return value


def an_object(value: JsonValue, path: str) -> Fields:
    """Gives a value that must be an object."""
    if not isinstance(value, Mapping):
        refuse(path, "must be an object")
    return value


def maybe_list(data: Fields, key: str, path: str = "") -> Sequence[JsonValue] | None:
    """Gives a list, or None."""
    value = data.get(key)
    if value is not None and not isinstance(value, list):
        refuse(_at(path, key), "must be a list")
    return value


def collections(data: Fields) -> tuple[str, ...]:
    """Gives Alcove's own field: the names or ids of collections to answer from."""
    value = data.get("collections")
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > _MAX_COLLECTIONS:
        refuse("collections", f"must be a list of up to {_MAX_COLLECTIONS} names or ids of collections")
    names: list[str] = []
    for index, each in enumerate(value):
        if not isinstance(each, str) or not 0 < len(each) <= MAX_ID:
            refuse(f"collections.{index}", "must be the name or id of a collection")
        names.append(each)
    return tuple(names)


def one_answer(data: Fields, *keys: str) -> None:
    """Refuses to give several answers to one request."""
    for key in keys:
        if (maybe_count(data, key) or 1) != 1:
            refuse(key, "only one answer per request is supported here; send the request as often as you want answers")


def without(data: Fields, *known: str) -> dict[str, JsonValue]:
    """Gives the fields that are not among the known ones."""
    return {key: value for key, value in data.items() if key not in known}


def _at(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
