"""snapshot: keep what a host has now, so that it can be gone back to, without a change."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Literal

from optimizer import catalog
from optimizer.app.outcomes import problems_of, said, verdict_of
from optimizer.app.probing import Failure, probe
from optimizer.app.requests import SILENCE, Progress
from optimizer.host.wire import encode_manifest, parse_answer, take_program
from optimizer.model.fleet import Fleet, Reply
from optimizer.model.observation import Observation, ValueState
from optimizer.model.plan import ProfileRef
from optimizer.model.request import join
from optimizer.model.result import ApplyResult, HostOutcome, Problem
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import FileRef, FileStep, Step, ValueStep
from optimizer.model.tunable import Effect, Tunable
from optimizer.modules.examination import request_for_tunable
from optimizer.modules.kinds import KINDS
from optimizer.resources import sysctl
from optimizer.store import runs, snapshots

_TIMEOUT = 60.0
# The kinds whose live values are all that a snapshot has to keep.
_KINDS = ("sysctl", "sysfs", "redis")


def take_snapshot(
    fleet: Fleet, label: str = "", by: str = "", progress: Progress = SILENCE
) -> ApplyResult:
    """Keep every value that the catalogue knows, and our files; two remote commands a host."""
    started = datetime.now(UTC)
    run = runs.new_id(started)
    names = [target.name for target in fleet.targets()]
    request = join(map(request_for_tunable, _kept_tunables()))
    seen = probe(fleet, dict.fromkeys(names, request), progress)
    outcomes: dict[str, HostOutcome] = {}
    taken: dict[str, Snapshot] = {}
    for name in names:
        found = seen[name]
        if isinstance(found, Failure):
            state = "refused" if found.is_reached else "unreachable"
            problem = Problem(what=found.error)
            outcomes[name] = HostOutcome(name=name, state=state, problems=(problem,))
        else:
            taken[name] = _snapshot(found, run, started, label, by)
            snapshots.save(found.facts.machine_id, encode_manifest(taken[name]), taken[name].blobs)
    progress.phase("keeping", len(taken))
    programs = {name: take_program(one) for name, one in taken.items()}
    for name, reply in fleet.run(programs, _TIMEOUT).items():
        outcomes[name] = _outcome(name, reply, fleet.commands(name))
        progress.host(name, outcomes[name].state)
    hosts = tuple(outcomes[name] for name in names)
    return ApplyResult(run=run, profile=ProfileRef(name="snapshot"), hosts=hosts)


def _kept_tunables() -> list[Tunable]:
    return [one for one in catalog.TUNABLES.values() if one.kind in _KINDS]


def _snapshot(seen: Observation, run: str, started: datetime, label: str, by: str) -> Snapshot:
    steps: list[Step] = []
    for tunable in _kept_tunables():
        for reading in KINDS[tunable.kind].read(tunable, seen):
            value = seen.values.get(reading.path)
            if (
                value
                and value.state is ValueState.WRITABLE
                and reading.effect is not Effect.RESTART
            ):
                steps.append(
                    ValueStep(
                        tunable=reading.id,
                        path=reading.path,
                        before=value.text,
                        after=value.text,
                        write="hold",
                        restore=_restore(tunable, value.text, seen),
                    )
                )
    blobs = {}
    for path, state in seen.files.items():
        steps.append(FileStep(path=path, before=FileRef.of(state), after=FileRef.of(state)))
        blobs[hashlib.sha256(state.content).hexdigest()] = state.content
    return Snapshot(
        run=run,
        kind="snapshot",
        created=started.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        profile="snapshot",
        version=0,
        by=by or "unknown",
        machine_id=seen.facts.machine_id,
        boot_id=seen.facts.boot_id,
        kernel=seen.facts.kernel,
        steps=tuple(steps),
        label=label,
        blobs=blobs,
    )


def _restore(tunable: Tunable, text: str, seen: Observation) -> Literal["set", "skip"]:
    """A zero that stands for "the partner is in force" comes back with that one."""
    partners = map(catalog.find, tunable.coupling.excludes)
    values = [seen.values.get(sysctl.path_of(one.target)) for one in partners if one]
    is_other = any(one and one.text != "0" for one in values)
    return "skip" if text == "0" and is_other else "set"


def _outcome(name: str, reply: Reply, commands: int) -> HostOutcome:
    answers = () if reply.error else parse_answer(reply.text)
    kept = next(iter(said("snapshot", answers)), "")
    problems = list(problems_of(answers))
    if reply.error:
        problems.append(Problem(what=reply.error))
    is_kept = verdict_of(answers) == "taken"
    return HostOutcome(
        name=name,
        state="unchanged" if is_kept else "refused" if reply.is_reached else "unreachable",
        snapshot=kept,
        problems=tuple(problems),
        commands=commands,
    )
