"""Value types that only Redis needs.

Canonical is what CONFIG GET prints, the same on Redis 7.0, Redis 8.0 and Valkey 8.1. The one
exception is `save`, which prints nothing for no save points: here that is NO_SAVE.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from optimizer.model.errors import InvalidValue
from optimizer.model.redis import NO_SAVE
from optimizer.model.values import (
    INT_MAX,
    LONG_MAX,
    Choice,
    Integer,
    IntegerList,
    Text,
    plain,
)

_NO_SAVE_WORDS = frozenset({"", NO_SAVE, "none", "never", "off"})

_PERCENT = re.compile(r"([0-9]{1,3}) ?%")
_SIZE = r"[0-9]{1,20}(?:\.[0-9]{1,20})? ?[A-Za-z]*"
_BUFFER_LIMIT = re.compile(rf"({_SIZE}) ({_SIZE}) ([0-9]{{1,20}})")
_MODE = re.compile(r"0?([0-7]{1,3})")

_YES = (("yes", "yes"), ("true", "yes"), ("on", "yes"), ("1", "yes"))
_NO = (("no", "no"), ("false", "no"), ("off", "no"), ("0", "no"))

YES_NO = Choice(("yes", "no"), (*_YES, *_NO))
# Redis takes `relative` as well, and prints it as yes.
OOM_SCORE_ADJ = Choice(("no", "yes", "absolute"), (*_YES, *_NO, ("relative", "yes")))

# Kept as it is written: Redis does not put the numbers in order.
REDIS_CPU_LIST = Text(
    pattern=r"[0-9]{1,4}(-[0-9]{1,4}(:[0-9]{1,4})?)?(,[0-9]{1,4}(-[0-9]{1,4}(:[0-9]{1,4})?)?)*",
    meaning="CPU numbers and ranges such as 2-5,8 or 0-7:2, every second one",
)
# An address of a Unix socket has room for 107 characters.
SOCKET_PATH = Text(pattern=r"(?=.{2,107}\Z)(/[A-Za-z0-9_.-]+)+", meaning="an absolute path")


@dataclass(frozen=True)
class Ranked:
    """One word of a closed list in rising order, so that a profile may ask for `at_least` one."""

    options: tuple[str, ...]

    is_numeric = False

    def canonical(self, text: str) -> str:
        """Return the word; its rank, counted from 0, is read too: a bound is made of ranks."""
        word = plain(text).lower()
        ranks = {str(rank): option for rank, option in enumerate(self.options)}
        word = ranks.get(word, word)
        if word not in self.options:
            raise InvalidValue(what=f"{text!r} is not one of {', '.join(self.options)}")
        return word

    def order(self, text: str) -> tuple[int, ...]:
        """Return the rank of the word."""
        return (self.options.index(self.canonical(text)),)

    def describe(self) -> str:
        """Name the words, the lowest first."""
        return " < ".join(self.options)


@dataclass(frozen=True)
class SavePoints:
    """Pairs `seconds changes`: a dump is written once that many keys changed in that time."""

    is_numeric = False

    def canonical(self, text: str) -> str:
        """Return the pairs in the order given; NO_SAVE for none, never, off and nothing."""
        words = plain(text)
        if words.lower() in _NO_SAVE_WORDS:
            return NO_SAVE
        numbers = words.split()
        if len(numbers) % 2:
            raise InvalidValue(what=f"{text!r} is not pairs of seconds and changed keys")
        # Redis takes larger numbers than these and then counts with something else.
        limits = (Integer(1, INT_MAX, "s"), Integer(0, INT_MAX))
        return " ".join(limits[at % 2].canonical(one) for at, one in enumerate(numbers))

    def order(self, text: str) -> tuple[int, ...]:
        """Raise InvalidValue: save points have no order."""
        raise InvalidValue(what=f"{text!r} is save points, they have no 'at least' or 'at most'")

    def describe(self) -> str:
        """Say what is allowed."""
        return "pairs of seconds and changed keys such as 3600 1 300 100, or none"


@dataclass(frozen=True)
class BytesOrPercent:
    """A number of bytes, or a share of maxmemory such as 5%; 0 is no limit either way."""

    is_numeric = False

    def canonical(self, text: str) -> str:
        """Return whole percent with its sign, or bytes; InvalidValue for anything else."""
        match = _PERCENT.fullmatch(plain(text))
        if match is None:
            return Integer(0, LONG_MAX, "bytes").canonical(text)
        percent = Integer(0, 100, "percent").canonical(str(int(match[1])))
        return percent if percent == "0" else f"{percent}%"

    def order(self, text: str) -> tuple[int, ...]:
        """Raise InvalidValue: bytes and shares cannot be compared, and 0 is the most of all."""
        raise InvalidValue(what=f"{text!r} may be no limit, it has no 'at least' or 'at most'")

    def describe(self) -> str:
        """Say what is allowed."""
        return "bytes, or 0% to 100% of maxmemory; 0 is no limit"


@dataclass(frozen=True)
class BufferLimit:
    """`hard soft seconds`: a client is cut off above hard, or above soft for that long.

    Sizes take binary units (64 MiB) and print as bytes; 0 is no limit.
    """

    is_numeric = False

    def canonical(self, text: str) -> str:
        """Return two numbers of bytes and the seconds; InvalidValue for anything else."""
        match = _BUFFER_LIMIT.fullmatch(plain(text))
        if match is None:
            raise InvalidValue(what=f"{text!r} is not two sizes and seconds, as in 64mb 16mb 60")
        size = Integer(0, LONG_MAX, "bytes")
        hard, soft = size.canonical(match[1]), size.canonical(match[2])
        if 0 < int(hard) < int(soft):
            raise InvalidValue(what=f"{text!r} has a soft limit above its hard limit")
        return f"{hard} {soft} {Integer(0, INT_MAX, 's').canonical(str(int(match[3])))}"

    def order(self, text: str) -> tuple[int, ...]:
        """Raise InvalidValue: three numbers of which 0 is the most have no order."""
        raise InvalidValue(what=f"{text!r} may be no limit, it has no 'at least' or 'at most'")

    def describe(self) -> str:
        """Say what is allowed."""
        return "hard limit, soft limit and seconds such as 64mb 16mb 60; 0 is no limit"


@dataclass(frozen=True)
class OomScores:
    """What is added to the OOM score of a primary, a replica and a child that saves.

    Redis takes falling numbers too, and warns that it may lack the right to go back to them.
    """

    is_numeric = False

    def canonical(self, text: str) -> str:
        """Return three numbers; InvalidValue for others, and when one falls."""
        scores = IntegerList(3, -2000, 2000).canonical(text)
        if any(int(one) > int(other) for one, other in pairwise(scores.split())):
            raise InvalidValue(what=f"{text!r} falls: primary, replica and child have to rise")
        return scores

    def order(self, text: str) -> tuple[int, ...]:
        """Raise InvalidValue: the three numbers belong together."""
        raise InvalidValue(what=f"{text!r} is three numbers with no 'at least' or 'at most'")

    def describe(self) -> str:
        """Say what is allowed."""
        return "3 rising numbers, each -2000 to 2000: primary, replica, child"


@dataclass(frozen=True)
class Mode:
    """Permissions of a file in octal, such as 770; printed without a leading zero."""

    is_numeric = False

    def canonical(self, text: str) -> str:
        """Return the mode as CONFIG GET prints it; InvalidValue for anything else."""
        match = _MODE.fullmatch(plain(text))
        if match is None:
            raise InvalidValue(what=f"{text!r} is not a mode such as 770")
        return format(int(match[1], 8), "o")

    def order(self, text: str) -> tuple[int, ...]:
        """Raise InvalidValue: modes have no order."""
        raise InvalidValue(what=f"{text!r} is a mode, it has no 'at least' or 'at most'")

    def describe(self) -> str:
        """Say what is allowed."""
        return "octal digits such as 770; 0 is what the umask of the service makes of it"
