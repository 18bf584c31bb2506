"""Routes for the page about local models: what is here, what fits, what is being pulled."""

import shutil
from datetime import datetime
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, status
from pydantic import BaseModel, Field

from alcove.infra.web import PrincipalDep, problems
from alcove.kernel.pages import Page
from alcove.runtime.catalog.creating import Recipe
from alcove.runtime.catalog.known import KnownModel, known_models
from alcove.runtime.catalog.ports import MemoryForecast
from alcove.runtime.desk import DeskDep
from alcove.runtime.library import Wanted
from alcove.runtime.models import Capability, InstalledModel, RunningModel, RunState
from alcove.runtime.ollama_api import AskingDep
from alcove.runtime.transfers import Transfer, TransferState

router = APIRouter(prefix="/api/v1/runtime", tags=["runtime"])

_Name = Annotated[str, Field(min_length=1, max_length=2048)]


class Machine(BaseModel):
    """What this machine has for models."""

    memory_budget_bytes: int
    """Memory that local models may take together."""
    disk_free_bytes: int
    disk_total_bytes: int
    models_bytes: int
    """What the models listed here take on the disk; layers that several share count each time."""


class LocalModelCard(BaseModel):
    """A model on this machine's disk."""

    name: str
    digest: str
    size_bytes: int
    modified_at: datetime
    family: str
    parameter_size: str
    quantization: str
    context_length: int
    capabilities: list[Capability]
    memory_bytes: int
    """What it would take when loaded, as predicted."""
    fits: bool
    """Whether that is within what local models may take."""
    is_read_only: bool
    """Whether it lies in another program's folder, which is never changed."""
    state: RunState
    reason: str
    queued: int
    active: int


class LocalModelList(BaseModel):
    """The models on this machine's disk."""

    items: list[LocalModelCard]
    machine: Machine


class KnownModelCard(KnownModel):
    """A model worth knowing, and whether it is here and would fit."""

    is_installed: bool
    fits: bool


class KnownModelList(BaseModel):
    """Models worth knowing."""

    items: list[KnownModelCard]


class PullStart(BaseModel):
    """What to pull."""

    model: _Name
    """A name (`qwen2.5:0.5b`, `hf.co/user/repository:Q4_K_M`, `registry.example.org/team/model:1`) or the address of a GGUF file."""
    name: str = Field(default="", max_length=500)
    """What it is to be called here; empty for its own name."""
    insecure: bool = False
    """Whether a registry may be asked by http."""


class PullFile(BaseModel):
    """A step of a pull, or one of its files."""

    status: str
    digest: str
    total_bytes: int
    completed_bytes: int


class PullCard(BaseModel):
    """A pull, and how it goes."""

    id: str
    model: str
    state: TransferState
    status: str
    """The last thing it told."""
    error: str | None
    started_at: datetime
    total_bytes: int
    completed_bytes: int
    bytes_per_s: float
    steps: list[PullFile]

    @classmethod
    def of(cls, transfer: Transfer, now_s: float) -> "PullCard":
        """Gives a pull as it is shown."""
        return cls(
            id=transfer.id,
            model=transfer.model,
            state=transfer.state,
            status=transfer.lines[-1].status if transfer.lines else "",
            error=None if transfer.error is None else transfer.error.detail,
            started_at=transfer.started_at,
            total_bytes=transfer.total,
            completed_bytes=transfer.completed,
            bytes_per_s=round(transfer.speed(now_s), 1),
            steps=[
                PullFile(status=each.status, digest=each.digest, total_bytes=each.total, completed_bytes=each.completed)
                for each in transfer.lines
            ],
        )


