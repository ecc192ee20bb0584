"""The one walk over /proc: which processes of a name are the first, and which work for another."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from optimizer.host import program
from tests.unit.shell_lab import SHELLS, skip_without

# No program of the machine is called like that.
NAMES = ("opt-first", "opt-second", "opt-other")
_BEGIN = "probe_main 2>/dev/null"


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[dict[str, int]]:
    """Run a process of each name, each with a child of the same name; name -> its number."""
    dash = shutil.which("dash")
    if dash is None:
        pytest.skip("this machine has no dash")
    running = {}
    for name in NAMES:
        shutil.copy(dash, tmp_path / name)
        # A subshell has the name of its shell; it says so once it is there.
        command = [str(tmp_path / name), "-c", "(echo; read -r line; :); :"]
        running[name] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
    for one in running.values():
        assert one.stdout is not None
        one.stdout.readline()
    yield {name: one.pid for name, one in running.items()}
    for one in running.values():
        # The child ends with its input, and the first one after it.
        one.communicate()


@pytest.mark.parametrize("shell", SHELLS)
def test_only_the_first_processes_of_the_names_are_found(
    shell: str, servers: dict[str, int], tmp_path: Path
) -> None:
    words = "\n".join(
        (
            f"processes={tmp_path}/processes",
            'list_processes >"$processes"',
            "first_processes opt-first opt-second",
        )
    )
    text = program("probe")
    assert _BEGIN in text
    done = subprocess.run(
        skip_without(shell),
        input=text.replace(_BEGIN, words),
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(map(int, done.stdout.split())) == sorted(
        (servers["opt-first"], servers["opt-second"])
    )
    listed = (tmp_path / "processes").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("\t") for line in listed]
    assert [name for _, name in pairs].count("opt-other") == 2
    assert [str(servers["opt-other"]), "opt-other"] in pairs


@pytest.mark.parametrize("shell", SHELLS)
def test_only_the_main_process_of_a_unit_is_the_units(shell: str) -> None:
    """A server that somebody began from a login shell is in the unit of sshd, and is not sshd."""
    words = "\n".join(
        (
            "sed() { echo ssh.service; }",
            'systemctl() { [ "$*" = "show -p MainPID -- ssh.service" ] && echo MainPID=42; }',
            'echo "$(unit_of_process 42),$(unit_of_process 43)"',
        )
    )
    done = subprocess.run(
        skip_without(shell),
        input=program("probe").replace(_BEGIN, words),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "ssh.service,\n"
