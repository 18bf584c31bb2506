"""Headers of GGUF files: what they say, and that no damage gives anything but a named error."""

import contextlib
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alcove.runtime.errors import BadModelFile
from alcove.runtime.gguf import GgufHeader, read_header
from alcove.runtime.testing.gguf import (
    TINY,
    Blocks,
    TinyShape,
    gguf_bytes,
    q8_0,
    tiny_metadata,
    tiny_model,
    tiny_tensors,
)

MODEL = tiny_model()
HEAD_BYTES = 12_000
WIDE = TinyShape(width=32, layers=1, heads=2, kv_heads=1, hidden=32)


def header_of(folder: Path, data: bytes, *, with_arrays: bool = False) -> GgufHeader:
    path = folder / "model.gguf"
    path.write_bytes(data)
    return read_header(path, with_arrays=with_arrays)


def refusal_of(folder: Path, data: bytes) -> str:
    with pytest.raises(BadModelFile) as caught:
        header_of(folder, data)
    return caught.value.detail


def test_header_gives_values_tensors_and_what_memory_is_predicted_from(tmp_path: Path) -> None:
    header = header_of(tmp_path, MODEL)
    assert header.metadata["general.architecture"] == "llama"
    assert header.metadata["tokenizer.ggml.add_bos_token"] is False
    assert header.array_lengths["tokenizer.ggml.tokens"] == 266
    first = header.tensors[0]
    assert (first.name, first.type, first.shape) == ("token_embd.weight", "F16", (64, 266))
    shape = header.shape()
    assert (shape.architecture, shape.layers, shape.context_length) == ("llama", TINY.layers, TINY.context)
    assert shape.kv_bytes_per_token == 2 * TINY.layers * TINY.kv_heads * (16 + 16)
    assert shape.parameters == sum(np.prod(each.shape) for each in header.tensors)
    assert shape.weights_bytes == sum(each.size_bytes for each in header.tensors) <= len(MODEL)
    assert shape.repacked_bytes == 0


def test_long_arrays_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    words = [f"word {each}" for each in range(2000)]
    metadata = tiny_metadata(WIDE) | {
        "tokenizer.ggml.tokens": words,
        "tokenizer.ggml.token_type": [1] * len(words),
        "tokenizer.ggml.scores": [float("nan")] * len(words),
    }
    data = gguf_bytes(metadata, tiny_tensors(WIDE, words=len(words)))
    header = header_of(tmp_path, data)
    assert "tokenizer.ggml.tokens" not in header.metadata
    assert header.array_lengths["tokenizer.ggml.tokens"] == 2000
    whole = header_of(tmp_path, data, with_arrays=True)
    assert whole.metadata["tokenizer.ggml.tokens"] == words
    assert whole.metadata["tokenizer.ggml.scores"] == [None] * 2000


def array_of(key: str, kind: int, count: int, items: bytes) -> bytes:
    """Gives a key with an array, as it stands in a header."""
    name = key.encode()
    return struct.pack(f"<Q{len(name)}sIIQ", len(name), name, 9, kind, count) + items


@pytest.mark.parametrize("with_arrays", [False, True])
def test_array_of_too_many_texts_is_refused_before_it_is_read(tmp_path: Path, with_arrays: bool) -> None:
    count = (1 << 21) + 1
    data = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + array_of("tokenizer.ggml.merges", 8, count, bytes(8 * count))
    with pytest.raises(BadModelFile, match=r"2097153 items of 'tokenizer.ggml.merges'; at most 2097152"):
        header_of(tmp_path, data, with_arrays=with_arrays)


def test_arrays_of_too_many_items_together_are_not_kept(tmp_path: Path) -> None:
    count = (1 << 21) + 1
    arrays = [array_of(f"x.{each}", 0, count, bytes(count)) for each in range(2)]
    data = b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + b"".join(arrays)
    with pytest.raises(BadModelFile, match=r"over 4194304 items together, at 'x\.1'"):
        header_of(tmp_path, data, with_arrays=True)
    assert "architecture" in refusal_of(tmp_path, data)  # they are passed over


def test_short_arrays_of_too_many_items_together_are_refused(tmp_path: Path) -> None:
    arrays = [array_of(f"x.{each}", 0, 1024, bytes(1024)) for each in range(4097)]
    data = b"GGUF" + struct.pack("<IQQ", 3, 0, len(arrays)) + b"".join(arrays)
    assert "over 4194304 items together" in refusal_of(tmp_path, data)


def test_heads_may_differ_from_layer_to_layer(tmp_path: Path) -> None:
    header = header_of(tmp_path, tiny_model(metadata={"llama.attention.head_count_kv": [2, 0]}))
    assert header.shape().kv_bytes_per_token == 2 * 2 * (16 + 16)


