"""Objects in the databases of a PostgreSQL cluster: an extension, and views of ours.

Each is a value of the host, at a path. Its text: `off` where it is not there; `on` for a view,
for an extension its version; `changed` for a view of ours that somebody changed since; `other`
for something else of that name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

OFF, ON, CHANGED, OTHER = "off", "on", "changed", "other"


@dataclass(frozen=True)
class PgObject:
    """One object in one database.

    offered: the version that making it would give, empty for a view.
    problem: why it cannot be made here. dependents: what of somebody else's needs it.
    """

    text: str
    offered: str = ""
    problem: str = ""
    dependents: str = ""


@dataclass(frozen=True)
class PgDatabase:
    """One database that accepts connections and is no template.

    raw: its name in the bytes that the cluster has for it, whatever their encoding.
    objects: by `extension/NAME` or `view/NAME`; empty where it was not asked.
    left: why it is left out. problem: why it gave no answer.
    """

    raw: bytes
    objects: Mapping[str, PgObject] = field(default_factory=dict)
    left: str = ""
    problem: str = ""

    @property
    def key(self) -> str:
        """The name as paths and ids have it: bytes that are not plain as %XX."""
        return quote(self.raw, safe="")

    @property
    def name(self) -> str:
        """The name as people write it."""
        return self.raw.decode(errors="replace")


def object_path(address: str, key: str, target: str) -> str:
    """Return what an object is called among the values of a host; target: `view/slow_queries`."""
    kind, _, name = target.partition("/")
    return f"postgresql:{address}/{kind}/{key}/{name}"
