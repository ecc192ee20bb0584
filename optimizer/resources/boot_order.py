"""Which of several configuration files counts at boot: systemd's rules for drop-ins.

A file hides every file of the same name in a directory of lower priority; what is left is
read in the order of the names, whichever directory they are in. Source: sysctl.d(5),
tmpfiles.d(5), modules-load.d(5), journald.conf(5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optimizer.model.observation import ConfigLine

_PRIORITY = ("/etc/", "/run/", "/usr/local/lib/", "/usr/lib/", "/lib/")


def lines_in_order(
    files: Mapping[str, float], lines: Sequence[ConfigLine]
) -> tuple[ConfigLine, ...]:
    """Return the lines that count, first read first.

    files: every path of the area, read or not, as an empty file or a mask hides others too.
    """
    chosen: dict[str, str] = {}
    for path in sorted(files, key=_priority):
        chosen.setdefault(_name(path), path)
    rank = {chosen[name]: position for position, name in enumerate(sorted(chosen))}
    counting = [line for line in lines if line.path in rank]
    return tuple(sorted(counting, key=lambda line: (rank[line.path], line.number)))


def _priority(path: str) -> int:
    return next((rank for rank, top in enumerate(_PRIORITY) if path.startswith(top)), 99)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def is_read_after(path: str, other: str) -> bool:
    """Whether the drop-in `path` is read after the drop-in `other`."""
    return _name(path) > _name(other)
