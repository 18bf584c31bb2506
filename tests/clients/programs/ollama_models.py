"""Manages models with the unmodified `ollama` client, both kinds: list, show, pull, create, copy, ps, push, delete.

Arguments: the server's address, an admin's key, a registry's host, a model in it, a GGUF file.
"""

import asyncio
import sys
from collections.abc import Callable

import ollama

url, key, registry, remote, file = sys.argv[1:]
headers = {"authorization": f"Bearer {key}"}
client = ollama.Client(host=url, headers=headers, trust_env=False)


def statuses(lines: object) -> list[str]:
    return [each.status or "" for each in lines]  # type: ignore[attr-defined]


def failure(call: Callable[[], object]) -> ollama.ResponseError:
    try:
        call()
    except ollama.ResponseError as error:
        return error
    raise AssertionError


assert client.list().models == []
told = list(client.pull(remote, insecure=True, stream=True))
assert told[0].status == "pulling manifest"
assert told[-1].status == "success"
assert any(each.total and each.completed == each.total and each.digest for each in told)
assert client.pull(remote, insecure=True).status == "success"

(listed,) = client.list().models
assert listed.model == remote, listed
assert listed.size
assert listed.details
assert listed.details.family == "llama"
assert listed.modified_at is not None

shown = client.show(remote)
assert shown.modelinfo
assert shown.modelinfo["general.architecture"] == "llama"
assert shown.capabilities
assert "completion" in shown.capabilities
assert shown.details
assert shown.details.quantization_level == "F16"

digest = client.create_blob(file)
made = statuses(
    client.create("mine", files={"tiny.gguf": digest}, system="Be brief.", parameters={"temperature": 0.1}, stream=True)
)
assert made[-1] == "success", made
assert client.create("other", from_="mine", template="{{ .Prompt }}").status == "success"
assert client.show("other").template == "{{ .Prompt }}"
assert client.copy("mine", f"{registry}/team/mine:1").status == "success"
assert statuses(client.push(f"{registry}/team/mine:1", insecure=True, stream=True))[-1] == "success"
assert client.ps().models == []
assert client.delete("other").status == "success"

for call, status in (
    (lambda: client.show("none"), 404),
    (lambda: client.delete("none"), 404),
    (lambda: client.copy("none", "x"), 404),
    (lambda: client.create("x", from_="none"), 404),
):
    refused = failure(call)
    assert refused.status_code == status, refused
    assert "not found" in refused.error

missing = failure(lambda: list(client.pull(f"{registry}/library/none", insecure=True, stream=True)))
assert "file does not exist" in missing.error


async def again() -> None:
    other = ollama.AsyncClient(host=url, headers=headers, trust_env=False)
    names = [each.model for each in (await other.list()).models]
    assert "mine:latest" in names, names
    assert (await other.show("mine")).modelinfo
    assert (await other.ps()).models == []
    async for each in await other.pull(remote, insecure=True, stream=True):
        last = each.status
    assert last == "success"
    for name in names:
        await other.delete(name or "")
    assert (await other.list()).models == []


asyncio.run(again())
print("ok")
