"""The models of Ollama deployments in the words of Ollama's protocol: for `/api/tags` and `/api/ps` of this server.

Implements the runtime's port `RemoteOllamas`. Servers are asked at the same time and for a short time only; their answers are kept for some
seconds, for clients ask again and again.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import anyio
import pydantic_core
import structlog

from alcove.gateway.access import may_use
from alcove.gateway.directory import DeploymentDirectory
from alcove.gateway.models import Deployment, Provider
from alcove.infra.http import HttpClient, HttpClientError, InvalidUrl, Url
from alcove.kernel.chat import JsonValue
from alcove.kernel.principal import Principal

log = structlog.get_logger(__name__)

_KEPT_S = 3.0
_PATIENCE_S = 3.0
_MAX_BYTES = 8 << 20
_OK = 200

_Entries = Sequence[Mapping[str, JsonValue]]


@dataclass(frozen=True, slots=True)
class RemoteOllamaServers:
    """Asks the Ollama deployments that are in use.

    Attributes:
        directory: The deployments.
        http: The house's client.
    """

    directory: DeploymentDirectory
    http: HttpClient
    _kept: dict[tuple[str, str, str], tuple[float, _Entries]] = field(default_factory=dict)

    async def tags(self, who: Principal) -> _Entries:
        """Gives the entries of their `/api/tags` that this person may use; those of servers that do not answer are left out."""
        return await self._all("/api/tags", who)

    async def running(self, who: Principal) -> _Entries:
        """Gives the entries of their `/api/ps`, likewise."""
        return await self._all("/api/ps", who)

    async def _all(self, path: str, who: Principal) -> _Entries:
        servers = [each for each in self.directory.deployments() if each.provider is Provider.OLLAMA]
        found: dict[str, _Entries] = {}

        async def ask(server: Deployment) -> None:
            found[server.name] = await self._entries(server, path)

        async with anyio.create_task_group() as group:
            for each in servers:
                group.start_soon(ask, each)
        entries: list[Mapping[str, JsonValue]] = []
        names: set[str] = set()
        for server in servers:
            for entry in found[server.name]:
                model = str(entry.get("name") or entry.get("model") or "")
                shown = f"{server.name}/{model}" if model in names else model
                info = self.directory.known(f"{server.name}/{model}")
                if info is not None and may_use(who, info):  # what a deployment does not offer here is not shown
                    names.add(model)
                    entries.append({**entry, "name": shown, "model": shown})
        return entries

    async def _entries(self, server: Deployment, path: str) -> _Entries:
        key = (server.name, server.base_url, path)
        now_s = time.monotonic()
        kept_at_s, kept = self._kept.get(key, (-_KEPT_S, ()))
        if now_s - kept_at_s < _KEPT_S:
            return kept
        try:
            with anyio.fail_after(_PATIENCE_S):
                found = await self._ask(server, path)
        except (HttpClientError, InvalidUrl, TimeoutError, ValueError) as error:
            log.info(
                "remote_ollama_not_listed", deployment=server.name, path=path, reason=str(error) or "no answer in time"
            )
            found = ()
        for old in [each for each in self._kept if each[0] == server.name and each[2] == path]:
            del self._kept[old]
        self._kept[key] = (time.monotonic(), found)
        return found

    async def _ask(self, server: Deployment, path: str) -> _Entries:
        base = Url.parse(server.base_url)
        headers = {"accept": "application/json"}
        if server.api_key is not None:
            headers["authorization"] = f"Bearer {server.api_key.get_secret_value()}"
        body = bytearray()
        with await self.http.request("GET", base.at(f"{base.target.rstrip('/')}{path}"), headers) as response:
            if response.status != _OK:
                msg = f"status {response.status}"
                raise ValueError(msg)
            while piece := await response.read_some():
                body += piece
                if len(body) > _MAX_BYTES:
                    msg = f"more than {_MAX_BYTES} bytes"
                    raise ValueError(msg)
        read = pydantic_core.from_json(bytes(body))
        models = read.get("models") if isinstance(read, dict) else None
        return [each for each in models if isinstance(each, dict)] if isinstance(models, list) else []
