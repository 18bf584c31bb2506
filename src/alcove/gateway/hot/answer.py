"""One answer on its way through: from the call to the last byte, settled in every case."""

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pydantic_core
import structlog

from alcove.gateway.calls import CLIENT_LEFT, Call, Outcome
from alcove.gateway.hot.traces import PassedCall
from alcove.gateway.openai_answer import KEEP_ALIVE, event
from alcove.gateway.passed import PassedRequest
from alcove.gateway.ports import Admission, Lease, PassedAnswer, Route, Target
from alcove.infra.lean_edge import Asker, header_lines
from alcove.infra.problems import error_headers, openai_error
from alcove.infra.wire import Wire
from alcove.kernel.chat import Usage
from alcove.kernel.errors import AlcoveError, InternalError, Unavailable
from alcove.kernel.ports import Served
from alcove.kernel.principal import Principal

if TYPE_CHECKING:
    from alcove.gateway.hot.face import HotFace

log = structlog.get_logger(__name__)

_STREAM = b"content-type: text/event-stream; charset=utf-8\r\nx-accel-buffering: no\r\n"
_JSON = b"content-type: application/json\r\n"
_PREFIX_BYTES = 2048


def stopping() -> Unavailable:
    """Gives the error of a call that the server's end cuts short, or that comes too late."""
    return Unavailable("The server is being stopped; send the request again.", retry_after_s=1)


