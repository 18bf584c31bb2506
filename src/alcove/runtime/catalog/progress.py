"""How a pull, push or create goes, line by line."""

from dataclasses import dataclass

from alcove.kernel.chat import JsonValue


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """A line that tells how a pull, push or create goes.

    Attributes:
        status: What is being done.
        digest: Of which blob; empty for none.
        total: Its bytes.
        completed: Those of them that are done.
    """

    status: str
    digest: str = ""
    total: int = 0
    completed: int = 0

    def as_json(self) -> dict[str, JsonValue]:
        """Gives the line as Ollama writes it: what is empty or zero is left out."""
        more: dict[str, JsonValue] = {"digest": self.digest, "total": self.total, "completed": self.completed}
        return {"status": self.status, **{key: value for key, value in more.items() if value}}
