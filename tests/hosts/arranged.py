"""What a test arranges on a host, and takes away again before the host is looked at."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from testbed.host import Host


@contextmanager
def arranged(host: Host, do: str, undo: str) -> Iterator[None]:
    """Run one shell command now and another one at the end; TestbedError when one fails."""
    host.run(do)
    try:
        yield
    finally:
        host.run(undo)


@contextmanager
def with_file(
    host: Host, path: str, content: str | bytes, mode: str = "644", owner: str = "0:0"
) -> Iterator[None]:
    """Have a new file on a host for a while."""
    raw = content.encode() if isinstance(content, str) else content
    octal = "".join(f"\\0{byte:03o}" for byte in raw)
    name = shlex.quote(path)
    make = f"printf '%b' '{octal}' >{name} && chown {owner} {name} && chmod {mode} {name}"
    with arranged(host, f"[ ! -e {name} ] && {make}", f"rm -f {name}"):
        yield


def with_value(host: Host, path: str, value: str) -> None:
    """Set a kernel value, as a person on the host would."""
    host.run(f"echo {shlex.quote(value)} >{shlex.quote(path)}")


def value(host: Host, path: str) -> str:
    """Read a kernel value."""
    return " ".join(host.run(f"cat {shlex.quote(path)}").stdout.split())


def values(host: Host, *paths: str) -> list[str]:
    """Read several kernel values, with one command."""
    said = host.run("; echo @; ".join(f"cat {shlex.quote(path)}" for path in paths)).stdout
    return [" ".join(text.split()) for text in said.split("@\n")]


@contextmanager
def restarted_unit(host: Host, name: str, text: str) -> Iterator[None]:
    """Have a service of a test's own run on a host for a while."""
    path = f"/etc/systemd/system/{name}"
    with (
        with_file(host, path, text),
        arranged(
            host,
            f"systemctl daemon-reload && systemctl start {name}",
            f"systemctl stop {name}; systemctl reset-failed {name} 2>/dev/null; "
            f"rm -f {path}; systemctl daemon-reload",
        ),
    ):
        yield
