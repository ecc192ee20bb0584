"""Parameters of PgBouncer: a file of ours and a reload, or a restart where that is what it takes.

Our file is included by the last line of its own configuration file, and has no section header: a
second [pgbouncer] would set all that stands before it back to the defaults. So that section has
to be the last one. Source: "pgbouncer.ini" of the manual; PgBouncer 1.18 and 1.24 tried.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from optimizer.model.observation import ConfigLine, Observation
from optimizer.model.pgbouncer import OWN_FILES, SECTION, PgBouncer, parameter_path
from optimizer.model.plan import FileChange
from optimizer.model.reading import Difference, Reading, ReadingState
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import ActionStep, FileRef, LineStep, Step, ValueStep
from optimizer.model.tunable import Effect, Permission, Tunable
from optimizer.resources.base import (
    HEADER,
    Artifact,
    NothingAtStake,
    canonical,
    own_text,
    write_text,
)

# What its pools, and the clients that its open files allow, are worked out from.
SIZING = frozenset(
    {
        *("default_pool_size", "min_pool_size", "reserve_pool_size", "max_db_connections"),
        *("max_client_conn", "pool_mode", "max_prepared_statements"),
    }
)
# And of the clusters behind them.
_CLUSTERS = frozenset({"max_connections", "superuser_reserved_connections", "reserved_connections"})
# A listener gets the smaller of this and listen_backlog.
_LISTENERS = frozenset({"/proc/sys/net/core/somaxconn"})


class PgbouncerParameter(NothingAtStake):
    """The resource kind of PgBouncer's parameters; each PgBouncer is an instance."""

    name = "pgbouncer"

    def request(self, tunable: Tunable) -> ProbeRequest:
        """Read the parameter, and what pools are sized by."""
        return ProbeRequest(
            pgbouncer=SIZING | {tunable.target},
            postgresql=_CLUSTERS,
            values=_LISTENERS if tunable.target == "listen_backlog" else frozenset(),
        )

    def read(self, tunable: Tunable, observation: Observation) -> tuple[Reading, ...]:
        """Read the parameter of every PgBouncer on the host."""
        if not observation.pgbouncer:
            reason = "there is no PgBouncer on this host"
            return (Reading(tunable, state=ReadingState.NOT_APPLICABLE, reason=reason),)
        return tuple(_read(tunable, pooler, observation) for pooler in observation.pgbouncer)

    def impossible(self, reading: Reading, wanted: str, observation: Observation) -> str:
        """Refuse more clients than there are open files: a reload takes any number."""
        pooler = pooler_of(reading, observation)
        if reading.tunable.target != "max_client_conn" or pooler.open_files is None:
            return ""
        most = pooler.free_files
        if int(wanted) <= most:
            return ""
        return (
            f"{pooler.unit or 'it'} may open {pooler.open_files} files; {pooler.most_servers} are "
            f"for servers and {OWN_FILES} for itself, which leaves {most} clients: raise its "
            "LimitNOFILE first"
        )

    def write(self, differences: Sequence[Difference], observation: Observation) -> Artifact:
        """Write one file of ours for each PgBouncer, and have it read."""
        by_pooler: dict[str, list[Difference]] = defaultdict(list)
        for difference in differences:
            by_pooler[difference.reading.instance].append(difference)
        return Artifact.joined(
            _write(pooler_of(changed[0].reading, observation), changed, observation)
            for changed in by_pooler.values()
        )


def pooler_of(reading: Reading, observation: Observation) -> PgBouncer:
    """Return the PgBouncer that a reading is of."""
    return next(one for one in observation.pgbouncer if one.name == reading.instance)


def _read(tunable: Tunable, pooler: PgBouncer, observation: Observation) -> Reading:
    left_out = _left_out(tunable, pooler)
    if left_out:
        state, reason = left_out
        return Reading(tunable, instance=pooler.name, state=state, reason=reason)
    parameter = pooler.config[tunable.target]
    set_by = _set_by(tunable.target, pooler.lines)
    own = own_settings(own_text(pooler.include, observation)).get(tunable.target)
    return Reading(
        tunable,
        instance=pooler.name,
        path=parameter_path(pooler.address, tunable.target),
        live=canonical(tunable, parameter.value),
        boot=canonical(tunable, _value(set_by)) if set_by else None,
        source=set_by.place if set_by else None,
        overridden_by=_overridden(tunable.target, pooler),
        own=canonical(tunable, own) if own is not None else None,
        facts={"pool_mode": pooler.mode, "version": ".".join(map(str, pooler.release[:2]))},
        effect_here=Effect.RELOAD if parameter.is_reloadable else Effect.RESTART,
        is_restartable=bool(pooler.unit),
        blocked=_blocked(tunable.target, pooler),
    )