def test_what_quantised_weights_the_engine_copies_is_counted(tmp_path: Path) -> None:
    q4_0 = Blocks(type_number=2, shape=(16, 64), data=bytes(16 * 2 * 18))
    q8_0 = Blocks(type_number=8, shape=(16, 64), data=bytes(16 * 2 * 34))
    tensors = {"token_embd.weight": q4_0, "blk.0.attn_q.weight": q4_0, "blk.0.attn_k.weight": q8_0}
    shape = header_of(tmp_path, gguf_bytes(tiny_metadata(), tensors)).shape()
    assert shape.weights_bytes == 2 * 16 * 2 * 18 + 16 * 2 * 34
    assert shape.repacked_bytes == 16 * 2 * 18


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"llama.block_count": 1000}, "block_count is 1000"),
        ({"llama.block_count": 0}, "block_count is 0"),
        ({"llama.context_length": 0}, "context_length is 0"),
        ({"llama.context_length": None}, "context_length is 0"),
        ({"llama.context_length": "many"}, "context_length is not a whole number"),
        ({"llama.embedding_length": 0}, "embedding_length is 0"),
        ({"llama.attention.head_count": 1 << 30}, "head_count is not a sensible number"),
        ({"llama.attention.head_count": [1]}, "has 1 values for 2 layers"),
        ({"llama.expert_count": 8}, "use 0 of 8 experts"),
        ({"llama.expert_used_count": 9}, "use 9 of 0 experts"),
        ({"llama.expert_count": 4294967295}, "of 4294967295 experts"),
        ({"llama.attention.layer_norm_rms_epsilon": float("nan")}, "epsilon is None"),
        ({"llama.attention.layer_norm_rms_epsilon": -1.0}, "epsilon is -1.0"),
        ({"general.architecture": None}, "does not name its architecture"),
        ({"general.alignment": 7}, "general.alignment is 7"),
        ({"tokenizer.ggml.tokens": ["a", "b", "a"], "tokenizer.ggml.token_type": None}, "is there twice"),
        ({"tokenizer.ggml.tokens": ["a\0b", "a"], "tokenizer.ggml.token_type": None}, "is there twice"),
        ({"tokenizer.ggml.tokens": [1, 2], "tokenizer.ggml.token_type": None}, "is not a list of texts"),
        ({"tokenizer.ggml.merges": [1, 2]}, "is not a list of texts"),
        ({"tokenizer.ggml.token_type": [1, 1]}, "has 2 items for 266 tokens"),
        ({"tokenizer.ggml.scores": ["x"] * 266}, "has items of the wrong type"),
    ],
)
def test_values_that_abort_the_engine_are_refused_by_name(
    tmp_path: Path, metadata: dict[str, object], words: str
) -> None:
    assert words in refusal_of(tmp_path, tiny_model(metadata=metadata))


def test_empty_tokens_are_no_twins(tmp_path: Path) -> None:
    metadata = {"tokenizer.ggml.tokens": ["", "", "a"], "tokenizer.ggml.token_type": None}
    assert header_of(tmp_path, tiny_model(metadata=metadata)).array_lengths["tokenizer.ggml.tokens"] == 3


def test_projectors_and_adapters_need_no_layers(tmp_path: Path) -> None:
    for metadata in ({"general.architecture": "clip"}, {"general.architecture": "llama", "general.type": "adapter"}):
        header = header_of(tmp_path, gguf_bytes(metadata, {"a": np.zeros(32, np.float32)}))
        assert not header.is_model


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"GG", "is cut"),
        (b"\x7fELF" + bytes(100), "is not a GGUF model"),
        (b"GGUF" + struct.pack(">I", 3) + bytes(16), "big-endian"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0), "claims 1152921504606846976 tensors"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 60_000), "more than fit into the file"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 40) + bytes(64), "key 0 is 1099511627776 bytes long"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 77) + bytes(8), "unknown type 77"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 9, 1), "an array of arrays"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 8, 1 << 20), "more than fit"),
        (gguf_bytes({"general.architecture": "llama"}, {}), "has no weights"),
    ],
)
def test_damage_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    assert words in refusal_of(tmp_path, data)


def test_missing_file_is_a_bad_model_file(tmp_path: Path) -> None:
    with pytest.raises(BadModelFile, match="cannot be read"):
        read_header(tmp_path / "none.gguf")


@given(length=st.integers(min_value=0, max_value=len(MODEL) - 1))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_cut_anywhere_is_refused(tmp_path: Path, length: int) -> None:
    refusal_of(tmp_path, MODEL[:length])


@given(
    changes=st.lists(
        st.tuples(st.integers(min_value=4, max_value=HEAD_BYTES), st.integers(min_value=0, max_value=255)),
        min_size=1,
        max_size=8,
    )
)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_mutated_headers_give_a_model_or_a_named_error(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    data = bytearray(MODEL)
    for place, byte in changes:
        data[place] = byte
    with contextlib.suppress(BadModelFile):
        header_of(tmp_path, bytes(data)).shape()


@given(data=st.binary(max_size=400))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_random_bytes_after_the_magic_are_refused(tmp_path: Path, data: bytes) -> None:
    refusal_of(tmp_path, b"GGUF" + struct.pack("<I", 3) + data)


def test_quantised_matrices_are_near_what_they_were_and_counted_at_their_size(tmp_path: Path) -> None:
    numbers = np.random.default_rng(3).standard_normal((4, 64), dtype=np.float32)
    numbers[1, :32] = 0
    blocks = q8_0(numbers)
    read = np.frombuffer(blocks.data, np.dtype([("step", "<f2"), ("numbers", "i1", (32,))]))
    again = (read["step"].astype(np.float32)[:, None] * read["numbers"]).reshape(numbers.shape)
    assert np.abs(again - numbers).max() < np.abs(numbers).max() / 127
    shape = TinyShape(words=500)
    header = header_of(tmp_path, tiny_model(shape, is_quantised=True))
    last = header.tensors[-1]
    assert (last.name, last.type, last.shape, last.size_bytes) == ("output.weight", "Q8_0", (64, 500), 500 * 2 * 34)
