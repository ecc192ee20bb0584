"""The hosts of the Vagrantfile that run. Run `vagrant up` first."""

import os
import subprocess
from pathlib import Path

_NAMES = ("opt-1", "opt-2")
_PROJECT = Path(__file__).resolve().parent.parent
_STATE = _PROJECT / os.environ.get("VAGRANT_DOTFILE_PATH", ".vagrant")


def _ask(name: str) -> "subprocess.Popen[str]":
    """Ask Vagrant how to reach a host; it chooses address, port and key anew with each `up`."""
    command = ["vagrant", "ssh-config", name]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=_PROJECT, stdout=pipe, stderr=pipe, text=True)


def _described(name: str, text: str) -> tuple[str, dict[str, object]]:
    pairs = [line.split(maxsplit=1) for line in text.splitlines() if len(line.split()) > 1]
    config = {key: value.strip('"') for key, value in pairs}
    # What Vagrant knows of a host; it goes with the host, and so does the key of the host.
    machine = next(_STATE.glob(f"machines/{name}/*/id")).parent
    return name, {
        "ssh_hostname": config["HostName"],
        "ssh_port": int(config["Port"]),
        "ssh_user": config["User"],
        "ssh_key": config["IdentityFile"],
        # A box makes its host key at its first start, so there is none to know beforehand.
        "ssh_strict_host_key_checking": "accept-new",
        "ssh_known_hosts_file": str(machine / "known_hosts"),
    }


def _running() -> list[tuple[str, dict[str, object]]]:
    """Describe the hosts that run. RuntimeError: none does, in Vagrant's own words."""
    asked = [_ask(name) for name in _NAMES]
    said = [process.communicate() for process in asked]
    if all(process.returncode for process in asked):
        raise RuntimeError(" ".join(said[0][1].split()))
    pairs = zip(_NAMES, asked, said, strict=True)
    return [_described(name, out) for name, process, (out, _) in pairs if not process.returncode]


hosts = _running()
