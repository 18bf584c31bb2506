"""Models in the words of Ollama's protocol: what its management endpoints take and give."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from alcove.kernel.chat import JsonValue
from alcove.runtime.catalog.creating import Recipe
from alcove.runtime.catalog.modelfile import parameter_lines, render_modelfile
from alcove.runtime.gguf import GgufHeader
from alcove.runtime.models import FOREVER_S, Capability, InstalledModel, ModelFiles, RunningModel

OLLAMA_VERSION = "0.17.1"
"""What `/api/version` says: clients decide by it what they may ask for."""

_FOREVER = timedelta(days=365 * 292)  # as far as Ollama's clock goes
_SHOWN_ITEMS = 5
_NAME_WIDTH = 30
_Name = Annotated[str, Field(max_length=2048)]


class _Body(BaseModel):
    """What every body of Ollama's protocol has in common: unknown fields are passed over, `name` is the old word for `model`."""

    model_config = ConfigDict(extra="ignore")

    model: _Name = ""
    name: _Name = ""

    @property
    def wanted(self) -> str:
        """The model that is meant."""
        return self.model or self.name


class PullBody(_Body):
    """Which model to pull."""

    stream: bool | None = None
    insecure: bool = False


class PushBody(PullBody):
    """Which model to push."""


class DeleteBody(_Body):
    """Which model to delete."""


class ShowBody(_Body):
    """Which model to show, and what to show in place of its own."""

    verbose: bool = False
    system: str = ""
    template: str = ""


class CopyBody(BaseModel):
    """Which model gets a second name."""

    model_config = ConfigDict(extra="ignore")

    source: _Name = ""
    destination: _Name = ""


class CreateBody(_Body):
    """What a model is made of."""

    stream: bool | None = None
    from_: Annotated[_Name, Field(alias="from")] = ""
    files: dict[str, str] | None = None
    adapters: dict[str, str] | None = None
    template: str = ""
    system: str = ""
    license: list[str] = Field(default_factory=list)
    parameters: dict[str, Any] | None = None
    messages: list[dict[str, Any]] | None = None
    quantize: str = ""
    quantization: str = ""

    @field_validator("license", mode="before")
    @classmethod
    def _licenses(cls, value: object) -> object:
        if value is None or value == "":
            return []
        return [value] if isinstance(value, str) else value

    def recipe(self) -> Recipe:
        """Gives it as the catalogue takes it."""
        return Recipe(
            name=self.wanted,
            origin=self.from_,
            files=self.files or {},
            adapters=self.adapters or {},
            template=self.template,
            system=self.system,
            license=self.license,
            parameters=self.parameters or {},
            messages=self.messages or [],
            quantize=self.quantize or self.quantization,
        )


def time_text(at: datetime) -> str:
    """Gives a time as RFC 3339 has it."""
    return at.isoformat().replace("+00:00", "Z")


def details(model: InstalledModel) -> dict[str, JsonValue]:
    """Gives the object `details`."""
    return {
        "parent_model": "",
        "format": "gguf",
        "family": model.family,
        "families": list(model.families),
        "parameter_size": model.parameter_size,
        "quantization_level": model.quantization,
        "context_length": model.shape.context_length,
        "embedding_length": model.shape.embedding_length,
    }


def capabilities(model: InstalledModel) -> list[JsonValue]:
    """Gives what a model can do, in the order Ollama has."""
    return [each.value for each in Capability if each in model.capabilities]


def tag(model: InstalledModel) -> dict[str, JsonValue]:
    """Gives an entry of `/api/tags`."""
    return {
        "name": model.name,
        "model": model.name,
        "modified_at": time_text(model.modified_at),
        "size": model.size_bytes,
        "digest": model.digest,
        "details": details(model),
        "capabilities": capabilities(model),
    }


def expires_at(running: RunningModel, now: datetime) -> datetime:
    """Gives when a model is unloaded if nobody asks."""
    if running.expires_at is not None:
        return running.expires_at
    if running.keep_alive_s == FOREVER_S or running.is_pinned:
        return now + _FOREVER
    return now + timedelta(seconds=min(running.keep_alive_s, _FOREVER.total_seconds()))


def process(running: RunningModel, model: InstalledModel | None, now: datetime) -> dict[str, JsonValue]:
    """Gives an entry of `/api/ps`, with what we know beyond Ollama (`state`, `queued`, …)."""
    return {
        "name": running.model,
        "model": running.model,
        "size": running.size_bytes,
        "digest": running.digest,
        "details": {} if model is None else details(model),
        "expires_at": time_text(expires_at(running, now)),
        "size_vram": running.vram_bytes,
        "context_length": running.num_ctx,
        "state": running.state,
        "reason": running.reason,
        "active": running.active,
        "queued": running.queued,
    }


def shown(
    model: InstalledModel, header: GgufHeader, projector: GgufHeader | None, body: ShowBody, *, with_paths: bool
) -> dict[str, JsonValue]:
    """Gives the answer of `/api/show`; where files lie on this machine is for admins."""
    lines = [f"{name:<{_NAME_WIDTH}} {value}" for name, value in parameter_lines(model.parameters)]
    made: dict[str, JsonValue] = {
        "license": "\n".join(model.license),
        "modelfile": render_modelfile(
            model if with_paths else replace(model, files=ModelFiles(weights=Path(model.name)))
        ),
        "parameters": "\n".join(lines),
        "template": model.template or "{{ .Prompt }}",
        "system": model.system,
        "details": details(model),
        "messages": [dict(each) for each in model.messages],
        "model_info": model_info(header, is_verbose=body.verbose),
        "capabilities": capabilities(model),
        "modified_at": time_text(model.modified_at),
    }
    if projector is not None:
        made["projector_info"] = model_info(projector, is_verbose=body.verbose)
    if body.verbose:
        made["tensors"] = [{"name": each.name, "type": each.type, "shape": list(each.shape)} for each in header.tensors]
    return {key: value for key, value in made.items() if value != "" and (key != "messages" or value)}


def model_info(header: GgufHeader, *, is_verbose: bool) -> dict[str, JsonValue]:
    """Gives the keys and values of a GGUF file; long lists are emptied unless all is asked for."""
    hidden = {"general.name", "tokenizer.chat_template"}
    found: dict[str, JsonValue] = {key: value for key, value in header.metadata.items() if key not in hidden}
    found["general.parameter_count"] = sum(each.items for each in header.tensors)
    if not is_verbose:
        found |= {key: [] for key, length in header.array_lengths.items() if length > _SHOWN_ITEMS}
    return dict(sorted(found.items()))


def merged(
    local: Sequence[Mapping[str, JsonValue]], remote: Sequence[Mapping[str, JsonValue]]
) -> list[Mapping[str, JsonValue]]:
    """Puts other machines' models behind ours; of two of the same name, ours stays."""
    names = {each.get("name") for each in local}
    found = list(local)
    for each in remote:
        if each.get("name") not in names:
            names.add(each.get("name"))
            found.append(each)
    return found
