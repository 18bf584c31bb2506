"""Makes the OpenAPI document say exactly what the server does."""

from collections.abc import Iterator
from typing import Any

_REFERENCE = "#/components/schemas/"


def exact(document: dict[str, Any]) -> dict[str, Any]:
    """Marks every property of what is only ever sent as required: the server leaves none out, even those with a default.

    Changes the document in place, and gives it back; doing it twice changes nothing.
    """
    schemas: dict[str, Any] = document.get("components", {}).get("schemas", {})
    received: set[str] = set()
    waiting = [
        name
        for path in document.get("paths", {}).values()
        for operation in path.values()
        for part in (operation.get("requestBody", {}), operation.get("parameters", []))
        for name in _references(part)
    ]
    while waiting:
        name = waiting.pop()
        if name not in received:
            received.add(name)
            waiting += _references(schemas.get(name, {}))
    for name, schema in schemas.items():
        if name not in received and name != "Problem" and "properties" in schema:
            schema["required"] = list(schema["properties"])
    return document


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        target = value.get("$ref")
        if isinstance(target, str) and target.startswith(_REFERENCE):
            yield target.removeprefix(_REFERENCE)
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)