class HotAnswer:
    """Runs one call for one HTTP client. What it waits for, its face watches.

    Attributes:
        admission: That the call may be made; set before `run`.
    """

    __slots__ = (
        "_answer", "_asker", "_blocks", "_call", "_ended_by", "_face", "_first_s", "_is_settled", "_lease", "_request", "_route", "_sent_s",
        "_served", "_task", "_who", "_wire", "admission",
    )  # fmt: skip

    def __init__(
        self, face: "HotFace", wire: Wire, asker: Asker, who: Principal, request: PassedRequest, call: Call
    ) -> None:
        self._face = face
        self._wire = wire
        self._asker = asker
        self._who = who
        self._request = request
        self._call = call
        self._served = Served()
        self._lease: Lease | None = None
        self._answer: PassedAnswer | None = None
        self._first_s: float | None = None
        self._sent_s = asker.began_s
        self._blocks: list[bytes] | None = None
        self._route: Route | None = None
        self._ended_by: AlcoveError | None = None
        self._task: asyncio.Task[object] | None = None
        self._is_settled = False
        self.admission: Admission | None = None

    async def run(self, route: Route) -> None:
        """Makes the call, and sends what comes of it to the client."""
        self._route = route
        self._task = task = asyncio.current_task()
        face, wire = self._face, self._wire
        if task is not None:
            wire.on_gone(task.cancel)
        if self._request.is_streaming:
            face.watch.add(self)
        try:
            await self._make(route)
        except AlcoveError as error:
            self._fail(error)
        except asyncio.CancelledError:
            self._cancelled(task)
        except Exception as error:  # noqa: BLE001  the edge: nobody else could answer any more; it is logged
            failure = InternalError()
            failure.__cause__ = error
            self._fail(failure)
        finally:
            wire.on_gone(None)
            face.watch.discard(self)
            if self._answer is not None:
                await self._answer.aclose()

    async def _make(self, route: Route) -> None:
        if self._ended_by is not None:
            raise self._ended_by
        self._call.trace_id = self._face.traces.take()  # not earlier: what is refused takes none from others
        self._blocks = [] if self._call.trace_id else None
        prefix = bytes(memoryview(self._request.fields["messages"])[:_PREFIX_BYTES])
        self._lease, self._answer = await route.attempt(self._call, self._ask, self._served, prefix=prefix)
        await self._relay(self._answer)

    def refuse(self, error: AlcoveError) -> None:
        """Answers with an error before the call is made."""
        self._send_error(error)
        self._count(error.status, time.monotonic())

    def stop(self) -> None:
        """Ends it with an error, as the server is about to end."""
        if self._ended_by is None and not self._is_settled:
            self._ended_by = stopping()
            if self._task is not None:  # else it ends as it begins to run
                self._task.cancel()

    def look(self, now_s: float) -> None:  # noqa: ARG002  the loop's clock; ours is the one calls are timed by
        """Keeps a silent stream alive, and gives up on a client that takes nothing."""
        settings, wire = self._face.settings, self._wire
        silent_s = time.monotonic() - self._sent_s
        if wire.is_full:
            if silent_s >= settings.slow_client_s:
                wire.lost()
                wire.cut()
        elif silent_s >= settings.keep_alive_s:
            self._write(KEEP_ALIVE)

    async def _ask(self, target: Target) -> PassedAnswer:
        endpoint = target.upstream.endpoint
        if endpoint is None or endpoint.chat is None:
            raise Unavailable(f"The model server of {target.deployment!r} cannot be passed through to.")
        return await endpoint.chat.ask(self._request, target.upstream_id)

    async def _relay(self, answer: PassedAnswer) -> None:
        wire, blocks = self._wire, self._blocks
        data = await answer.read()
        self._first_s = time.monotonic()
        while True:
            if blocks is not None:
                blocks.append(data)
            if answer.is_over:
                break
            self._write(data)
            if wire.is_full:
                await wire.drain()
            data = await answer.read()
        self._settle(200)
        if self._call.trace_id and self._face.traces.is_waiting:
            await self._face.traces.flush()
        if not self._request.is_streaming:
            wire.whole(self._head(_JSON), data)
        elif wire.has_begun:
            wire.end(data)
        else:
            wire.begin(self._head(_STREAM), data)
            wire.end()

    def _write(self, data: bytes) -> None:
        self._sent_s = time.monotonic()
        if self._wire.has_begun:
            self._wire.write(data)
        else:
            self._wire.begin(self._head(_STREAM), data)

    def _head(self, more: bytes) -> bytes:
        head = self._face.edge.head(self._asker) + more
        if self.admission is not None:
            head += self.admission.lines()
        if self._call.trace_id:
            head += b"x-trace-id: %b\r\n" % self._call.trace_id.encode()
        return head

    def _fail(self, error: AlcoveError) -> None:
        if isinstance(error, InternalError):
            log.error("answer_failed", request_id=self._asker.request_id, exc_info=error)
        self._settle(error.status, error)
        if self._wire.has_begun:
            self._wire.end(event(openai_error(error)))
        else:
            self._send_error(error)

    def _cancelled(self, task: "asyncio.Task[object] | None") -> None:
        """Settles an answer that was cut short.

        Raises:
            asyncio.CancelledError: When it was cut by somebody who wants to see it end.
        """
        if self._wire.is_gone or self._ended_by is not None:
            if task is not None:
                task.uncancel()
            if self._wire.is_gone:
                self._settle(CLIENT_LEFT)
            elif self._ended_by is not None:
                self._fail(self._ended_by)
            return
        self._settle(Unavailable.status, Unavailable())
        raise asyncio.CancelledError

    def _send_error(self, error: AlcoveError) -> None:
        fields: Sequence[tuple[bytes, bytes]] = [
            (name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in error_headers(error).items()
        ]
        head = self._face.edge.head(self._asker, error.status) + _JSON + header_lines(fields)
        if self._call.trace_id:
            head += b"x-trace-id: %b\r\n" % self._call.trace_id.encode()
        self._wire.whole(head, pydantic_core.to_json(openai_error(error)))

    def _settle(self, status: int, error: AlcoveError | None = None) -> None:
        """Says what came of it: to the deployment's account, to the meter, to the counters, to the trace."""
        if self._is_settled:
            return
        self._is_settled = True
        outcome = Outcome(
            served=self._served,
            status=status,
            error_code="" if error is None else error.code,
            ended_s=time.monotonic(),
            first_s=self._first_s,
        )
        try:
            try:
                self._reckon(outcome)
            finally:
                self._give_back(outcome, error)
        except Exception:  # what is held for the call has to be given back in any case
            log.exception("call_not_reckoned", request_id=self._asker.request_id)
        finally:
            if self.admission is not None:
                self.admission.settle(outcome)
        try:
            self._note(outcome, error)
        except Exception:  # the answer has to end all the same
            log.exception("call_not_noted", request_id=self._asker.request_id)

    def _reckon(self, outcome: Outcome) -> None:
        """Adds tokens and price. A client that leaves before anything came has had its input read all the same."""
        call, answer, info = self._call, self._answer, None
        if self._lease is not None and answer is not None:
            info, outcome.usage = self._lease.target.info, answer.usage
            if outcome.usage is None:
                outcome.is_estimated = True
                outcome.usage = Usage(input_tokens=call.input_tokens, output_tokens=answer.output_tokens)
        elif outcome.status == CLIENT_LEFT and not outcome.error_code and self._served.attempts and self._route:
            info, outcome.is_estimated = self._route.info, True
            outcome.usage = Usage(input_tokens=call.input_tokens)
        if info is not None and outcome.usage is not None:
            outcome.cost_usd = self._face.pricing.cost_usd(info, outcome.usage, self._served)

    def _give_back(self, outcome: Outcome, error: AlcoveError | None) -> None:
        lease, began_s = self._lease, self._call.began_s
        if lease is None or self._answer is None:
            return
        if error is not None:
            lease.failed(error)
        elif outcome.status == CLIENT_LEFT:
            lease.abandoned()
        else:
            first_s = outcome.ended_s if self._first_s is None else self._first_s
            lease.succeeded(first_s=first_s - began_s, total_s=outcome.ended_s - began_s)

    def _note(self, outcome: Outcome, error: AlcoveError | None) -> None:
        self._count(outcome.status, outcome.ended_s)
        self._face.metrics.count_call(
            self._call.model,
            "ok" if outcome.status == 200 else "stopped" if error is None else "error",  # noqa: PLR2004
            began_s=self._call.began_s,
            first_s=self._first_s,
            ended_s=outcome.ended_s,
            usage=outcome.usage,
        )
        if self._blocks is not None or error is not None:
            finish_reason = None if self._answer is None else self._answer.finish_reason
            call = PassedCall(self._call, self._who, self._request, self._blocks or [], outcome, error, finish_reason)
            self._face.traces.keep(call)

    def _count(self, status: int, now_s: float) -> None:
        self._face.metrics.count_request(self._call.endpoint, status, now_s - self._call.began_s)
