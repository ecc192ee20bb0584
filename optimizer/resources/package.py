"""Packages of Debian and its kin: installed last of all, purged by rollback.

A package is in force in whatever version; a profile neither upgrades nor removes one. Each that
comes along is a step of its own, in the order in which dpkg sets them up.
Source: apt-get(8), dpkg(1), dpkg-query(1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from optimizer.model.observation import ABSENT, Observation
from optimizer.model.packages import (
    CONFIG_FILES,
    UNMANAGED,
    Package,
    is_version,
    name_at,
    package_path,
)
from optimizer.model.plan import Change
from optimizer.model.reading import Difference, Reading, ReadingState
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import Step, ValueStep
from optimizer.model.tunable import Tunable
from optimizer.resources.base import Artifact, NothingAtStake

ON, OFF = "on", "off"
# Seconds that fetching one and setting it up may take.
_PATIENCE = 60


class PackageKind(NothingAtStake):
    """The resource kind of a package; the target is its name."""

    name = "package"

    def request(self, tunable: Tunable) -> ProbeRequest:
        """Ask for the package, and for what it is to serve."""
        is_for_clusters = tunable.module == "postgresql"
        return ProbeRequest(
            packages=frozenset({tunable.target}),
            postgresql=frozenset({"port"} if is_for_clusters else ()),
        )

    def read(self, tunable: Tunable, observation: Observation) -> tuple[Reading, ...]:
        """Read whether it is installed, in whatever version."""
        found = observation.packages.get(tunable.target, Package(tunable.target, UNMANAGED))
        if not is_version(found.text):
            reason = _left_out(tunable, found, observation)
            if reason:
                return (Reading(tunable, state=ReadingState.NOT_APPLICABLE, reason=reason),)
        return (
            Reading(
                tunable,
                path=package_path(tunable.target, tunable.target),
                live=ON if is_version(found.text) else OFF,
                has_boot=False,
            ),
        )

    def impossible(self, reading: Reading, wanted: str, observation: Observation) -> str:
        """Name what of others would change with it."""
        refused = observation.packages[reading.tunable.target].refused
        name = reading.tunable.target
        return f"to install {name} changes other packages: {refused}" if refused else ""

    def write(self, differences: Sequence[Difference], observation: Observation) -> Artifact:
        """Install each after what it needs."""
        return Artifact(
            tuple(step for one in differences for step in _steps(one, observation)), blobs={}
        )


def along(steps: Iterable[Step]) -> Iterator[Change]:
    """List the packages of a plan with their versions; what is asked for is listed by itself."""
    for step in steps:
        if isinstance(step, ValueStep) and name_at(step.path):
            wanted = step.tunable.partition("[")[0]
            yield Change(
                tunable=f"{wanted}[{name_at(step.path)}]",
                module=step.tunable.partition(".")[0],
                kind="package",
                before=None,
                after=step.after,
                follows=wanted,
                why=f"The package {name_at(step.path)} is installed for {wanted}.",
            )


def note(found: Package) -> str:
    """Say what installing a package means beyond what a plan can list."""
    size = sum(one.size for one in found.along)
    names = ", ".join(f"{one.name} {one.version}" for one in found.along)
    return (
        f"{len(found.along)} packages are installed, {size} kB on the disk: {names}. Not listed "
        "one by one are the files in them (dpkg -L), what their scripts do, and the records and "
        "logs of dpkg and apt. Services in them are started at once"
    )


def _steps(difference: Difference, observation: Observation) -> Iterator[ValueStep]:
    reading = difference.reading
    wanted = reading.tunable.target
    for one in observation.packages[wanted].along:
        yield ValueStep(
            tunable=reading.id if one.name == wanted else f"{reading.id}[{one.name}]",
            path=package_path(wanted, one.name),
            before=ABSENT,
            after=one.version,
            write="last",
            patience=_PATIENCE,
        )


def _left_out(tunable: Tunable, found: Package, observation: Observation) -> str:
    """Say why a package that is not there is not installed here; empty where it can be."""
    if found.text == UNMANAGED:
        return "this host does not have apt and dpkg"
    if found.text == CONFIG_FILES:
        return "somebody removed it and kept its configuration: install or purge it yourself"
    if found.text != ABSENT:
        return f"dpkg has it as {found.text}: finish that first, see dpkg --audit"
    if tunable.module == "postgresql" and not any(
        one.can_change and not one.is_elsewhere for one in observation.postgresql
    ):
        return "there is no PostgreSQL cluster on this host"
    return found.left
