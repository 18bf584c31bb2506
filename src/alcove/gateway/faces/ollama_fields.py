"""Reading the fields of Ollama's requests: what is wrong is said in the words of Ollama, which are mostly those of Go's JSON reader."""

import base64
import binascii
from collections.abc import Mapping
from typing import NoReturn

from alcove.gateway.body import json_object
from alcove.gateway.fields import Fields
from alcove.gateway.ollama_words import LOAD_OPTIONS
from alcove.kernel.chat import JsonValue
from alcove.kernel.errors import FieldError, InvalidRequest

_INTEGERS = (LOAD_OPTIONS - {"use_mmap"}) | {"num_keep", "seed", "num_predict", "top_k", "repeat_last_n"}
_FLOATS = frozenset(
    {"top_p", "min_p", "typical_p", "temperature", "repeat_penalty", "presence_penalty", "frequency_penalty"}
)
_MOST = 1 << 53
_MAX_TOP_LOGPROBS = 20
_THINK_LEVELS = ("high", "medium", "low", "max")
_MAX_SHOWN = 60
_IMAGES = (
    (b"\x89PNG", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
)


def refuse(message: str, field: str = "") -> NoReturn:
    """Refuses the request.

    Raises:
        InvalidRequest: Always.
    """
    raise InvalidRequest(message, fields=(FieldError(field=field, message=message),) if field else ())


def body_of(data: bytes, struct: str) -> Fields:
    """Gives the JSON object that a body is, whatever its content type.

    Args:
        data: The body.
        struct: Ollama's name for what it is.

    Raises:
        InvalidRequest: When it is none.
    """
    if not data.strip():
        refuse("missing request body")
    if data.lstrip()[:1] in b'["0123456789-':
        kind = {b"[": "array", b'"': "string"}.get(data.lstrip()[:1], "number")
        refuse(f"json: cannot unmarshal {kind} into Go value of type api.{struct}")
    return json_object(data)


def a_text(data: Fields, key: str, where: str) -> str:
    """Gives a text; an empty one where there is none."""
    value = data.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        _mismatch(value, f"{where}.{key}", "string")
    return value


def a_flag(data: Fields, key: str, where: str) -> bool | None:
    """Gives a truth value, or None."""
    value = data.get(key)
    if value is not None and not isinstance(value, bool):
        _mismatch(value, f"{where}.{key}", "bool")
    return value


def a_count(data: Fields, key: str, where: str) -> int | None:
    """Gives a whole number, or None."""
    value = data.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        _mismatch(value, f"{where}.{key}", "int")
    return value


def a_list(data: Fields, key: str, where: str, of: str) -> list[JsonValue]:
    """Gives a list; an empty one where there is none."""
    value = data.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        _mismatch(value, f"{where}.{key}", f"[]{of}")
    return value


def an_object(value: JsonValue, where: str, of: str) -> Fields:
    """Gives a value that must be an object."""
    if not isinstance(value, Mapping):
        _mismatch(value, where, of)
    return value


def is_streaming(data: Fields, struct: str) -> bool:
    """Tells whether the answer is wanted piece by piece: so unless the client says no."""
    return a_flag(data, "stream", struct) is not False


def options_of(data: Fields, struct: str) -> dict[str, JsonValue]:
    """Gives the request's options, by the names they have in a request's `extra`. Unknown ones are left out, as Ollama does."""
    given = data.get("options")
    if given is None:
        return {}
    options = an_object(given, f"{struct}.options", "map[string]interface {}")
    found: dict[str, JsonValue] = {}
    for key, value in options.items():
        if value is not None:
            found |= _option(key, value)
    predicted, seed = found.pop("num_predict", None), found.pop("seed", None)
    if isinstance(predicted, int) and predicted > 0:  # below: until the model ends, or the context is full
        found["max_tokens"] = predicted
    if isinstance(seed, int) and seed >= 0:  # below: another one every time
        found["seed"] = seed
    return found


def _option(key: str, value: JsonValue) -> dict[str, JsonValue]:
    if key in _INTEGERS:
        return {key: _integer(key, value)}
    if key == "stop":
        return _stop(value)
    if key in _FLOATS:
        if not isinstance(value, int | float) or isinstance(value, bool):
            _wrong_option(key, "must be of type float32")
        return {key: value}
    if key == "use_mmap":
        if not isinstance(value, bool):
            _wrong_option(key, "must be of type boolean")
        return {key: value}
    return {}


def _integer(key: str, value: JsonValue) -> int:
    if not isinstance(value, int | float) or isinstance(value, bool) or not -_MOST < value < _MOST:
        _wrong_option(key, "must be of type integer")
    return int(value)


def _stop(value: JsonValue) -> dict[str, JsonValue]:
    if not isinstance(value, list):
        _wrong_option("stop", "must be of type array")
    if not all(isinstance(each, str) for each in value):
        _wrong_option("stop", "must be of an array of strings")
    stops = [each for each in value if each]
    return {"stop": stops} if stops else {}


def _wrong_option(key: str, message: str) -> NoReturn:
    refuse(f'option "{key}" {message}', f"options.{key}")


def format_of(data: Fields) -> dict[str, JsonValue]:
    """Gives the form of the answer, in the words of chat completions."""
    value = data.get("format")
    if value is None or value == "":
        return {}
    if value == "json":
        return {"response_format": {"type": "json_object"}}
    if isinstance(value, Mapping):
        schema: JsonValue = {"name": "answer", "schema": value}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    shown = f'"{value[:_MAX_SHOWN]}"' if isinstance(value, str) else _kind(value)
    refuse(f'invalid format: {shown}; expected "json" or a valid JSON Schema object', "format")


def think_of(data: Fields) -> bool | str | None:
    """Gives whether the model is to think, or how much; None when the client does not say."""
    value = data.get("think")
    if value is None or isinstance(value, bool) or (isinstance(value, str) and value in _THINK_LEVELS):
        return value
    shown = f'"{value[:_MAX_SHOWN]}"' if isinstance(value, str) else _kind(value)
    refuse(
        f'invalid think value: {shown} (must be "high", "medium", "low", "max", true, or false)',
        "think",
    )


def logprobs_of(data: Fields, struct: str) -> dict[str, JsonValue]:
    """Gives whether log probabilities are wanted, and of how many other tokens."""
    wanted = a_flag(data, "logprobs", struct)
    top = a_count(data, "top_logprobs", struct) or 0
    if not 0 <= top <= _MAX_TOP_LOGPROBS:
        refuse(f"top_logprobs must be between 0 and {_MAX_TOP_LOGPROBS}", "top_logprobs")
    if not wanted:
        return {}
    return {"logprobs": True, "top_logprobs": top} if top else {"logprobs": True}


def image_urls(data: Fields, where: str) -> list[str]:
    """Gives images as `data:` URLs."""
    found: list[str] = []
    for index, each in enumerate(a_list(data, "images", where, "api.ImageData")):
        if not isinstance(each, str):
            _mismatch(each, f"{where}.images", "uint8")
        found.append(_image_url(each, f"images.{index}"))
    return found


def _image_url(text: str, field: str) -> str:
    try:
        head = base64.b64decode(text, validate=True)[:16]
    except (binascii.Error, ValueError):
        refuse(
            "illegal base64 data: an image must be the base64 of its bytes, without a `data:` URL's beginning", field
        )
    kind = next((kind for magic, kind in _IMAGES if head.startswith(magic)), None)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        kind = "webp"
    if kind is None:
        refuse("unknown image format: send a PNG, JPEG, WebP, GIF, BMP or TIFF", field)
    return f"data:image/{kind};base64,{text}"


def _kind(value: JsonValue) -> str:
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case None:
            return "null"
        case Mapping():
            return "object"
        case _:
            return "array"


def _mismatch(value: JsonValue, where: str, wanted: str) -> NoReturn:
    _, _, field = where.partition(".")
    refuse(f"json: cannot unmarshal {_kind(value)} into Go struct field {where} of type {wanted}", field)
