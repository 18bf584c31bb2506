"""Routes for the page about local models: what runs, with which memory; load, unload, pin."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Response, status
from pydantic import BaseModel, Field

from alcove.infra.web import PrincipalDep, problems
from alcove.kernel.principal import Principal
from alcove.runtime.by_hand import ModelsByHand
from alcove.runtime.desk import DeskDep, RuntimeDesk
from alcove.runtime.models import FOREVER_S, RunningModel, RunState
from alcove.runtime.ollama_api import AskingDep
from alcove.runtime.running_events import Rhythm, RunningEvents

router = APIRouter(prefix="/api/v1/runtime", tags=["runtime"])

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `snapshot` (all models that run) and `change` (those that changed), each with a list as `GET /running` gives it",
        "content": {"text/event-stream": {}},
    }
}


class RunningMemory(BaseModel):
    """What local models take of this machine's memory."""

    budget_bytes: int
    """What they may take together."""
    taken_bytes: int
    """What those that are loaded were predicted to take."""


class RunningCard(BaseModel):
    """What a model is doing."""

    model: str
    state: RunState
    reason: str
    """Why, in words: what it waits for, why it was unloaded, how it failed."""
    size_bytes: int
    """Memory it takes, as measured; before that, as predicted."""
    vram_bytes: int
    """Of that, on GPUs."""
    num_ctx: int
    """Tokens of context for each request."""
    slots: int
    """Requests it answers at a time."""
    active: int
    """Requests it is answering."""
    queued: int
    """Requests that wait."""
    expires_at: datetime | None
    """When it is unloaded if nobody asks; null while it is at work or stays for ever."""
    keep_alive_s: float | None
    """Seconds it stays after its last request; null for ever."""
    is_pinned: bool
    tokens_per_s: float
    """Speed of its last answers; 0 for not known."""
    stderr: list[str]
    """The last lines its process wrote, after a failure; for admins only."""

    @classmethod
    def of(cls, running: RunningModel, who: Principal) -> "RunningCard":
        """Gives what a person is shown of a model."""
        return cls(
            model=running.model,
            state=running.state,
            reason=running.reason,
            size_bytes=running.size_bytes,
            vram_bytes=running.vram_bytes,
            num_ctx=running.num_ctx,
            slots=running.slots,
            active=running.active,
            queued=running.queued,
            expires_at=running.expires_at,
            keep_alive_s=None if running.keep_alive_s == FOREVER_S else running.keep_alive_s,
            is_pinned=running.is_pinned,
            tokens_per_s=round(running.tokens_per_s, 2),
            stderr=list(running.stderr) if who.is_admin else [],
        )


class RunningList(BaseModel):
    """What models are doing, and what they take."""

    items: list[RunningCard]
    memory: RunningMemory


class ModelLoad(BaseModel):
    """What to load."""

    model: Annotated[str, Field(min_length=1, max_length=500)]


@router.get("/running", responses=problems())
async def list_running_models(who: PrincipalDep, desk: DeskDep) -> RunningList:
    """Lists the models that are loaded, loading, waited for, pinned, or failed."""
    return _listed(desk, desk.service.running(), who)


@router.get("/running/events", responses={**_STREAM, **problems(503)}, response_class=Response)
async def follow_running_models(who: PrincipalDep, desk: DeskDep) -> Response:
    """Streams what models are doing, as it changes. The stream ends now and then; open it again."""
    with desk.seats.taken(who.user_id):  # refused before the first byte, where there is no seat
        pass

    def render(models: Sequence[RunningModel]) -> bytes:
        return _listed(desk, models, who).model_dump_json().encode()

    return RunningEvents(desk.service, render, desk.seats.taken(who.user_id), Rhythm())


@router.post("/running", responses=problems(403, 404, 422, 500, 503, 507))
async def load_model(body: ModelLoad, asking: AskingDep, desk: DeskDep) -> RunningCard:
    """Loads a model, and answers when it can be asked."""
    return RunningCard.of(await _by_hand(desk).load(await _name(desk, body.model), asking), asking.who)


@router.delete("/running/{name:path}", status_code=status.HTTP_204_NO_CONTENT, responses=problems(403, 404))
async def unload_model(name: str, asking: AskingDep, desk: DeskDep) -> None:
    """Unloads a model: at once when it is idle, else after its requests."""
    await _by_hand(desk).unload(await _name(desk, name), asking)


@router.put("/pins/{name:path}", status_code=status.HTTP_204_NO_CONTENT, responses=problems(403, 404))
async def pin_model(name: str, asking: AskingDep, desk: DeskDep) -> None:
    """Makes a model stay once it is loaded, and never make room for others; until the server ends."""
    await _by_hand(desk).pin(await _name(desk, name), asking)


@router.delete("/pins/{name:path}", status_code=status.HTTP_204_NO_CONTENT, responses=problems(403, 404))
async def unpin_model(name: str, asking: AskingDep, desk: DeskDep) -> None:
    """Lets a model be unloaded again."""
    await _by_hand(desk).unpin(await _name(desk, name), asking)


def _by_hand(desk: RuntimeDesk) -> ModelsByHand:
    return ModelsByHand(desk.service, desk.library.audit)


async def _name(desk: RuntimeDesk, name: str) -> str:
    """Gives a model's name as it is listed, from any spelling; a model that was deleted while it is loaded keeps its own."""
    if any(each.model == name for each in desk.service.running()):
        return name
    return (await desk.library.catalog.get(name)).name


def _listed(desk: RuntimeDesk, models: Sequence[RunningModel], who: Principal) -> RunningList:
    memory = desk.service.memory()
    return RunningList(
        items=[RunningCard.of(each, who) for each in models if desk.access.may_use(who, each.model)],
        memory=RunningMemory(budget_bytes=memory.budget_bytes, taken_bytes=memory.taken_bytes),
    )
