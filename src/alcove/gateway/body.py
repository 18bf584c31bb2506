"""The body of a request on the plain ASGI routes: read whole, within bounds, as a JSON object."""

import pydantic_core
from starlette.types import Receive

from alcove.kernel.chat import JsonValue
from alcove.kernel.errors import InvalidRequest, TooLarge


async def read_body(receive: Receive, max_bytes: int) -> bytes | None:
    """Gives the request's body; None when the client left before it was whole.

    Raises:
        TooLarge: When it is larger than it may be.
    """
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        piece = message.get("body", b"")
        size += len(piece)
        if size > max_bytes:
            detail = f"The request body is larger than {max_bytes:,} bytes."
            raise TooLarge(detail, headers={"connection": "close"})
        pieces.append(piece)
        if not message.get("more_body", False):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def json_object(body: bytes) -> dict[str, JsonValue]:
    """Gives the JSON object that a body is.

    Raises:
        InvalidRequest: When it is none.
    """
    try:
        data = pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError as error:
        detail = f"The body is not valid JSON: {error}"
        raise InvalidRequest(detail) from None
    if not isinstance(data, dict):
        detail = "The body must be a JSON object."
        raise InvalidRequest(detail)
    return data
