"""Models that really run, in processes of llama.cpp: loaded, asked, left, killed, unloaded."""

import contextlib
import json
import os
import signal
import struct
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from alcove.gateway.adapters.local import LocalUpstream
from alcove.gateway.adapters.upstream import UpstreamServer
from alcove.infra.http import HttpLimits, UnixClient, Url
from alcove.kernel.chat import Answer, ChatMessage, ChatRequest, ChatRole, Delta, JsonValue
from alcove.kernel.clock import SystemClock
from alcove.kernel.errors import AlcoveError, ContextOverflow
from alcove.kernel.ports import CallContext, EmbeddingContext, ModelInfo
from alcove.kernel.principal import Principal, Role
from alcove.kernel.trace import Trace, Tracer
from alcove.runtime.engine.process import ProcessEngine
from alcove.runtime.errors import BadModelFile, ModelFailed, RunnerStopped
from alcove.runtime.gpu import GpuBudget, NoGpus
from alcove.runtime.models import LeaseRequest, RuntimeSettings
from alcove.runtime.ports import Catalog
from alcove.runtime.scheduler.planning import Planner
from alcove.runtime.scheduler.service import ModelScheduler
from alcove.runtime.testing.catalog import FakeCatalog, FolderCatalog
from alcove.runtime.testing.gguf import SLOW, from_llama2c, tiny_adapter, tiny_model

STORIES = Path(__file__).parents[3] / "shared" / "data" / "models"
WHO = Principal(user_id="user-ada", email="ada@example.org", role=Role.USER)
TOOL: JsonValue = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Gives the weather.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Paris", "Rome"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


class Rig:
    """A scheduler of real processes, and the adapter over it."""

    def __init__(self, folder: Path, scheduler: ModelScheduler, catalog: Catalog) -> None:
        self.folder, self.scheduler, self.catalog = folder, scheduler, catalog
        self.upstream = LocalUpstream(scheduler, catalog, HttpLimits())

    def stream(self, model: str, text: str = "hello", **extra: JsonValue) -> contextlib.aclosing:
        request = ChatRequest(model=model, messages=(ChatMessage.of(ChatRole.USER, text),), extra=extra)
        return contextlib.aclosing(self.upstream.chat_model(ModelInfo(id=model), model).stream(request, context()))

    async def answer(self, model: str, text: str = "hello", **extra: JsonValue) -> Answer:
        answer = Answer()
        async with self.stream(model, text, **extra) as deltas:
            async for delta in deltas:
                answer.add(delta)
        return answer

    @property
    def pid(self) -> int:
        return self.scheduler.running()[0].pid


def context() -> CallContext:
    clock = SystemClock()
    trace = Trace(id="0" * 32, owner_id=WHO.user_id, name="test", started_at=clock.now(), model="m", input={})
    return CallContext(principal=WHO, tracer=Tracer(trace, clock))


@contextlib.asynccontextmanager
async def rig(folder: Path, catalog: Catalog | None = None, **settings: object) -> AsyncIterator[Rig]:
    options = RuntimeSettings.model_validate({"threads": 1, "parallel": 2, **settings})
    clock = SystemClock()
    engine = ProcessEngine.open(options)
    catalog = catalog or FolderCatalog(folder)
    scheduler = ModelScheduler(
        settings=options,
        catalog=catalog,
        engine=engine,
        planner=Planner(settings=options, budget_bytes=4 << 30, processors=2),
        gpus=GpuBudget(probe=NoGpus(), settings=options, clock=clock),
        clock=clock,
    )
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(scheduler.run)
            await anyio.lowlevel.checkpoint()
            yield Rig(folder, scheduler, catalog)
            group.cancel_scope.cancel()
    finally:
        engine.close()
    assert not engine.root.exists()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "tiny.gguf").write_bytes(tiny_model())
    (folder / "embed.gguf").write_bytes(tiny_model(is_embedder=True))
    (folder / "slow.gguf").write_bytes(tiny_model(SLOW))
    return folder


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def mode_of(folder: str) -> int:
    try:
        return Path(folder).stat().st_mode & 0o777
    except OSError:
        return 0


async def test_model_is_loaded_streams_and_is_unloaded(models: Path) -> None:
    async with rig(models) as house:
        pieces: list[Delta] = []
        async with house.stream("tiny", max_tokens=40, temperature=0, ignore_eos=True) as deltas:
            async for delta in deltas:
                pieces.append(delta)
        assert len(pieces) > 10
        assert pieces[-1].finish_reason == "length"
        assert pieces[-1].usage is not None
        assert pieces[-1].usage.output_tokens == 40
        running = house.scheduler.running()[0]
        assert (running.state, running.active, running.num_ctx) == ("loaded", 0, 4096)
        assert running.tokens_per_s > 0
        assert running.size_bytes > 20 << 20
        pid = running.pid
        await house.scheduler.unload("tiny")
        assert not is_alive(pid)
        assert house.scheduler.running() == []


