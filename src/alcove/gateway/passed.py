"""A chat request that goes through as it is: read only as far as it must be, written with the values of its fields untouched.

`msgspec` reads the object's fields without making objects of their values, and checks that all of it is JSON. What is unusual
is not judged here: such a request takes the turn, which says what is wrong with it in the client's own terms.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from msgspec import Raw

from alcove.gateway.limits.estimates import OUTPUT_BOUNDS, most_output_tokens
from alcove.gateway.native import NATIVE

_MAX_ID = 200
_BYTES_A_TOKEN = 4
_READ_BY_MODELS = ("messages", "tools", "functions", "response_format")
_BRACKET = ord("[")
_SHORTEST = 64  # bytes of a list that holds a message, at least; shorter ones are looked at

_fields = msgspec.json.Decoder(dict[str, Raw])
_text = msgspec.json.Decoder(str)
_options = msgspec.json.Decoder(dict[str, Raw])
_count = msgspec.json.Decoder(int)
_encode = msgspec.json.Encoder().encode

_TRUE = Raw(b"true")
_NULL = Raw(b"null")
_NOTHING = (Raw(b"false"), _NULL)
_ONE = (Raw(b"1"), _NULL)
_WITH_USAGE = Raw(b'{"include_usage":true}')


@dataclass(slots=True)
class PassedRequest:
    """A request that goes through as it is.

    Attributes:
        fields: Its fields; values as they came.
        model: The model's id, as the client sent it.
        is_streaming: Whether the answer is wanted piece by piece.
        wants_usage: Whether a streamed answer is to end with token counts.
        request_id: Id of the HTTP request, for the model server's log.
    """

    fields: Mapping[str, Raw]
    model: str
    is_streaming: bool
    wants_usage: bool
    request_id: str = ""

    @classmethod
    def read(cls, body: bytes, request_id: str) -> "PassedRequest | None":
        """Reads a request's body; None when there is anything unusual about it."""
        try:
            if not body.isascii():
                body.decode()
            fields = _fields.decode(body)
            model = _text.decode(fields["model"])
            messages = fields["messages"]
            wants_usage = False
            options = fields.get("stream_options")
            if options is not None and options != _NULL:
                wants_usage = _wants_usage(_options.decode(options))
        except (msgspec.MsgspecError, ValueError, KeyError, RecursionError):
            return None
        stream = fields.get("stream", _NULL)
        is_streaming = stream == _TRUE
        if not (0 < len(model) <= _MAX_ID) or not (is_streaming or stream in _NOTHING):
            return None
        if options is not None and not is_streaming and options != _NULL:
            return None
        if memoryview(messages)[0] != _BRACKET or _is_empty(messages):
            return None
        if NATIVE in fields or fields.get("n", _NULL) not in _ONE:  # the turn knows what becomes of these
            return None
        return cls(fields, model, is_streaming, wants_usage, request_id)

    def body(self, model: str, *, with_usage: bool = True) -> bytes:
        """Gives the request's body for a model server.

        Args:
            model: The model's id there.
            with_usage: Whether to ask for token counts at the end of a stream.
        """
        fields = dict(self.fields)
        if model != self.model:
            fields["model"] = Raw(_encode(model))
        if self.is_streaming and with_usage and not self.wants_usage:
            options = fields.get("stream_options")
            if options is None or options == _NULL:
                fields["stream_options"] = _WITH_USAGE
            else:
                fields["stream_options"] = Raw(_encode({**_options.decode(options), "include_usage": _TRUE}))
        return _encode(fields)

    @property
    def input_tokens(self) -> int:
        """About how many tokens the input has."""
        return sum(len(self.fields[name]) for name in _READ_BY_MODELS if name in self.fields) // _BYTES_A_TOKEN + 1

    @property
    def output_tokens(self) -> int:
        """The most tokens the answer may have: what the client says, or a default."""
        fields = self.fields
        return most_output_tokens([_bound(fields[name]) for name in OUTPUT_BOUNDS if fields.get(name, _NULL) != _NULL])


def _bound(value: Raw) -> int:
    try:
        return _count.decode(value)
    except msgspec.MsgspecError:
        return 0


def _wants_usage(options: Mapping[str, Raw]) -> bool:
    wants = options.get("include_usage", _NULL)
    if wants != _TRUE and wants not in _NOTHING:
        raise ValueError
    return wants == _TRUE


def _is_empty(messages: Raw) -> bool:
    return len(messages) < _SHORTEST and not bytes(messages)[1:-1].strip()
