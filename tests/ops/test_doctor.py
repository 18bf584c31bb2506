"""What `alcove doctor` finds."""

from pathlib import Path

from alcove.main.process import examine
from alcove.ops.doctor import check_master_key
from alcove.settings import Settings


def test_a_master_key_missing_beside_a_database_is_told(tmp_path: Path) -> None:
    key = tmp_path / "master.key"
    assert check_master_key(key, is_given=False, has_data=False).is_good
    missing = check_master_key(key, is_given=False, has_data=True)
    assert not missing.is_good
    assert "put it back from a copy" in missing.detail
    assert check_master_key(key, is_given=True, has_data=True).is_good
    key.write_text("x")
    key.chmod(0o644)
    assert "chmod 600" in check_master_key(key, is_given=False, has_data=True).detail
    key.chmod(0o600)
    assert check_master_key(key, is_given=False, has_data=True).is_good


def test_examining_a_data_folder_without_its_key(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)

    def key() -> bool:
        return next(each for each in examine(settings) if each.name == "Master key").is_good

    assert key()
    (tmp_path / "alcove.db").touch()
    assert not key()
