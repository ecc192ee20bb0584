"""What is right now, and would not be after a boot, as another value of the plan resets it. Pure.

A change writes such a value again when it is reset (vm.min_free_kbytes by huge pages, nr_requests
by an I/O scheduler). A boot sets the other value too, and then only our file brings this one.
"""

from __future__ import annotations

from dataclasses import replace

from optimizer.model.reading import Difference, Reading
from optimizer.planning.comparing import Status, Verdict


def with_lasting(verdicts: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
    """Have our files bring what is right by itself where another value of theirs resets it."""
    causes = [one.reading for one in verdicts if one.difference and one.difference.boot is not None]
    return tuple(_lasting(verdict, causes) for verdict in verdicts)


def _lasting(verdict: Verdict, causes: list[Reading]) -> Verdict:
    reading = verdict.reading
    if verdict.status is not Status.MATCH or reading.live is None or not _is_unset(reading):
        return verdict
    cause = next((one for one in causes if _resets(one, reading)), None)
    if cause is None:
        return verdict
    return replace(
        verdict,
        status=Status.DRIFT,
        difference=Difference(reading, boot=reading.live),
        why=f"It is right as it is; without this the next boot resets it with {cause.id}.",
    )


def _is_unset(reading: Reading) -> bool:
    """Whether nothing sets it at boot, and something can."""
    return reading.boot is None and reading.has_boot and not (reading.unkept or reading.blocked)


def _resets(cause: Reading, reading: Reading) -> bool:
    is_partner = reading.tunable.id in cause.tunable.coupling.resets
    return is_partner and reading.instance in ("", cause.instance)
