"""The packaged embedding model, and the fake that stands for it."""

import hashlib
import json
import random
import shutil

import anyio
import anyio.to_thread
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alcove.infra.embedder import DIMENSIONS, MAX_TOKENS, MODEL_FOLDER, QUESTION_TOKENS, Embedder, FakeEmbedder
from alcove.kernel.errors import ContextOverflow, Overloaded, Unavailable
from alcove.kernel.ports import EmbeddingContext

TEXTS = (
    "The lighthouse of Skerry Point was built by Agnes Thornbury.",
    "Whale oil burned in the lamp until the year of the storm.",
    "Axolotls live in the lakes near Mexico City.",
    "The tax office opens at nine and closes at four.",
)
# Question, the text that answers it, one that does not.
PAIRS = (
    ("Who made the tower with the light at sea?", TEXTS[0], TEXTS[3]),
    ("What fuel did the lighthouse use?", TEXTS[1], TEXTS[2]),
    ("Where can I find salamanders?", TEXTS[2], TEXTS[0]),
    ("When can I hand in my tax return?", TEXTS[3], TEXTS[1]),
    ("How do I get my money back?", "Refunds are paid within ten days.", "Our kitchen serves breakfast until eleven."),
    ("car", "automobile", "carpet"),
)
GOLDEN = ["That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day"]
GOLDEN_COSINES = [0.726, 0.912, 0.274]  # to the first
PAGE = " ".join(f"{text} This is note {number}." for number, text in enumerate(TEXTS * 8))


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder()


async def vector(embedder: Embedder, text: str) -> np.ndarray:
    return (await embedder.embed_array([text]))[0]


def test_the_model_is_the_one_its_digest_names(embedder: Embedder):
    digest = json.loads((MODEL_FOLDER / "digest.json").read_text())
    assert hashlib.sha256((MODEL_FOLDER / "model.onnx").read_bytes()).hexdigest() == digest["model_sha256"]
    assert hashlib.sha256((MODEL_FOLDER / "tokenizer.json").read_bytes()).hexdigest() == digest["tokenizer_sha256"]
    assert (embedder.info.id, embedder.precision) == (digest["id"], digest["precision"])
    assert (embedder.dimensions, embedder.max_tokens) == (digest["dimensions"], digest["max_tokens"])
    assert embedder.info.kind == "embedding"
    assert not embedder.info.is_generative


@pytest.mark.parametrize(("question", "near", "far"), PAIRS)
async def test_what_means_the_same_is_near(embedder: Embedder, question: str, near: str, far: str):
    asked, right, wrong = await embedder.embed_array([question, near, far])
    assert asked @ right > asked @ wrong + 0.1


async def test_cosines_stay_what_they_were(embedder: Embedder):
    """Another onnxruntime or processor may round differently (0.022 where there is AVX2 alone); a changed model, cut or average shows."""
    first, *others = await embedder.embed_array(GOLDEN)
    assert [float(first @ each) for each in others] == pytest.approx(GOLDEN_COSINES, abs=0.03)


async def test_rows_have_unit_length(embedder: Embedder):
    rows = await embedder.embed_array([*TEXTS, PAGE, "", "x"])
    assert rows.shape == (7, DIMENSIONS)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)


async def test_a_vector_does_not_depend_on_its_neighbours_or_their_order(embedder: Embedder):
    texts = [*TEXTS, PAGE, "x", *(f"Number {number} of twenty." for number in range(20))]
    alone = {text: await vector(embedder, text) for text in texts}
    for seed in range(2):
        random.Random(seed).shuffle(texts)
        for text, row in zip(texts, await embedder.embed_array(texts), strict=True):
            assert row == pytest.approx(alone[text], abs=1e-6)


async def test_questions_and_documents_get_the_same_vectors(embedder: Embedder):
    given_back = await embedder.embed([PAGE, TEXTS[0]])
    assert np.asarray(given_back.vectors) == pytest.approx(await embedder.embed_array([PAGE, TEXTS[0]]), abs=1e-6)


async def test_reads_256_tokens_and_no_more(embedder: Embedder):
    whole = " ".join(["harbour"] * (MAX_TOKENS - 2))  # and the marks for start and end
    assert embedder.count_tokens(whole) == MAX_TOKENS - 2
    assert await vector(embedder, whole) == pytest.approx(await vector(embedder, whole + " giraffe"), abs=1e-6)
    one_less = whole.removesuffix(" harbour")
    assert await vector(embedder, one_less + " giraffe") != pytest.approx(await vector(embedder, whole), abs=1e-3)
    assert (await embedder.embed([whole + " giraffe"])).usage.input_tokens == MAX_TOKENS


async def test_usage_counts_every_text_each_time(embedder: Embedder):
    once = (await embedder.embed([TEXTS[0]])).usage.input_tokens
    assert once == embedder.count_tokens(TEXTS[0]) + 2
    assert (await embedder.embed([TEXTS[0]])).usage.input_tokens == once  # from memory, and counted nevertheless
    assert (await embedder.embed([TEXTS[0], TEXTS[0]])).usage.input_tokens == 2 * once


