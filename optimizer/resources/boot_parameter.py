"""Parameters of the kernel command line: read and compared, never written here.

Source: Documentation/admin-guide/kernel-parameters.txt, proc_cmdline(5).
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from optimizer.model.observation import Observation
from optimizer.model.reading import Difference, Reading, ReadingState
from optimizer.model.request import ProbeRequest
from optimizer.model.tunable import Tunable
from optimizer.resources.base import Artifact, NothingAtStake

# What a parameter without a value, such as nosoftlockup, reads as.
PRESENT = "present"


def parameters(cmdline: str) -> dict[str, str]:
    """Read a kernel command line; of a repeated parameter the last one counts.

    What follows a lone `--` is for init and not for the kernel.
    """
    try:
        words = shlex.split(cmdline)
    except ValueError:
        words = cmdline.split()
    kernel_words = words[: words.index("--")] if "--" in words else words
    pairs = (word.partition("=") for word in kernel_words)
    return {name: value if separator else PRESENT for name, separator, value in pairs}


def spelled(name: str, value: str) -> str:
    """Write a parameter as it stands on the command line."""
    return name if value == PRESENT else f"{name}={value}"


class BootParameter(NothingAtStake):
    """The resource kind of boot parameters."""

    name = "boot"

    def request(self, tunable: Tunable) -> ProbeRequest:
        """Nothing: the command line is a fact."""
        return ProbeRequest()

    def read(self, tunable: Tunable, observation: Observation) -> tuple[Reading, ...]:
        """Read the parameter the running kernel was started with."""
        if observation.facts.virtualization in ("systemd-nspawn", "lxc", "docker", "podman"):
            reason = "a container has no kernel of its own to boot"
            return (Reading(tunable, state=ReadingState.NOT_APPLICABLE, reason=reason),)
        value = parameters(observation.facts.cmdline).get(tunable.target)
        return (Reading(tunable, live=value, boot=value, source="/proc/cmdline"),)

    def impossible(self, reading: Reading, wanted: str, observation: Observation) -> str:
        """Whether a kernel takes a parameter shows only after a reboot."""
        return ""

    def write(self, differences: Sequence[Difference], observation: Observation) -> Artifact:
        """Nothing: the line to add is shown, and a person adds it."""
        return Artifact(blobs={})
