"""A profile: a named, versioned set of wanted values, as read from YAML and validated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from optimizer.model.tunable import Tunable


class Constraint(StrEnum):
    """How a wanted value binds the host's value."""

    EXACTLY = "exactly"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    UNTOUCHED = "untouched"


@dataclass(frozen=True)
class Wanted:
    """One alternative of a setting: the value, and the facts it holds for.

    value: text as written in the profile, a literal or an expression over facts
        (`25% ram`); empty for `untouched`.
    when: fact name -> condition, all of which have to hold; see Facts.conditions.
    """

    constraint: Constraint
    value: str = ""
    when: Mapping[str, str] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True)
class Setting:
    """What a profile wants of one tunable; the first alternative that applies counts.

    origin: where it was written, `hft.yaml:12` or `--set`, for messages.
    """

    tunable: Tunable
    alternatives: tuple[Wanted, ...]
    origin: str = ""


@dataclass(frozen=True)
class Threshold:
    """Where a health check becomes a warning, and where it is critical; None: never.

    Both are in the unit of the check, which also says whether low or high numbers are bad.
    """

    warning: float | None = None
    critical: float | None = None


@dataclass(frozen=True)
class Profile:
    """A validated profile with everything it extends merged in.

    health: name of a health check -> its threshold, where it is not the usual one.
    memory: service -> its share of the memory, where it is not the usual one.
    """

    name: str
    version: int
    summary: str
    extends: tuple[str, ...]
    settings: Mapping[str, Setting]
    digest: str = ""
    health: Mapping[str, Threshold] = field(default_factory=dict)
    memory: Mapping[str, int] = field(default_factory=dict)
