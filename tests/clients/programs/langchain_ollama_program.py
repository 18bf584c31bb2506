"""LangChain's ChatOllama, OllamaLLM and OllamaEmbeddings, as they are."""

import sys

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_ollama import ChatOllama, OllamaEmbeddings, OllamaLLM

base_url, api_key = sys.argv[1:]
at = {"base_url": base_url, "client_kwargs": {"headers": {"authorization": f"Bearer {api_key}"}, "trust_env": False}}


@tool
def weather(city: str = "Bern") -> str:
    """Tells the weather of a city."""
    return f"Sunny in {city}"


def chat(model: str, **more: object) -> ChatOllama:
    return ChatOllama(model=f"fake/{model}", num_ctx=2048, keep_alive="5m", temperature=0, **at, **more)


answer = chat("echo").invoke([SystemMessage("Be brief."), HumanMessage("good day")])
assert answer.text == "good day ", answer
assert answer.usage_metadata["output_tokens"] == 2, answer.usage_metadata
assert "".join(piece.text for piece in chat("echo").stream("one two three")) == "one two three "
called = chat("tools").bind_tools([weather]).invoke("What is the weather?")
assert [each["name"] for each in called.tool_calls] == ["weather"], called
thought = chat("thinking", reasoning=True).invoke("think")
assert thought.additional_kwargs["reasoning_content"], thought
assert OllamaLLM(model="fake/echo", **at).invoke("one two") == "one two "
vectors = OllamaEmbeddings(model="alcove/minilm", **at).embed_documents(["cat", "dog"])
assert [len(each) for each in vectors] == [384, 384]
print("ok")
