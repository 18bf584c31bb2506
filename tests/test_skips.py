"""In CI a test that is skipped fails the run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SKIPPED = "import pytest\n\ndef test_a():\n    pytest.skip('no such thing here')\n"
WHOLE_FILE = "import pytest\npytest.importorskip('no_such_module_at_all')\n"
EXPECTED = "import pytest\n\n@pytest.mark.xfail\ndef test_a():\n    assert False\n"


@pytest.mark.parametrize(
    ("text", "ci", "status", "said"),
    [
        (SKIPPED, "true", 1, "no such thing here"),
        (WHOLE_FILE, "true", 1, "no_such_module_at_all"),
        (SKIPPED, "", 0, "1 skipped"),
        (EXPECTED, "true", 0, "1 xfailed"),
    ],
)
def test_a_skipped_test_fails_the_run_in_ci(tmp_path: Path, text: str, ci: str, status: int, said: str) -> None:
    (tmp_path / "test_it.py").write_text(text + "\ndef test_b():\n    pass\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", tmp_path, "-p", "tests.conftest", tmp_path],
        cwd=ROOT, env={**os.environ, "CI": ci}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said in done.stdout
    assert ("fails a run in CI" in done.stdout) is bool(status)
    assert done.returncode == status
