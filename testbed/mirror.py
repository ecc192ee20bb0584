"""The Debian mirror that this machine itself uses, read from its apt sources."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import TestbedError

APT = Path("/etc/apt")
ARCHIVE_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# A source that carries one of these suites is the archive itself, not its security or extra parts.
SUITES = frozenset(
    {"bullseye", "bookworm", "trixie", "forky", "oldstable", "stable", "testing", "sid", "unstable"}
)


@dataclass(frozen=True)
class Source:
    """One entry of the machine's apt sources."""

    types: frozenset[str]
    uri: str
    suites: frozenset[str]
    components: frozenset[str]
    signed_by: str
    trusted: bool


def mirror(apt: Path = APT) -> Source:
    """The first source of the Debian archive.

    `OPTIMIZER_TESTBED_MIRROR` names another one.  Raises TestbedError if there is none.
    """
    named = os.environ.get("OPTIMIZER_TESTBED_MIRROR")
    if named:
        main = frozenset({"main"})
        return Source(frozenset({"deb"}), named, SUITES, main, "", False)
    for source in sources(apt):
        has_main = "deb" in source.types and "main" in source.components
        # Installers leave a cdrom: source behind, which leads nowhere.
        if has_main and source.suites & SUITES and source.uri.startswith(("http:", "https:")):
            return source
    raise TestbedError(
        f"no source of the Debian archive under {apt}; name a mirror in OPTIMIZER_TESTBED_MIRROR"
    )


def keyring(source: Source) -> bytes:
    """The keys that this machine trusts for `source`, as one binary keyring.

    The source may be pinned to the key of one release, so the archive's own keyring is added.
    Raises TestbedError if the machine has neither.
    """
    candidates = [Path(name) for name in source.signed_by.split() if name.startswith("/")]
    candidates.append(ARCHIVE_KEYRING)
    found = [path.read_bytes() for path in dict.fromkeys(candidates) if _is_binary_keyring(path)]
    if not found:
        raise TestbedError("no keyring of the Debian archive: install debian-archive-keyring")
    return b"".join(found)


def sources(apt: Path = APT) -> Iterator[Source]:
    """All sources of the machine, in the order in which apt reads them."""
    lists = [apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))]
    for path in lists:
        if path.is_file():
            yield from _one_line(path.read_text(errors="replace").splitlines())
    for path in sorted(apt.glob("sources.list.d/*.sources")):
        yield from _deb822(path.read_text(errors="replace"))


def _is_binary_keyring(path: Path) -> bool:
    # An armoured key can't be joined to others by appending.
    return path.is_file() and path.suffix != ".asc"


def _one_line(lines: Iterable[str]) -> Iterator[Source]:
    for line in lines:
        entry = re.match(r"\s*(deb)\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*([^#]*)", line)
        if not entry:
            continue
        kind, options, uri, suite, components = entry.groups()
        option = dict(pair.split("=", 1) for pair in (options or "").split() if "=" in pair)
        yield Source(
            types=frozenset({kind}),
            uri=uri,
            suites=frozenset({suite}),
            components=frozenset(components.split()),
            signed_by=option.get("signed-by", "").replace(",", " "),
            trusted=option.get("trusted") == "yes",
        )


def _deb822(text: str) -> Iterator[Source]:
    kept = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n[ \t]*\n", kept):
        fields = {
            name.lower(): value.strip()
            for name, value in re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        }
        if fields.get("enabled", "yes").lower() == "no":
            continue
        for uri in fields.get("uris", "").split():
            yield Source(
                types=frozenset(fields.get("types", "").split()),
                uri=uri,
                suites=frozenset(fields.get("suites", "").split()),
                components=frozenset(fields.get("components", "").split()),
                signed_by=fields.get("signed-by", ""),
                trusted=fields.get("trusted", "no").lower() == "yes",
            )