async def test_same_seed_gives_the_same_answer_and_options_may_stand_below_options(models: Path) -> None:
    async with rig(models) as house:
        plain = await house.answer("tiny", max_tokens=12, seed=7, num_ctx=512)
        nested = await house.answer("tiny", options={"num_predict": 12, "seed": 7, "num_ctx": 512})
        assert plain.content == nested.content
        assert house.scheduler.running()[0].num_ctx == 512


async def test_client_that_leaves_ends_the_generation(models: Path) -> None:
    async with rig(models) as house:
        async with house.stream("slow", max_tokens=4000, ignore_eos=True) as deltas:
            await anext(deltas)
        assert house.scheduler.running()[0].active == 0
        await rests(house.pid)


async def test_client_that_leaves_ends_the_reading_of_its_prompt_also_beside_a_neighbour(models: Path) -> None:
    async with rig(models) as house:
        async with house.stream("slow", max_tokens=3000, ignore_eos=True, num_ctx=8192) as neighbour:
            await anext(neighbour)
            with anyio.move_on_after(0.5):
                await house.answer("slow", "word " * 1500, max_tokens=5)
            assert house.scheduler.running()[0].active == 1
            pieces = 0
            async for _ in neighbour:
                pieces += 1
                if pieces == 20:
                    break
        await rests(house.pid)


async def rests(pid: int) -> None:
    """Waits until a process no longer computes: seconds after it should, minutes before it otherwise would."""
    with anyio.fail_after(8):
        used = -1
        while True:
            now = cpu_ticks(pid)
            if now == used:
                return
            used = now
            await anyio.sleep(0.4)


