"""The gateway as a file: what is declared there, compared with what the server has, gives the changes that make them one.

The file is YAML or TOML with the lists `deployments`, `guardrails`, `model_groups` and `groups`; each item has the fields that
the API of the same name takes, plus `members` of a group as e-mail addresses. Texts may name environment variables as
`${NAME}`, so that no secret needs to stand in it. What an item does not mention stays as it is on the server.
"""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alcove.kernel.errors import InvalidRequest

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_HINT_MIN_LENGTH = 12  # as the server shows it of a key
_SECRET = "••••"  # noqa: S105  what is shown in place of one

Item = dict[str, Any]
Read = Callable[[str], Sequence[Item]]


class GatewayFile(BaseModel):
    """What a file declares."""

    model_config = ConfigDict(extra="forbid")

    deployments: list[Item] = Field(default_factory=list)
    guardrails: list[Item] = Field(default_factory=list)
    model_groups: list[Item] = Field(default_factory=list)
    groups: list[Item] = Field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A list of the file.

    Attributes:
        name: Its name there.
        word: What one item is called.
        path: The API's address.
        key: The field that tells items apart.
    """

    name: str
    word: str
    path: str
    key: str


KINDS = (
    Kind(name="deployments", word="deployment", path="/api/v1/deployments", key="name"),
    Kind(name="guardrails", word="guardrail", path="/api/v1/guardrails", key="name"),
    Kind(name="model_groups", word="model group", path="/api/v1/model-groups", key="model"),
    Kind(name="groups", word="group", path="/api/v1/groups", key="name"),
)
"""In the order in which they are made: each may name those before it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """Something to be done on the server.

    Attributes:
        action: What.
        kind: To what sort of thing.
        name: To which.
        body: What is sent.
        item_id: Id of the item on the server; empty for one that is made.
        differences: Fields that change: path, before, after; secrets are not shown.
        joins: Addresses of people who become members of a group.
        leaves: Ids and addresses of those who no longer are.
    """

    action: Literal["create", "update", "delete"]
    kind: Kind
    name: str
    body: Item = field(default_factory=dict)
    item_id: str = ""
    differences: tuple[tuple[str, Any, Any], ...] = ()
    joins: tuple[str, ...] = ()
    leaves: tuple[tuple[str, str], ...] = ()


def read_file(path: Path, environment: Mapping[str, str]) -> GatewayFile:
    """Reads a file; YAML by default, TOML where its name ends in `.toml`.

    Raises:
        InvalidRequest: When it cannot be read, names a variable that is not set, or has unknown lists.
    """
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, yaml.YAMLError) as error:
        detail = f"{str(path)!r} cannot be read: {error}."
        raise InvalidRequest(detail) from error
    try:
        found = GatewayFile.model_validate(_filled(data or {}, environment))
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:5])
        detail = f"{str(path)!r} is no gateway file: {places}."
        raise InvalidRequest(detail) from error
    for kind in KINDS:
        _check_names(kind, getattr(found, kind.name), path)
    return found


def _check_names(kind: Kind, items: Sequence[Item], path: Path) -> None:
    names = [each.get(kind.key) for each in items]
    for name in names:
        if not isinstance(name, str) or not name:
            detail = f"{str(path)!r}: every {kind.word} needs a {kind.key!r}."
            raise InvalidRequest(detail)
        if names.count(name) > 1:
            detail = f"{str(path)!r}: {kind.word} {name!r} is declared twice."
            raise InvalidRequest(detail)


def _filled(value: Any, environment: Mapping[str, str]) -> Any:  # noqa: ANN401  whatever a file may hold
    if isinstance(value, dict):
        return {key: _filled(each, environment) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, environment) for each in value]
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        found = environment.get(match[1])
        if found is None:
            detail = f"The file names the variable {match[1]!r}, which is not set."
            raise InvalidRequest(detail)
        return found

    return _VARIABLE.sub(variable, value)


