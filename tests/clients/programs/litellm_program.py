"""LiteLLM's SDK pointed at Alcove, as it is."""

import sys

import litellm

base_url, api_key = sys.argv[1:]
at = {"api_base": f"{base_url}/v1", "api_key": api_key, "num_retries": 0}
ask = [{"role": "user", "content": "good day"}]
answer = litellm.completion(model="openai/fake/echo", messages=ask, **at)
assert answer.choices[0].message.content == "good day ", answer
assert answer.usage.completion_tokens == 2
pieces = litellm.completion(model="openai/fake/echo", messages=ask, stream=True, **at)
assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == "good day "
vectors = litellm.embedding(model="openai/alcove/minilm", input=["cat"], **at)
assert len(vectors.data[0]["embedding"]) == 384
refusal = None
try:
    litellm.completion(model="openai/fake/limited", messages=ask, **at)
except litellm.RateLimitError as error:
    refusal = error.status_code
assert refusal == 429
print("ok")
