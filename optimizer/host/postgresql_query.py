"""The query that a PostgreSQL cluster is asked, by its host and by the controller alike."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from importlib.resources import files

# Names of settings, that of an extension before its dot. They become part of the query.
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?")


def postgresql_query(names: Collection[str]) -> str:
    """Return what a cluster is asked about some settings. ValueError: one is no name."""
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a setting")
    return _text().replace("@names@", " ".join(sorted(names)))


@cache
def _text() -> str:
    return files(__package__).joinpath("postgresql.sql").read_text(encoding="utf-8")