async def test_nothing_to_embed(embedder: Embedder):
    assert (await embedder.embed_array([])).shape == (0, DIMENSIONS)
    nothing = await embedder.embed([])
    assert (list(nothing.vectors), nothing.usage.input_tokens) == ([], 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t ",
        "\x00\x01",
        "🦦🦦 👩‍👩‍👧‍👦",
        "日本語の文章です。",
        "مرحبا بالعالم",
        "\ufb01ne \uff21\uff4c\uff43 naïve \u0301\u0301\u0301",
        "a" * 5_000,
        "\ud83d half a pair",
        "\U0010ffff",
    ],
)
async def test_any_text_has_a_vector(embedder: Embedder, text: str):
    found = await embedder.embed([text])
    assert np.linalg.norm(found.vectors[0]) == pytest.approx(1, abs=1e-5)
    assert found.usage.input_tokens >= 2
    assert embedder.count_tokens(text) >= 0


async def test_a_text_of_megabytes_is_its_beginning(embedder: Embedder):
    beginning = " ".join(["harbour light"] * 200)
    huge = beginning + " giraffe" * 500_000
    assert await vector(embedder, huge) == pytest.approx(await vector(embedder, beginning), abs=1e-6)
    spaced = beginning.replace(" ", " \n\t      ") + " " * 1_000_000 + "giraffe"
    assert await vector(embedder, spaced) == pytest.approx(await vector(embedder, beginning), abs=1e-6)


def test_counts_tokens_of_short_and_long_texts(embedder: Embedder):
    assert embedder.count_tokens("") == 0
    assert embedder.count_tokens("the lighthouse") == 2
    assert embedder.count_tokens("the lighthouse, " * 50_000) == 150_000
    assert embedder.count_tokens("é\n" * 40_000) == 40_000


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["C"]), max_size=12), max_size=12), st.integers(1, 4))
def test_tokens_add_up_at_white_space(embedder: Embedder, words: list[str], parts: int):
    """What lets long texts be counted piece by piece."""
    cut = len(words) // parts
    left, right = " ".join(words[:cut]), " ".join(words[cut:])
    assert embedder.count_tokens(f"{left} {right}") == embedder.count_tokens(left) + embedder.count_tokens(right)


async def test_remembers_what_was_asked_lately():
    embedder = Embedder(cached_texts=2)
    first = (await embedder.embed([TEXTS[0]])).vectors[0]
    session = embedder._session
    embedder._session = Unopenable()  # whatever is computed from here on fails
    assert (await embedder.embed([TEXTS[0]])).vectors[0] == first
    with pytest.raises(RuntimeError, match="computed"):
        await embedder.embed([TEXTS[1]])
    embedder._session = session
    await embedder.embed([TEXTS[1]])
    await embedder.embed([TEXTS[0]])  # used again, so it outlives the other
    await embedder.embed([TEXTS[2]])
    embedder._session = Unopenable()
    assert (await embedder.embed([TEXTS[0], TEXTS[2]])).vectors[0] == first
    with pytest.raises(RuntimeError, match="computed"):
        await embedder.embed([TEXTS[1]])


class Unopenable:
    """A session that must not be needed."""

    def run(self, *_):
        raise RuntimeError("computed")


async def test_a_remembered_vector_is_nobody_elses():
    embedder = Embedder()
    first = await embedder.embed([TEXTS[0]])
    before = list(first.vectors[0])
    first.vectors[0][0] = 99.0
    assert list((await embedder.embed([TEXTS[0]])).vectors[0]) == before


async def test_keeps_no_long_texts_in_memory():
    embedder = Embedder()
    await embedder.embed([PAGE * 10, TEXTS[0]])
    assert list(embedder._cache) == [TEXTS[0]]
    kept = embedder._cache[TEXTS[0]].vector
    assert kept.base is None  # not a view that keeps all rows of its call alive


async def test_a_remembered_text_pushed_out_during_the_call_is_answered():
    embedder = Embedder(cached_texts=1)
    await embedder.embed([TEXTS[0]])
    expected = await embedder.embed_array([TEXTS[0], PAGE])
    found = []

    async def ask() -> None:
        found.append(await embedder.embed([TEXTS[0], PAGE]))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        for number in range(10):
            group.start_soon(embedder.embed, [f"Something else {number}."])
    assert np.asarray(found[0].vectors) == pytest.approx(expected, abs=1e-6)


