"""Value types that only Node needs: sizes that it counts in MiB, and values of other options."""

from __future__ import annotations

import re

from optimizer.catalog.postgresql_values import Size
from optimizer.model.values import Text

_MIB = 2**20

# A word, a path or a list; what a shell or systemd would give a meaning of its own is not in it.
OPTION_VALUE = Text(
    pattern=r"[A-Za-z0-9_.,:/@+=-]+",
    meaning="a value without blanks, or `present` for an option without one",
)
_OPTION = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,60}")


def mebibytes(minimum: int, maximum: int) -> Size:
    """Return the type of a size in bytes that Node counts in MiB; bounds in MiB."""
    return Size(minimum * _MIB, maximum * _MIB, _MIB)


def is_option(name: str) -> bool:
    """Whether this could be an option's name, without its dashes in front."""
    return _OPTION.fullmatch(name) is not None


def is_variable(name: str) -> bool:
    """Whether this could be a variable of an environment."""
    return _VARIABLE.fullmatch(name) is not None
