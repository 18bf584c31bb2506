"""Which models a list of patterns stands for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


def _no_groups(name: str) -> Sequence[str]:  # noqa: ARG001  there are none
    return ()


@dataclass(frozen=True, slots=True)
class PatternAccess:
    """Exact ids, `prefix*`, and `@name` for an access group.

    Attributes:
        members: Gives the patterns of an access group, by its name without the `@`; groups in groups are not followed.
    """

    members: Callable[[str], Sequence[str]] = _no_groups

    def allows(self, model_id: str, patterns: Sequence[str]) -> bool:
        """Tells whether a model is among the patterns."""
        if model_id in patterns:
            return True
        for pattern in patterns:
            if pattern.endswith("*") and model_id.startswith(pattern[:-1]):
                return True
            if pattern.startswith("@") and any(_fits(model_id, each) for each in self.members(pattern[1:])):
                return True
        return False


def _fits(model_id: str, pattern: str) -> bool:
    return model_id.startswith(pattern[:-1]) if pattern.endswith("*") else model_id == pattern