async def test_a_question_does_not_wait_for_documents():
    embedder = Embedder(at_once=1)
    pages = [f"{number} {PAGE}" for number in range(QUESTION_TOKENS // MAX_TOKENS + 1)]
    ended: list[str] = []

    async def documents() -> None:
        await embedder.embed_array(pages)
        ended.append("documents")

    async def more_than_a_question() -> None:
        await embedder.embed(pages)
        ended.append("much at once")

    async with anyio.create_task_group() as group:
        group.start_soon(documents)
        group.start_soon(more_than_a_question)
        with anyio.fail_after(10):
            while embedder._documents.statistics().tasks_waiting == 0:  # both are at it, one turn at a time
                await anyio.sleep(0.001)
        for number in range(3):
            await embedder.embed([f"Question {number}?"])
            ended.append("question")
        assert ended == ["question"] * 3
        group.cancel_scope.cancel()


async def test_callers_take_turns():
    """One with little to embed does not wait for all of one with much."""
    embedder = Embedder(at_once=1)
    ended: list[str] = []

    async def embed(name: str, count: int) -> None:
        await embedder.embed_array([f"{number} {PAGE}" for number in range(count)])
        ended.append(name)

    async with anyio.create_task_group() as group:
        group.start_soon(embed, "much", 12)
        await anyio.sleep(0.02)
        group.start_soon(embed, "little", 2)
    assert ended == ["little", "much"]


async def test_a_cancelled_call_leaves_the_embedder_usable():
    embedder = Embedder(at_once=2)
    ended = False
    async with anyio.create_task_group() as group:

        async def documents() -> None:
            nonlocal ended
            await embedder.embed_array([f"{number} {PAGE}" for number in range(500)])
            ended = True

        group.start_soon(documents)
        await anyio.sleep(0.1)
        group.cancel_scope.cancel()
    assert not ended
    assert embedder._documents.borrowed_tokens == 0
    assert (await embedder.embed_array([TEXTS[0], PAGE])).shape == (2, DIMENSIONS)


async def test_opens_its_files_once_however_many_ask():
    embedder = Embedder()
    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(embedder.embed, [f"{number}"])
            group.start_soon(anyio.to_thread.run_sync, embedder.load)
            group.start_soon(anyio.to_thread.run_sync, embedder.count_tokens, TEXTS[number % 4])
    session, tokenizer = embedder._session, embedder._tokenizer
    embedder.load()
    assert (embedder._session, embedder._tokenizer) == (session, tokenizer)


@pytest.mark.parametrize("missing", ["model.onnx", "tokenizer.json"])
async def test_missing_files_are_named(tmp_path, missing: str):
    for name in {"model.onnx", "tokenizer.json"} - {missing}:
        shutil.copy(MODEL_FOLDER / name, tmp_path)
    embedder = Embedder(tmp_path)
    for attempt in (embedder.embed, embedder.embed_array):
        with pytest.raises(Unavailable, match=str(tmp_path)):
            await attempt(["x"])
    with pytest.raises(Unavailable):
        embedder.load()


async def test_the_fake_gives_the_same_vectors_everywhere():
    fake = FakeEmbedder()
    rows = await fake.embed_array(TEXTS)
    assert rows.shape == (4, DIMENSIONS)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)
    assert rows.tolist() == (await FakeEmbedder().embed_array(TEXTS)).tolist()
    # Hashed by SHA-256, not by Python's hash, which changes with each process.
    assert np.flatnonzero(rows[3] > rows[3].min())[:3].tolist() == [27, 134, 155]
    asked = await vector(fake, "AXOLOTLS in lakes")  # type: ignore[arg-type]  # the fake has the same methods
    assert int((rows @ asked).argmax()) == 2
    embedded = await fake.embed(TEXTS[:2])
    assert np.asarray(embedded.vectors) == pytest.approx(rows[:2])
    assert embedded.usage.input_tokens == sum(map(fake.count_tokens, TEXTS[:2])) == 22
    assert (await fake.embed_array([])).shape == (0, DIMENSIONS)
    assert (await vector(fake, "")) @ (await vector(fake, "")) == pytest.approx(1)  # type: ignore[arg-type]  # as above


async def test_a_call_too_many_is_refused_and_what_is_remembered_is_not():
    small = Embedder(max_calls=1)
    await small.embed(["known"])
    outcomes: list[str] = []

    async def call(text: str) -> None:
        try:
            await small.embed([text])
        except Overloaded as error:
            outcomes.append(f"refused for {error.retry_after_s} s")
        else:
            outcomes.append("ok")

    async with anyio.create_task_group() as group:
        for text in ("new", "newer", "known"):
            group.start_soon(call, text)
    assert sorted(outcomes) == ["ok", "ok", "refused for 2 s"]
    await call("newer")
    assert outcomes[-1] == "ok"


async def test_text_that_is_too_long_is_cut_unless_the_client_wants_it_refused(embedder: Embedder):
    long = "word " * MAX_TOKENS
    fitting = "word " * (MAX_TOKENS - 2)
    whole = EmbeddingContext(extra={"truncate": False})
    assert len((await embedder.embed([long])).vectors) == 1
    assert len((await embedder.embed([fitting], context=whole)).vectors) == 1
    with pytest.raises(ContextOverflow, match="number 1 has 258 tokens") as caught:
        await embedder.embed([fitting, long], context=whole)
    assert caught.value.status == 400
