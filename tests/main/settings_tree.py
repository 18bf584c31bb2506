"""The tree of settings, walked down to the last group."""

from collections.abc import Iterator

from pydantic import BaseModel

from alcove.settings import Settings


def groups(
    kind: type[BaseModel] = Settings, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:
    """Gives every group with its place; a model with a field that must be given is a value, not a group."""
    yield path, kind
    for name, info in kind.model_fields.items():
        inner = info.annotation
        is_group = isinstance(inner, type) and issubclass(inner, BaseModel)
        if is_group and not any(each.is_required() for each in inner.model_fields.values()):
            yield from groups(inner, (*path, name))


def fields() -> dict[str, str | None]:
    """Gives each setting's dotted name with its description."""
    places = {path for path, _ in groups()}
    return {
        ".".join((*path, name)): info.description
        for path, group in groups()
        for name, info in group.model_fields.items()
        if (*path, name) not in places
    }
