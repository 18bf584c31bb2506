"""Names of models, as Ollama has them: `[scheme://][host/][namespace/]model[:tag]`.

What is left out has a default, and is left out again in the shortest form, all but the tag. Two names that differ only in case name
the same model; the spelling it was stored under stays.
"""

import re
from dataclasses import dataclass
from typing import Literal

from alcove.kernel.errors import InvalidRequest

DEFAULT_HOST = "registry.ollama.ai"
DEFAULT_NAMESPACE = "library"
DEFAULT_TAG = "latest"

Scheme = Literal["https", "http", ""]

_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}")
_NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")
_MAX_SHOWN = 200


class InvalidModelName(InvalidRequest):
    """This is no name of a model; write `[host/][namespace/]model[:tag]`, such as `qwen2.5:0.5b`."""

    code = "invalid_model_name"
    title = "No name of a model"


class CloudModel(InvalidRequest):
    """Models with the tag `cloud` run on other people's computers; a private platform does not use them."""

    code = "cloud_model"
    title = "Not a local model"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelName:
    """A whole name.

    Attributes:
        host: Registry it comes from, with its port if it has one.
        namespace: Whose it is there.
        model: The model.
        tag: Which of its versions.
        scheme: How the registry is reached, where the name says so; no part of what is compared.
    """

    model: str
    host: str = DEFAULT_HOST
    namespace: str = DEFAULT_NAMESPACE
    tag: str = DEFAULT_TAG
    scheme: Scheme = ""

    @classmethod
    def parse(cls, text: str) -> "ModelName":
        """Reads a name.

        Raises:
            InvalidModelName: When a part has other characters, or too many.
            CloudModel: When its tag says that it runs elsewhere.
        """
        scheme, rest = _scheme(text)
        path, tag = _tag(rest)
        path, _, model = path.rpartition("/")
        host, _, namespace = path.rpartition("/")
        name = cls(
            scheme=scheme,
            host=host or DEFAULT_HOST,
            namespace=namespace or DEFAULT_NAMESPACE,
            model=model,
            tag=DEFAULT_TAG if tag is None else tag,
        )
        has_gap = (path.startswith("/") or rest.startswith("/")) or (bool(host) and not namespace)
        if has_gap or not name._is_valid():
            shown = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
            detail = f"invalid model name {shown!r}: write [host/][namespace/]model[:tag], such as 'qwen2.5:0.5b'"
            raise InvalidModelName(detail)
        if name.tag.lower() == "cloud" or name.tag.lower().endswith("-cloud"):
            detail = f"{name.short!r} runs on other people's computers; a private platform does not use such models"
            raise CloudModel(detail)
        return name

    def _is_valid(self) -> bool:
        parts = (
            (_HOST, self.host),
            (_NAMESPACE, self.namespace),
            (_PART, self.model),
            (_PART, self.tag),
        )
        return all(pattern.fullmatch(part) for pattern, part in parts)

    @property
    def short(self) -> str:
        """The shortest form; it always has the tag."""
        if self.host.lower() != DEFAULT_HOST:
            return f"{self.host}/{self.namespace}/{self.model}:{self.tag}"
        if self.namespace.lower() != DEFAULT_NAMESPACE:
            return f"{self.namespace}/{self.model}:{self.tag}"
        return f"{self.model}:{self.tag}"

    @property
    def path(self) -> tuple[str, str, str, str]:
        """Its parts, as folders and a file."""
        return (self.host, self.namespace, self.model, self.tag)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What is compared: the parts in lower case."""
        return (self.host.lower(), self.namespace.lower(), self.model.lower(), self.tag.lower())


def _scheme(text: str) -> tuple[Scheme, str]:
    scheme, found, rest = text.partition("://")
    if not found:
        return "", text
    if scheme.lower() == "http":
        return "http", rest
    if scheme.lower() == "https":
        return "https", rest
    detail = (
        f"invalid model name {text[:_MAX_SHOWN]!r}: a registry is reached by https:// or http://, not {scheme[:20]!r}"
    )
    raise InvalidModelName(detail)


def _tag(text: str) -> tuple[str, str | None]:
    """Splits the tag off; a colon before the last slash belongs to the host's port."""
    path, colon, tag = text.rpartition(":")
    if not colon or "/" in tag:
        return text, None
    return path, tag
