"""A file of ours that somebody has edited since: what is ours goes, what is theirs stays. Pure.

Only for files of settings, one a line, whose lines mean the same in any order.
"""

from __future__ import annotations

import re

# The drop-ins of Node services are not among them: a line there is merged from several.
_MERGED = re.compile(
    r"/etc/sysctl\.d/[^/]+|/etc/systemd/(system/[^/]+|journald\.conf)\.d/zz-optimizer\.conf"
)


def merged(path: str, ours: bytes, before: bytes | None, found: bytes) -> bytes | None:
    """Return a file without what we wrote into it, and with what somebody else has.

    ours: as we left it. before: as it was, None where it was not there. found: as it is now.
    None: it cannot be told apart, and has to stay as it is.
    """
    if not _MERGED.fullmatch(path):
        return None
    written = ours.splitlines()
    theirs = [line for line in found.splitlines() if line not in written]
    old = (before or b"").splitlines()
    is_mixed = any(line.startswith(b"[") for line in theirs)
    if (
        not theirs
        or is_mixed
        or any(line.endswith(b"\\") for line in (*written, *found.splitlines()))
    ):
        # Another section, or one line over several: then the order has a meaning.
        return None
    settings = {_key(line) for line in theirs}
    kept = [line for line in old if _key(line) not in settings or not _key(line)]
    section = [line for line in written if line.startswith(b"[") and line not in kept]
    return b"".join(line + b"\n" for line in (*kept, *section, *theirs))


def _key(line: bytes) -> bytes:
    """Return what a line sets; empty for a comment."""
    name, sign, _ = line.partition(b"=")
    is_setting = bool(sign) and line.strip()[:1] not in (b"#", b";")
    return name.strip().lstrip(b"-").replace(b"/", b".") if is_setting else b""
