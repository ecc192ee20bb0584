"""When an object of PostgreSQL can be made: where its library is loaded, or will be by the plan.

CREATE EXTENSION works without the library, and leaves a view that only gives errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from optimizer.model.observation import Observation
from optimizer.model.postgresql_objects import OFF
from optimizer.model.reading import Reading
from optimizer.model.tunable import Effect
from optimizer.planning.comparing import Verdict
from optimizer.resources.postgresql import libraries_of
from optimizer.resources.postgresql_object import LIBRARIES, cluster_of, objects_beside

_LIBRARY = "pg_stat_statements"
_EXTENSION = f"extension/{_LIBRARY}"
# What is made of that library.
_NEEDING = (_EXTENSION, "view/slow_queries")


def with_libraries(verdicts: tuple[Verdict, ...], observation: Observation) -> tuple[Verdict, ...]:
    """Have objects wait for the restart that loads their library, or say what they lack."""
    by_id = {verdict.reading.id: verdict for verdict in verdicts}
    return tuple(_fitted(verdict, by_id, observation) for verdict in verdicts)


def _fitted(verdict: Verdict, by_id: Mapping[str, Verdict], observation: Observation) -> Verdict:
    reading, difference = verdict.reading, verdict.difference
    is_object = reading.tunable.kind == "postgresql-object"
    if difference is None or not is_object or reading.tunable.target not in _NEEDING:
        return verdict
    fitted = _reading(reading, by_id, observation)
    return replace(verdict, reading=fitted, difference=replace(difference, reading=fitted))


def _reading(reading: Reading, by_id: Mapping[str, Verdict], observation: Observation) -> Reading:
    cluster = cluster_of(reading, observation)
    if _lacks_extension(reading, by_id, observation):
        return _blocked(reading, f"needs the extension {_LIBRARY} in this database")
    setting = cluster.settings.get(LIBRARIES)
    if setting is not None and _has_library(setting.setting):
        return reading
    if not _is_coming(by_id.get(f"postgresql.{LIBRARIES}[{cluster.name}]")):
        return _blocked(reading, f"needs {_LIBRARY} in postgresql.{LIBRARIES}, and a restart")
    if not cluster.unit:
        return _blocked(reading, "needs a restart of the cluster, which has no unit, first")
    return replace(reading, effect_here=Effect.RESTART)


def _blocked(reading: Reading, why: str) -> Reading:
    return replace(reading, blocked=reading.blocked or why)


def _lacks_extension(
    reading: Reading, by_id: Mapping[str, Verdict], observation: Observation
) -> bool:
    if reading.tunable.target == _EXTENSION:
        return False
    extension = by_id.get(f"postgresql.extension.{_LIBRARY}[{reading.instance}]")
    is_made = extension is not None and extension.difference is not None
    return not is_made and objects_beside(reading, observation)[_EXTENSION].text == OFF


def _is_coming(libraries: Verdict | None) -> bool:
    """Whether the same plan adds the library to the list, or a restart of it would load it."""
    return (
        libraries is not None
        and libraries.difference is not None
        and libraries.difference.live is not None
        and not libraries.reading.blocked
        and _has_library(libraries.difference.live)
    )


def _has_library(text: str) -> bool:
    return _LIBRARY in [name.rpartition("/")[2] for name in libraries_of(text)]
