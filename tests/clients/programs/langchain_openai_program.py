"""LangChain's ChatOpenAI and OpenAIEmbeddings, as they are."""

import asyncio
import sys

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

base_url, api_key = sys.argv[1:]


@tool
def weather(city: str = "Bern") -> str:
    """Tells the weather of a city."""
    return f"Sunny in {city}"


def chat(model: str) -> ChatOpenAI:
    return ChatOpenAI(model=f"fake/{model}", base_url=f"{base_url}/v1", api_key=api_key, max_retries=0)


answer = chat("echo").invoke([SystemMessage("Be brief."), HumanMessage("good day")])
assert isinstance(answer, AIMessage)
assert answer.content == "good day ", answer
assert answer.usage_metadata["output_tokens"] == 2, answer.usage_metadata

pieces = list(chat("echo").stream("one two three", stream_usage=True))
assert "".join(piece.content for piece in pieces) == "one two three ", pieces
assert sum((piece.usage_metadata or {}).get("output_tokens", 0) for piece in pieces) == 3

called = chat("tools").bind_tools([weather]).invoke("What is the weather?")
assert [each["name"] for each in called.tool_calls] == ["weather"], called
assert weather.invoke(called.tool_calls[0]["args"]) == "Sunny in Bern"


async def many() -> None:
    answers = await chat("echo").abatch(["a", "b", "c"])
    assert [each.content for each in answers] == ["a ", "b ", "c "]
    assert "".join([piece.content async for piece in chat("slow").astream("x y")]) == "x y "


asyncio.run(many())
vectors = OpenAIEmbeddings(
    model="alcove/minilm", base_url=f"{base_url}/v1", api_key=api_key, check_embedding_ctx_length=False
).embed_documents(["cat", "dog"])
assert [len(each) for each in vectors] == [384, 384]
print("ok")
