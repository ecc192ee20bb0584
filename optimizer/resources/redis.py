"""Parameters of Redis and Valkey servers: CONFIG SET now, a file of ours at the next start.

Our file is included by the last line of the server's own configuration file, so it is read
last. Source: redis.conf and CONFIG SET of the Redis documentation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from optimizer.model.observation import Observation
from optimizer.model.plan import FileChange
from optimizer.model.reading import Difference, Reading, ReadingState
from optimizer.model.redis import NO_SAVE, RedisInstance, parameter_path
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import (
    ActionStep,
    FileRef,
    LineStep,
    MoveStep,
    Step,
    ValueStep,
)
from optimizer.model.tunable import Effect, Tunable
from optimizer.planning.budget import redis_slices
from optimizer.planning.division import Server
from optimizer.resources.base import Artifact, canonical, own_text, write_text
from optimizer.resources.redis_config import own_settings, render, set_by
from optimizer.resources.redis_stake import stake

# Files that a server keeps for itself: CONFIG_MIN_RESERVED_FDS of server.h.
_OWN_FILES = 32
# What a slow disk takes of an append-only file or a dump, bytes a second.
_SLOW_DISK = 20 * 2**20
_SHORTEST = 60
# From this version on a server tells what it refuses to change while it runs.
_TELLS = 7
# A listener gets the smaller of this and tcp-backlog.
_LISTENERS = frozenset({"/proc/sys/net/core/somaxconn"})


class RedisParameter:
    """The resource kind of Redis parameters; each server is an instance."""

    name = "redis"

    def request(self, tunable: Tunable) -> ProbeRequest:
        """Read the parameter, and what decides whether changing it can lose data."""
        return ProbeRequest(
            redis=frozenset({tunable.target, "appendonly", "save", "dir", "dbfilename"}),
            values=_LISTENERS if tunable.target == "tcp-backlog" else frozenset(),
        )

    def read(self, tunable: Tunable, observation: Observation) -> tuple[Reading, ...]:
        """Read the parameter of every server on the host."""
        if not observation.redis:
            reason = "there is no Redis or Valkey server on this host"
            return (Reading(tunable, state=ReadingState.NOT_APPLICABLE, reason=reason),)
        return tuple(_read(tunable, server, observation) for server in observation.redis)

    def impossible(self, reading: Reading, wanted: str, observation: Observation) -> str:
        """Refuse what the build, the open files or a missing client stand against."""
        server = server_of(reading, observation)
        if not server.can_change:
            return "it is read over its URL; changing it takes redis-cli on the host"
        parameter = reading.tunable.target
        if parameter in server.unable and wanted == "yes":
            return server.unable[parameter]
        if parameter == "maxclients" and server.open_files is not None:
            needed = int(wanted) + _OWN_FILES
            if needed > server.open_files:
                unit = server.unit or "the server"
                return (
                    f"{unit} may open {server.open_files} files and would need {needed}: "
                    "raise its LimitNOFILE first"
                )
        return ""

    def at_stake(self, difference: Difference, observation: Observation) -> str:
        """Say how many keys or bytes a change can lose."""
        return stake(difference, server_of(difference.reading, observation))

    def write(self, differences: Sequence[Difference], observation: Observation) -> Artifact:
        """Set what can be set now, and write one file of ours a server."""
        servers: dict[str, list[Difference]] = defaultdict(list)
        for difference in differences:
            servers[difference.reading.instance].append(difference)
        return Artifact.joined(
            _write(server_of(changed[0].reading, observation), changed, observation)
            for changed in servers.values()
        )


def server_of(reading: Reading, observation: Observation) -> RedisInstance:
    """Return the server that a reading is of."""
    return next(server for server in observation.redis if server.name == reading.instance)


def _read(tunable: Tunable, server: RedisInstance, observation: Observation) -> Reading:
    left_out = _left_out(tunable, server)
    if left_out:
        state, reason = left_out
        return Reading(tunable, instance=server.name, state=state, reason=reason)
    parameter = _spelled(tunable.target, server)
    boot = set_by(tunable, server.lines)
    argument = server.arguments.get(tunable.target)
    own = own_settings(own_text(server.include, observation)).get(tunable.target)
    return Reading(
        tunable,
        instance=server.name,
        path=parameter_path(server.address, parameter),
        live=canonical(tunable, server.config[parameter]),
        boot=canonical(tunable, argument) if argument else boot.text if boot else None,
        source=_argument_source(server) if argument else boot.line.place if boot else None,
        overridden_by=_overridden(tunable, server),
        own=canonical(tunable, own) if own is not None else None,
        unkept=_unkept(server),
        facts={"role": server.role, "persistence": server.persistence},
        numbers={"slice": _slice(server, observation)},
        effect_here=_effect(tunable, server, parameter),
        lost_by_restart=server.lost_by_restart,
        is_restartable=bool(server.unit),
    )


def _left_out(tunable: Tunable, server: RedisInstance) -> tuple[ReadingState, str] | None:
    if server.problem:
        state = ReadingState.NOT_APPLICABLE if server.is_elsewhere else ReadingState.UNKNOWN
        return state, f"the server {server.problem}"
    if server.role == "sentinel":
        return ReadingState.NOT_APPLICABLE, "it is a sentinel, which holds no data"
    if _spelled(tunable.target, server) not in server.config:
        return ReadingState.NOT_APPLICABLE, f"{server.version} has no {tunable.target}"
    return None


def _spelled(parameter: str, server: RedisInstance) -> str:
    """Return a parameter as this version spells it: server_cpulist before 7.2."""
    older = parameter.replace("-", "_")
    return older if parameter not in server.config and older in server.config else parameter


def _overridden(tunable: Tunable, server: RedisInstance) -> str | None:
    """Name what is read after our file and sets the same."""
    if tunable.target in server.arguments:
        return _argument_source(server)
    ours = [at for at, line in enumerate(server.lines) if line.path == server.include]
    ours += [at for at, line in enumerate(server.lines) if line.text == server.include_line]
    if not ours:
        return None
    later = set_by(tunable, server.lines[max(ours) + 1 :])
    return later.line.place if later else None


def _argument_source(server: RedisInstance) -> str:
    return f"the command line of {server.unit}"


def _unkept(server: RedisInstance) -> str:
    if not server.config_file:
        return "the server runs without a configuration file"
    if server.config_state is None:
        return f"{server.config_file} is not a plain file"
    return ""


def _effect(tunable: Tunable, server: RedisInstance, parameter: str) -> Effect:
    """The server is asked what it changes only by a restart; before 7.0 it could not tell."""
    if server.major < _TELLS:
        return tunable.effect
    if parameter.partition(".")[0] in server.fixed:
        return Effect.RESTART
    return Effect.LIVE if tunable.effect is Effect.RESTART else tunable.effect


def _slice(server: RedisInstance, observation: Observation) -> int:
    """Bytes of memory that a server may take in all."""
    if server.memory_max is not None:
        return server.memory_max
    managed = [
        Server(one.name, one.memory_max)
        for one in observation.redis
        if not one.is_elsewhere and one.role != "sentinel"
    ]
    slices = redis_slices(observation.facts.ram, observation.services, managed)
    return slices.get(server.name, 0)


def _write(
    server: RedisInstance, differences: Sequence[Difference], observation: Observation
) -> Artifact:
    boot = {one.reading.tunable.target: one.boot for one in differences if one.boot is not None}
    artifacts = [Artifact(_live_steps(server, differences), blobs={})]
    if boot and server.config_state is not None:
        artifacts.append(_files(server, boot, observation))
    aside = _dump_set_aside(server, differences, observation)
    if aside:
        said = FileChange(path=aside.path, action="modify", diff=f"set aside as {aside.to}")
        artifacts.append(Artifact((aside,), (said,), {}))
    restarts = [one.reading for one in differences if one.live and _waits(one.reading)]
    if restarts and server.unit:
        restart = ActionStep(
            action="restart-unit", argument=server.unit, needs=restarts[0].restart_needs
        )
        artifacts.append(Artifact((restart,), blobs={}))
    return Artifact.joined(artifacts)


def _waits(reading: Reading) -> bool:
    return reading.effect is Effect.RESTART


def _live_steps(server: RedisInstance, differences: Sequence[Difference]) -> tuple[Step, ...]:
    return tuple(
        ValueStep(
            tunable=one.reading.id,
            path=one.reading.path,
            before=one.reading.live or "",
            after=one.live,
            patience=_patience(server, one.reading.tunable.target),
        )
        for one in differences
        if one.live is not None and not _waits(one.reading)
    )


def _patience(server: RedisInstance, parameter: str) -> int:
    """Seconds until all data is surely on the disk once more."""
    if parameter != "appendonly":
        return 0
    return max(_SHORTEST, server.used_memory // _SLOW_DISK)


def _files(server: RedisInstance, boot: Mapping[str, str], observation: Observation) -> Artifact:
    own = own_settings(own_text(server.include, observation))
    # Our file is the root user's, and has to be readable by the server's.
    settings = {_spelled(name, server): text for name, text in {**own, **boot}.items()}
    ours = _checked(server, write_text(server.include, render(settings), observation))
    state = server.config_state
    if state is None or state.lines:
        return ours
    line = LineStep(
        path=server.config_file,
        line=server.include_line,
        before=FileRef.of(state),
        size=state.size,
    )
    return Artifact.joined([ours, Artifact((line,), (_included(server),), {})])


def _checked(server: RedisInstance, ours: Artifact) -> Artifact:
    """Have the server's own program read our file before it is kept."""
    program = server.info.get("executable", "")
    if not program.startswith("/") or " " in program:
        return ours
    check = ActionStep(action="check-redis", argument=f"{program} {server.include}")
    return Artifact.joined([ours, Artifact((check,), blobs={})])


def _included(server: RedisInstance) -> FileChange:
    diff = f"+{server.include_line}\n"
    return FileChange(path=server.config_file, action="modify", diff=diff)


def _dump_set_aside(
    server: RedisInstance, differences: Sequence[Difference], observation: Observation
) -> MoveStep | None:
    """An old dump would come back as the data of the next start, once no newer one is made."""
    after = {one.reading.tunable.target: one.live for one in differences if one.live is not None}
    is_append_only = after.get("appendonly", server.config.get("appendonly")) == "yes"
    folder, name = server.config.get("dir", ""), server.config.get("dbfilename", "")
    if after.get("save") != NO_SAVE or is_append_only or not folder or not name:
        return None
    path = f"{folder.rstrip('/')}/{name}"
    return MoveStep(path=path, to=f"{path}.set-aside-{int(observation.facts.now)}")
