"""Kernel modules that a value needs: loaded now, and at boot by /etc/modules-load.d.

Source: modules-load.d(5), modprobe(8).
"""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.model.observation import Observation
from optimizer.resources.base import HEADER, Artifact, own_text, write_text

FILE = "/etc/modules-load.d/optimizer.conf"

_OPTION_PREFIXES = {"tcp_": "TCP_CONG_", "sch_": "NET_SCH_"}


def probe_name(module: str) -> str:
    """Return `module:OPTION`, the build option that tells a module that is built in."""
    for prefix, option in _OPTION_PREFIXES.items():
        if module.startswith(prefix):
            return f"{module}:{option}{module.removeprefix(prefix).upper()}"
    return f"{module}:{module.upper()}"


def keep(modules: Sequence[str], observation: Observation) -> Artifact:
    """Have modules loaded at boot, besides those that our file already names."""
    named = [line for line in own_text(FILE, observation).splitlines() if line[:1] not in ("#", "")]
    return write_text(
        FILE,
        HEADER + "".join(f"{name}\n" for name in dict.fromkeys([*named, *modules])),
        observation,
    )