def _left_out(tunable: Tunable, pooler: PgBouncer) -> tuple[ReadingState, str] | None:
    if pooler.problem:
        state = ReadingState.NOT_APPLICABLE if pooler.is_elsewhere else ReadingState.UNKNOWN
        return state, f"PgBouncer {pooler.problem}"
    if tunable.target not in pooler.config:
        return ReadingState.NOT_APPLICABLE, f"{pooler.version} has no {tunable.target}"
    return None


def _set_by(name: str, lines: Sequence[ConfigLine]) -> ConfigLine | None:
    """Return the line that decides: the last one behind the last header of the section."""
    found: ConfigLine | None = None
    for line in lines:
        if line.text == SECTION:
            found = None
        elif line.text.partition(" = ")[0] == name and not line.text.startswith("["):
            found = line
    return found


def _value(line: ConfigLine) -> str:
    return line.text.partition(" = ")[2]


def _overridden(name: str, pooler: PgBouncer) -> str | None:
    """Name a line that is read after our file."""
    ours = [at for at, line in enumerate(pooler.lines) if line.path == pooler.include]
    later = _set_by(name, pooler.lines[max(ours) + 1 :]) if ours else None
    return later.place if later else None


def _blocked(name: str, pooler: PgBouncer) -> str:
    """Say why a file of ours and a reload would not do just what a plan says."""
    headers = [line for line in pooler.lines if line.text.startswith("[")]
    if pooler.config_state is None:
        return f"{pooler.config_file or 'its configuration'} is not a plain file"
    if not headers or headers[-1].text != SECTION:
        where = f", not {headers[-1].place}" if headers else ""
        return f"{SECTION} has to be the last section of {pooler.config_file}{where}"
    if pooler.unloaded:
        names = ", ".join(pooler.unloaded)
        return f"a reload would change {names} too, which its files have otherwise: mend that first"
    later = _overridden(name, pooler)
    return f"{later} beats our file: change it there" if later else ""


def _write(
    pooler: PgBouncer, differences: Sequence[Difference], observation: Observation
) -> Artifact:
    boot = {one.reading.tunable.target: one.boot for one in differences if one.boot is not None}
    artifacts = [Artifact(_values(pooler, differences), blobs={})]
    if boot:
        own = own_settings(own_text(pooler.include, observation))
        artifacts.append(write_text(pooler.include, render({**own, **boot}), observation))
        artifacts.append(_included(pooler))
        place = f"{pooler.address} {pooler.include}"
        check = ActionStep(action="check-pgbouncer", argument=place)
        load = ActionStep(action="reload-pgbouncer", argument=pooler.address)
        artifacts.append(Artifact((check, load), blobs={}))
    waits = [one for one in differences if one.live and one.reading.effect is Effect.RESTART]
    if waits and pooler.unit:
        needs = (Permission.RESTART,)
        restart = ActionStep(action="restart-unit", argument=pooler.unit, needs=needs)
        artifacts.append(Artifact((restart,), blobs={}))
    return Artifact.joined(artifacts)


def _values(pooler: PgBouncer, differences: Sequence[Difference]) -> tuple[Step, ...]:
    """Have what a reload changes compared before, and read back after it."""
    return tuple(
        ValueStep(
            tunable=one.reading.id,
            path=one.reading.path,
            before=pooler.config[one.reading.tunable.target].value,
            after=one.live,
            write="file",
        )
        for one in differences
        if one.live is not None and one.reading.effect is Effect.RELOAD
    )


def _included(pooler: PgBouncer) -> Artifact:
    state = pooler.config_state
    if state is None or state.lines:
        return Artifact(blobs={})
    ref = FileRef.of(state)
    line = pooler.include_line
    step = LineStep(path=pooler.config_file, line=line, before=ref, size=state.size)
    said = FileChange(path=pooler.config_file, action="modify", diff=f"+{line}\n")
    return Artifact((step,), (said,), {})


def own_settings(text: str) -> dict[str, str]:
    """Read our file: name -> text, in its order."""
    pairs = (line.partition(" = ") for line in text.splitlines() if not line.startswith("#"))
    return {name: value.strip() for name, sign, value in pairs if sign}


def render(settings: Mapping[str, str]) -> str:
    """Print our file, which is read within the section that includes it."""
    return HEADER + "".join(f"{name} = {text}\n" for name, text in settings.items())
