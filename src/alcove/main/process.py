"""The server process: sockets, signals, and the line that says it is ready."""

import contextlib
import ctypes
import gc
import math
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence

import anyio
import structlog
import uvicorn
from anyio.abc import TaskStatus
from starlette.types import ASGIApp, Receive, Scope, Send

from alcove.infra.background import Deadline
from alcove.infra.database import open_database
from alcove.infra.datadir import locked, prepare_data_dir
from alcove.infra.embedder import MODEL_FOLDER
from alcove.infra.logging import configure_logging
from alcove.infra.metrics import Metrics
from alcove.infra.secrets import MASTER_KEY_FILE, UnsafeSecret
from alcove.infra.wire import HttpProtocol
from alcove.kernel.errors import first_known
from alcove.main.app import PAGE_FOLDER, create_app, with_state
from alcove.main.hot import in_front_of
from alcove.main.house import open_house
from alcove.ops import doctor
from alcove.runtime.heartbeat import Heartbeat
from alcove.settings import DATABASE_FILE, BadSettings, Settings, unknown_variables

log = structlog.get_logger(__name__)

OLLAMA_PORT = 11434
SEED_PORTS = (4100, OLLAMA_PORT)
"""Ports that people know: of an LLM proxy, and of Ollama."""

_BACKLOG = 2048
_GC_YOUNG = 20_000  # objects more than were freed, about those of 200 requests under way
_GC_OLDER = (20, 20)
_LAST_EVENT_S = 0.5  # for watchers to be told that an answer has been interrupted
_LAST_RESORT_S = 2  # then uvicorn cuts off what is left
_WIDE = frozenset({"0.0.0.0", "::"})  # noqa: S104  compared with, not bound to


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it is ready and leaves signals to us."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            sys.stdout.write(f"ready {self._url}\n")
            sys.stdout.flush()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(settings: Settings, rooms: frozenset[str] | None = None) -> None:
    """Runs the server until SIGTERM or SIGINT; running answers have `server.drain_s` seconds to finish.

    Raises:
        AlcoveError: When it cannot start, with what to do about it.
        UnsafeSecret: When a secret is a placeholder or weak.
    """
    configure_logging(level=settings.logging.level, style=settings.logging.style)
    for name in unknown_variables():
        log.warning("unknown_setting", name=name)
    prepare_data_dir(settings.data_dir)
    with locked(settings.data_dir), contextlib.ExitStack() as stack:
        ports = (settings.server.port, *(SEED_PORTS if settings.server.seed_ports else ()))
        listeners = [stack.enter_context(_listen(settings.server.host, port)) for port in dict.fromkeys(ports)]
        try:
            anyio.run(_open_and_serve, settings, rooms, listeners, backend_options={"use_uvloop": True})
        except BaseExceptionGroup as failures:
            raise first_known(failures, UnsafeSecret) from failures


async def _open_and_serve(settings: Settings, rooms: frozenset[str] | None, listeners: Sequence[socket.socket]) -> None:
    host, port = listeners[0].getsockname()[:2]
    shown = "127.0.0.1" if host in _WIDE else host
    url = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
    if host in _WIDE:
        log.warning("open_to_the_network", advice="put a TLS proxy in front, or bind 127.0.0.1", host=host)
    metrics = Metrics()
    async with anyio.create_task_group() as signals:  # heard until the last answer is kept
        async with open_house(settings, metrics) as house:
            link = await house.identity.setup.start(url)
            if link is not None:  # on the terminal, where the operator looks, and in no log
                sys.stdout.write(f"\n  Make the first account: {link}\n\n")
            requests = Deadline()
            app = _until(requests, with_state(create_app(settings, metrics, rooms), house.state()))
            if settings.server.seed_ports:
                app = Heartbeat(app, OLLAMA_PORT)
            hot = in_front_of(app, house.hot, settings, metrics) if rooms is None or "gateway" in rooms else None
            config = uvicorn.Config(
                app if hot is None else hot,
                http=HttpProtocol.of_one_server(hot),
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=math.ceil(settings.server.drain_s) + _LAST_RESORT_S,
                timeout_keep_alive=75,
                backlog=_BACKLOG,
                lifespan="off",
                ws="none",
            )
            server = _Server(config, url)
            _settle_memory()
            ends = (house.background.deadline.set, requests.set, *(() if hot is None else (hot.end_at,)))
            await signals.start(_stop_on_signal, server, ends, settings.server.drain_s)
            await server.serve(sockets=list(listeners))
            log.info("closing")
        signals.cancel_scope.cancel()


def _settle_memory() -> None:
    """Tells the collector of reference cycles that what is here stays, and to look at what comes less often.

    Hardly anything on a request's path is a cycle, but its objects are counted: by default each 700 begin a search.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_YOUNG, *_GC_OLDER)
    with contextlib.suppress(
        AttributeError, OSError
    ):  # glibc's alone: gives back what opening the house needed for a moment
        ctypes.CDLL(None).malloc_trim(0)


def _until(deadline: Deadline, app: ASGIApp) -> ASGIApp:
    """Gives the application with a deadline for all its requests."""

    async def ending(scope: Scope, receive: Receive, send: Send) -> None:
        with deadline.applied():
            await app(scope, receive, send)

    return ending


async def _stop_on_signal(
    server: _Server, ends: Sequence[Callable[[float], None]], drain_s: float, *, task_status: TaskStatus[None]
) -> None:
    """Ends the server: no new connections; what runs has `drain_s` seconds, answers first, as others may be watching them.

    Args:
        server: The server.
        ends: Told the time at which work ends: first that of answers nobody waits for, the others a moment later.
        drain_s: How long it may take.
        task_status: Told when signals are heard.
    """
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for received in signals:
            log.info("stopping", signal=signal.Signals(received).name)
            server.force_exit = server.should_exit  # the second signal does not wait
            server.should_exit = True
            wait_s = 0.0 if server.force_exit else drain_s
            for place, end_at in enumerate(ends):
                end_at(anyio.current_time() + wait_s + (_LAST_EVENT_S if place else 0.0))


@contextlib.contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            advice = (
                "Start without --seed-ports, or stop what listens there."
                if port in SEED_PORTS
                else "Choose another port with --port."
            )
            detail = f"{host}:{port} cannot be listened on: {error.strerror}. {advice}"
            raise BadSettings(detail) from error
        yield listener
    finally:
        listener.close()


def examine(settings: Settings) -> list[doctor.Finding]:
    """Looks the machine and the data folder over (`alcove doctor`)."""

    async def look_at_database() -> doctor.Finding:
        if settings.database.url is None and not (settings.data_dir / DATABASE_FILE).exists():
            return doctor.Finding(name="Database", is_good=True, detail="will be made at first start")
        database = open_database(settings.database_url)
        try:
            return await doctor.check_database(database)
        finally:
            await database.close()

    return [
        doctor.check_python(),
        doctor.check_data_dir(settings.data_dir),
        doctor.check_disk(settings.data_dir),
        doctor.check_master_key(
            settings.data_dir / MASTER_KEY_FILE,
            is_given=settings.security.master_key is not None or settings.security.master_key_file is not None,
            has_data=settings.database.url is None and (settings.data_dir / DATABASE_FILE).exists(),
        ),
        anyio.run(look_at_database),
        doctor.check_embedding_model(MODEL_FOLDER),
        doctor.check_page(PAGE_FOLDER),
        doctor.check_port(settings.server.host, settings.server.port),
    ]
