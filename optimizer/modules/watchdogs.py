"""The detectors of locked CPUs: two of them, and a switch for both. Pure.

Each has a wish of its own, which reads 0 while it does not run, whatever it is; before Linux 6.8
reading it then also made it 0. So nothing is left to wishes that nobody can read.
Source: kernel/watchdog.c.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from optimizer.catalog.declare import sysctl_id
from optimizer.model.observation import LiveValue, Observation
from optimizer.model.transaction import Step, ValueStep

_SWITCH, _SOFT, _NMI = (
    f"/proc/sys/kernel/{name}" for name in ("watchdog", "soft_watchdog", "nmi_watchdog")
)
WATCHDOGS = (_SWITCH, _SOFT, _NMI)


def with_watchdogs(steps: Sequence[Step], observation: Observation) -> tuple[Step, ...]:
    """Add to steps that write one of the three what that takes, and what it does, to the others."""
    values = observation.values
    seen = {path: values[path] for path in WATCHDOGS if path in values}
    written = {
        step.path: step.after
        for step in steps
        if isinstance(step, ValueStep) and step.path in seen and step.write == "set"
    }
    if not written:
        return tuple(steps)
    after = _after(seen, written)
    last = list(written)[-1]
    placed: list[Step] = []
    for step in steps:
        placed.append(step)
        if isinstance(step, ValueStep) and step.path == last:
            placed += _others(seen, written, after)
    return tuple(placed)


def _after(seen: Mapping[str, LiveValue], written: Mapping[str, str]) -> dict[str, str]:
    """Return what all of them read when the steps are done."""
    wanted = {path: written.get(path, value.text) for path, value in seen.items()}
    if written.get(_SWITCH) == "0":
        return dict.fromkeys(wanted, "0")
    if written.get(_SWITCH) == "1" and "1" not in (wanted.get(_SOFT), wanted.get(_NMI)):
        # A switch alone switches nothing on.
        wanted[_SOFT] = "1"
    wanted[_SWITCH] = "1" if "1" in (wanted.get(_SOFT), wanted.get(_NMI)) else "0"
    return wanted


def _others(
    seen: Mapping[str, LiveValue], written: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[ValueStep]:
    """Yield the steps on those that no profile names."""
    for path in WATCHDOGS:
        if path not in seen or path in written:
            continue
        before = seen[path].text
        starts = before == "0" and after[path] == "1"
        # Off they go by themselves; what stays may have had another wish.
        is_told = path == _SWITCH or after[path] != before
        write = "set" if starts else "follow" if is_told else "hold"
        name = sysctl_id(path.removeprefix("/proc/sys/").replace("/", "."))
        yield ValueStep(
            tunable=name,
            path=path,
            before=before,
            after=after[path],
            write=write,
        )
