"""What became of the values that were applied: in force, at the next start, and who decides. Pure.

What was applied is in the steps of the changes, and in the files that they wrote, as they wrote
them: what stands in a file of ours now may be somebody else's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from optimizer import catalog
from optimizer.model.observation import FileState, Observation
from optimizer.model.reading import Reading
from optimizer.model.request import ProbeRequest, join
from optimizer.model.transaction import FileStep, Step, ValueStep
from optimizer.model.tunable import Tunable
from optimizer.modules.kinds import KINDS
from optimizer.resources.base import FileOnly, canonical
from optimizer.resources.unit import own_values

# What a probe reads of these anyway; without another kind there is no second one.
_PLAIN = ("sysctl", "sysfs", "boot")
_FILE_ONLY = {kind.name: kind for kind in KINDS.values() if isinstance(kind, FileOnly)}


@dataclass(frozen=True)
class Sight:
    """One applied value as it is now.

    wanted: what was applied, in force and at the next start; None where that is not known.
    waits: whether what is in force may be right and wait for a restart.
    """

    reading: Reading
    wanted: str | None
    waits: bool = False

    @property
    def is_beaten(self) -> bool:
        """Whether the next start brings something else."""
        return self.wanted is not None and self.reading.boot != self.wanted


@dataclass(frozen=True)
class Applied:
    """The steps that are in effect, and the bytes of the files as they were written.

    contents: by SHA-256, those that are known.
    """

    steps: tuple[Step, ...]
    contents: Mapping[str, bytes]

    def request(self) -> ProbeRequest:
        """Say what has to be read besides what the snapshots name."""
        tunables = (*self._by_value(), *(tunable for tunable, _ in self._by_file()))
        return join(KINDS[one.kind].request(one) for one in tunables if one.kind not in _PLAIN)

    def by_path(self, seen: Observation) -> dict[str, Sight]:
        """Return what became of each value that has a path, by it."""
        return {
            sight.reading.path: sight
            for tunable in self._by_value()
            for sight in self._sights(tunable, seen)
            if sight.reading.path
        }

    def in_files(self, seen: Observation) -> Iterator[Sight]:
        """Yield what became of the values that are in files only."""
        for tunable, text in self._by_file():
            waits = _FILE_ONLY[tunable.kind].is_delayed(tunable, seen)
            for reading in KINDS[tunable.kind].read(tunable, seen):
                yield Sight(reading, canonical(tunable, text), waits)

    def _sights(self, tunable: Tunable, seen: Observation) -> Iterator[Sight]:
        kind = KINDS[tunable.kind]
        then = {one.id: one.own for one in kind.read(tunable, self._as_applied(seen))}
        for reading in kind.read(tunable, seen):
            yield Sight(reading, then.get(reading.id))

    def _as_applied(self, seen: Observation) -> Observation:
        files = {
            step.path: FileState(
                self.contents[step.after.sha256],
                step.after.mode,
                step.after.owner,
                step.after.sha256,
            )
            for step in self._files()
            if step.after and step.after.sha256 in self.contents
        }
        return replace(seen, files={**seen.files, **files})

    def _files(self) -> Iterator[FileStep]:
        yield from (step for step in self.steps if isinstance(step, FileStep) and step.after)

    def _by_value(self) -> list[Tunable]:
        names = [one.tunable.partition("[")[0] for one in self.steps if isinstance(one, ValueStep)]
        found = map(catalog.find, dict.fromkeys(names))
        return [one for one in found if one and one.kind in KINDS]

    def _by_file(self) -> Iterator[tuple[Tunable, str]]:
        """Yield what is in files only, of services, timers and journald, and what it was set to."""
        for step in self._files():
            content = self.contents.get(step.after.sha256 if step.after else "", b"")
            for key, text in own_values(content.decode(errors="replace")).items():
                yield from ((tunable, text) for tunable in _in_file(step.path, key))


def _in_file(path: str, key: str) -> Iterator[Tunable]:
    """Yield what a line of a file of ours is for; nothing for one of another kind."""
    for name, kind in _FILE_ONLY.items():
        if (target := kind.target_of(path, key)) and (found := catalog.of(name, target)):
            yield found


def contents_of(steps: Iterable[Step]) -> list[str]:
    """Return the hashes of the files that steps wrote."""
    return [step.after.sha256 for step in steps if isinstance(step, FileStep) and step.after]
