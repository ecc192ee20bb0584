"""Huge pages that the boot parameters reserve, held against the memory of the host. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from optimizer.model.errors import InvalidValue
from optimizer.model.observation import Observation
from optimizer.planning.comparing import Verdict

_SIZES = {"2M": 2 * 2**20, "1G": 2**30}
# A kernel that gives away more than this of the memory may find none to start with.
_MOST = 0.75


def refuse_too_many(verdicts: Iterable[Verdict], observation: Observation) -> None:
    """Raise InvalidValue where so many are reserved at boot that the host may not come up."""
    wanted = {
        one.reading.tunable.target: one.wanted
        for one in verdicts
        if one.reading.tunable.kind == "boot" and one.wanted
    }
    if "hugepages" not in wanted:
        return
    word = wanted.get("hugepagesz") or wanted.get("default_hugepagesz")
    size = _SIZES[word] if word else observation.facts.huge_pages.size
    reserved, ram = int(wanted["hugepages"]) * size, observation.facts.ram
    if reserved > _MOST * ram:
        raise InvalidValue(
            what=f"system.boot.hugepages reserves {reserved / 2**30:.1f} GiB of "
            f"{ram / 2**30:.1f} GiB, and the host might not boot with what is left",
            hint=f"At most {_MOST:.0%} of the memory may be reserved at boot.",
        )
