"""From verdicts to the plan of one host."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from optimizer import catalog
from optimizer.model.boot import spelled
from optimizer.model.errors import InvalidValue
from optimizer.model.observation import ABSENT, Facts, Observation
from optimizer.model.plan import Change, HostPlan, Skipped
from optimizer.model.profile import Profile
from optimizer.model.reading import Difference
from optimizer.model.transaction import Step, ValueStep, in_order, only_allowed
from optimizer.model.tunable import Effect, Permission
from optimizer.modules.boot_pages import refuse_too_many
from optimizer.modules.coupling import Coupler
from optimizer.modules.examination import examine
from optimizer.modules.huge_pages import refuse_too_few, waiting_notes
from optimizer.modules.kinds import KINDS
from optimizer.modules.notes import notes_for
from optimizer.modules.overcommitment import refuse_overcommitment
from optimizer.modules.pooling import Pooling
from optimizer.planning.comparing import Status, Verdict, excluding_pairs
from optimizer.resources.base import Artifact, encode_blobs
from optimizer.resources.package import along
from optimizer.scoring import conformance


def plan_host(
    name: str,
    profile: Profile,
    observation: Observation,
    pins: Mapping[str, str],
    allow: frozenset[Permission],
) -> HostPlan:
    """Make the plan of one host. What is impossible as a whole comes back as `refused`."""
    pairs = excluding_pairs(profile.settings)
    if pairs:
        one, other = pairs[0]
        return refused(name, f"the profile sets {one} and {other}, of which the kernel keeps one")
    try:
        found = examine(profile, observation, pins)
        refuse_overcommitment(found.verdicts, found.budget, observation)
        refuse_too_few(found.pool, found.verdicts)
        refuse_too_many(found.verdicts, observation)
        Pooling(profile, observation, found.budget).refuse_crowds(found.verdicts)
    except InvalidValue as error:
        return refused(name, str(error), error.hint)
    verdicts, budget = found.verdicts, found.budget
    artifact = _artifact(_needed(verdicts, allow), observation)
    steps = in_order(list(Coupler(catalog.find, observation).couple(_allowed(artifact, allow))))
    changes = tuple(_changes(verdicts, allow, conformance.weights(verdicts)))
    return HostPlan(
        name=name,
        state="planned",
        machine_id=observation.facts.machine_id,
        boot_id=observation.facts.boot_id,
        kernel=observation.facts.kernel,
        summary=summary(observation.facts),
        score=conformance.forecast(verdicts, allow),
        changes=(*changes, *_followers(steps, {one.tunable for one in changes}), *along(steps)),
        files=artifact.files,
        unchanged=sum(verdict.status is Status.MATCH for verdict in verdicts),
        not_applicable=_skipped(verdicts, Status.NOT_APPLICABLE),
        pinned=_skipped(verdicts, Status.PINNED),
        unknown=_skipped(verdicts, Status.UNKNOWN),
        notes=(
            *notes_for(verdicts, observation),
            *waiting_notes(found.pool, observation, steps),
        ),
        steps=steps,
        blobs=encode_blobs(artifact.blobs),
        budget=budget.lines if budget else (),
        waiting=str(observation.pending or ""),
    )


def refused(name: str, why: str, hint: str = "") -> HostPlan:
    """Return the plan of a host that may not be changed, with the reason."""
    return HostPlan(name=name, state="refused", error=why, hint=hint)


def summary(facts: Facts) -> str:
    """Describe a host in one line, sizes in GiB."""
    cpus = f"{facts.cpus} CPU" + ("s" if facts.cpus != 1 else "")
    kind = "" if facts.virtualization in ("none", "") else f" · {facts.virtualization}"
    return f"{facts.os_name} · {cpus} · {facts.ram / 2**30:.1f} GiB · Linux {facts.kernel}{kind}"


def _needed(verdicts: Iterable[Verdict], allow: frozenset[Permission]) -> list[Difference]:
    """Pick what is carried out: not what can lose data that nobody allowed to be lost."""
    return [
        verdict.difference
        for verdict in verdicts
        if verdict.difference is not None
        and _is_worth_it(verdict, allow)
        and verdict.is_allowed(allow)
    ]


def _is_worth_it(verdict: Verdict, allow: frozenset[Permission]) -> bool:
    """A restart alone is worth a change only when it is allowed."""
    return verdict.status is Status.DRIFT or verdict.counts(allow)


def _artifact(differences: Sequence[Difference], observation: Observation) -> Artifact:
    by_kind: dict[str, list[Difference]] = defaultdict(list)
    for difference in differences:
        by_kind[difference.reading.tunable.kind].append(difference)
    return Artifact.joined(KINDS[kind].write(group, observation) for kind, group in by_kind.items())


def _allowed(artifact: Artifact, allow: frozenset[Permission]) -> list[Step]:
    return list(only_allowed(artifact.steps, allow))


def _changes(
    verdicts: Iterable[Verdict], allow: frozenset[Permission], points: Mapping[str, float]
) -> Iterable[Change]:
    for verdict in verdicts:
        if verdict.difference is not None and _is_worth_it(verdict, allow):
            yield _change(verdict, allow, points)


def _change(verdict: Verdict, allow: frozenset[Permission], points: Mapping[str, float]) -> Change:
    reading, tunable = verdict.reading, verdict.reading.tunable
    difference = verdict.difference
    assert difference is not None  # noqa: S101 - the caller picked verdicts that have one
    after = difference.live if difference.live is not None else reading.live
    boot_after = difference.boot if difference.boot is not None else reading.boot
    if not reading.has_live:
        after = boot_after
    # What a reboot brings is written now or not at all.
    waits = (
        difference.live is not None
        and reading.effect is not Effect.REBOOT
        and not verdict.counts(allow)
    )
    return Change(
        tunable=reading.id,
        module=tunable.module,
        kind=tunable.kind,
        before=reading.live,
        after=after,
        boot_before=reading.boot,
        boot_after=boot_after,
        source=reading.source,
        effect=reading.effect,
        allowed=verdict.is_allowed(allow) and not waits,
        at_stake=verdict.at_stake or _lost_by_restart(verdict),
        risk=tunable.risk,
        why=verdict.why or tunable.why,
        docs=tunable.docs,
        unit=tunable.unit,
        gain=round(points.get(reading.id, 0.0), 1),
        advice=_advice(verdict),
    )


def _advice(verdict: Verdict) -> str:
    """Say why nothing of ours can change it, and what a person can."""
    reading = verdict.reading
    if not reading.blocked or reading.effect is not Effect.REBOOT:
        return reading.blocked
    word = spelled(reading.tunable.target, verdict.wanted)
    return f"{reading.blocked}; add to the kernel command line: {word}"


def _lost_by_restart(verdict: Verdict) -> str:
    difference, reading = verdict.difference, verdict.reading
    is_live = difference is not None and difference.live is not None
    return reading.lost_by_restart if is_live and reading.effect is Effect.RESTART else ""


def _followers(steps: Iterable[Step], named: Collection[str]) -> Iterator[Change]:
    """Say what is changed along with a value that the plan names, by the kernel or for its sake."""
    cause = ""
    for step in steps:
        if not isinstance(step, ValueStep) or step.write not in ("set", "follow"):
            continue
        if step.write == "set" and step.tunable in named:
            cause = step.tunable
        elif step.before != step.after:
            how = (
                "The kernel changes it by itself" if step.write == "follow" else "It is set as well"
            )
            yield Change(
                tunable=step.tunable,
                module=step.tunable.partition(".")[0],
                kind="sysfs" if step.path.startswith("/sys/") else "sysctl",
                before=step.before,
                after=None if step.after == ABSENT else step.after,
                follows=cause,
                why=f"{how} when {cause} is set.",
            )


def _skipped(verdicts: Iterable[Verdict], status: Status) -> tuple[Skipped, ...]:
    return tuple(
        Skipped(tunable=verdict.reading.id, reason=verdict.reason)
        for verdict in verdicts
        if verdict.status is status
    )