def of_process(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


async def test_killed_process_breaks_the_stream_at_once_and_the_next_request_is_served(models: Path) -> None:
    async with rig(models) as house:
        with pytest.raises(RunnerStopped, match="stopped unexpectedly"):
            async with house.stream("slow", max_tokens=4000, ignore_eos=True) as deltas:
                await anext(deltas)
                pid = house.pid
                os.kill(pid, signal.SIGKILL)
                with anyio.fail_after(2):
                    async for _ in deltas:
                        pass
        with anyio.fail_after(2):
            while house.scheduler.running()[0].state != "failed":
                await anyio.sleep(0.01)
        assert "SIGKILL" in house.scheduler.running()[0].reason
        assert (await house.answer("slow", max_tokens=3)).finish_reason == "length"
        assert house.pid != pid


async def test_prompt_too_long_says_by_how_much(models: Path) -> None:
    async with rig(models) as house:
        with pytest.raises(ContextOverflow) as caught:
            await house.answer("tiny", "word " * 600, num_ctx=512)
        assert caught.value.status == 400
        assert "512" in caught.value.detail
        assert (await house.answer("tiny", max_tokens=3)).finish_reason == "length"


async def test_embedder_gives_vectors_and_a_chat_model_is_loaded_anew_to_embed(models: Path) -> None:
    async with rig(models) as house:
        for name in ("embed", "tiny"):
            model = house.upstream.embedding_model(ModelInfo(id=name, kind="embedding"), name)
            found = await model.embed(["one text", "another"])
            assert [len(each) for each in found.vectors] == [64, 64]
            assert sum(value * value for value in found.vectors[0]) == pytest.approx(1, abs=1e-3)
            assert found.usage.input_tokens > 0
        assert (await house.answer("tiny", max_tokens=3)).finish_reason == "length"


async def test_texts_over_the_embedders_length_are_cut_at_their_end(models: Path) -> None:
    async with rig(models) as house:
        model = house.upstream.embedding_model(ModelInfo(id="embed", kind="embedding"), "embed")
        both = await model.embed(["word " * 3000, "word " * 9000])
        assert both.usage.input_tokens <= 2 * 2048
        whole = EmbeddingContext(extra={"truncate": False, "keep_alive": "1m"})
        with pytest.raises(ContextOverflow, match="tokens"):
            await model.embed(["word " * 3000], context=whole)
        assert house.scheduler.running()[0].keep_alive_s == 60
        short = await model.embed(["word"])
        assert len(both.vectors) == 2
        assert both.vectors[0] == pytest.approx(both.vectors[1], abs=1e-3)
        assert both.vectors[0] != pytest.approx(short.vectors[0], abs=1e-3)


async def test_requests_share_a_process(models: Path) -> None:
    async with rig(models, parallel=4) as house:
        answers: list[Answer] = []

        async def ask() -> None:
            answers.append(await house.answer("tiny", max_tokens=30, ignore_eos=True))

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(ask)
        assert [each.usage.output_tokens for each in answers if each.usage] == [30] * 10


async def test_schema_is_held(models: Path) -> None:
    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"], "additionalProperties": False}
    async with rig(models) as house:
        answer = await house.answer(
            "tiny", response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        )
        assert json.loads(answer.content)["n"] in {1, 2}


async def test_tools_of_a_template_without_a_form_for_them_become_calls(models: Path) -> None:
    async with rig(models) as house:
        answer = await house.answer("tiny", tools=[TOOL], tool_choice="required")
        assert answer.finish_reason == "tool_calls"
        (call,) = answer.tool_calls
        assert call.name == "get_weather"
        assert json.loads(call.arguments)["city"] in {"Paris", "Rome"}
        assert answer.content == ""


async def test_raw_text_is_gone_on_with_and_times_are_told_in_ollamas_words(models: Path) -> None:
    async with rig(models) as house:
        raw: JsonValue = {"generate": {"raw": True}}
        answer = await house.answer("tiny", "abc", ollama=raw, max_tokens=5, temperature=0, ignore_eos=True)
        assert answer.usage is not None
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (3, 5)
        assert answer.content
        times = answer.extra["ollama"]
        assert isinstance(times, dict)
        assert min(times["load_duration"], times["prompt_eval_duration"], times["eval_duration"]) > 0


async def rerank(house: Rig, model: str) -> dict:  # type: ignore[type-arg]
    body = {"model": model, "query": "a", "documents": ["b", "c"]}
    response = await house.upstream.forward(
        "/rerank", json.dumps(body).encode(), content_type="application/json", accept="application/json"
    )
    found = json.loads(await response.read())
    assert isinstance(found, dict)
    return found


async def test_reranker_ranks_and_other_models_do_not_make_numbers_up(tmp_path: Path) -> None:
    (tmp_path / "ranker.gguf").write_bytes(tiny_model(is_embedder=True, metadata={"llama.pooling_type": 4}))
    (tmp_path / "tiny.gguf").write_bytes(tiny_model())
    async with rig(tmp_path) as house:
        found = await rerank(house, "ranker")
        assert sorted(each["index"] for each in found["results"]) == [0, 1]
        assert house.scheduler.running()[0].active == 0
        with pytest.raises(AlcoveError, match="was not made to rank"):
            await rerank(house, "tiny")
        with pytest.raises(AlcoveError, match="do not do"):
            await house.upstream.forward("/images/generations", b"{}", content_type="application/json", accept="*/*")


async def test_adapter_changes_what_a_model_says_and_a_bad_one_is_named(models: Path, tmp_path: Path) -> None:
    plain = await FolderCatalog(models).get("tiny")
    (tmp_path / "adapter.gguf").write_bytes(tiny_adapter())
    (tmp_path / "cut.gguf").write_bytes(tiny_adapter()[:-100])
    catalog = FakeCatalog()
    for name, adapters in (("plain", ()), ("adapted", ("adapter",)), ("spoilt", ("cut",))):
        files = replace(plain.files, adapters=tuple(tmp_path / f"{each}.gguf" for each in adapters))
        catalog.add(replace(plain, name=name, digest=name, files=files))
    async with rig(models, catalog=catalog) as house:
        said = [
            (await house.answer(each, max_tokens=12, temperature=0)).content for each in ("plain", "adapted", "plain")
        ]
        assert said[0] == said[2] != said[1]
        with pytest.raises(BadModelFile, match="is cut"):
            await house.answer("spoilt")


async def test_address_space_may_be_bounded(models: Path) -> None:
    async with rig(models, limit_address_space=True) as house:
        assert (await house.answer("tiny", max_tokens=3)).finish_reason == "length"
        limits = of_process(house.pid, "limits").splitlines()
        assert "unlimited" not in next(each for each in limits if each.startswith("Max address space")).split()[3]
        assert int(of_process(house.pid, "oom_score_adj")) == 600


async def test_bad_files_each_get_a_named_error_and_the_house_goes_on(tmp_path: Path) -> None:
    whole = tiny_model()
    missing = bytearray(whole)
    missing[whole.index(b"blk.1.ffn_up.weight")] = ord("z")
    corpus = {
        "empty": b"",
        "random": os.urandom(5000),
        "cut-head": whole[:3000],
        "cut-weights": whole[:-1000],
        "counts": b"GGUF" + struct.pack("<IQQ", 3, 1 << 50, 1 << 50),
        "layers": tiny_model(metadata={"llama.block_count": 1000}),
        "context": tiny_model(metadata={"llama.context_length": 0}),
        "more-layers": tiny_model(metadata={"llama.block_count": 3}),
        "no-such-architecture": tiny_model(
            metadata={
                "general.architecture": "nope",
                "nope.block_count": 2,
                "nope.context_length": 9,
                "nope.embedding_length": 9,
            }
        ),
        "no-tokenizer": tiny_model(metadata={"tokenizer.ggml.model": "unheard-of"}),
        "heads": tiny_model(metadata={"llama.attention.head_count": 7}),
        "wrong-type": tiny_model(metadata={"llama.rope.dimension_count": "many"}),
        "missing-tensor": bytes(missing),
        "wide": tiny_model(metadata={"llama.embedding_length": 128}),
    }
    for name, data in corpus.items():
        (tmp_path / f"{name}.gguf").write_bytes(data)
    (tmp_path / "good.gguf").write_bytes(whole)
    async with rig(tmp_path) as house:
        for name in corpus:
            with pytest.raises(AlcoveError) as caught:
                await house.answer(name, max_tokens=2)
            assert isinstance(caught.value, BadModelFile | ModelFailed), name
        failed = {each.model: each for each in house.scheduler.running()}
        assert any("ffn_up" in line for line in failed["missing-tensor"].stderr)
        assert (await house.answer("good", max_tokens=3)).finish_reason == "length"
        assert [each.id for each in await house.upstream.list_models()].count("good") == 1


async def test_child_ends_with_its_parent(models: Path) -> None:
    """A process of its own starts a model and is killed; the model's process must not outlive it."""
    program = (
        "import asyncio, os\n"
        "from pathlib import Path\n"
        "from alcove.runtime.engine.process import ProcessEngine\n"
        "from alcove.runtime.models import RunnerPlan, RuntimeSettings\n"
        "from alcove.runtime.testing.catalog import FakeCatalog, FolderCatalog\n"
        "async def main():\n"
        f"    model = await FolderCatalog(Path({str(models)!r})).get('tiny')\n"
        "    engine = ProcessEngine.open(RuntimeSettings())\n"
        "    runner = await engine.start(RunnerPlan(model=model))\n"
        "    os.write(1, f'{runner.pid} {engine.root}'.encode())\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    async with await anyio.open_process([sys.executable, "-c", program], stderr=None) as parent:
        assert parent.stdout is not None
        pid, root = (await parent.stdout.receive()).decode().split()
        assert is_alive(int(pid))
        assert mode_of(root) == 0o700
        parent.kill()
        await parent.wait()
    with anyio.fail_after(3):
        while is_alive(int(pid)):
            await anyio.sleep(0.01)
    ProcessEngine.open(RuntimeSettings()).close()
    assert not mode_of(root)  # what was left behind is cleared away by the next to start


async def test_load_without_a_question_keeps_the_model_as_told(models: Path) -> None:
    async with rig(models) as house:
        await house.upstream.load("tiny", WHO, options={"num_ctx": 1024}, keep_alive="10m")
        running = house.scheduler.running()[0]
        assert (running.num_ctx, running.keep_alive_s) == (1024, 600.0)
        async with house.scheduler.lease(LeaseRequest(model="tiny", keep_alive_s=0)):
            pass
        with anyio.fail_after(3):
            while house.scheduler.running():
                await anyio.sleep(0.01)


if STORIES.is_dir():

    async def test_stories_are_told_word_for_word_as_published(tmp_path: Path) -> None:
        data = from_llama2c(STORIES / "stories260K.bin", STORIES / "tok512.bin")
        (tmp_path / "stories.gguf").write_bytes(data)
        async with rig(tmp_path) as house, house.scheduler.lease(LeaseRequest(model="stories")) as lease:
            body = {"prompt": "Once upon a time", "temperature": 0, "n_predict": 60, "stream": False}
            server = UpstreamServer("stories", Url.parse("http://localhost"), UnixClient(lease.socket, HttpLimits()))
            answer = await server.json("POST", "/completion", json.dumps(body).encode())
            assert isinstance(answer, dict)
            assert str(answer["content"]).startswith(
                ", there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball"
            )
