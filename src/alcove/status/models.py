"""What the room says over the wire."""

from typing import Literal

from pydantic import BaseModel


class Health(BaseModel):
    """Whether the process runs, or may be sent requests; nothing else, as anyone may ask."""

    status: Literal["ok", "ready", "not_ready"]


class PartStatus(BaseModel):
    """How one part is."""

    name: str
    healthy: bool
    detail: str


class Status(BaseModel):
    """How the whole house is."""

    version: str
    uptime_s: float
    parts: list[PartStatus]
