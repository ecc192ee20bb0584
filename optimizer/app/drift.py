"""What is no longer as it was applied: in force, at the next start, and whose line decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from optimizer.app.boot_drift import boot_parameters
from optimizer.app.probing import Failure, probe
from optimizer.app.requests import Progress
from optimizer.app.taken import probe_taken, snapshots_of
from optimizer.model.boot import GRUB_CONFIG
from optimizer.model.fleet import Fleet
from optimizer.model.observation import ABSENT, Observation
from optimizer.model.packages import is_version, name_at
from optimizer.model.reading import Reading
from optimizer.model.request import ProbeRequest, join
from optimizer.model.result import Drift
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import FileRef, FileStep, LineStep, LinkStep, Step, ValueStep
from optimizer.modules.applied import Applied, Sight, contents_of
from optimizer.planning.changes import expected
from optimizer.resources import sysctl
from optimizer.store import snapshots


@dataclass(frozen=True)
class Found:
    """What differs, and what is right and waits for a restart or a reboot."""

    drift: tuple[Drift, ...] = ()
    pending: tuple[Drift, ...] = ()


def probe_applied(fleet: Fleet, progress: Progress) -> dict[str, Observation | Failure]:
    """Probe all hosts for what was applied.

    One remote command, and a second one where services were changed: their files are read for
    what the first one found out.
    """
    request = ProbeRequest(files=frozenset({sysctl.FILE}))
    seen = probe_taken(fleet, request, progress)
    more = {
        name: applied_on(found, snapshots_of(found)).request()
        for name, found in seen.items()
        if isinstance(found, Observation)
    }
    whole = join((request, ProbeRequest(snapshots=True)))
    again = {name: join((whole, one)) for name, one in more.items() if one != ProbeRequest()}
    return {**seen, **probe(fleet, again, progress)} if again else seen


def applied_on(seen: Observation, taken: Mapping[str, Snapshot]) -> Applied:
    """Return what was applied on a host and is in effect, with the bytes that are known."""
    steps = tuple(expected(taken).values())
    wanted = contents_of(steps)
    there = {state.sha256: state.content for state in seen.files.values()}
    kept = snapshots.find_blobs(seen.facts.machine_id, (sha for sha in wanted if sha not in there))
    return Applied(steps, {sha: there[sha] for sha in wanted if sha in there} | kept)


def differing(applied: Applied, taken: Mapping[str, Snapshot], seen: Observation) -> Found:
    """Return what differs from what was applied. taken: the snapshots of the host."""
    sights = applied.by_path(seen)
    drift = [one for step in applied.steps for one in _step_drift(step, seen, sights)]
    beaten, waiting = boot_parameters(applied.steps, taken, seen)
    pending = [*waiting]
    for sight in applied.in_files(seen):
        if not sight.is_beaten and sight.reading.live == sight.wanted:
            continue
        where = pending if sight.waits and not sight.is_beaten else drift
        where.append(drift_of(sight.reading, sight.wanted))
    return Found((*drift, *beaten), tuple(pending))


def drift_of(reading: Reading, wanted: str | None) -> Drift:
    """Say what a value is, in force and at the next start, where something else is wanted."""
    return Drift(
        tunable=reading.id,
        expected=wanted,
        live=reading.live,
        boot=reading.boot,
        source=reading.source,
    )


def _step_drift(step: Step, seen: Observation, sights: Mapping[str, Sight]) -> list[Drift]:
    match step:
        case ValueStep():
            return [] if step.takes_reboot else _value_drift(step, seen, sights.get(step.path))
        case FileStep(path=path) if path == GRUB_CONFIG:
            # Every new kernel has it made anew; what it has of ours is looked at by itself.
            return []
        case FileStep(path=path, after=after):
            state = seen.files.get(path)
            found = str(FileRef.of(state)) if state else None
            wanted = str(after) if after else None
        case LineStep(path=path, line=line, is_present=is_present):
            lined = seen.lined.get(path)
            found = line if lined and line in lined.lines else None
            wanted = line if is_present else None
        case LinkStep(path=path, after=target):
            found, wanted = seen.links.get(path), target
        case _:
            return []
    if found == wanted:
        return []
    return [Drift(tunable=path, expected=wanted, live=None, boot=found, source=path)]


def _value_drift(step: ValueStep, seen: Observation, sight: Sight | None) -> list[Drift]:
    value = seen.values.get(step.path)
    live = value.text if value else None
    # What went with an I/O scheduler is told by that one; what went with its network card is gone.
    is_kernels = step.path.startswith("/") and step.write == "follow"
    if is_kernels and (value is None or step.after == ABSENT):
        return []
    # Whoever restarts the server brings what waits; either is as we left it.
    right = (step.before, step.after) if step.write == "pend" else (step.after,)
    # Whoever upgrades a package leaves it installed.
    if name_at(step.path) and is_version(step.after) and live is not None and is_version(live):
        return []
    if live in right and not (sight and sight.is_beaten):
        return []
    reading = sight.reading if sight else None
    return [
        Drift(
            tunable=step.tunable,
            expected=step.after,
            live=live,
            boot=reading.boot if reading else None,
            source=reading.source if reading else None,
        )
    ]


def losing_lines(applied: Applied, seen: Observation, since: str) -> Iterator[str]:
    """Say which lines of sysctl.d were written since, want something else, and lose against ours.

    since: time of the newest change, ISO 8601 in UTC.
    """
    changed = seen.config_files.get("sysctl", {})
    then = datetime.fromisoformat(since).timestamp()
    order = sysctl.reading_order(seen)
    lines = [one for one in order if one.path != sysctl.FILE and changed.get(one.path, 0.0) > then]
    keys = [
        sysctl.normal_key(step.path.removeprefix("/proc/sys/"))
        for step in applied.steps
        if isinstance(step, ValueStep) and step.path.startswith("/proc/sys/")
    ]
    winning = sysctl.boot_values(order, keys)
    for key, theirs in sysctl.boot_values(lines, keys).items():
        wins = winning[key]
        if theirs.line != wins.line:
            yield (
                f"{theirs.line.place} sets {key.replace('/', '.')} to {theirs.text} since then, "
                f"and loses against {wins.line.place}"
            )
