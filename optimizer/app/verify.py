"""verify: does a host still have what was applied, or what a profile wants?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from optimizer.app.choosing import reference
from optimizer.app.drift import applied_on, differing, drift_of, losing_lines, probe_applied
from optimizer.app.looking import Look, look_at
from optimizer.app.probing import Failure
from optimizer.app.requests import SILENCE, ProfileRequest, Progress
from optimizer.app.taken import snapshots_of
from optimizer.app.waiting import waiting_notes
from optimizer.model.errors import InvalidValue
from optimizer.model.fleet import Fleet
from optimizer.model.observation import Observation
from optimizer.model.plan import ProfileRef, Skipped
from optimizer.model.result import Drift, HostVerdict, VerifyResult
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import FileStep, LinkStep, ValueStep
from optimizer.modules.examination import examine
from optimizer.modules.notes import notes_for, unconfirmed_notes
from optimizer.planning.changes import expected, in_effect
from optimizer.planning.comparing import Status, Verdict


def verify(
    fleet: Fleet, request: ProfileRequest | None, progress: Progress = SILENCE
) -> VerifyResult:
    """Compare hosts with their profile, or without a request with what was last applied."""
    if request is None:
        return _against_applied(fleet, progress)
    looks = look_at(fleet, request, progress)
    hosts = tuple(map(_against_profile, looks))
    return VerifyResult(profile=reference(look.profile for look in looks), hosts=hosts)


def _against_profile(look: Look) -> HostVerdict:
    name, seen = look.name, look.seen
    if isinstance(seen, Failure):
        return HostVerdict(name=name, state="unreachable", error=seen.error)
    try:
        verdicts = examine(look.profile, seen, look.pins).verdicts
    except InvalidValue as error:
        return HostVerdict(name=name, state="unknown", error=str(error))
    drift = _with_status(verdicts, Status.DRIFT)
    unknown = tuple(
        Skipped(tunable=one.reading.id, reason=one.reason)
        for one in verdicts
        if one.status is Status.UNKNOWN
    )
    return HostVerdict(
        name=name,
        state="drift" if drift else "unknown" if unknown else "match",
        checked=sum(one.status in (Status.MATCH, Status.DRIFT, Status.PENDING) for one in verdicts),
        drift=drift,
        pending=_with_status(verdicts, Status.PENDING),
        unknown=unknown,
        notes=notes_for(verdicts, seen),
    )


def _with_status(verdicts: Iterable[Verdict], status: Status) -> tuple[Drift, ...]:
    return tuple(drift_of(one.reading, one.wanted) for one in verdicts if one.status is status)


def _against_applied(fleet: Fleet, progress: Progress) -> VerifyResult:
    names = [target.name for target in fleet.targets()]
    seen = probe_applied(fleet, progress)
    hosts = tuple(_check(name, seen[name]) for name in names)
    applied = {host.applied for host in hosts if host.applied}
    profile = ProfileRef(name=", ".join(sorted(applied))) if applied else None
    return VerifyResult(profile=profile, hosts=hosts)


def _check(name: str, seen: Observation | Failure) -> HostVerdict:
    if isinstance(seen, Failure):
        return HostVerdict(name=name, state="unreachable", error=seen.error)
    taken = snapshots_of(seen)
    steps = expected(taken)
    lost = _lost(seen, taken)
    notes = (*_damage(seen), *waiting_notes(taken, seen))
    if not steps:
        note = "nothing is applied here; name a profile to compare with: --profile NAME"
        notes = notes if lost else (note, *notes)
        state = "unknown" if lost else "match"
        return HostVerdict(name=name, state=state, unknown=lost, notes=notes)
    newest = [one for _, one in in_effect(taken) if one.kind == "apply"][-1]
    applied = applied_on(seen, taken)
    found = differing(applied, taken, seen)
    return HostVerdict(
        name=name,
        state="drift" if found.drift else "unknown" if lost else "match",
        applied=f"{newest.profile} {newest.version}, run {newest.run}",
        checked=sum(isinstance(step, (ValueStep, FileStep, LinkStep)) for step in steps.values()),
        drift=found.drift,
        pending=found.pending,
        unknown=lost,
        notes=(*notes, *losing_lines(applied, seen, newest.created)),
    )


def _lost(seen: Observation, taken: Mapping[str, Snapshot]) -> tuple[Skipped, ...]:
    """What was applied and cannot be compared: changes that are damaged on both sides."""
    return tuple(
        Skipped(tunable=f"snapshot {name[:8]}", reason=f"{what}, and this controller has no copy")
        for name, what in seen.damaged.items()
        if name not in taken
    )


def _damage(seen: Observation) -> tuple[str, ...]:
    return (
        *(f"snapshot {bad[:8]} is damaged: {what}" for bad, what in seen.damaged.items()),
        *unconfirmed_notes(seen),
    )
