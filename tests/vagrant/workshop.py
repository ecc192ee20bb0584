"""Commands of Vagrant and of the product, as a person in the project's folder gives them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.libvirt import Libvirt

_PROJECT = Path(__file__).parent.parent.parent
# Seconds; two machines boot at once, and are emulated where there is no KVM.
PATIENCE = 1200.0


@dataclass(frozen=True)
class Workshop:
    """A folder with the Vagrantfile and the inventories; all its commands run beside `libvirt`."""

    folder: Path
    libvirt: Libvirt
    driver: str
    box: str = "optimizer-testbed"

    def vagrant(self, *words: str) -> str:
        """Run one command of Vagrant; return what it printed. AssertionError: it failed."""
        done = self.run(["vagrant", *words])
        assert done.returncode == 0, f"vagrant {' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def optimizer(self, verb: str, *words: str, code: int = 0) -> Any:
        """Run one verb on the Vagrant inventory; return its JSON. AssertionError: another exit."""
        argv = [sys.executable, "-m", "optimizer.cli", verb, "inventories/vagrant.py"]
        done = self.run([*argv, "--format", "json", *words])
        assert done.returncode == code, (
            f"{verb}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return json.loads(done.stdout)

    def run(self, argv: list[str], timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        """Run a command beside libvirt. subprocess.TimeoutExpired after `timeout` seconds."""
        environment = {
            **os.environ,
            "OPTIMIZER_BOX": self.box,
            "OPTIMIZER_DRIVER": self.driver,
            "OPTIMIZER_STATE_DIR": str(self.folder / "state"),
            "PYTHONPATH": str(_PROJECT),
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            "VAGRANT_DEFAULT_PROVIDER": "libvirt",
            "VAGRANT_HOME": str(self.folder / "home"),
        }
        return subprocess.run(
            self.libvirt.command(argv),
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


@dataclass(frozen=True)
class VagrantHost:
    """One host of the Vagrantfile, as far as a scan needs a host."""

    name: str
    workshop: Workshop

    def run(self, command: str, *, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root. AssertionError: it failed."""
        settings = self.workshop.folder / f"ssh-config-{self.name}"
        # Its address may be another one after a boot.
        settings.write_text(self.workshop.vagrant("ssh-config", self.name))
        argv = ["ssh", "-F", str(settings), self.name, f"sudo sh -c {shlex.quote(command)}"]
        done = self.workshop.run(argv, timeout)
        assert done.returncode == 0, f"{self.name}: {command}\n{done.stdout}\n{done.stderr}"
        return done
