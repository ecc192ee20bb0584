"""doctor: can a host be changed and brought back, and what speaks against it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from optimizer import profiles
from optimizer.app.health import HEALTH_OF_NODE, HEALTH_OF_POSTGRESQL, HEALTH_OF_REDIS, health
from optimizer.app.maintenance import MAINTENANCE, maintenance
from optimizer.app.probing import Failure, probe
from optimizer.app.requests import SILENCE, Progress
from optimizer.app.taken import snapshots_of
from optimizer.model.fleet import Fleet
from optimizer.model.observation import Facts, Observation
from optimizer.model.profile import Threshold
from optimizer.model.request import ProbeRequest, join
from optimizer.model.result import Diagnosis, DoctorResult, HealthCheck, HostDiagnosis
from optimizer.modules.node_advice import ADVICE_ON_NODE, node_advice
from optimizer.modules.notes import authority_notes
from optimizer.scoring.checks import CHECKS

# A journal with the files of one change takes a few tens of KiB.
_STATE_NEEDED = 16 * 2**20


_REQUEST = join(
    (
        ProbeRequest(snapshots=True),
        HEALTH_OF_REDIS,
        HEALTH_OF_POSTGRESQL,
        HEALTH_OF_NODE,
        MAINTENANCE,
        ADVICE_ON_NODE,
    )
)


def doctor(fleet: Fleet, progress: Progress = SILENCE, profile: str = "") -> DoctorResult:
    """Examine hosts; one remote command per host, nothing is changed.

    profile: whose thresholds hold; empty where inventory data may name one for each host.
    """
    thresholds = _thresholds(fleet, profile)
    seen = probe(fleet, dict.fromkeys(thresholds, _REQUEST), progress)
    return DoctorResult(
        hosts=tuple(_examine(name, seen[name], own) for name, own in thresholds.items())
    )


def _thresholds(fleet: Fleet, profile: str) -> dict[str, Mapping[str, Threshold]]:
    """Return the thresholds of each host: none where nothing names a profile."""
    loaded: dict[str, Mapping[str, Threshold]] = {"": {}}
    chosen = {target.name: profile or target.profile for target in fleet.targets()}
    for name in chosen.values():
        if name not in loaded:
            loaded[name] = profiles.load(name).health
    return {host: loaded[name] for host, name in chosen.items()}


def _examine(
    name: str, seen: Observation | Failure, thresholds: Mapping[str, Threshold]
) -> HostDiagnosis:
    if isinstance(seen, Failure):
        return HostDiagnosis(name=name, state="unreachable", error=seen.error)
    checks = (
        _rights(seen.facts),
        _timer(seen.facts),
        _space(seen.facts),
        _pending(seen),
        _snapshots(seen),
        *_authorities(seen),
        *maintenance(seen),
        *map(_health, health(seen, thresholds)),
        *node_advice(seen),
    )
    checks = _by_owner(checks)
    return HostDiagnosis(name=name, state="examined", checks=checks)


def _by_owner(checks: tuple[Diagnosis, ...]) -> tuple[Diagnosis, ...]:
    """Bring together what is said of one server; those of the host itself come first."""
    owners = [(check.check + "[").partition("[")[2] for check in checks]
    first = {owner: owners.index(owner) for owner in owners}
    return tuple(checks[at] for at in sorted(range(len(checks)), key=lambda at: first[owners[at]]))


def _rights(facts: Facts) -> Diagnosis:
    if facts.is_root:
        return Diagnosis(check="root's rights", status="ok", answer="yes")
    return Diagnosis(
        check="root's rights",
        status="critical",
        answer="no: plan and score only, and not of everything",
        hint="Connect as root, or as an account that may use sudo.",
    )


def _timer(facts: Facts) -> Diagnosis:
    check = "safety timer"
    if facts.init == "systemd" and "systemd-run" in facts.tools:
        return Diagnosis(check=check, status="ok", answer="a systemd timer, and a unit at boot")
    if "setsid" in facts.tools:
        return Diagnosis(
            check=check,
            status="warning",
            answer="a waiting process: a reboot before the confirmation ends it",
            hint="Live values are gone after a reboot anyway; files are written last.",
        )
    return Diagnosis(
        check=check,
        status="critical",
        answer="neither systemd-run nor setsid is there",
        hint="Install util-linux or busybox.",
    )


def _space(facts: Facts) -> Diagnosis:
    check = "room for the journal"
    if facts.state_free is None:
        return Diagnosis(check=check, status="unknown", answer="df gave no answer")
    answer = f"{facts.state_free / 2**20:.0f} MiB free"
    if facts.state_free < _STATE_NEEDED:
        hint = "Free some space below /var/lib: without a journal nothing is changed."
        return Diagnosis(check=check, status="critical", answer=answer, hint=hint)
    return Diagnosis(check=check, status="ok", answer=answer)


def _pending(seen: Observation) -> Diagnosis:
    if seen.broken:
        return Diagnosis(
            check="unconfirmed change",
            status="critical",
            answer=f"it cannot go back by itself: {seen.broken}",
            hint="optimizer rollback takes it back by the copy of the controller that made it.",
        )
    if not seen.pending:
        return Diagnosis(check="unconfirmed change", status="ok", answer="none")
    return Diagnosis(
        check="unconfirmed change",
        status="warning",
        answer=str(seen.pending),
        hint="Nothing else can be changed on the host until then.",
    )


def _snapshots(seen: Observation) -> Diagnosis:
    whole = snapshots_of(seen)
    if seen.damaged:
        names = ", ".join(name[:8] for name in seen.damaged)
        return Diagnosis(check="snapshots", status="critical", answer=f"damaged: {names}")
    return Diagnosis(check="snapshots", status="ok", answer=f"{len(whole)}, all whole")


def _authorities(seen: Observation) -> Iterator[Diagnosis]:
    for note in authority_notes(seen):
        yield Diagnosis(check="other tools", status="warning", answer=note)


def _health(check: HealthCheck) -> Diagnosis:
    statuses: dict[str, Literal["ok", "warning", "critical", "unknown"]] = {
        "optimal": "ok",
        "good": "ok",
        "warning": "warning",
        "critical": "critical",
    }
    is_bad = check.status in ("warning", "critical")
    is_told = is_bad and not CHECKS[check.name.partition("[")[0]].is_yes_or_no
    return Diagnosis(
        check=check.name,
        status=statuses[check.status],
        answer=f"{check.value} ({check.threshold})" if is_told else check.value,
        hint=check.recommendation,
    )
