"""Objects in databases of PostgreSQL: an extension and views, made last, dropped by rollback.

They are in every database by itself, so each is an instance, `[PORT/DATABASE]`. A standby has
those of its primary. Source: "CREATE EXTENSION", "CREATE VIEW", pg_depend of the manual.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from optimizer.model.observation import Observation
from optimizer.model.postgresql import PgCluster
from optimizer.model.postgresql_objects import CHANGED, OFF, ON, PgDatabase, PgObject, object_path
from optimizer.model.reading import Difference, Reading, ReadingState
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import ValueStep
from optimizer.model.tunable import Effect, Tunable
from optimizer.resources.base import Artifact, NothingAtStake

LIBRARIES = "shared_preload_libraries"


class PostgresqlObject(NothingAtStake):
    """The resource kind of an extension or a view; each database of a cluster is an instance."""

    name = "postgresql-object"

    def request(self, tunable: Tunable) -> ProbeRequest:
        """Ask the databases of each cluster, and which libraries it has loaded."""
        return ProbeRequest(postgresql=frozenset({LIBRARIES}), postgresql_objects=True)

    def read(self, tunable: Tunable, observation: Observation) -> tuple[Reading, ...]:
        """Read the object in every database on the host."""
        if not observation.postgresql:
            reason = "there is no PostgreSQL cluster on this host"
            return (Reading(tunable, state=ReadingState.NOT_APPLICABLE, reason=reason),)
        return tuple(
            reading for cluster in observation.postgresql for reading in _readings(tunable, cluster)
        )

    def impossible(self, reading: Reading, wanted: str, observation: Observation) -> str:
        """Say why it cannot be made in this database."""
        return _found(reading, observation).problem

    def write(self, differences: Sequence[Difference], observation: Observation) -> Artifact:
        """Make each object when everything else is done."""
        return Artifact(tuple(_step(one, observation) for one in differences), blobs={})


def _step(difference: Difference, observation: Observation) -> ValueStep:
    reading = difference.reading
    found = _found(reading, observation)
    return ValueStep(
        tunable=reading.id,
        path=reading.path,
        before=found.text,
        after=found.offered or ON,
        write="last",
        # Its library is loaded by the restart of the same change.
        needs=reading.restart_needs if reading.effect is Effect.RESTART else (),
    )


def _readings(tunable: Tunable, cluster: PgCluster) -> Iterator[Reading]:
    left_out = _left_out(cluster)
    if left_out:
        state, reason = left_out
        yield Reading(tunable, instance=cluster.name, state=state, reason=reason)
        return
    for database in cluster.databases:
        yield _read(tunable, cluster, database)


def _left_out(cluster: PgCluster) -> tuple[ReadingState, str] | None:
    if cluster.problem:
        state = ReadingState.NOT_APPLICABLE if cluster.is_elsewhere else ReadingState.UNKNOWN
        return state, f"the cluster {cluster.problem}"
    if cluster.is_patroni:
        return ReadingState.NOT_APPLICABLE, "Patroni manages it: make it on its primary yourself"
    if not cluster.can_change:
        reason = "it is read over its DSN; changing it takes its host"
        return ReadingState.NOT_APPLICABLE, reason
    if cluster.is_standby:
        return ReadingState.NOT_APPLICABLE, "a standby has what its primary has"
    if cluster.unlisted:
        return ReadingState.UNKNOWN, f"the cluster does not list its databases: {cluster.unlisted}"
    return None


def _read(tunable: Tunable, cluster: PgCluster, database: PgDatabase) -> Reading:
    instance = f"{cluster.name}/{database.key}"
    facts = {"role": "primary", "version": str(cluster.major), "database": database.name}
    if database.left or database.problem:
        state = ReadingState.NOT_APPLICABLE if database.left else ReadingState.UNKNOWN
        reason = database.left or f"the database gives no answer: {database.problem}"
        return Reading(tunable, instance=instance, state=state, reason=reason, facts=facts)
    found = database.objects[tunable.target]
    return Reading(
        tunable,
        instance=instance,
        path=object_path(cluster.address, database.key, tunable.target),
        live=_live(tunable, found),
        has_boot=False,
        facts=facts,
        is_restartable=bool(cluster.unit),
        blocked=(
            "somebody changed it since it was made; drop it to have it made again"
            if found.text == CHANGED
            else ""
        ),
    )


def _live(tunable: Tunable, found: PgObject) -> str:
    """Any version of an extension is `on`; a profile does not update what is there."""
    is_extension = tunable.target.startswith("extension/")
    return ON if is_extension and found.text != OFF else found.text


def cluster_of(reading: Reading, observation: Observation) -> PgCluster:
    """Return the cluster in whose database an object is."""
    name = reading.instance.partition("/")[0]
    return next(one for one in observation.postgresql if one.name == name)


def objects_beside(reading: Reading, observation: Observation) -> Mapping[str, PgObject]:
    """Return the objects of the database that a reading is of, by `extension/NAME` and the like."""
    key = reading.instance.partition("/")[2]
    databases = cluster_of(reading, observation).databases
    return next(one.objects for one in databases if one.key == key)


def _found(reading: Reading, observation: Observation) -> PgObject:
    return objects_beside(reading, observation)[reading.tunable.target]
