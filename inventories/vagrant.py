"""The two hosts of the Vagrantfile. Run `vagrant up` first."""

import subprocess

_NAMES = ("opt-1", "opt-2")


def _ssh_config(name: str) -> dict[str, str]:
    """Ask Vagrant how to reach a host; it chooses port and key anew with each `vagrant up`."""
    command = ["vagrant", "ssh-config", name]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(line.split(maxsplit=1) for line in text.splitlines() if len(line.split()) > 1)


def _host(name: str) -> tuple[str, dict[str, object]]:
    config = _ssh_config(name)
    return name, {
        "ssh_hostname": config["HostName"],
        "ssh_port": int(config["Port"]),
        "ssh_user": config["User"],
        "ssh_key": config["IdentityFile"].strip('"'),
        # A box makes its host key at its first start, so there is none to know beforehand.
        "ssh_strict_host_key_checking": "accept-new",
        "ssh_known_hosts_file": ".vagrant/known_hosts",
    }


hosts = [_host(name) for name in _NAMES]
