"""Kernel values below /sys and /proc/irq, kept over a reboot by a oneshot unit of ours.

A unit and not tmpfiles.d, because tmpfiles sorts its lines by path: it would write
nr_requests before the scheduler that resets it. Source: sysfs(5), systemd.service(5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from optimizer.model.observation import ConfigLine, Observation
from optimizer.model.reading import Difference, Reading, ReadingState
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import ValueStep
from optimizer.model.tunable import Tunable
from optimizer.model.values import squeeze
from optimizer.resources.base import (
    HEADER,
    Artifact,
    NothingAtStake,
    own_text,
    write_link,
    write_text,
)
from optimizer.resources.boot_order import lines_in_order
from optimizer.resources.kernel_value import live_reading

UNIT = "/etc/systemd/system/optimizer-sysfs.service"
LINK = "/etc/systemd/system/multi-user.target.wants/optimizer-sysfs.service"

_HEAD = f"""{HEADER}[Unit]
Description=Kernel values kept by the host optimizer
After=systemd-sysctl.service systemd-udev-settle.service

[Service]
Type=oneshot
RemainAfterExit=yes
"""
# A value of sysctl.d may have been reset by one of these: systemd-sysctl came before, and had
# written nothing where the value was there already, so that the kernel took it for its own choice.
# A prefix is a path below /proc/sys; with that in front nothing matches (seen with systemd 252).
_AGAIN = "ExecStartPost=-/lib/systemd/systemd-sysctl --prefix={prefix}\n"
_RESET = {
    "/sys/kernel/mm/transparent_hugepage/enabled": "/vm/min_free_kbytes",
}
_TAIL = """
[Install]
WantedBy=multi-user.target
"""
_EXEC = re.compile(r'ExecStart=-/bin/sh -c \'echo "\$\$1" >"\$\$2"\' sh "([^"]*)" "([^"]*)"\Z')


def render(values: Mapping[str, str]) -> str:
    """Print our unit: one line a value, in the order in which they have to be written."""
    lines = [_exec_start(path, text) for path, text in values.items()]
    lines += [_AGAIN.format(prefix=prefix) for path, prefix in _RESET.items() if path in values]
    return _HEAD + "".join(lines) + _TAIL


def _exec_start(path: str, text: str) -> str:
    words = f'"{_specifiers(text)}" "{_specifiers(path)}"'
    return f'ExecStart=-/bin/sh -c \'echo "$$1" >"$$2"\' sh {words}\n'


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")


def own_values(text: str) -> dict[str, str]:
    """Read path -> value of our own unit, in its order."""
    found = (_EXEC.match(line) for line in text.splitlines())
    return {match[2].replace("%%", "%"): match[1].replace("%%", "%") for match in found if match}


class Sysfs(NothingAtStake):
    """The resource kind of kernel values outside /proc/sys."""

    name = "sysfs"

    def request(self, tunable: Tunable) -> ProbeRequest:
        """Read every match of the pattern, and our unit."""
        return ProbeRequest(values=frozenset({tunable.target}), files=frozenset({UNIT, LINK}))

    def read(self, tunable: Tunable, observation: Observation) -> tuple[Reading, ...]:
        """Read each instance; one that is not applicable when nothing matches."""
        paths = [path for path in observation.values if matches(path, tunable.target)]
        if not paths:
            reason = f"this host has no {tunable.target}"
            return (Reading(tunable, state=ReadingState.NOT_APPLICABLE, reason=reason),)
        own = own_values(own_text(UNIT, observation)) if LINK in observation.links else {}
        tmpfiles = lines_in_order(
            observation.config_files.get("tmpfiles", {}), observation.config.get("tmpfiles", ())
        )
        return tuple(
            self._read_one(tunable, path, observation, own.get(path), _tmpfiles(path, tmpfiles))
            for path in sorted(paths, key=_natural)
            if _is_meant(tunable, path, observation)
        ) or (Reading(tunable, state=ReadingState.NOT_APPLICABLE, reason="no such device here"),)

    def _read_one(
        self,
        tunable: Tunable,
        path: str,
        observation: Observation,
        own: str | None,
        line: ConfigLine | None,
    ) -> Reading:
        boot, source = own, UNIT if own is not None else None
        if own is None and line:
            boot, source = squeeze(line.text.split(maxsplit=6)[6]), line.place
        instance = instance_of(path, tunable.target)
        disks = {disk.name: disk.kind for disk in observation.facts.disks}
        return live_reading(
            tunable,
            path,
            observation,
            instance=instance,
            boot=boot,
            source=source,
            own=own,
            unkept="" if observation.facts.init == "systemd" else "this host does not run systemd",
            facts={"disk": disks[instance]} if instance in disks else {},
        )

    def impossible(self, reading: Reading, wanted: str, observation: Observation) -> str:
        """Refuse a word that the file does not list among its choices."""
        value = observation.values.get(reading.path)
        if value and value.options and wanted not in value.options:
            return f"it offers {', '.join(value.options)}, not {wanted}"
        return ""

    def write(self, differences: Sequence[Difference], observation: Observation) -> Artifact:
        """Write live values one by one, and all boot values into one unit."""
        steps = tuple(
            ValueStep(
                tunable=difference.reading.id,
                path=difference.reading.path,
                before=difference.reading.live or "",
                after=difference.live,
            )
            for difference in differences
            if difference.live is not None
        )
        boot = {d.reading.path: d.boot for d in differences if d.boot is not None}
        if not boot:
            return Artifact(steps, blobs={})
        merged = {**own_values(own_text(UNIT, observation)), **boot}
        return Artifact.joined(
            (
                Artifact(steps, blobs={}),
                write_text(UNIT, render(merged), observation),
                write_link(LINK, UNIT, observation),
            )
        )


def matches(path: str, pattern: str) -> bool:
    """Match a pattern whose `*` stays within one name, as in a shell."""
    names, wanted = path.split("/"), pattern.split("/")
    return len(names) == len(wanted) and all(map(fnmatchcase, names, wanted))


def instance_of(path: str, pattern: str) -> str:
    """Return what the starred names of a pattern matched, joined by `/`; empty without star."""
    pairs = zip(path.split("/"), pattern.split("/"), strict=True)
    return "/".join(name for name, wanted in pairs if "*" in wanted)


def _is_meant(tunable: Tunable, path: str, observation: Observation) -> bool:
    """Leave out loop devices, RAM disks and the loopback interface."""
    instance = instance_of(path, tunable.target).partition("/")[0]
    if path.startswith("/sys/block/"):
        return any(disk.name == instance for disk in observation.facts.disks)
    return not (path.startswith("/sys/class/net/") and instance == "lo")


def _natural(path: str) -> list[tuple[int, str]]:
    """Sort cpu2 before cpu10."""
    parts = re.findall(r"\d+|\D+", path)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _tmpfiles(path: str, lines: Sequence[ConfigLine]) -> ConfigLine | None:
    """Return the last `w` line of tmpfiles.d that writes the path."""
    writing = [line for line in lines if len(line.text.split()) >= 7]
    found = [line for line in writing if matches(path, line.text.split()[1])]
    return found[-1] if found else None
