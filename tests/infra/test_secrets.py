import base64
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alcove.infra.secrets import (
    MasterKey,
    SecretBox,
    Undecryptable,
    UnsafeSecret,
    create_private_file,
    load_master_key,
    parse_master_key,
    refuse_placeholder,
    replace_private_file,
)

RAW = bytes(range(32))
OTHER = bytes(range(100, 132))


def test_the_first_start_makes_a_private_key_and_the_next_finds_it(tmp_path: Path) -> None:
    first = load_master_key(tmp_path)
    path = tmp_path / "master.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_master_key(tmp_path).derive("pepper") == first.derive("pepper")
    assert [each.name for each in tmp_path.iterdir()] == ["master.key"]


def test_processes_that_start_at_once_use_one_key(tmp_path: Path) -> None:
    found: list[bytes] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        found.append(load_master_key(tmp_path).derive("secrets"))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_key_file_that_others_can_read_is_made_private(tmp_path: Path) -> None:
    load_master_key(tmp_path)
    path = tmp_path / "master.key"
    path.chmod(0o644)
    load_master_key(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", [RAW.hex(), base64.b64encode(RAW).decode(), base64.urlsafe_b64encode(RAW).decode()])
def test_a_given_key_may_be_hex_or_base64(tmp_path: Path, text: str) -> None:
    expected = MasterKey((RAW,)).derive("pepper")
    assert load_master_key(tmp_path, given=text).derive("pepper") == expected
    file = tmp_path / "mounted"
    file.write_text(text + "\n")
    assert load_master_key(tmp_path, given_file=file).derive("pepper") == expected
    assert not (tmp_path / "master.key").exists()


@pytest.mark.parametrize(
    "text",
    [
        "changeme",
        "sk-1234",
        "change-me",
        "your-secret-key-here",
        "",
        "   \n",
        "secret",
        "0" * 64,
        "00" * 16 + "ff" * 16,
        base64.b64encode(b"a" * 32).decode(),
        RAW.hex()[:-2],
        base64.b64encode(RAW[:16]).decode(),
        "correct horse battery staple",
        "ü" * 64,
    ],
)
def test_placeholder_weak_and_malformed_keys_stop_the_start(tmp_path: Path, text: str) -> None:
    with pytest.raises(UnsafeSecret) as refused:
        load_master_key(tmp_path, given=text)
    assert refused.value.exit_code == 78
    assert len(text.strip()) < 7 or text not in str(refused.value)
    (tmp_path / "master.key").write_text(text)
    with pytest.raises(UnsafeSecret):
        load_master_key(tmp_path)


def test_a_key_given_twice_or_not_readable_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(UnsafeSecret):
        load_master_key(tmp_path, given=RAW.hex(), given_file=tmp_path / "x")
    with pytest.raises(UnsafeSecret, match="cannot be read"):
        load_master_key(tmp_path, given_file=tmp_path / "x")
    with pytest.raises(UnsafeSecret):
        MasterKey(())


@pytest.mark.parametrize(
    "value", ["changeme", "Change-Me!", "admin", "Password123", "<secret>", "${SECRET}", "", "123"]
)
def test_placeholders_are_known(value: str) -> None:
    with pytest.raises(UnsafeSecret, match="the_setting"):
        refuse_placeholder(value, name="the_setting")


@pytest.mark.parametrize("value", ["correct horse battery", "s3cretly-long-one", "пароль", "adminsRule!"])
def test_other_values_are_no_placeholders(value: str) -> None:
    refuse_placeholder(value, name="the_setting")


def test_each_purpose_and_each_master_key_has_its_own_key() -> None:
    key = parse_master_key(f"{RAW.hex()}\n{OTHER.hex()}\n", name="x")
    derived = {*key.derive_all("pepper"), *key.derive_all("secrets"), *key.derive_all("csrf")}
    assert len(derived) == 6
    assert key.derive("pepper") == MasterKey((RAW,)).derive("pepper")
    assert all(len(each) == 32 for each in derived)


def test_nothing_secret_shows_when_printed() -> None:
    shown = repr((MasterKey((RAW,)), SecretBox((RAW,))))
    assert shown == "(MasterKey(1 keys), SecretBox(1 keys))"


@given(plain=st.text(), record_id=st.text())
def test_what_is_encrypted_comes_back(plain: str, record_id: str) -> None:
    box = SecretBox((RAW,))
    token = box.encrypt(plain, record_id=record_id)
    assert box.decrypt(token, record_id=record_id) == plain
    assert token != box.encrypt(plain, record_id=record_id)


def test_a_secret_copied_into_another_record_does_not_open() -> None:
    box = SecretBox((RAW,))
    token = box.encrypt("sk-provider", record_id="deployment:1")
    with pytest.raises(Undecryptable):
        box.decrypt(token, record_id="deployment:2")


@given(st.data())
def test_a_changed_secret_does_not_open(data: st.DataObject) -> None:
    box = SecretBox((RAW,))
    raw = bytearray(base64.urlsafe_b64decode(box.encrypt("sk-provider", record_id="1")))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Undecryptable):
        box.decrypt(base64.urlsafe_b64encode(bytes(raw)).decode(), record_id="1")


@given(st.text())
def test_nonsense_does_not_open(token: str) -> None:
    with pytest.raises(Undecryptable):
        SecretBox((RAW,)).decrypt(token, record_id="1")


def test_rotation_reads_with_old_keys_and_writes_with_the_new_one() -> None:
    old = SecretBox((RAW,))
    token = old.encrypt("sk-provider", record_id="1")
    both = SecretBox((OTHER, RAW))
    assert both.decrypt(token, record_id="1") == "sk-provider"
    assert not both.is_current(token)
    renewed = both.encrypt(both.decrypt(token, record_id="1"), record_id="1")
    assert both.is_current(renewed)
    assert SecretBox((OTHER,)).decrypt(renewed, record_id="1") == "sk-provider"
    with pytest.raises(Undecryptable):
        old.decrypt(renewed, record_id="1")


def test_private_files_are_made_once_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert create_private_file(path, "one")
    assert not create_private_file(path, "two")
    assert path.read_text() == "one"
    path.chmod(0o644)
    replace_private_file(path, "three")
    assert path.read_text() == "three"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["x"]
