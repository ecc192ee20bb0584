"""GRUB's menu as Debian's programs write it, and a host that boots by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optimizer.model.boot import GRUB_CONFIG, GRUB_FILE, Grub, boot_path, spelled
from optimizer.model.observation import ConfigLine, Observation
from optimizer.resources import grub
from tests.unit.factories import facts, file_state, observation

DEFAULTS = "/etc/default/grub"
LINUX = "console=ttyS0"
# What stands in the files without ours, and where ours would be read.
DEFAULT = "quiet"
SETUP = Grub(LINUX, f"{DEFAULT} @optimizer@")


def menu(added: str = "", versions: tuple[str, ...] = ("6.1.0-9",)) -> str:
    """Print a menu; added: what stands behind the words of the files."""
    entries = "".join(_entry(version, added) for version in versions)
    return f"set timeout=5\n{entries}### END /etc/grub.d/10_linux ###\n"


def _entry(version: str, added: str) -> str:
    root = f"\tlinux\t/boot/vmlinuz-{version} root=UUID=1234 ro "
    return (
        f"menuentry 'Debian, with Linux {version}' --class os 'gnulinux-{version}-advanced-1' {{\n"
        f"\techo\t'Loading Linux {version} ...'\n"
        f"{root}{LINUX} {DEFAULT}{added}\n"
        f"\tinitrd\t/boot/initrd.img-{version}\n}}\n"
        f"menuentry 'Debian (recovery mode)' --class os 'gnulinux-{version}-recovery-1' {{\n"
        f"{root}single {LINUX}\n}}\n"
    )


def host(
    ours: Mapping[str, str] | None = None,
    live: Mapping[str, str] | None = None,
    text: str | None = None,
    setup: Grub | None = SETUP,
    elsewhere: str = "",
    **parts: Any,
) -> Observation:
    """Make a host whose kernel was booted with `live` and that boots `ours` the next time.

    text: its menu, where it is not the one that comes of ours. elsewhere: a line of its defaults.
    """
    added = "".join(f" {spelled(name, value)}" for name, value in (ours or {}).items())
    files = {GRUB_CONFIG: file_state(menu(added).encode() if text is None else text.encode())}
    if ours:
        files[GRUB_FILE] = file_state(grub.render(ours).encode())
    values = {boot_path(name): value for name, value in (live or {}).items()}
    lines = (ConfigLine(DEFAULTS, 9, elsewhere),) if elsewhere else ()
    made: dict[str, Any] = {
        "files": files,
        "values": values,
        "grub": setup,
        "config": {"grub": lines},
        "directories": frozenset({"/etc/default/grub.d", "/boot/grub"}),
        "facts": facts(cpus_present=4),
    }
    return observation(**{**made, **parts})
