"""The programs that run on a target: POSIX shell, composed from the files beside this one."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

# What every program has that writes values, or puts them back.
_CHANGE = (
    "common",
    "integrity",
    "redis",
    "psql",
    "postgresql",
    "postgresql_objects",
    "pgbouncer",
    "package",
    "postgresql_unmark",
    "node",
    "boot",
    "lock",
    "waiting",
    "journal",
    "safety_timer",
    "look",
    "guard",
    "files",
    "units",
    "restore_files",
    "restore_actions",
    "restore",
    "undo",
)

# Which files make up each program; the host needs nothing but a POSIX shell to run it.
_PARTS = {
    "probe": (
        "common",
        "integrity",
        "redis",
        "psql",
        "postgresql",
        "postgresql_objects",
        "pgbouncer",
        "node",
        "package",
        "boot",
        "lock",
        "waiting",
        "journal",
        "processes",
        "redis_probe",
        "postgresql_health_probe",
        "postgresql_objects_probe",
        "postgresql_probe",
        "pgbouncer_probe",
        "node_probe",
        "package_probe",
        "node_health_probe",
        "boot_probe",
        "probe",
    ),
    "apply": (*_CHANGE, "apply"),
    "confirm": (*_CHANGE, "confirm"),
    "cancel": (*_CHANGE, "cancel"),
    "take": ("common", "integrity", "lock", "waiting", "journal", "take"),
    "restore": (*_CHANGE, "restore_main"),
    # Stays on the host, where a timer runs it.
    "maintenance": ("processes", "psql", "postgresql_maintenance"),
}


PROGRAMS = tuple(_PARTS)


@cache
def program(name: str) -> str:
    """Return the text of a program, without the variables the controller puts before it."""
    return "\n".join(_read(part) for part in _PARTS[name])


@cache
def kept_restore() -> str:
    """Return the restore program as a host keeps it: it runs only while it is whole.

    Its first line names the hash of the rest, and its second one compares.
    """
    rest = f"{_read('whole')}{program('restore')}\n"
    return f"# sha256 {hashlib.sha256(rest.encode()).hexdigest()}\n{rest}"


def _read(part: str) -> str:
    return _text(f"{part}.sh")


@cache
def node_probe() -> str:
    """Return the file that a Node service loads to be watched: CommonJS, for every version."""
    return _text("node_probe.cjs")


@cache
def node_client() -> str:
    """Return the program by which a Node binary asks such probes."""
    return _text("node_client.cjs")


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
