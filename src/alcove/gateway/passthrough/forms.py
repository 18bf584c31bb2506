"""The model's id in a body: found, and replaced by the one a deployment knows the model by; everything else stays as it is."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import pydantic_core

from alcove.gateway.passthrough.models import ModelBody
from alcove.kernel.chat import JsonValue
from alcove.kernel.errors import FieldError, InvalidRequest

_CHARACTERS_PER_TOKEN = 4
_MAX_MODEL = 300


@dataclass(frozen=True, slots=True)
class JsonBody(ModelBody):
    """A JSON object with a field `model`."""

    fields: dict[str, JsonValue]

    @property
    def model(self) -> str:
        """The model's id.

        Raises:
            InvalidRequest: When there is none.
        """
        return checked_model(self.fields.get("model"))

    def tokens_of(self, field: str) -> int:
        """Gives how many tokens a field of text or texts has, estimated."""
        return _length(self.fields.get(field)) // _CHARACTERS_PER_TOKEN

    def named(self, model_id: str) -> bytes:
        """Gives the body with this id of the model."""
        return pydantic_core.to_json({**self.fields, "model": model_id})


def json_body(data: bytes) -> JsonBody:
    """Reads a JSON body.

    Raises:
        InvalidRequest: When it is not a JSON object.
    """
    try:
        value = pydantic_core.from_json(data)
    except ValueError as error:
        detail = f"The request body is not JSON: {error}."
        raise InvalidRequest(detail) from error
    if not isinstance(value, dict):
        detail = "The request body must be a JSON object."
        raise InvalidRequest(detail)
    return JsonBody(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A part of a form.

    Attributes:
        name: The field's name.
        data: What is in it.
        filename: For a file: its name, as the client sent it.
        content_type: For a file: what it is.
    """

    name: str
    data: bytes
    filename: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class FormBody(ModelBody):
    """A form with files (RFC 7578), written anew with a boundary of its own."""

    parts: Sequence[Part]
    boundary: str

    @classmethod
    def of(cls, parts: Sequence[Part]) -> "FormBody":
        """Gives a form of these parts."""
        return cls(parts, f"alcove-{secrets.token_hex(16)}")

    @property
    def content_type(self) -> str:
        """The media type with the boundary."""
        return f"multipart/form-data; boundary={self.boundary}"

    @property
    def model(self) -> str:
        """The model's id.

        Raises:
            InvalidRequest: When there is none, or not just one.
        """
        found = [part.data for part in self.parts if part.name == "model" and part.filename is None]
        return checked_model(found[0].decode("utf-8", "replace") if len(found) == 1 else None)

    def named(self, model_id: str) -> bytes:
        """Gives the body with this id of the model."""
        pieces: list[bytes] = []
        for part in self.parts:
            data = model_id.encode() if part.name == "model" and part.filename is None else part.data
            head = f'--{self.boundary}\r\ncontent-disposition: form-data; name="{_quoted(part.name)}"'
            if part.filename is not None:
                head += f'; filename="{_quoted(part.filename)}"\r\ncontent-type: {_header(part.content_type)}'
            pieces += [head.encode(), b"\r\n\r\n", data, b"\r\n"]
        return b"".join([*pieces, f"--{self.boundary}--\r\n".encode()])


def checked_model(value: JsonValue) -> str:
    """Gives the id of a model, if it is one.

    Raises:
        InvalidRequest: When it is missing or no text.
    """
    if isinstance(value, str) and 0 < len(value) <= _MAX_MODEL:
        return value
    reason = "is required: the id of a model, as `GET /v1/models` lists them"
    raise InvalidRequest(f"model: {reason}.", fields=(FieldError(field="model", message=reason),))


def _quoted(text: str) -> str:
    """Escapes a name as browsers do (WHATWG HTML, multipart/form-data)."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _header(text: str | None) -> str:
    cleaned = "".join(each for each in text or "" if " " <= each <= "~")
    return cleaned or "application/octet-stream"


def _length(value: JsonValue) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return sum(_length(each) for each in value)
    if isinstance(value, dict):
        return _length(value.get("text"))
    return 0
