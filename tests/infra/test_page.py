import httpx2
import pytest

from alcove.infra.page import PageApp


@pytest.fixture
async def http(tmp_path):
    (tmp_path / "page" / "assets").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("TOP-9137")
    (tmp_path / "page" / "index.html").write_text("<div id=root></div>")
    (tmp_path / "page" / "assets" / "app-1.js").write_text("run()")
    (tmp_path / "page" / "assets" / "app-1.js.br").write_bytes(b"brotli")
    transport = httpx2.ASGITransport(PageApp(tmp_path / "page"))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_addresses_of_the_page_get_the_page_and_are_asked_for_anew(http):
    for path in ("/", "/c/some-chat", "/settings/keys"):
        answer = await http.get(path)
        assert (answer.status_code, answer.text) == (200, "<div id=root></div>")
        assert answer.headers["cache-control"] == "no-cache"
    again = await http.get("/", headers={"if-none-match": (await http.get("/")).headers["etag"]})
    assert again.status_code == 304


async def test_assets_are_kept_for_ever_and_sent_compressed_to_those_who_can(http):
    plain = await http.get("/assets/app-1.js", headers={"accept-encoding": "identity"})
    assert plain.text == "run()"
    assert "immutable" in plain.headers["cache-control"]
    assert plain.headers["content-type"].startswith("text/javascript")
    async with http.stream("GET", "/assets/app-1.js", headers={"accept-encoding": "gzip, br"}) as small:
        assert small.headers["content-encoding"] == "br"
        assert b"".join([piece async for piece in small.aiter_raw()]) == b"brotli"


@pytest.mark.parametrize(
    "path", ["/assets/nope.js", "/api/v1/nope", "/v1/nope", "/assets/../../secret.txt", "/..%2fsecret.txt"]
)
async def test_nothing_else_is_found(http, path):
    answer = await http.get(path)
    assert answer.status_code == 404
    assert "TOP-9137" not in answer.text


async def test_only_reading(http):
    assert (await http.post("/")).status_code == 405


async def test_without_a_built_page_it_says_what_to_do(tmp_path):
    transport = httpx2.ASGITransport(PageApp(tmp_path / "nowhere"))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/")
    assert answer.status_code == 503
    assert "make page" in answer.text
