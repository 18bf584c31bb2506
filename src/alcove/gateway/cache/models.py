"""Types of the cache: what is kept, its settings, what its routes give."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from alcove.gateway.calls import CachePolicy

SHARED = "shared"
"""The scope of answers that everybody may get."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbourhood:
    """Entries that differ in nothing but the meaning of their last question.

    Attributes:
        id: Hash over everything else, the scope included.
        vector: Meaning of this entry's question: float32, unit length.
    """

    id: str
    vector: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """Something to keep.

    Attributes:
        key: Hash over everything that was asked, the scope included: another scope has other keys.
        owner_id: Who asked; the entry goes with them, also where it is shared.
        model: The model that answered.
        value: The answer, encoded.
        near: Where it is found by meaning; None where it is not.
    """

    key: str
    owner_id: str
    model: str
    value: bytes
    near: Neighbourhood | None = None

    @property
    def size_bytes(self) -> int:
        """About what it takes in memory."""
        return len(self.value) + (len(self.near.vector) if self.near else 0) + 512


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """Something that was kept.

    Attributes:
        value: The answer, encoded.
        age_s: How long it has been kept.
    """

    value: bytes
    age_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Fill:
    """How full a cache is.

    Attributes:
        entries: Entries kept.
        size_bytes: What they take; None where only the server knows.
    """

    entries: int
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The entries of a neighbourhood, row by row.

    Attributes:
        keys: Their keys.
        vectors: Their vectors, one after the other: float32.
    """

    keys: Sequence[str]
    vectors: bytes


class CacheRule(CachePolicy):
    """A cache policy for some models."""

    models: Annotated[str, Field(min_length=1, max_length=200)]
    """Id of a model, or the beginning of ids and `*`."""


class CacheSettings(BaseModel):
    """Answers kept for the next time: which, how many, where. Nothing is kept unless a rule or a deployment says so."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    rules: tuple[CacheRule, ...] = ()
    """Which models' answers are kept, as `[[cache.rules]]`; the first rule that fits counts. What a deployment or a group of models says itself goes first."""

    max_entries: Annotated[int, Field(ge=1, le=10_000_000)] = 20_000
    """Entries kept at most; those not asked for the longest go first (in Valkey: those that end soonest). Up to 10 million."""

    max_mb: Annotated[int, Field(ge=1, le=100_000)] = 64
    """Memory they may take in this process, in megabytes. A Valkey server has a limit of its own (`maxmemory`)."""

    max_entry_kb: Annotated[int, Field(ge=1, le=100_000)] = 1_024
    """Answers larger than this are not kept, in kilobytes."""

    neighbours: Annotated[int, Field(ge=1, le=4_096)] = 256
    """For `semantic`: questions compared at most, of those that have everything else in common. 256 take 0.05 ms in this process. Up to 4,096."""

    max_temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    """Requests that ask for a higher temperature are not cached: they want another answer each time. 0 to 2."""

    wait_s: Annotated[float, Field(ge=0, le=600)] = 30.0
    """How long a request waits for the answer to the very same request that is under way, before it is sent as well; 0 for not at all. Up to 600."""

    timeout_s: Annotated[float, Field(gt=0, le=10)] = 0.25
    """Seconds after which a cache that does not answer is left alone. Up to 10."""


Place = Literal["memory", "valkey"]


class CacheState(BaseModel):
    """How the cache is doing, since the process began."""

    entries: int | None
    """Entries kept; null while the store is away."""
    size_bytes: int | None
    """What they take; null where only the server knows."""
    hits: int
    semantic_hits: int
    misses: int
    failures: int
    """Times the store did not answer; requests then went on without it."""
    place: Place
    """Where answers are kept: in this process, or on a Valkey or Redis server."""
    max_entries: int
    """Entries kept at most."""
    max_bytes: int | None
    """What they may take; null where the server has a limit of its own."""
    rules: tuple[CacheRule, ...]
    """Rules of the settings; the first that fits a model counts, after what its deployment or group says itself."""


class Cleared(BaseModel):
    """What was dropped."""

    entries: int
