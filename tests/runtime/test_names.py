"""Names of models: what is one, what is left out, and what is written again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alcove.runtime.names import CloudModel, InvalidModelName, ModelName

FIRST = st.sampled_from("abzAZ019_")
NAMESPACES = st.builds(str.__add__, FIRST, st.text("abzAZ09_-", max_size=79))
PARTS = st.builds(str.__add__, FIRST, st.text("abzAZ09_-.", max_size=79))
HOSTS = st.builds(str.__add__, FIRST, st.text("abzAZ09_-.:", max_size=100))
NAMES = st.builds(ModelName, host=HOSTS, namespace=NAMESPACES, model=PARTS, tag=PARTS)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("llama3", "llama3:latest"),
        ("qwen2.5:0.5b", "qwen2.5:0.5b"),
        ("library/llama3:latest", "llama3:latest"),
        ("registry.ollama.ai/library/llama3", "llama3:latest"),
        ("https://registry.ollama.ai/library/llama3", "llama3:latest"),
        ("mike/llama3:8b", "mike/llama3:8b"),
        ("hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M", "hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M"),
        ("127.0.0.1:5000/library/tiny:1", "127.0.0.1:5000/library/tiny:1"),
        ("http://127.0.0.1:5000/library/tiny", "127.0.0.1:5000/library/tiny:latest"),
    ],
)
def test_shortest_form_keeps_the_tag(text: str, short: str) -> None:
    assert ModelName.parse(text).short == short


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "/", "a:", ":a", "a/", "/a", "//a", "a//b", "a/b//c", "/a/b/c", ".a", "-a", "a:.b", "a b", "a:b:c/d e",
        "a.b/c", "a/b/c/d", "ftp://a/b/c", "http://", "http:///b/c", "../../x", "a/../b", "x" * 81, f"a:{'x' * 81}", "naïve", "a\nb",
        "http://http://a/b/c",
    ],
)  # fmt: skip
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(InvalidModelName):
        ModelName.parse(text)


@pytest.mark.parametrize("text", ["glm:cloud", "gpt-oss:120b-cloud", "a/b:CLOUD"])
def test_models_of_the_cloud_are_refused(text: str) -> None:
    with pytest.raises(CloudModel):
        ModelName.parse(text)


@given(NAMES)
def test_short_form_reads_back_as_the_same_name(name: ModelName) -> None:
    try:
        read = ModelName.parse(name.short)
    except CloudModel:
        return
    assert read.key == name.key
    assert read.short == name.short
    assert ModelName.parse(name.short.upper()).key == name.key


@given(st.text(max_size=60))
def test_any_text_is_a_name_or_is_refused(text: str) -> None:
    try:
        name = ModelName.parse(text)
    except (InvalidModelName, CloudModel):
        return
    assert all(part and part not in {".", ".."} and "/" not in part for part in name.path)
