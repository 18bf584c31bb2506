"""What Ollama answers at `/`: clients look there for whether it runs. For the port on which this server stands in for an Ollama."""

from starlette.types import ASGIApp, Receive, Scope, Send

_TEXT = b"Ollama is running"


class Heartbeat:
    """Answers `GET` and `HEAD` of `/`, without a key; passes everything else on."""

    def __init__(self, app: ASGIApp) -> None:
        """Put it in front of an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, or passes on."""
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] not in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        length = str(len(_TEXT)).encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else _TEXT})
