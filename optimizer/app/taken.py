"""The snapshots that a probe found on a host, read and sorted out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from optimizer.app.probing import Failure, probe
from optimizer.app.requests import Progress
from optimizer.host.wire import GarbledAnswer, decode_manifest
from optimizer.model.errors import DamagedSnapshot, OptimizerError
from optimizer.model.fleet import Fleet
from optimizer.model.observation import Observation
from optimizer.model.request import ProbeRequest, join
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import FileStep, LinkStep, Step, ValueStep
from optimizer.store import snapshots


def probe_taken(
    fleet: Fleet, request: ProbeRequest, progress: Progress
) -> dict[str, Observation | Failure]:
    """Probe all hosts, with their snapshots and all that these touched.

    A host finds that in its own manifests. Where one of them is damaged, it is asked once
    more, by the controller's copy: what was not read would seem to be gone.
    """
    request = join((request, ProbeRequest(snapshots=True)))
    seen = probe(fleet, {target.name: request for target in fleet.targets()}, progress)
    again = {
        name: join((request, _touched(found)))
        for name, found in seen.items()
        if isinstance(found, Observation) and found.damaged
    }
    return {**seen, **probe(fleet, again, progress)} if again else seen


def _touched(seen: Observation) -> ProbeRequest:
    steps = [step for one in snapshots_of(seen).values() for step in one.steps]
    return ProbeRequest(
        values=frozenset(step.path for step in steps if isinstance(step, ValueStep)),
        files=frozenset(step.path for step in steps if isinstance(step, FileStep | LinkStep)),
    )


def snapshots_of(seen: Observation) -> dict[str, Snapshot]:
    """Read the snapshots of a host that are whole.

    One that is damaged on the host is read from the controller's copy, where there is one.
    """
    whole = {}
    for name in {**seen.snapshots, **seen.damaged}:
        text = _second_copy(seen, name) if name in seen.damaged else seen.snapshots[name]
        if text is None:
            continue
        try:
            one = decode_manifest(text)
            steps = tuple(_as_left(step, seen.unheld.get(name, {})) for step in one.steps)
            whole[name] = replace(one, steps=steps, is_undone=name in seen.undone)
        except (GarbledAnswer, ValueError):
            continue
    return whole


def _as_left(step: Step, unheld: Mapping[str, str]) -> Step:
    """Say of a value that a change could not hold what it became."""
    if isinstance(step, ValueStep) and step.write == "hold" and step.path in unheld:
        return step.model_copy(update={"after": unheld[step.path]})
    return step


def _second_copy(seen: Observation, name: str) -> str | None:
    try:
        return snapshots.read(seen.facts.machine_id, name)[0]
    except OptimizerError:
        return None


def _created(seen: Observation, name: str) -> str:
    """Return when a damaged snapshot says that it was made; empty where it cannot be read."""
    try:
        return decode_manifest(seen.snapshots.get(name, "")).created
    except GarbledAnswer:
        return ""


def refuse_damaged(seen: Observation, whole: dict[str, Snapshot], chain: list[str]) -> None:
    """Raise DamagedSnapshot when the way back leads over one that is lost on both sides.

    chain: the snapshots of the way back. A lost one is in between unless it says that it is
    older; one that says nothing may be anywhere.
    """
    oldest = min((whole[name].created for name in chain if name in whole), default="")
    for name, what in seen.damaged.items():
        if name not in whole and not "" < _created(seen, name) < oldest:
            raise DamagedSnapshot(
                snapshot=name[:8],
                what=f"{what}, and this controller has no good copy",
                hint="Choose a later snapshot with --to, or restore by hand.",
            )
