"""Modelfiles: what is read, what is refused with its line, and that what is written reads back."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alcove.runtime.catalog.modelfile import BadModelfile, parse_modelfile, render_modelfile
from alcove.runtime.models import InstalledModel, ModelFiles, ModelShape

MODEL = InstalledModel(
    name="tiny:latest",
    digest="0" * 64,
    weights_digest="1" * 64,
    size_bytes=1,
    modified_at=datetime(2026, 1, 1, tzinfo=UTC),
    files=ModelFiles(weights=Path("/blobs/sha256-1")),
    shape=ModelShape(architecture="llama"),
)


def test_every_command_is_read() -> None:
    made = parse_modelfile(
        """# a comment
FROM qwen2.5:0.5b
parameter temperature 0.7
PARAMETER num_ctx 4096
PARAMETER stop "<|im end|>"
PARAMETER stop AI assistant:
PARAMETER use_mmap false
TEMPLATE \"\"\"{{ .System }}
{{ .Prompt }}\"\"\"
SYSTEM You are Mario.
ADAPTER ./lora.gguf
LICENSE MIT
MESSAGE user Is this a test?
MESSAGE assistant \"\"\"yes
indeed\"\"\"
"""
    )
    assert made.origin == "qwen2.5:0.5b"
    assert made.parameters == {
        "temperature": 0.7,
        "num_ctx": 4096,
        "stop": ["<|im end|>", "AI assistant:"],
        "use_mmap": False,
    }
    assert made.template == "{{ .System }}\n{{ .Prompt }}"
    assert made.system == "You are Mario."
    assert made.adapters == ["./lora.gguf"]
    assert made.license == ["MIT"]
    assert made.messages == [
        {"role": "user", "content": "Is this a test?"},
        {"role": "assistant", "content": "yes\nindeed"},
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no FROM line"),
        ("SYSTEM x", "no FROM line"),
        ("FROM", "line 1: the value is missing"),
        ("FROM a\nFORM b", "line 2: 'FORM b'"),
        ("FROM a\n\nPARAMETER num_ctx many", "line 3: num_ctx must be of type integer"),
        ("FROM a\nPARAMETER temperature nan", "line 2: temperature must be a finite number"),
        ("FROM a\nPARAMETER colour red", "line 2: unknown parameter 'colour'"),
        ("FROM a\nPARAMETER use_mmap perhaps", "of type boolean"),
        ('FROM a\nSYSTEM """never ends', 'line 2: a text in """ has no end'),
        ("FROM a\nMESSAGE dog woof", "line 2: the role of a message"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(text: str, words: str) -> None:
    with pytest.raises(BadModelfile) as caught:
        parse_modelfile(text)
    assert words in caught.value.detail


TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=40).map(str.strip).filter(bool)


@given(TEXTS, st.lists(TEXTS, max_size=3), st.floats(0, 2), st.integers(1, 1 << 20))
def test_what_is_written_reads_back(system: str, stops: list[str], temperature: float, num_ctx: int) -> None:
    parameters = {"temperature": temperature, "num_ctx": num_ctx} | ({"stop": stops} if stops else {})
    model = replace(
        MODEL, system=system, parameters=parameters, messages=({"role": "user", "content": system},), license=("MIT",)
    )
    made = parse_modelfile(render_modelfile(model))
    assert made.origin == "/blobs/sha256-1"
    assert made.system == system
    assert made.parameters == parameters
    assert made.messages == [{"role": "user", "content": system}]


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_modelfile(text)
    except BadModelfile:
        return
