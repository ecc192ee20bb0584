"""Kernel parameters below /proc/sys, kept over a reboot by a file in /etc/sysctl.d.

Source: sysctl.d(5), systemd-sysctl.service(8), Documentation/admin-guide/sysctl/.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from optimizer.model.observation import ConfigLine, Observation, ValueState
from optimizer.model.reading import Difference, Reading
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import ModuleStep, Step, ValueStep
from optimizer.model.tunable import Tunable
from optimizer.model.values import squeeze
from optimizer.resources import kernel_module
from optimizer.resources.base import (
    HEADER,
    Artifact,
    NothingAtStake,
    canonical,
    own_text,
    write_text,
)
from optimizer.resources.boot_order import is_read_after, lines_in_order
from optimizer.resources.kernel_value import live_reading

# Sorts behind 99-sysctl.conf, the name under which Debian reads /etc/sysctl.conf.
FILE = "/etc/sysctl.d/99-zz-optimizer.conf"

_ID = "system.sysctl."
_CONGESTION = "/proc/sys/net/ipv4/tcp_congestion_control"
_AVAILABLE = "/proc/sys/net/ipv4/tcp_available_congestion_control"
_ALLOWED = "/proc/sys/net/ipv4/tcp_allowed_congestion_control"


def path_of(key: str) -> str:
    """Return the file of a key. A key that starts with a slash-separated word keeps dots."""
    return "/proc/sys/" + normal_key(key)


@lru_cache(maxsize=4096)
def normal_key(key: str) -> str:
    """Return a key with slashes as separators, as systemd-sysctl reads it.

    Whichever of `.` and `/` comes first separates; the other one is part of a name then.
    """
    dot, slash = key.find("."), key.find("/")
    is_dotted = dot != -1 and (slash == -1 or dot < slash)
    path = key.translate(str.maketrans("./", "/.")) if is_dotted else key
    return "/".join(name for name in path.split("/") if name not in ("", "."))


@dataclass(frozen=True)
class BootValue:
    """What boot sets a key to, and the line that does.

    text: None where the line keeps boot from setting the key at all.
    """

    text: str | None
    line: ConfigLine
    is_pattern: bool = False


def boot_values(lines: Sequence[ConfigLine], keys: Sequence[str]) -> Mapping[str, BootValue]:
    """Work out what systemd-sysctl does to each normal key, given lines in reading order.

    The last line for a key counts, be it a value or a `-key` that leaves the key alone.
    Patterns are for the keys that no such line names; of several the last one counts.
    """
    entries, patterns = _entries(tuple(lines))
    found = {key: entries.get(key) or _by_pattern(key, patterns) for key in keys}
    return {key: one for key, one in found.items() if one}


# Every key of a host asks for the lines of that host.
@lru_cache(maxsize=4)
def _entries(
    lines: tuple[ConfigLine, ...],
) -> tuple[Mapping[str, BootValue], Mapping[str, BootValue]]:
    """Return normal key or pattern -> what counts of the lines for it, and just the patterns."""
    entries: dict[str, BootValue] = {}
    for line in lines:
        name, separator, text = line.text.partition("=")
        name = name.strip()
        if not separator and not name.startswith("-"):
            continue
        key = normal_key(name.removeprefix("-").strip())
        entry = BootValue(squeeze(text) if separator else None, line, _is_pattern(key))
        # Saying the same again does not move a pattern behind those after it.
        if key in entries and entries[key].text != entry.text:
            del entries[key]
        entries[key] = entry
    patterns = {key: one for key, one in entries.items() if one.is_pattern and one.text is not None}
    return entries, patterns


def _is_pattern(key: str) -> bool:
    return any(char in key for char in "*?[")


def reading_order(observation: Observation) -> tuple[ConfigLine, ...]:
    """Return the lines of sysctl.d of a host, first read first."""
    return lines_in_order(
        observation.config_files.get("sysctl", {}), observation.config.get("sysctl", ())
    )


def _by_pattern(key: str, patterns: Mapping[str, BootValue]) -> BootValue | None:
    names = key.split("/")
    matching = [one for pattern, one in patterns.items() if _matches(names, pattern.split("/"))]
    return matching[-1] if matching else None


def _matches(names: Sequence[str], wanted: Sequence[str]) -> bool:
    """Match name by name: a star stays between two slashes."""
    return len(names) == len(wanted) and all(map(fnmatchcase, names, wanted))


def own_values(text: str) -> dict[str, str]:
    """Read the keys and values of our own file, in its order."""
    pairs = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {name.strip(): value.strip() for name, separator, value in pairs if separator}


def render(values: Mapping[str, str]) -> str:
    """Print our file. Keys stay in the order in which they have to be written."""
    return HEADER + "".join(f"{key} = {value}\n" for key, value in values.items())


class Sysctl(NothingAtStake):
    """The resource kind of kernel parameters."""

    name = "sysctl"

    def request(self, tunable: Tunable) -> ProbeRequest:
        """Read the value, our file, and for congestion control what the kernel offers."""
        values = {path_of(tunable.target)}
        if path_of(tunable.target) == _CONGESTION:
            values |= {_AVAILABLE, _ALLOWED}
        return ProbeRequest(
            values=frozenset(values),
            files=frozenset({FILE} | ({kernel_module.FILE} if tunable.modules else set())),
            modules=frozenset(map(kernel_module.probe_name, tunable.modules.values())),
        )

    def read(self, tunable: Tunable, observation: Observation) -> tuple[Reading, ...]:
        """Read the live value and what the next boot sets."""
        key = normal_key(tunable.target)
        boot = _boot_value(tunable, reading_order(observation))
        own = _own_by_key(own_text(FILE, observation))
        # A pattern gives way to our file, wherever it stands.
        beaten = boot and not boot.is_pattern and is_read_after(boot.line.path, FILE)
        return (
            live_reading(
                tunable,
                path_of(tunable.target),
                observation,
                boot=canonical(tunable, boot.text) if boot and boot.text is not None else None,
                source=boot.line.place if boot else None,
                overridden_by=boot.line.place if boot and beaten else None,
                own=canonical(tunable, own[key]) if key in own else None,
            ),
        )

    def impossible(self, reading: Reading, wanted: str, observation: Observation) -> str:
        """Refuse what needs a missing module, or rights that a container does not have."""
        module = reading.tunable.modules.get(wanted)
        if module and observation.modules.get(module) == "missing":
            offered = _words(_AVAILABLE, observation)
            if reading.path != _CONGESTION or wanted not in offered:
                return f"the kernel has no {module}"
        if reading.path == _CONGESTION:
            return _not_offered(wanted, observation)
        return ""

    def write(self, differences: Sequence[Difference], observation: Observation) -> Artifact:
        """Write live values one by one, and all boot values into one file."""
        steps: list[Step] = []
        modules: list[str] = []
        merged = _own(observation)
        for difference in differences:
            reading = difference.reading
            wanted = difference.live or difference.boot or ""
            module = reading.tunable.modules.get(wanted)
            if module and observation.modules.get(module) != "builtin":
                modules.append(module)
                if observation.modules.get(module) == "loadable":
                    steps.append(ModuleStep(name=module))
            if difference.live is not None and reading.live is not None:
                steps.append(_value_step(reading, difference.live))
            if difference.boot is not None:
                merged = _merged(merged, reading.tunable, difference.boot)
        artifacts = [Artifact(tuple(steps), blobs={})]
        if any(difference.boot is not None for difference in differences):
            artifacts.append(write_text(FILE, render(merged), observation))
        if modules:
            artifacts.append(kernel_module.keep(modules, observation))
        return Artifact.joined(artifacts)


def _value_step(reading: Reading, after: str) -> ValueStep:
    return ValueStep(tunable=reading.id, path=reading.path, before=reading.live or "", after=after)


def _boot_value(tunable: Tunable, lines: Sequence[ConfigLine]) -> BootValue | None:
    """Return what boot does to a tunable; a key that excludes it and is set later zeroes it."""
    key = normal_key(tunable.target)
    partners = [normal_key(name.removeprefix(_ID)) for name in tunable.coupling.excludes]
    values = dict(boot_values(lines, [key, *partners]))
    found = values.pop(key, None)
    # A partner before our file is no matter: ours comes after it, or takes its line away.
    place = (found.line.path, found.line.number) if found else (FILE, sys.maxsize)
    for partner in values.values():
        if partner.text in (None, "0"):
            continue
        is_same = partner.line.path == place[0] and partner.line.number > place[1]
        if is_same or is_read_after(partner.line.path, place[0]):
            return BootValue("0", partner.line)
    return found


def _own(observation: Observation) -> dict[str, str]:
    return own_values(own_text(FILE, observation))


@lru_cache(maxsize=4)
def _own_by_key(text: str) -> Mapping[str, str]:
    return {normal_key(name): value for name, value in own_values(text).items()}


def _merged(values: Mapping[str, str], tunable: Tunable, text: str) -> dict[str, str]:
    """Set a key in place, however it is spelled in the file, or add it at the end.

    A key that excludes this one would undo it at boot, so it goes.
    """
    key = normal_key(tunable.target)
    excluded = {normal_key(name.removeprefix(_ID)) for name in tunable.coupling.excludes}
    kept = {own: old for own, old in values.items() if normal_key(own) not in excluded}
    spelled = next((own for own in kept if normal_key(own) == key), tunable.target)
    return {**kept, spelled: text}


def _words(path: str, observation: Observation) -> list[str]:
    value = observation.values.get(path)
    return value.text.split() if value else []


def _not_offered(wanted: str, observation: Observation) -> str:
    """Only the host's own network namespace may start to use a restricted algorithm."""
    available, allowed = _words(_AVAILABLE, observation), _words(_ALLOWED, observation)
    module = "tcp_" + wanted
    if wanted not in available and observation.modules.get(module) != "loadable":
        return f"the kernel offers {', '.join(available)}, not {wanted}"
    list_of_allowed = observation.values.get(_ALLOWED)
    if wanted in allowed or list_of_allowed is None:
        return ""
    if list_of_allowed.state is not ValueState.WRITABLE:
        return f"{wanted} is restricted, and a container may not allow it"
    return ""
