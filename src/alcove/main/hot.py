"""Puts the hot route in front of the application."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp

from alcove.gateway.hot.face import Concern, HotFace, Keys
from alcove.gateway.hot.traces import HotTraces
from alcove.gateway.ports import Meter, Router
from alcove.gateway.slots import AnswerSlots
from alcove.infra.lean_edge import LeanEdge
from alcove.infra.metrics import Metrics
from alcove.kernel.ports import Pricing
from alcove.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class HotParts:
    """What the hot route is made of, out of an open house.

    Attributes:
        keys: Knows whose a key is.
        router: Finds the way to a model.
        meter: Checks and counts calls.
        concerns: What acts around answers.
        slots: Bounds how many are under way.
        pricing: What calls cost.
        traces: Keeps traces.
    """

    keys: Keys
    router: Router
    meter: Meter
    concerns: Sequence[Concern]
    slots: AnswerSlots
    pricing: Pricing
    traces: HotTraces


def in_front_of(app: ASGIApp, parts: HotParts, settings: Settings, metrics: Metrics) -> HotFace:
    """Gives the application with the hot route in front of it."""
    return HotFace(
        inner=app,
        edge=LeanEdge.of(settings.edge, settings.server.host, settings.gateway.max_body_bytes),
        keys=parts.keys,
        router=parts.router,
        meter=parts.meter,
        concerns=parts.concerns,
        slots=parts.slots,
        pricing=parts.pricing,
        traces=parts.traces,
        metrics=metrics,
        settings=settings.gateway,
    )
