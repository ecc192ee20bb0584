"""The programs that run on a target: POSIX shell, composed from the files beside this one."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

# Which files make up each program; the host needs nothing but a POSIX shell to run it.
_PARTS = {
    "probe": (
        "common",
        "redis",
        "postgresql",
        "postgresql_objects",
        "journal",
        "processes",
        "redis_probe",
        "postgresql_health_probe",
        "postgresql_objects_probe",
        "postgresql_probe",
        "probe",
    ),
    "apply": ("common", "redis", "postgresql", "postgresql_objects", "journal", "restore", "apply"),
    "confirm": (
        "common",
        "redis",
        "postgresql",
        "postgresql_objects",
        "journal",
        "restore",
        "confirm",
    ),
    "cancel": (
        "common",
        "redis",
        "postgresql",
        "postgresql_objects",
        "journal",
        "restore",
        "cancel",
    ),
    "take": ("common", "journal", "take"),
    "restore": (
        "common",
        "redis",
        "postgresql",
        "postgresql_objects",
        "journal",
        "restore",
        "restore_main",
    ),
}


PROGRAMS = tuple(_PARTS)


@cache
def program(name: str) -> str:
    """Return the text of a program, without the variables the controller puts before it."""
    return "\n".join(_read(part) for part in _PARTS[name])


def _read(part: str) -> str:
    return files(__package__).joinpath(f"{part}.sh").read_text(encoding="utf-8")
