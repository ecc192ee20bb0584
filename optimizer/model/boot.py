"""The kernel command line: what a kernel was booted with, and what GRUB makes it from. Pure.

Source: Documentation/admin-guide/kernel-parameters.rst; GRUB manual, "Simple configuration".
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

# What a parameter without a value, such as nosoftlockup, reads as.
PRESENT = "present"

# What grub-mkconfig makes, and our file among those that it makes it from.
GRUB_CONFIG = "/boot/grub/grub.cfg"
GRUB_FILE = "/etc/default/grub.d/zz-optimizer.cfg"
# Stands in GRUB_CMDLINE_LINUX_DEFAULT where our file adds to it; host/boot_probe.sh has it, too.
MARK = "@optimizer@"

# Of these the kernel takes the first and passes over the rest, where it takes the last of others.
# Source: housekeeping_setup of kernel/sched/isolation.c, hugepages_setup of mm/hugetlb.c.
FIRST_COUNTS = frozenset({"isolcpus", "nohz_full", "default_hugepagesz", "hugepagesz", "hugepages"})

_PREFIX = "boot:"


@dataclass(frozen=True)
class Grub:
    """What the files below /etc/default make of the command line.

    linux: GRUB_CMDLINE_LINUX. default: GRUB_CMDLINE_LINUX_DEFAULT, which only entries that are
    not for recovery have, with MARK where our file is read; without it nothing of ours arrives.
    """

    linux: str
    default: str


def boot_path(name: str) -> str:
    """Return the path of a parameter of the running kernel."""
    return f"{_PREFIX}{name}"


def is_boot_path(path: str) -> bool:
    """Whether a value is a parameter of the running kernel, which only a reboot changes."""
    return path.startswith(_PREFIX)


def parameter_at(path: str) -> str:
    """Return the name of the parameter at a path."""
    return path.removeprefix(_PREFIX)


def normal(name: str) -> str:
    """Return a name as the kernel compares it: a hyphen and an underscore are the same."""
    return name.replace("-", "_")


def parameters(cmdline: str) -> dict[str, str]:
    """Read a kernel command line; of a repeated parameter the one that counts.

    What follows a lone `--` is for init and not for the kernel.
    """
    try:
        words = shlex.split(cmdline)
    except ValueError:
        words = cmdline.split()
    found: dict[str, str] = {}
    for word in words[: words.index("--")] if "--" in words else words:
        name, sign, value = word.partition("=")
        name = normal(name)
        if name not in found or name not in FIRST_COUNTS:
            found[name] = value if sign else PRESENT
    return found


def spelled(name: str, value: str) -> str:
    """Write a parameter as it stands on the command line."""
    return name if value == PRESENT else f"{name}={value}"
