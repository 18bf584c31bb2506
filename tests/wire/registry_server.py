"""Debian's `docker-registry` on a loopback port, with or without a login, and models put into it without our own code.

Also what can stand between it and a client: a token server, and a content network that it redirects to.
"""

import contextlib
import hashlib
import http.client
import importlib.util
import json
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"

_spec = importlib.util.spec_from_file_location("registry_script", Path(__file__).parents[2] / "scripts" / "registry.py")
assert _spec is not None
assert _spec.loader is not None
script = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(script)


@dataclass
class RegistryServer:
    """A registry that runs.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        folder: Where it keeps its files.
        headers: What to send with requests that put models into it.
    """

    port: int
    folder: Path
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def blob_file(self, digest: str) -> Path:
        """The file that holds a blob, so that a test can damage it."""
        made = digest.removeprefix("sha256:")
        return self.folder / "docker/registry/v2/blobs/sha256" / made[:2] / made / "data"

    def put_model(self, repository: str, tag: str, layers: Mapping[str, bytes], config: Mapping[str, Any]) -> str:
        """Puts a model into it, layers by the last part of their media type; gives the manifest's digest."""
        made = [
            self._descriptor(f"application/vnd.ollama.image.{kind}", self.put_blob(repository, data), data)
            for kind, data in layers.items()
        ]
        data = json.dumps(config).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": self._descriptor(CONFIG_TYPE, self.put_blob(repository, data), data),
            "layers": made,
        }
        body = json.dumps(manifest, indent=3).encode()  # spaces: what is kept has to be these bytes
        status, _ = self.request("PUT", f"/v2/{repository}/manifests/{tag}", body, {"content-type": MANIFEST_TYPE})
        assert status == 201
        return hashlib.sha256(body).hexdigest()

    def put_blob(self, repository: str, data: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        status, headers = self.request("POST", f"/v2/{repository}/blobs/uploads/")
        assert status == 202
        path = headers["location"].split(self.host, 1)[-1]
        status, _ = self.request("PUT", f"{path}&digest={digest}", data, {"content-type": "application/octet-stream"})
        assert status == 201
        return digest

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, {**self.headers, **(headers or {})})
            answer = connection.getresponse()
            self.last_body = answer.read()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    @staticmethod
    def _descriptor(media_type: str, digest: str, data: bytes) -> dict[str, Any]:
        return {"mediaType": media_type, "digest": digest, "size": len(data)}


@contextlib.contextmanager
def running_registry(
    folder: Path, auth: str = "", headers: Mapping[str, str] | None = None
) -> Iterator[RegistryServer]:
    """Runs a registry.

    Args:
        folder: Where it keeps its files.
        auth: The section `auth` of its configuration, as YAML; empty for none.
        headers: What to send with requests that put models into it.
    """
    program = script.find()
    assert program is not None
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n{auth}"
    )
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen([program, "serve", config], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        server = RegistryServer(port, folder, dict(headers or {}))
        while True:
            with contextlib.suppress(OSError):
                server.request("GET", "/v2/")
                break
            assert process.poll() is None, (folder / "log.txt").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield server
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
