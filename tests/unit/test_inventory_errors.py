"""An inventory that does not run: the real command line says why, and in which line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_RAISES = "def found():\n    raise RuntimeError('no host is up')\n\n\nhosts = found()\n"
_FAILS = "import subprocess\n\nhosts = subprocess.run(['no-such-tool'])\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (_RAISES, "RuntimeError: no host is up (line 2)"),
        (_FAILS, "FileNotFoundError: [Errno 2] No such file or directory: 'no-such-tool' (line 3)"),
        ("hosts = [\n", "line 1: '[' was never closed"),
        ("raise ValueError\n", "ValueError (line 1)"),
        ("import sys\n\nsys.exit('not today')\n", "SystemExit: not today (line 3)"),
    ],
)
def test_an_inventory_that_does_not_run_is_refused_with_its_line(
    tmp_path: Path, text: str, told: str
) -> None:
    # A folder may well be named after us.
    folder = tmp_path / "optimizer"
    folder.mkdir()
    (folder / "fleet.py").write_text(text)
    assert _said(folder, "fleet.py") == f"error[INVENTORY-001]: Inventory fleet.py: {told}"


def test_a_file_of_group_data_that_does_not_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "fleet.py").write_text("trading = ['vm-1']\n")
    (tmp_path / "group_data").mkdir()
    (tmp_path / "group_data" / "trading.py").write_text("\nredis_user = unknown\n")
    told = "NameError: name 'unknown' is not defined (group_data/trading.py line 2)"
    assert told in _said(tmp_path, "fleet.py").replace(f"{tmp_path}/", "")


def _said(folder: Path, inventory: str) -> str:
    command = [sys.executable, "-m", "optimizer.cli", "plan", inventory, "--profile", "hft"]
    project = str(Path(__file__).parent.parent.parent)
    environment = {"PYTHONPATH": project, "OPTIMIZER_STATE_DIR": str(folder / "state")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 1, done
    return " ".join(done.stderr.split())
