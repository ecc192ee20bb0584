"""GRUB's menu: our file below /etc/default/grub.d, and the grub.cfg that comes of it.

What grub-mkconfig will make is worked out here, so that a plan has the bytes of grub.cfg; the host
compares them with what grub-mkconfig really makes, before it has them take the place of the old
ones. grub-mkconfig itself would write into the file that the next boot reads.

Source: "Simple configuration" of the manual of GRUB; /etc/grub.d/10_linux of Debian.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from optimizer.model.boot import (
    GRUB_CONFIG,
    GRUB_FILE,
    MARK,
    Grub,
    normal,
    parameters,
    spelled,
)
from optimizer.model.observation import ConfigLine, Observation
from optimizer.resources.base import HEADER, own_text

_VARIABLE = "GRUB_CMDLINE_LINUX_DEFAULT"
_HEAD = (
    f"{HEADER}# Added to what others set. Entries for recovery do not have it.\n"
    f'{_VARIABLE}="${_VARIABLE} '
)
_OURS = re.compile(rf'^{_VARIABLE}="\${_VARIABLE} ([^"]*)"$', re.MULTILINE)
# What neither the shell that reads our file nor GRUB that reads its menu takes for its language.
_HARMLESS = re.compile(r"[A-Za-z0-9_.,:=+/@%^-]+")
_ENTRY = re.compile(r"\s*menuentry\s")
_KERNEL = re.compile(r"\s*linux(16|efi)?\s")


def is_harmless(word: str) -> bool:
    """Whether a word reaches the kernel as it stands."""
    return _HARMLESS.fullmatch(word) is not None


def render(values: Mapping[str, str]) -> str:
    """Print our file; parameter -> value, in the order in which the kernel reads them."""
    return f'{_HEAD}{_joined(values)}"\n'


def own_values(text: str) -> dict[str, str]:
    """Read parameter -> value of our own file, in its order."""
    found = _OURS.search(text)
    return parameters(found[1]) if found else {}


def _joined(values: Mapping[str, str]) -> str:
    return " ".join(spelled(name, value) for name, value in values.items())


def command_line(config: str) -> str:
    """Return what the first entry of a grub.cfg boots its kernel with; empty without any."""
    lines = config.split("\n")
    return next((" ".join(lines[at].split()[2:]) for at in _kernel_lines(lines)), "")


def next_boot(observation: Observation) -> dict[str, str]:
    """Return the parameters that the next boot has by this menu; a value by each name."""
    return parameters(command_line(config_text(observation)))


def remade(config: str, grub: Grub, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return the grub.cfg that comes of our file with other parameters.

    It stays as it is where it has no entry that was made of these files.
    """
    old, new = (_words(grub, values) for values in (before, after))
    lines = config.split("\n")
    for at in _kernel_lines(lines):
        # The words that 10_linux puts before those of the files.
        head, read_only, rest = lines[at].partition(" ro ")
        lines[at] = head + read_only + rest.replace(old, new, 1)
    return "\n".join(lines)


def _words(grub: Grub, ours: Mapping[str, str]) -> str:
    added = f" {_joined(ours)}" if ours else ""
    return f"{grub.linux} {grub.default.replace(f' {MARK}', added)}"


def _kernel_lines(lines: Sequence[str]) -> Iterator[int]:
    """Find the lines that name a kernel, leaving out those of entries for recovery."""
    is_recovery = False
    for at, line in enumerate(lines):
        if _ENTRY.match(line):
            is_recovery = "-recovery-" in line
        elif _KERNEL.match(line) and not is_recovery:
            yield at


def config_text(observation: Observation) -> str:
    """Return the text of grub.cfg; bytes that are no UTF-8 survive."""
    state = observation.files.get(GRUB_CONFIG)
    return state.content.decode(errors="surrogateescape") if state else ""


def problem(observation: Observation) -> str:
    """Say why nothing of ours can reach the command line of this host; empty where it can."""
    state = observation.files.get(GRUB_CONFIG)
    if observation.grub is None or state is None:
        return f"this host has no update-grub, or no {GRUB_CONFIG}"
    if not state.sha256:
        return f"only root may read {GRUB_CONFIG}"
    if MARK not in observation.grub.default:
        later = [line.place for line in _foreign_lines(observation) if _VARIABLE in line.text]
        return f"{later[-1] if later else '/etc/default/grub.d'} drops what our file adds"
    text, ours = config_text(observation), own_values(own_text(GRUB_FILE, observation))
    if remade(text, observation.grub, ours, {**ours, "probe": MARK}) == text:
        return f"{GRUB_CONFIG} is not what its files would make: run update-grub first"
    return ""


def _foreign_lines(observation: Observation) -> list[ConfigLine]:
    lines = observation.config.get("grub", ())
    return [line for line in lines if line.path != GRUB_FILE]


def set_elsewhere(name: str, observation: Observation) -> tuple[str, ConfigLine] | None:
    """Find what somebody else's file sets a parameter to, and where; the last one there is."""
    found = None
    for line in _foreign_lines(observation):
        text = line.text.partition("=")[2].strip().strip("\"'")
        values = parameters(text)
        if normal(name) in values:
            found = values[normal(name)], line
    return found


def is_set_after_ours(name: str, observation: Observation) -> bool:
    """Whether somebody else's file puts the same parameter behind ours."""
    grub = observation.grub
    return grub is not None and normal(name) in parameters(grub.default.partition(MARK)[2])