def plan(wanted: GatewayFile, read: Read, *, is_pruning: bool = False) -> list[Change]:
    """Gives what must be done so that the server has what the file declares.

    Args:
        wanted: The file.
        read: Gives all items at an address of the API.
        is_pruning: Whether items of the declared kinds that the file does not have are deleted. Kinds the file does not
            name at all are left alone.

    Raises:
        InvalidRequest: When the file declares something that the server has from its settings.
    """
    changes: list[Change] = []
    deletions: list[Change] = []
    for kind in KINDS:
        declared: list[Item] = getattr(wanted, kind.name)
        if not declared and kind.name not in wanted.model_fields_set:
            continue
        there = {each[kind.key]: each for each in read(kind.path)}
        for item in declared:
            changes += _change(kind, item, there.get(item[kind.key]), read)
        if is_pruning:
            names = {item[kind.key] for item in declared}
            deletions += [
                Change(action="delete", kind=kind, name=name, item_id=each["id"])
                for name, each in there.items()
                if name not in names and each.get("source", "admin") == "admin"
            ]
    return [*changes, *reversed(deletions)]


def _change(kind: Kind, item: Item, there: Item | None, read: Read) -> list[Change]:
    name = item[kind.key]
    body = {key: value for key, value in item.items() if not (kind.name == "groups" and key == "members")}
    members = tuple(dict.fromkeys(item.get("members") or ())) if kind.name == "groups" else ()
    if there is None:
        differences = tuple((key, None, _shown(key, value)) for key, value in body.items() if key != kind.key)
        return [Change(action="create", kind=kind, name=name, body=body, differences=differences, joins=members)]
    if there.get("source", "admin") != "admin":
        detail = f"The {kind.word} {name!r} is declared in the server's settings; take it out of one of the two."
        raise InvalidRequest(detail)
    differences = tuple(_differences(body, there))
    changed = {path.split(".", 1)[0] for path, _, _ in differences}
    joins: tuple[str, ...] = ()
    leaves: tuple[tuple[str, str], ...] = ()
    if kind.name == "groups" and "members" in item:
        now = {each["email"]: each["id"] for each in read(f"{kind.path}/{there['id']}/members")}
        joins = tuple(each for each in members if each not in now)
        leaves = tuple((member_id, email) for email, member_id in now.items() if email not in members)
    if not changed and not joins and not leaves:
        return []
    return [
        Change(
            action="update",
            kind=kind,
            name=name,
            item_id=there["id"],
            body={key: _whole(value, there.get(key)) for key, value in body.items() if key in changed},
            differences=differences,
            joins=joins,
            leaves=leaves,
        )
    ]


def _whole(value: Any, there: Any) -> Any:  # noqa: ANN401  JSON
    """Gives an object with what the file does not mention taken from the server, since the API replaces objects whole."""
    if isinstance(value, dict) and isinstance(there, dict):
        return {**there, **{key: _whole(each, there.get(key)) for key, each in value.items()}}
    return value


def _differences(wanted: Item, there: Item, path: str = "") -> list[tuple[str, Any, Any]]:
    found: list[tuple[str, Any, Any]] = []
    for key, value in wanted.items():
        place = f"{path}{key}"
        if place == "api_key":
            if not _is_same_secret(value, there.get("api_key_hint")):
                found.append((place, _SECRET if there.get("api_key_hint") else None, _SECRET if value else None))
        elif isinstance(value, dict) and isinstance(there.get(key), dict):
            found += _differences(value, there[key], f"{place}.")
        elif not _is_same(value, there.get(key)):
            found.append((place, there.get(key), value))
    return found


def _is_same(wanted: Any, there: Any) -> bool:  # noqa: ANN401  JSON
    """Compares as the API does: numbers by value (amounts of money come back as texts), and lists by what the file mentions."""
    if isinstance(wanted, list) and isinstance(there, list):
        return len(wanted) == len(there) and all(_is_same(a, b) for a, b in zip(wanted, there, strict=True))
    if isinstance(wanted, dict) and isinstance(there, dict):
        return all(_is_same(value, there.get(key)) for key, value in wanted.items())
    is_number = isinstance(wanted, int | float) and not isinstance(wanted, bool)
    if is_number and isinstance(there, str):
        try:
            return float(wanted) == float(there)
        except ValueError:
            return False
    return bool(wanted == there)


def _is_same_secret(wanted: Any, hint: str | None) -> bool:  # noqa: ANN401  whatever the file holds
    """Compares by the four characters that the server shows; a key with the same end counts as the same."""
    if not wanted:
        return not hint
    return bool(hint) and len(str(wanted)) >= _HINT_MIN_LENGTH and str(wanted).endswith(hint or "-")


def _shown(key: str, value: Any) -> Any:  # noqa: ANN401  JSON
    return _SECRET if key == "api_key" and value else value
