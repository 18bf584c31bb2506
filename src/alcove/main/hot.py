"""Puts the hot route in front of the application."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp

from alcove.gateway.adapters.openai_bytes import sum_up
from alcove.gateway.hot.face import PATH, Concern, HotFace, Keys
from alcove.gateway.hot.traces import HotTraces, NowSink
from alcove.gateway.ports import Meter, Router
from alcove.gateway.slots import AnswerSlots
from alcove.identity.known import KnownKeys
from alcove.identity.service import Authenticator
from alcove.infra.lean_edge import LeanEdge
from alcove.infra.metrics import Metrics
from alcove.kernel.ports import Pricing
from alcove.kernel.runner import TurnRunner
from alcove.main.gateway import GatewayParts
from alcove.main.ground import Ground
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
        edge=LeanEdge.of(settings.edge, settings.server.host, settings.gateway.max_body_bytes, PATH),
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


@dataclass(frozen=True, kw_only=True, slots=True)
class HotGround:
    """What the hot route is opened with.

    Attributes:
        runner: Runs the turns of requests it hands on.
        authenticator: Knows keys.
        sink: Where traces go; not a counting one, as the hot route counts by itself.
        slots: Bounds how many answers are under way, of its own and of the routes behind.
    """

    runner: TurnRunner
    authenticator: Authenticator
    sink: NowSink
    slots: AnswerSlots


def open_hot(ground: Ground, gateway: GatewayParts, hot: HotGround) -> HotParts:
    """Gives what the hot route is made of."""
    traces = HotTraces(sink=hot.sink, sum_up=sum_up, clock=ground.clock, per_s=ground.settings.gateway.traces_per_s)
    ground.workers.start(traces.run, "traces of the hot route")
    ground.stack.push_async_callback(traces.flush)
    return HotParts(
        keys=KnownKeys(hot.authenticator),
        router=gateway.routing.router,
        meter=gateway.meter,
        concerns=(*hot.runner.filters, gateway.caching),
        slots=hot.slots,
        pricing=gateway.pricing,
        traces=traces,
    )
