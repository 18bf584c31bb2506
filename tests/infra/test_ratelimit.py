import anyio
import pytest

from alcove.infra.addresses import client_network, parse_ip
from alcove.infra.ratelimit import AttemptGuard, memory_turnstile, memory_window
from alcove.kernel.errors import RateLimited


async def test_a_window_counts_each_subject_for_itself() -> None:
    window = memory_window("x", amount=3, window_s=3600)
    assert [await window.hit("a") for _ in range(3)] == [None] * 3
    wait_s = await window.hit("a")
    assert wait_s is not None
    assert 1 <= wait_s <= 3600
    assert await window.remaining("a") == 0
    assert await window.hit("b") is None
    await window.clear("a")
    assert await window.hit("a") is None


async def test_a_window_ends() -> None:
    window = memory_window("x", amount=1, window_s=1)
    assert await window.hit("a") is None
    with anyio.fail_after(5):
        while (wait_s := await window.hit("a")) is not None:
            await anyio.sleep(min(wait_s, 0.2))


async def test_a_turnstile_counts_who_is_inside_for_each_subject() -> None:
    turnstile = memory_turnstile("x", per_minute=100, at_once=2)
    async with turnstile.passing("ada", "searches"), turnstile.passing("ada", "searches"):
        with pytest.raises(RateLimited, match="2 searches of yours are running") as limited:
            async with turnstile.passing("ada", "searches"):
                pytest.fail("three at once")
        assert limited.value.retry_after_s == 1
        async with turnstile.passing("bob", "searches"):
            pass
    with pytest.raises(ValueError, match="wrong"):
        async with turnstile.passing("ada", "searches"):
            raise ValueError("wrong")
    async with turnstile.passing("ada", "searches"), turnstile.passing("ada", "searches"):
        pass


async def test_a_turnstile_counts_who_went_through() -> None:
    turnstile = memory_turnstile("x", per_minute=2, at_once=5)
    for _ in range(2):
        async with turnstile.passing("ada", "searches"):
            pass
    with pytest.raises(RateLimited, match="Too many searches; try again in") as limited:
        async with turnstile.passing("ada", "searches"):
            pytest.fail("three in a minute")
    assert 1 <= (limited.value.retry_after_s or 0) <= 60
    async with turnstile.passing("bob", "searches"):
        pass


async def fail(guard: AttemptGuard, *subjects: str, error: Exception | None = None) -> None:
    async with guard.attempt(*subjects) as attempt:
        attempt.fail()
        if error is not None:
            raise error


async def test_only_failures_count() -> None:
    guard = AttemptGuard(memory_window("x", amount=2, window_s=3600))
    for _ in range(5):
        async with guard.attempt("ada"):
            pass
    await fail(guard, "ada")
    with pytest.raises(ValueError, match="wrong"):
        await fail(guard, "ada", error=ValueError("wrong"))
    with pytest.raises(RateLimited) as limited:
        await fail(guard, "ada")
    assert limited.value.retry_after_s
    await guard.forgive("ada")
    await fail(guard, "ada")


async def test_every_subject_must_be_within_its_limit() -> None:
    guard = AttemptGuard(memory_window("x", amount=2, window_s=3600))
    await fail(guard, "ada", "here")
    await fail(guard, "bob", "here")
    with pytest.raises(RateLimited):
        await fail(guard, "eve", "here")
    await fail(guard, "ada", "there")
    with pytest.raises(RateLimited):
        await fail(guard, "ada", "elsewhere")


async def test_attempts_under_way_count_until_they_end() -> None:
    guard = AttemptGuard(memory_window("x", amount=2, window_s=3600))
    refused = 0

    async def slow() -> None:
        nonlocal refused
        try:
            async with guard.attempt("ada"):
                await anyio.sleep(0.05)
        except RateLimited:
            refused += 1

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(slow)
    assert refused == 8
    await slow()
    assert refused == 8
    assert not guard._under_way


async def test_an_attempt_that_is_cancelled_is_not_under_way_any_more() -> None:
    guard = AttemptGuard(memory_window("x", amount=1, window_s=3600))
    with anyio.move_on_after(0.01):
        async with guard.attempt("ada"):
            await anyio.sleep_forever()
    async with guard.attempt("ada"):
        pass


def test_addresses_are_read_as_what_they_are() -> None:
    assert client_network("192.0.2.1") == "192.0.2.1"
    assert client_network("::ffff:192.0.2.1") == "192.0.2.1"
    assert client_network("2001:db8::1") == client_network("2001:db8::ffff") == "2001:db8::/64"
    assert client_network("") == ""
    assert client_network("testclient") == "testclient"
    assert parse_ip("nonsense") is None
