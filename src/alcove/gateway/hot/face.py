"""`POST /v1/chat/completions` for those who come with a key and want a model that is passed through: nearly everybody, all day.

It stands in front of the framework and its layers. What it does not take, it hands on untouched, body and all, to the
application behind it: other paths, browsers, bad requests, models of the house's own, requests that a filter, a guardrail or a
cache has something to do with. There, everything is as if this were not here.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alcove.gateway.calls import Call, CallKind
from alcove.gateway.hot.answer import HotAnswer, stopping
from alcove.gateway.hot.traces import HotTraces
from alcove.gateway.models import GatewaySettings
from alcove.gateway.ollama_words import OWN_FIELDS
from alcove.gateway.passed import PassedRequest
from alcove.gateway.ports import Meter, Route, Router
from alcove.gateway.slots import AnswerSlots
from alcove.infra.lean_edge import Asker, LeanEdge
from alcove.infra.metrics import Metrics
from alcove.infra.watch import Watch
from alcove.infra.wire import Wire
from alcove.kernel.errors import AlcoveError, Forbidden, InternalError
from alcove.kernel.filters import RequestHead
from alcove.kernel.ports import DEFAULT_MODEL, Pricing
from alcove.kernel.principal import Principal

log = structlog.get_logger(__name__)

PATH = "/v1/chat/completions"


class Keys(Protocol):
    """Knows whose a key is."""

    def known(self, secret: str, ip: str) -> Principal | None:
        """Gives whose key it is, if that was found out a moment ago and it may be used from there."""
        ...

    async def find(self, secret: str, ip: str) -> Principal | None:
        """Gives whose key it is; None when it is none that may be used from there."""
        ...


class Concern(Protocol):
    """Something that acts around answers: a filter, a guardrail, a cache."""

    def concerns(self, head: RequestHead) -> bool:
        """Tells whether it may have anything to do with such a request."""
        ...


class Visit(NamedTuple):
    """A request that was recognised before it was read.

    Attributes:
        face: Takes it.
        asker: Who is asking, as the request says.
        who: Who that is.
        body: The body.
    """

    face: "HotFace"
    asker: Asker
    who: Principal
    body: bytes

    async def answer(self, wire: Wire) -> bool:
        """Answers it; tells whether it did."""
        return await self.face.take(wire, self.asker, self.who, self.body)


@dataclass(slots=True, kw_only=True)
class HotFace:
    """Takes the requests that it can, hands on the others.

    Attributes:
        inner: The application behind it.
        edge: Reads requests.
        keys: Knows whose a key is.
        router: Finds the way to a model.
        meter: Checks calls before they are made, counts them afterwards.
        concerns: What acts around answers; a request that one of them has something to do with is handed on.
        slots: Bounds how many answers are under way.
        pricing: What calls cost.
        traces: Keeps traces, as many as it may.
        metrics: Where requests are counted.
        settings: The gateway's settings.
        watch: Looks at streams that are silent.
        under_way: The answers under way.
        is_ended: Whether no more answers are begun, as the server ends.
    """

    inner: ASGIApp
    edge: LeanEdge
    keys: Keys
    router: Router
    meter: Meter
    concerns: Sequence[Concern]
    slots: AnswerSlots
    pricing: Pricing
    traces: HotTraces
    metrics: Metrics
    settings: GatewaySettings
    watch: Watch = field(init=False)
    under_way: set[HotAnswer] = field(default_factory=set)
    is_ended: bool = False

    def __post_init__(self) -> None:
        """Makes the watch."""
        self.watch = Watch(min(self.settings.keep_alive_s, self.settings.slow_client_s))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, or has it answered."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self.inner(scope, receive, send)
            return
        wire = Wire.of(scope)
        asker = self.edge.read(scope) if wire is not None else None
        who = None
        if asker is not None:
            who = self.keys.known(asker.secret, asker.ip) or await self._find(asker)
        if wire is None or asker is None or who is None:
            await self.inner(scope, receive, send)
            return
        if wire.start:
            self.edge.learn(wire.start, scope, asker)
        body, is_whole = await _body(receive, self.edge.max_body_bytes)
        if is_whole:
            if await self.take(wire, asker, who, body):
                return
        elif wire.is_gone:
            return
        await self.inner(scope, _replayed(body, receive, is_whole=is_whole), send)

    def recognise(self, data: bytes, ip: str, *, is_secure: bool) -> Visit | None:
        """Gives the request that `data` is; None when it has to be read, or its key has to be asked for."""
        found = self.edge.recall(data, ip, is_secure=is_secure)
        who = None if found is None else self.keys.known(found[0].secret, ip)
        return None if found is None or who is None else Visit(self, found[0], who, found[1])

    async def take(self, wire: Wire, asker: Asker, who: Principal, body: bytes) -> bool:
        """Answers a request, if it is one that goes through as it is; tells whether it did."""
        request = PassedRequest.read(body, asker.request_id)
        route = None if request is None else await self._route(request, who)
        return request is not None and route is not None and await self._answer(wire, asker, who, request, route)

    def end_at(self, at_s: float) -> None:
        """Ends at a time, by the loop's clock, all answers that are under way then; those that begin later at once."""
        asyncio.get_running_loop().call_at(at_s, self._end_all)

    def _end_all(self) -> None:
        self.is_ended = True
        for answer in tuple(self.under_way):
            answer.stop()

    async def _find(self, asker: Asker) -> Principal | None:
        try:
            return await self.keys.find(asker.secret, asker.ip)
        except Exception:  # noqa: BLE001  whatever is wrong, the layers behind come upon it too, and say it
            return None

    async def _route(self, request: PassedRequest, who: Principal) -> Route | None:
        if request.model == DEFAULT_MODEL:
            return None
        try:
            route = await self.router.route(request.model, who, CallKind.CHAT)
        except AlcoveError:  # is said, and audited, by the layers behind
            return None
        if route is None or not route.can_pass_through or route.info.kind != "chat":
            return None
        if not OWN_FIELDS.isdisjoint(request.fields) and route.has_detours:
            return None
        fields = frozenset(request.fields)
        for name in {request.model, route.info.id, *route.info.aliases}:  # a guardrail may name any of them
            head = RequestHead(model=name, fields=fields, principal=who)
            for each in self.concerns:
                if each.concerns(head):
                    return None
        return route

    async def _answer(self, wire: Wire, asker: Asker, who: Principal, request: PassedRequest, route: Route) -> bool:
        """Answers; tells whether it did."""
        call = Call(
            model=request.model,
            endpoint=PATH,
            is_streaming=request.is_streaming,
            input_tokens=request.input_tokens,
            output_tokens=request.output_tokens,
            request_id=asker.request_id,
            at=datetime.now(UTC),
            began_s=asker.began_s,
        )
        answer = HotAnswer(self, wire, asker, who, request, call)
        if self.is_ended:
            answer.refuse(stopping())
            return True
        try:
            self.slots.enter(who.user_id)
        except AlcoveError as error:
            answer.refuse(error)
            return True
        self.under_way.add(answer)
        try:
            try:
                answer.admission = await self.meter.admit(who, call)
            except Forbidden:  # is said, and audited, by the layers behind
                return False
            except AlcoveError as error:
                answer.refuse(error)
                return True
            except Exception:  # what cannot be checked is not made
                log.exception("call_not_admitted", request_id=asker.request_id)
                answer.refuse(InternalError())
                return True
            await answer.run(route)
        finally:
            self.under_way.discard(answer)
            self.slots.leave(who.user_id)
        return True


async def _body(receive: Receive, max_bytes: int) -> tuple[bytes, bool]:
    """Gives the request's body, and whether that is all of it and not too much."""
    message = await receive()
    if message["type"] == "http.disconnect":
        return b"", False
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return body, len(body) <= max_bytes
    pieces, size = [body], len(body)
    while size <= max_bytes:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"", False
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if not message.get("more_body", False):
            return b"".join(pieces), size <= max_bytes
    return b"".join(pieces), False


def _replayed(body: bytes, receive: Receive, *, is_whole: bool) -> Receive:
    """Gives a request's messages with the body that has been read before those still to come."""
    is_given = False

    async def replaying() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": not is_whole}

    return replaying
