"""Models of Ollama deployments in this server's own lists."""

import json

import anyio

from alcove.gateway.adapters.remote_ollamas import RemoteOllamaServers
from alcove.gateway.models import DeploymentSettings, GatewaySettings, Provider
from alcove.infra.http import AddressGuard, HttpClient, HttpLimits
from tests.gateway.conftest import PEOPLE, open_gateway
from tests.wire.front_server import Answer, Asked, Front, running_front

ADA, BOUND = PEOPLE["sk-as-ada"], PEOPLE["sk-as-bound"]


def ollama(*names: str):
    def answer(asked: Asked) -> Answer:
        if asked.path in {"/api/tags", "/api/ps"}:
            models = [{"name": name, "model": name, "size": 7, "digest": "d"} for name in names]
            return Answer(body=json.dumps({"models": models}).encode(), headers={"content-type": "application/json"})
        return Answer(status=404)

    return answer


def settings_of(**fronts: Front | str) -> GatewaySettings:
    return GatewaySettings(
        ollama_discovery=False,
        deployments=tuple(
            DeploymentSettings(
                name=name,
                provider=Provider.OLLAMA,
                base_url=f"http://{front if isinstance(front, str) else front.host}",
                api_key="secret-key",
            )
            for name, front in fronts.items()
        ),
    )


async def test_models_of_all_machines_are_listed_once_with_ids_that_work() -> None:
    async with running_front(ollama("llama3:latest", "big:70b")) as one, running_front(ollama("llama3:latest")) as two:
        settings = settings_of(one=one, two=two, away="127.0.0.1:9")
        async with open_gateway(settings) as gateway:
            with anyio.fail_after(10):
                while not gateway.directory.known("two/llama3:latest"):
                    await gateway.directory.ask_servers()
            http = HttpClient(HttpLimits(connect_s=1, read_s=1), AddressGuard(settings.named_addresses()))
            remote = RemoteOllamaServers(gateway.directory, http)
            tags = await remote.tags(ADA)
            assert [each["name"] for each in tags] == ["llama3:latest", "big:70b", "two/llama3:latest"]
            assert all(each["size"] == 7 for each in tags)
            assert [each["name"] for each in await remote.running(ADA)] == [each["name"] for each in tags]
            assert await remote.tags(BOUND) == []  # whose key names other models alone
            asked = [each for each in one.asked if each.path == "/api/tags"]
            before = len(asked)
            await remote.tags(ADA)
            assert len([each for each in one.asked if each.path == "/api/tags"]) == before
            assert asked[-1].headers["authorization"] == "Bearer secret-key"
            http.close()
