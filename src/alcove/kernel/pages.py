"""Pages of a listing: the newest first, a cursor to go on from."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

T = TypeVar("T")

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class PageRequest:
    """Which part of a listing is wanted.

    Attributes:
        cursor: `next_cursor` of the page before, or None for the first page. Opaque to callers.
        limit: How many items at most, 1 to 200.
    """

    cursor: str | None = None
    limit: int = DEFAULT_LIMIT


class Page(BaseModel, Generic[T]):
    """One page of a listing.

    Attributes:
        items: The items, in the order of the listing.
        next_cursor: Send this as `cursor` for the next page; None on the last one.
    """

    items: list[T]
    next_cursor: str | None = None
