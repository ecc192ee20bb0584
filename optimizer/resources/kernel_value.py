"""What sysctl and sysfs have in common: one file in the kernel is the live value."""

from __future__ import annotations

from collections.abc import Mapping

from optimizer.model.observation import LiveValue, Observation, ValueState
from optimizer.model.reading import Reading, ReadingState
from optimizer.model.tunable import Tunable
from optimizer.resources.base import canonical


def live_reading(  # noqa: PLR0913 - a reading has this many independent parts
    tunable: Tunable,
    path: str,
    observation: Observation,
    *,
    instance: str = "",
    boot: str | None = None,
    source: str | None = None,
    overridden_by: str | None = None,
    own: str | None = None,
    unkept: str = "",
    facts: Mapping[str, str] | None = None,
) -> Reading:
    """Build the reading of one kernel file; says why where it cannot be changed here."""
    value = observation.values.get(path)
    state, reason = _state(path, value, is_root=observation.facts.is_root)
    return Reading(
        tunable=tunable,
        instance=instance,
        path=path,
        live=_live_text(tunable, value),
        boot=boot,
        source=source,
        overridden_by=overridden_by,
        state=state,
        reason=reason,
        own=own,
        unkept=unkept,
        facts=facts or {},
    )


def _live_text(tunable: Tunable, value: LiveValue | None) -> str | None:
    if value is None or value.state is ValueState.UNREADABLE:
        return None
    return canonical(tunable, value.text) if value.text else ""


def _state(path: str, value: LiveValue | None, *, is_root: bool) -> tuple[ReadingState, str]:
    if value is None:
        return ReadingState.NOT_APPLICABLE, f"this kernel has no {path}"
    if value.state is ValueState.UNREADABLE:
        return ReadingState.UNKNOWN, f"{path} cannot be read"
    # Without root's rights everything is read-only, which says nothing about the host.
    if value.state is ValueState.READ_ONLY and is_root:
        return ReadingState.NOT_APPLICABLE, f"{_area(path)} is read-only here"
    return ReadingState.KNOWN, ""


def _area(path: str) -> str:
    """Name what is read-only as a whole, so that a container is explained in a few words."""
    parts = path.split("/")
    return "/".join(parts[:4]) if path.startswith("/proc/sys/") else "/".join(parts[:2])
