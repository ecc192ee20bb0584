"""The shell that reads units and environment files, in each shell, with files of the test's own."""

from __future__ import annotations

import os
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from tests.unit.shell_lab import SHELLS, skip_without, skip_without_rights

_PARTS = ("common", "integrity", "psql", "node", "node_probe")
_SOURCE = "\n".join(
    files("optimizer.host").joinpath(f"{part}.sh").read_text(encoding="utf-8") for part in _PARTS
)
_NAMES = "NODE='NODE_OPTIONS WORKERS' NODE_DIRECTIVES='LimitNOFILE MemoryMax'\nexport NODE\n"


def _asked(shell: str, text: str) -> list[list[str]]:
    command = skip_without(shell)
    program = f"{_SOURCE}\n{_NAMES}export NODE_DIRECTIVES\nname=web.service\n{text}"
    done = subprocess.run(
        [*command, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    return [line.split("\t")[2:] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_unit_file_is_read_as_systemd_reads_it(shell: str, tmp_path: Path) -> None:
    path = tmp_path / "web.service"
    path.write_text(
        "[Service]\n"
        "Environment=SECRET=x WORKERS=2 'NODE_OPTIONS=--a --b'\n"
        'Environment="NODE_OPTIONS=--title=\\"a b\\" --c"\n'
        "Environment = OTHER=1 \\\n"
        "    WORKERS=3\n"
        "# Environment=WORKERS=9\n"
        "LimitNOFILE = 5:6\n"
        "Environment=\n"
        "Nice=3\n"
        "MemoryMax=1G\n"
    )
    place = str(path)
    assert _asked(shell, f"node_unit_file '{path}'") == [
        [place, "WORKERS", "2"],
        [place, "NODE_OPTIONS", "--a --b"],
        [place, "NODE_OPTIONS", '--title="a b" --c'],
        [place, "WORKERS", "3"],
        [place, "LimitNOFILE", "5:6"],
        [place, "@reset", ""],
        [place, "MemoryMax", "1G"],
    ]


@pytest.mark.parametrize("shell", SHELLS)
def test_of_an_environment_file_only_what_was_asked_for_is_told(shell: str, tmp_path: Path) -> None:
    path = tmp_path / "web"
    path.write_text(
        "SECRET=one\n"
        "# WORKERS=9\n"
        ";WORKERS=8\n"
        "  WORKERS=4\n"
        "NODE_OPTIONS=--a   --b\n"
        "NODE_OPTIONS='--c --d'\n"
        'NODE_OPTIONS="--title=\\"x\\""\n'
    )
    place = str(path)
    assert _asked(shell, f"node_environment_file '{path}'") == [
        [place, "WORKERS", "4"],
        [place, "NODE_OPTIONS", "--a --b"],
        [place, "NODE_OPTIONS", "--c --d"],
        [place, "NODE_OPTIONS", '--title="x"'],
    ]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_program_of_root_that_others_can_change_is_not_asked(shell: str, tmp_path: Path) -> None:
    skip_without_rights()
    program = tmp_path / "node"
    program.write_text(f"#!/bin/sh\ntouch '{tmp_path}/run'\necho 20.1.0\n")
    program.chmod(0o755)
    scratch = f"scratch='{tmp_path}/x'; : >\"$scratch.binaries\"; NODE_FLAGS="
    asks = f"{scratch}; user=root path='{program}'; node_binary"
    assert _asked(shell, asks) == [["version", "20.1.0"]]
    (tmp_path / "run").unlink()
    tmp_path.chmod(0o777)
    assert _asked(shell, asks) == [["unsafe", "yes"]]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_limits_are_those_that_the_kernel_holds_for_the_process(shell: str) -> None:
    names = ("LimitNOFILE", "Nice", "OOMScoreAdjust", "CPUAffinity", "RuntimeDirectory")
    told = "".join(f"node_directive $$ {one} && emit - - {one} $REPLY\n" for one in names)
    found = dict(_asked(shell, f"ulimit -Sn 200; ulimit -Hn 300\n{told}:"))
    score = Path("/proc/self/oom_score_adj").read_text().strip()
    assert found.pop("CPUAffinity")[0].isdecimal()
    assert found == {
        "LimitNOFILE": "200:300",
        "Nice": str(os.nice(0)),
        "OOMScoreAdjust": score,
    }
    same = _asked(shell, "ulimit -n 200; node_directive $$ LimitNOFILE; emit - - $REPLY")
    assert same == [["200"]]


@pytest.mark.parametrize("shell", SHELLS)
def test_no_service_gets_more_files_than_the_first_process_may_give(shell: str) -> None:
    ((most,),) = _asked(shell, "emit - - $(most_files)")
    limits = Path("/proc/1/limits").read_text()
    own = next(one for one in limits.splitlines() if one.startswith("Max open files")).split()[4]
    assert most in (own, Path("/proc/sys/fs/nr_open").read_text().strip())


@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_not_there_is_no_answer_and_no_fault(shell: str, tmp_path: Path) -> None:
    missing = tmp_path / "none"
    assert _asked(shell, f"node_unit_file '{missing}'; node_environment_file '{missing}'") == []
