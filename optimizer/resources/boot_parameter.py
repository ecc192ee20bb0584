"""Parameters of the kernel command line: in force as the kernel was booted, and at the next boot.

Written to a file of ours that GRUB's menu is made from, and only a reboot brings them.
Source: Documentation/admin-guide/kernel-parameters.txt, proc_cmdline(5).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from optimizer.model.boot import (
    FIRST_COUNTS,
    GRUB_CONFIG,
    GRUB_FILE,
    boot_path,
    normal,
)
from optimizer.model.observation import ABSENT, Observation
from optimizer.model.reading import Difference, Reading, ReadingState
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import ValueStep
from optimizer.model.tunable import Tunable
from optimizer.resources import grub
from optimizer.resources.base import Artifact, NothingAtStake, canonical, own_text, write_text

# Seconds that GRUB's menu may take to be made, once before and once after our file is there.
_PATIENCE = 120
_CONTAINERS = ("systemd-nspawn", "lxc", "docker", "podman")
# They belong together: a number counts pages of the size that stands before it.
_PAGES = ("default_hugepagesz", "hugepagesz", "hugepages")
_NOT_FOR_FIRST_CPU = ("isolcpus", "nohz_full")
_CPU_LISTS = (*_NOT_FOR_FIRST_CPU, "rcu_nocbs", "irqaffinity")
_SPAN = re.compile(r"(\d+)(?:-(\d+))?")


class BootParameter(NothingAtStake):
    """The resource kind of boot parameters."""

    name = "boot"

    def request(self, tunable: Tunable) -> ProbeRequest:
        """Read what the kernel was booted with, and what GRUB makes its menu from."""
        return ProbeRequest(
            values=frozenset({boot_path(tunable.target)}),
            files=frozenset({GRUB_FILE, GRUB_CONFIG}),
            grub=True,
        )

    def read(self, tunable: Tunable, observation: Observation) -> tuple[Reading, ...]:
        """Read the parameter the running kernel was booted with, and that of the next boot."""
        if observation.facts.virtualization in _CONTAINERS:
            reason = "a container has no kernel of its own to boot"
            return (Reading(tunable, state=ReadingState.NOT_APPLICABLE, reason=reason),)
        path = boot_path(tunable.target)
        value = observation.values.get(path)
        live = canonical(tunable, value.text) if value and value.text != ABSENT else None
        problem = grub.problem(observation)
        if problem:
            return (
                Reading(
                    tunable,
                    path=path,
                    live=live,
                    boot=live,
                    source="/proc/cmdline",
                    has_boot=False,
                    blocked=problem,
                ),
            )
        name = normal(tunable.target)
        boot = grub.next_boot(observation).get(name)
        own = grub.own_values(own_text(GRUB_FILE, observation)).get(name)
        other = grub.set_elsewhere(name, observation)
        return (
            Reading(
                tunable,
                path=path,
                live=live,
                boot=None if boot is None else canonical(tunable, boot),
                source=_source(own, other[1].place if other else None),
                own=own,
                blocked=_beaten(tunable, observation),
            ),
        )

    def impossible(self, reading: Reading, wanted: str, observation: Observation) -> str:
        """Refuse CPUs that are not there or have to stay, and what GRUB would take for its own."""
        name = reading.tunable.target
        if not grub.is_harmless(wanted):
            return f"{wanted!r} has characters that GRUB would not hand on as they stand"
        count = observation.facts.cpus_present
        if name not in _CPU_LISTS or not count:
            return ""
        cpus = _cpus(wanted)
        if max(cpus) >= count:
            return f"this host has the CPUs 0 to {count - 1}"
        if name in _NOT_FOR_FIRST_CPU and 0 in cpus:
            return "CPU 0 stays out of it: something has to do the rest of the work"
        return ""

    def write(self, differences: Sequence[Difference], observation: Observation) -> Artifact:
        """Write our file and the menu that comes of it; what is in force waits for a reboot."""
        setup = observation.grub
        changed = {
            normal(one.reading.tunable.target): one.boot
            for one in differences
            if one.boot is not None
        }
        if setup is None or not changed:
            return Artifact(blobs={})
        before = grub.own_values(own_text(GRUB_FILE, observation))
        after = _in_kernel_order({**before, **changed})
        menu = observation.files[GRUB_CONFIG]
        text = grub.remade(grub.config_text(observation), setup, before, after)
        return Artifact.joined(
            (
                Artifact(tuple(_waiting(differences, observation)), blobs={}),
                write_text(GRUB_FILE, grub.render(after), observation),
                write_text(GRUB_CONFIG, text, observation, menu.mode, menu.owner),
            )
        )


def _waiting(differences: Sequence[Difference], observation: Observation) -> list[ValueStep]:
    """Return what a reboot brings, be it in force or not: verify and the way back go by it."""
    steps: list[ValueStep] = []
    for one in differences:
        if one.boot is not None:
            value = observation.values.get(one.reading.path)
            steps.append(
                ValueStep(
                    tunable=one.reading.id,
                    path=one.reading.path,
                    before=value.text if value else ABSENT,
                    after=one.boot,
                    write="pend",
                    patience=0 if steps else _PATIENCE,
                )
            )
    return steps


def _in_kernel_order(values: dict[str, str]) -> dict[str, str]:
    """Put the size of huge pages before their number."""
    pages = {name: values[name] for name in _PAGES if name in values}
    return {name: text for name, text in values.items() if name not in pages} | pages


def _source(own: str | None, other: str | None) -> str | None:
    return GRUB_FILE if own is not None else other


def _beaten(tunable: Tunable, observation: Observation) -> str:
    """Say what of somebody else's counts and not ours; empty where ours does."""
    name = normal(tunable.target)
    other = grub.set_elsewhere(name, observation)
    if other and grub.is_set_after_ours(name, observation):
        return f"{other[1].place} sets it after our file"
    if other and name in FIRST_COUNTS:
        return f"{other[1].place} sets it, and of this one the kernel takes the first"
    for mate in _PAGES if name in _PAGES else ():
        found = grub.set_elsewhere(mate, observation)
        if found:
            return f"{found[1].place} sets {mate}, which belongs together with it"
    return ""


def _cpus(text: str) -> set[int]:
    spans = (_SPAN.fullmatch(word) for word in text.split(","))
    return {
        cpu for span in spans if span for cpu in range(int(span[1]), int(span[2] or span[1]) + 1)
    }
