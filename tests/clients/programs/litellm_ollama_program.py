"""LiteLLM's SDK with Alcove as its Ollama, as it is: `ollama_chat/` asks `/api/chat`, `ollama/` writes its own prompt for `/api/generate`."""

import sys

import litellm

base_url, api_key = sys.argv[1:]
at = {"api_base": base_url, "api_key": api_key, "num_retries": 0}
ask = [{"role": "user", "content": "good day"}]
function = {"name": "weather", "description": "d", "parameters": {"type": "object", "properties": {}}}

answer = litellm.completion(model="ollama_chat/fake/echo", messages=ask, num_ctx=2048, **at)
assert answer.choices[0].message.content == "good day ", answer
assert answer.usage.completion_tokens == 2, answer
pieces = litellm.completion(model="ollama_chat/fake/echo", messages=ask, stream=True, **at)
assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == "good day "
called = litellm.completion(
    model="ollama_chat/fake/tools", messages=ask, tools=[{"type": "function", "function": function}], **at
)
assert called.choices[0].message.tool_calls[0].function.name == "weather", called

made = litellm.completion(model="ollama/fake/echo", messages=ask, **at)
assert "good day" in made.choices[0].message.content, made
pieces = litellm.completion(model="ollama/fake/echo", messages=ask, stream=True, **at)
assert "good day" in "".join(piece.choices[0].delta.content or "" for piece in pieces)
vectors = litellm.embedding(model="ollama/alcove/minilm", input=["cat"], **at)
assert len(vectors.data[0]["embedding"]) == 384
refusal = None
try:
    litellm.completion(model="ollama_chat/fake/limited", messages=ask, **at)
except litellm.exceptions.APIError as error:
    refusal = error.status_code
except litellm.RateLimitError as error:
    refusal = error.status_code
assert refusal == 429, refusal
print("ok")
