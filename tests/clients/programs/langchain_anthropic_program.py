"""LangChain's ChatAnthropic, as it is."""

import sys

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import tool

base_url, api_key = sys.argv[1:]


@tool
def weather(city: str = "Bern") -> str:
    """Tells the weather of a city."""
    return f"Sunny in {city}"


def chat(model: str) -> ChatAnthropic:
    return ChatAnthropic(model=f"fake/{model}", base_url=base_url, api_key=api_key, max_retries=0, max_tokens=100)


answer = chat("echo").invoke([SystemMessage("Be brief."), HumanMessage("good day")])
assert answer.text == "good day ", answer
assert answer.usage_metadata["output_tokens"] == 2, answer.usage_metadata
assert "".join(piece.text for piece in chat("echo").stream("one two three")) == "one two three "
called = chat("tools").bind_tools([weather]).invoke("What is the weather?")
assert [each["name"] for each in called.tool_calls] == ["weather"], called
print("ok")
