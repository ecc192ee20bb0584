"""Help has to be there at once, so it must not import what is slow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from optimizer.cli.main import VERBS

SLOW = ("pyinfra", "gevent", "pydantic", "rich", "yaml", "platformdirs", "decimal")
COMMANDS = [
    ["--help"],
    ["--version"],
    *([verb, "--help"] for verb in VERBS),
    ["profile", "show", "--help"],
    ["completion", "bash"],
    ["plan"],
    ["nonsense"],
    ["plan", "@local", "--bogus"],
]


def run(words: list[str], program: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": root, "PYTHONWARNINGS": "error"},
        check=False,
    )


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_nothing_slow_is_imported(words: list[str]) -> None:
    program = (
        "import sys\n"
        "from optimizer.cli.main import main\n"
        "code = main()\n"
        f"slow = [name for name in {SLOW!r} if name in sys.modules]\n"
        "print('slow imports:', slow, file=sys.stderr)\n"
    )
    assert run(words, program).stderr.endswith("slow imports: []\n")


def test_a_list_of_tunables_needs_neither_pydantic_nor_rich() -> None:
    program = (
        "import sys\n"
        "from optimizer.cli.main import main\n"
        "assert main() == 0\n"
        "assert not {'pyinfra', 'pydantic', 'rich'} & set(sys.modules)\n"
    )
    done = run(["tunable", "list"], program)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("closed", "code"), [(">&-", 64), ("2>&-", 64), ("<&- >&- 2>&-", 64)])
def test_closed_streams_do_not_change_the_exit_code(closed: str, code: int) -> None:
    command = f"{sys.executable} -m optimizer.cli plan --format json --bogus {closed}"
    done = subprocess.run(
        ["sh", "-c", command],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, b"")


def test_history_does_not_import_pyinfra() -> None:
    program = (
        "import sys\n"
        "from optimizer.cli.main import main\n"
        "assert main() == 0\n"
        "assert 'pyinfra' not in sys.modules and 'gevent' not in sys.modules\n"
    )
    done = run(["history"], program)
    assert done.returncode == 0, done.stderr


def test_the_module_is_the_console_script() -> None:
    done = run(
        ["plan", "--bogus"], "import runpy; runpy.run_module('optimizer.cli', {}, '__main__')"
    )
    assert done.returncode == 64
    assert done.stderr.startswith("error[CLI-001]: ")
