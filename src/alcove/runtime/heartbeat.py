"""What Ollama answers at `/`: clients look there for whether it runs. For the port on which this server stands in for an Ollama."""

from starlette.types import ASGIApp, Receive, Scope, Send

_TEXT = b"Ollama is running"


class Heartbeat:
    """Answers `GET` and `HEAD` of `/` on one port, without a key; passes everything else on."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        """Put it in front of an application.

        Args:
            app: The application.
            port: The port on which it answers.
        """
        self._app = app
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, or passes on."""
        server = scope.get("server")
        is_here = scope["type"] == "http" and server is not None and server[1] == self._port
        if not is_here or scope["path"] != "/" or scope["method"] not in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        length = str(len(_TEXT)).encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else _TEXT})