class ModelCreate(BaseModel):
    """A model made of another one."""

    name: _Name
    origin: _Name
    """The model it is made from."""
    system: str = Field(default="", max_length=200_000)
    template: str = Field(default="", max_length=200_000)
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Options, such as `temperature`, `num_ctx`, `stop`."""


@router.get("/models", responses=problems())
async def list_local_models(who: PrincipalDep, desk: DeskDep) -> LocalModelList:
    """Lists the models on this machine, and what it has for them."""
    models = [each for each in await desk.library.catalog.list() if desk.access.may_use(who, each.name)]
    states = {each.model: each for each in desk.local.running()}
    cards = [_card(each, states.get(each.name), desk.memory) for each in models]
    disk = await anyio.to_thread.run_sync(shutil.disk_usage, desk.library.catalog.own.root)
    machine = Machine(
        memory_budget_bytes=desk.memory.budget_bytes(),
        disk_free_bytes=disk.free,
        disk_total_bytes=disk.total,
        models_bytes=sum(each.size_bytes for each in models),
    )
    return LocalModelList(items=cards, machine=machine)


@router.post("/models", status_code=status.HTTP_201_CREATED, responses=problems(403, 404))
async def create_local_model(body: ModelCreate, asking: AskingDep, desk: DeskDep) -> LocalModelCard:
    """Makes a model of another one, with a system prompt or options of its own."""
    recipe = Recipe(
        name=body.name,
        origin=body.origin,
        system=body.system,
        template=body.template,
        parameters=body.parameters,
    )
    async for _ in desk.library.create(recipe, asking):
        pass
    return _card(await desk.library.catalog.get(body.name), None, desk.memory)


@router.delete("/models/{name:path}", status_code=status.HTTP_204_NO_CONTENT, responses=problems(403, 404))
async def delete_local_model(name: str, asking: AskingDep, desk: DeskDep) -> None:
    """Deletes a model from the disk."""
    await desk.library.delete(name, asking)


@router.get("/known-models", responses=problems())
async def list_known_models(_who: PrincipalDep, desk: DeskDep) -> KnownModelList:
    """Lists models worth knowing, with what they take; nothing is asked of other machines for it."""
    installed = {each.name.lower() for each in await desk.library.catalog.list()}
    budget = desk.memory.budget_bytes()
    return KnownModelList(
        items=[
            KnownModelCard(
                **each.model_dump(), is_installed=each.name.lower() in installed, fits=each.memory_bytes <= budget
            )
            for each in known_models()
        ]
    )


@router.get("/pulls", responses=problems())
async def list_pulls(_who: PrincipalDep, desk: DeskDep) -> Page[PullCard]:
    """Lists the pulls under way and those that ended lately, the latest first."""
    now_s = desk.clock.monotonic_s()
    return Page(items=[PullCard.of(each, now_s) for each in desk.library.pulls()], next_cursor=None)


@router.post("/pulls", status_code=status.HTTP_202_ACCEPTED, responses=problems(403, 503))
async def start_pull(body: PullStart, asking: AskingDep, desk: DeskDep) -> PullCard:
    """Begins a pull, which goes on when the page is closed; gives the one under way if there is one for the same model."""
    wanted = Wanted(reference=body.model, is_insecure=body.insecure, name=body.name)
    transfer = await desk.library.start_pull(wanted, asking, is_kept=True)
    return PullCard.of(transfer, desk.clock.monotonic_s())


@router.get("/pulls/{pull_id}", responses=problems(404))
async def get_pull(pull_id: str, _who: PrincipalDep, desk: DeskDep) -> PullCard:
    """Tells how a pull goes."""
    return PullCard.of(desk.library.transfers.get(pull_id), desk.clock.monotonic_s())


@router.delete("/pulls/{pull_id}", status_code=status.HTTP_204_NO_CONTENT, responses=problems(403, 404))
async def cancel_pull(pull_id: str, _asking: AskingDep, desk: DeskDep) -> None:
    """Ends a pull. What is here is kept, and the next pull goes on from there."""
    desk.library.transfers.get(pull_id).cancel()


def _card(model: InstalledModel, running: RunningModel | None, memory: MemoryForecast) -> LocalModelCard:
    need = memory.need_bytes(model)
    return LocalModelCard(
        name=model.name,
        digest=model.digest,
        size_bytes=model.size_bytes,
        modified_at=model.modified_at,
        family=model.family,
        parameter_size=model.parameter_size,
        quantization=model.quantization,
        context_length=model.shape.context_length,
        capabilities=[each for each in Capability if each in model.capabilities],
        memory_bytes=need,
        fits=need <= memory.budget_bytes(),
        is_read_only=model.is_read_only,
        state="unloaded" if running is None else running.state,
        reason="" if running is None else running.reason,
        queued=0 if running is None else running.queued,
        active=0 if running is None else running.active,
    )
