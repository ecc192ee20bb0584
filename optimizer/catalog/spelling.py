"""Names of a service's settings as programs and environments write them: REDIS_MAXMEMORY."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from optimizer.model.nearest import nearest
from optimizer.model.tunable import Tunable

_SEPARATORS = re.compile(r"[^a-z0-9]")


def spellings(tunables: Iterable[Tunable]) -> Mapping[str, str]:
    """Return the ids of tunables by their target, written in small letters and digits only."""
    return {_SEPARATORS.sub("", tunable.target): tunable.id for tunable in tunables}


def meant(name: str, services: Iterable[str], known: Mapping[str, str]) -> str | None:
    """Return the id that a name of one of these services was probably meant to be.

    services: what the name has to start with, before a dot, a dash or an underline.
    known: as `spellings` returns it.
    """
    service = next((one for one in services if re.match(rf"{one}[._-]", name, re.IGNORECASE)), None)
    if service is None:
        return None
    word = nearest(_SEPARATORS.sub("", name[len(service) :].lower()), known)
    return known[word] if word else None
