"""Ollama's own client, sync and async, as it is."""

import asyncio
import math
import sys
from collections.abc import Callable

import ollama
from pydantic import BaseModel

base_url, api_key = sys.argv[1:]
at = {"host": base_url, "headers": {"authorization": f"Bearer {api_key}"}, "trust_env": False}
ask = [{"role": "user", "content": "good day"}]
client = ollama.Client(**at)


def weather(city: str = "Bern") -> str:
    """Tell the weather of a city."""
    return f"Sunny in {city}"


def refusal(call: Callable[[], object]) -> ollama.ResponseError:
    """Gives the error that a call ends with."""
    try:
        made = call()
    except ollama.ResponseError as error:
        return error
    raise AssertionError(made)


class Person(BaseModel):
    name: str


answer = client.chat(model="fake/echo", messages=ask, options={"num_ctx": 4096, "temperature": 0}, keep_alive="5m")
assert answer.message.content == "good day ", answer
assert (answer.done, answer.done_reason, answer.eval_count) == (True, "stop", 2), answer
assert answer.total_duration > 0
pieces = list(client.chat(model="fake/echo", messages=ask, stream=True, format=Person.model_json_schema()))
assert "".join(piece.message.content for piece in pieces) == "good day "
assert pieces[-1].done
called = client.chat(model="fake/tools", messages=ask, tools=[weather])
assert [each.function.name for each in called.message.tool_calls] == ["weather"], called
again = [*ask, called.message, {"role": "tool", "tool_name": "weather", "content": "rain"}]
client.chat(model="fake/tools", messages=again, tools=[weather])
thought = client.chat(model="fake/thinking", messages=ask, think=True)
assert thought.message.thinking, thought
made = client.generate(model="fake/echo", prompt="one two", system="Be brief.")
assert made.response.endswith("one two "), made
assert (
    "".join(each.response for each in client.generate(model="fake/echo", prompt="one two", stream=True)) == "one two "
)
loaded = client.generate(model="fake/echo", keep_alive=-1)
assert (loaded.done, loaded.done_reason) == (True, "load"), loaded
assert client.chat(model="fake/echo", keep_alive=0).done_reason == "unload"
vectors = client.embed(model="alcove/minilm", input=["cat", "dog"], dimensions=64).embeddings
assert [len(each) for each in vectors] == [64, 64]
assert all(math.isclose(sum(value * value for value in each), 1, rel_tol=1e-4) for each in vectors)
assert len(client.embeddings(model="alcove/minilm", prompt="cat").embedding) == 384
assert refusal(lambda: client.chat(model="nothing-like-it", messages=ask)).status_code == 404
assert refusal(lambda: client.chat(model="fake/limited", messages=ask)).status_code == 429
assert refusal(lambda: list(client.chat(model="fake/cut", messages=ask, stream=True))).error
stranger = ollama.Client(host=base_url, trust_env=False)
assert refusal(lambda: stranger.chat(model="fake/echo", messages=ask)).status_code == 401


async def main() -> None:
    other = ollama.AsyncClient(**at)
    whole = await other.chat(model="fake/echo", messages=ask)
    assert whole.message.content == "good day "
    texts = [each.message.content async for each in await other.chat(model="fake/echo", messages=ask, stream=True)]
    assert "".join(texts) == "good day "
    many = await asyncio.gather(*(other.generate(model="fake/echo", prompt=f"number {n}") for n in range(8)))
    assert [each.response for each in many] == [f"number {n} " for n in range(8)]
    assert len((await other.embed(model="alcove/minilm", input="cat")).embeddings[0]) == 384


asyncio.run(main())
print("ok")
