"""Packages of the host's own manager, as a probe found them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

# The host has no manager that we know.
UNMANAGED = "@unmanaged"
# Somebody removed it, and kept its configuration.
CONFIG_FILES = "config-files"

_PREFIX = "package:"


@dataclass(frozen=True)
class Candidate:
    """A package that an installation brings; size: kibibytes on the disk once it is unpacked."""

    name: str
    version: str
    size: int


@dataclass(frozen=True)
class Package:
    """One package, by name.

    text: its version, ABSENT, UNMANAGED, or the word of dpkg for its state.
    left: why it cannot be installed now, and what to do. refused: what of others would change.
    along: what installing it brings, in the order in which that has to be done; itself last.
    """

    name: str
    text: str
    left: str = ""
    refused: str = ""
    along: tuple[Candidate, ...] = ()


def is_version(text: str) -> bool:
    """Whether the text of a package is a version, so that it is installed as a whole."""
    return text[:1].isdigit()


def package_path(wanted: str, name: str) -> str:
    """Return the path of a package that comes with `wanted`, or is that one."""
    return f"{_PREFIX}{wanted}" if name == wanted else f"{_PREFIX}{wanted}/{name}"


def name_at(path: str) -> str:
    """Return the name of the package at a path; empty for what is no package."""
    return path.removeprefix(_PREFIX).rpartition("/")[2] if path.startswith(_PREFIX) else ""
