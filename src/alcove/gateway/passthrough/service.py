"""Passes requests through: admitted and counted like every call to a model, traced, with nothing in them looked at."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import anyio

from alcove.gateway.calls import CLIENT_LEFT, Call, Outcome
from alcove.gateway.passthrough.counts import Counts, counts_of
from alcove.gateway.passthrough.models import PassedAnswer, PassedRequest
from alcove.gateway.ports import Admission, Lease, Meter, Router, Target, TransportResponse
from alcove.infra.http import HttpClientError
from alcove.infra.lean_edge import header_fields
from alcove.kernel.chat import Usage
from alcove.kernel.clock import Clock
from alcove.kernel.errors import (
    AlcoveError,
    FieldError,
    InternalError,
    InvalidRequest,
    ModelNotFound,
    StreamInterrupted,
    UpstreamError,
)
from alcove.kernel.ids import new_trace_id
from alcove.kernel.ports import Pricing, Served
from alcove.kernel.principal import Principal
from alcove.kernel.runner import ModelCatalogue
from alcove.kernel.trace import Level, Observation, ObservationKind, Trace, Tracer, TraceSink

_PASSED = ("application/json", "audio/", "image/", "video/", "text/plain", "text/event-stream", "text/vtt", "application/x-subrip", "application/octet-stream")  # fmt: skip
"""What an answer may be; HTML and the like would be taken for pages of this server."""


@dataclass(slots=True)
class _Begun:
    """An answer that has begun."""

    response: TransportResponse

    async def aclose(self) -> None:
        """Ends it."""
        self.response.close()


@dataclass(frozen=True, kw_only=True, slots=True)
class PassThroughService:
    """Sends requests to the deployments that have the model.

    Attributes:
        router: Finds them.
        models: Knows whether a model that no deployment has is one of the house's own.
        meter: Admits calls, and counts them.
        sink: Where traces go.
        pricing: What calls cost.
        clock: The time.
    """

    router: Router
    models: ModelCatalogue
    meter: Meter
    sink: TraceSink
    pricing: Pricing
    clock: Clock

    async def answer(self, request: PassedRequest, who: Principal) -> PassedAnswer:
        """Gives the answer, once it has begun.

        Raises:
            ModelNotFound: When there is no such model for this person.
            InvalidRequest: When the model is one that answers otherwise.
            AlcoveError: When the call may not be made, or no deployment answers it.
        """
        self.sink.admit()
        passage = request.passage
        route = await self.router.route(request.model, who, passage.kind)
        if route is None:
            raise await self._not_passed(request, who)
        call = Call(
            kind=passage.kind,
            model=request.model,
            endpoint=passage.endpoint,
            input_tokens=request.input_tokens,
            request_id=request.request_id,
            trace_id=new_trace_id(),
            at=self.clock.now(),
            began_s=self.clock.monotonic_s(),
        )
        admission = await self.meter.admit(who, call)
        exchange = _Exchange(self, call, who, admission, Served())
        try:
            lease, begun = await route.attempt(call, lambda target: _send(target, request, who), exchange.served)
        except AlcoveError as error:
            await exchange.end(error=error)
            error.headers["x-trace-id"] = call.trace_id
            raise
        except BaseException:
            with anyio.CancelScope(shield=True):
                await exchange.end(status=CLIENT_LEFT)
            raise
        content_type = begun.response.headers.get("content-type", "application/octet-stream")
        if not content_type.lower().startswith(_PASSED):
            begun.response.close()
            detail = f"The model server of {lease.target.deployment!r} answered with {content_type[:100]!r}, which is not passed on."
            refusal = UpstreamError(detail, headers={"x-trace-id": call.trace_id})
            lease.failed(refusal)
            await exchange.end(error=refusal)
            raise refusal
        pieces = exchange.relay(lease, begun.response, content_type)

        async def close() -> None:
            await pieces.aclose()
            await exchange.leave(lease, begun.response)

        return PassedAnswer(
            content_type=content_type,
            pieces=pieces,
            close=close,
            trace_id=call.trace_id,
            headers=tuple(header_fields(admission.lines())),
        )

    async def _not_passed(self, request: PassedRequest, who: Principal) -> AlcoveError:
        try:
            await self.models.chat_model(request.model, who)
        except ModelNotFound as error:
            return error
        except InvalidRequest:
            pass
        reason = (
            f"{request.model!r} does not do this; {request.passage.endpoint} needs a model of a deployment that does"
        )
        return InvalidRequest(f"model: {reason}.", fields=(FieldError(field="model", message=reason),))


async def _send(target: Target, request: PassedRequest, who: Principal) -> _Begun:
    body = request.body.named(target.upstream_id)
    response = await target.upstream.forward(
        request.passage.path,
        body,
        content_type=request.content_type,
        accept=request.accept,
        user_id=who.user_id,
    )
    return _Begun(response)


@dataclass(slots=True)
class _Exchange:
    """One call from its admission to its end."""

    service: PassThroughService
    call: Call
    who: Principal
    admission: Admission
    served: Served
    _first_s: float | None = None
    _size: int = 0
    _counts: Counts | None = None
    _is_over: bool = False

    async def relay(self, lease: Lease, response: TransportResponse, content_type: str) -> AsyncGenerator[bytes, None]:
        """Gives the answer's bytes as they come; what it came to is counted at the end, whatever that is.

        Raises:
            StreamInterrupted: When it breaks off.
        """
        clock = self.service.clock
        self._counts = counts = counts_of(content_type)
        size = 0
        try:
            while piece := await response.read_some():
                self._first_s = self._first_s or clock.monotonic_s()
                size += len(piece)
                counts.take(piece)
                yield piece
            now_s = clock.monotonic_s()
            lease.succeeded(first_s=(self._first_s or now_s) - self.call.began_s, total_s=now_s - self.call.began_s)
            await self.end(lease, usage=counts.usage(), size_bytes=size)
        except HttpClientError as failure:
            detail = (
                f"The model server of {lease.target.deployment!r} broke off in the middle of its answer: {failure}."
            )
            error = StreamInterrupted(detail)
            lease.failed(error)
            await self.end(lease, error=error, usage=counts.usage(), size_bytes=size)
            raise error from failure
        finally:
            self._size = size
            await self.leave(lease, response)

    async def leave(self, lease: Lease, response: TransportResponse) -> None:
        """Ends an answer whose client has left; one that is over stays as it is."""
        response.close()
        if not self._is_over:
            lease.abandoned()
            with anyio.CancelScope(shield=True):
                usage = None if self._counts is None else self._counts.usage()
                await self.end(lease, status=CLIENT_LEFT, usage=usage, size_bytes=self._size)

    async def end(
        self,
        lease: Lease | None = None,
        *,
        error: AlcoveError | None = None,
        status: int = 200,
        usage: Usage | None = None,
        size_bytes: int = 0,
    ) -> None:
        """Counts the call and keeps its trace."""
        self._is_over = True
        service, call = self.service, self.call
        if usage is None and error is None:
            counts, is_estimated = Usage(input_tokens=call.input_tokens), True
        else:
            counts, is_estimated = usage or Usage(), False
        cost_usd = None if lease is None else service.pricing.cost_usd(lease.target.info, counts, self.served)
        self.admission.settle(
            Outcome(
                served=self.served,
                status=status if error is None else error.status,
                error_code="" if error is None else error.code,
                usage=counts,
                is_estimated=is_estimated,
                cost_usd=cost_usd,
                ended_s=service.clock.monotonic_s(),
                first_s=self._first_s,
            )
        )
        trace = Trace(
            id=call.trace_id,
            owner_id=self.who.user_id,
            name=call.kind.value,
            started_at=call.at,
            model=call.model,
            input={"endpoint": call.endpoint},
        )
        trace.metadata.update(
            {"request_id": call.request_id, **({"key_id": self.who.key_id} if self.who.key_id else {})}
        )
        observation = Tracer(trace, service.clock).begin(
            ObservationKind.GENERATION, f"{call.kind.value} {call.model}", model=call.model
        )
        observation.started_at = call.at
        observation.metadata.update({"deployment": self.served.deployment, "provider": self.served.provider})
        observation.output = {"bytes": size_bytes}
        observation.usage, observation.cost_usd = counts, cost_usd
        _mark(trace, observation, error, status)
        observation.ended_at = trace.ended_at = service.clock.now()
        await service.sink.record(trace)


def _mark(trace: Trace, observation: Observation, error: AlcoveError | None, status: int) -> None:
    if error is not None:
        message = error.detail if not isinstance(error, InternalError) else InternalError().detail
        trace.level = observation.level = Level.ERROR
    elif status == CLIENT_LEFT:
        message = "The client left before the end."
        trace.level = observation.level = Level.WARNING
    else:
        return
    trace.status_message = observation.status_message = message
