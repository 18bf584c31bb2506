"""Looks at a stream before it leaves: the last characters are held back, so that what spans two pieces is found in time.

A match of up to `held` characters is found before its first character has gone. A match that still touches the end of what has
come is waited for, since it may grow, up to a bound.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Span = tuple[int, int, str]
"""Where something was found, and what is put in its place."""

_CONTEXT = 64  # characters already gone that are still looked at: what stands before a word decides whether it is one
_MAX_GROWING = 16_384


class Hit(Exception):
    """Something was found that ends the answer.

    Attributes:
        before: What may still go.
    """

    def __init__(self, before: str) -> None:
        super().__init__("found")
        self.before = before


@dataclass(slots=True)
class Window:
    """One text on its way out.

    Attributes:
        find: Finds what must not go as it is: places in order that do not overlap.
        held: Characters held back.
        is_final: Whether a find ends the text.
        count: How many were found.
    """

    find: Callable[[str], Sequence[Span]]
    held: int
    is_final: bool
    count: int = 0
    _gone: str = ""
    _text: str = ""

    def push(self, piece: str, *, is_last: bool = False) -> str:
        """Takes the next piece; gives what may go now.

        Raises:
            Hit: When something was found that ends the text.
        """
        self._text += piece
        if not self._text:
            return ""
        base = len(self._gone)
        whole = self._gone + self._text
        limit = len(whole) if is_last else max(base, len(whole) - self.held - 1)
        pieces: list[str] = []
        position = base
        for start, end, instead in self.find(whole):
            if end <= base:
                continue
            is_growing = not is_last and end >= len(whole) and end - start < _MAX_GROWING
            if is_growing or (start >= limit and not self.is_final):
                limit = min(limit, max(position, start))
                break
            if self.is_final:
                self.count += 1
                raise Hit("".join(pieces) + whole[position : max(position, start)])
            pieces += [whole[position : max(position, start)], instead]
            self.count += 1
            position = end
            limit = max(limit, end)
        limit = max(limit, position)
        pieces.append(whole[position:limit])
        self._gone = whole[max(0, limit - _CONTEXT) : limit]
        self._text = whole[limit:]
        return "".join(pieces)
