"""The other door: plain pyinfra with the files of deploys/ and rollback/."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from testbed.host import Host
from tests.hosts.arranged import value
from tests.hosts.conftest import MakeController
from tests.hosts.controller import PATIENCE, Controller
from tests.hosts.lab import Lab

PROJECT = Path(__file__).parent.parent.parent
RETRIES_PATH = "/proc/sys/net/ipv4/tcp_retries2"


def _pyinfra(one: Controller, file: str, *words: str) -> str:
    environment = {**os.environ, "OPTIMIZER_STATE_DIR": str(one.state), "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, "-m", "pyinfra", one.inventory, str(PROJECT / file), *words],
        env=environment,
        cwd=one.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_dry_run_of_plain_pyinfra_prints_what_plan_prints_and_changes_nothing(
    trixie: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(trixie)
    planned = one.plan("--profile", "hft").host("trixie")["changes"]
    said = " ".join(_pyinfra(one, "deploys/hft.py", "--dry").split())
    assert len(planned) > 5
    for change in planned:
        assert change["tunable"].removeprefix("system.") in said
    assert lab.changes("trixie") == {}


def test_plain_pyinfra_applies_like_the_command_line_and_undoes_it(
    trixie: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(trixie)
    _pyinfra(one, "deploys/hft.py", "-y")
    assert value(trixie, RETRIES_PATH) == "8"
    assert one.verify().expect(0).host("trixie")["state"] == "match"
    _pyinfra(one, "rollback/last.py", "-y")
    assert lab.changes("trixie") == {}
