"""Settings of PostgreSQL: a file of ours and a reload, or a restart where that is what it takes.

The file is in conf.d where the cluster reads that, else included by the last line of
postgresql.conf. postgresql.auto.conf beats both, so a setting that is in there changes there, in
its own line. Source: "Setting Parameters", pg_settings, pg_file_settings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from optimizer.model.observation import Observation
from optimizer.model.plan import FileChange
from optimizer.model.postgresql import PgCluster, PgFileSetting, PgSetting, setting_path
from optimizer.model.reading import Difference, Reading, ReadingState
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import ActionStep, FileRef, LineStep, Step, ValueStep
from optimizer.model.tunable import Effect, Permission, Tunable
from optimizer.model.values import FitsServer, KeepsList, squeeze
from optimizer.resources.base import HEADER, Artifact, own_text, write_text
from optimizer.resources.postgresql_text import from_server, to_file, to_server

_EFFECTS = {
    "postmaster": Effect.RESTART,
    "sighup": Effect.RELOAD,
    "superuser": Effect.RELOAD,
    "user": Effect.RELOAD,
    "backend": Effect.NEW_CONNECTIONS,
    "superuser-backend": Effect.NEW_CONNECTIONS,
}
# What the memory of a cluster is worked out from.
SIZING = (
    *("max_connections", "max_parallel_workers", "autovacuum_max_workers", "max_wal_size"),
    *("shared_buffers", "work_mem", "maintenance_work_mem", "autovacuum_work_mem"),
    *("huge_pages", "huge_page_size", "shared_memory_size", "wal_buffers"),
)
# What a commit waits for, weakest first.
_COMMITS = ("off", "local", "remote_write", "on", "remote_apply")


class PostgresqlSetting:
    """The resource kind of PostgreSQL settings; each cluster is an instance."""

    name = "postgresql"

    def request(self, tunable: Tunable) -> ProbeRequest:
        """Read the setting, and what the memory of a cluster is worked out from."""
        return ProbeRequest(postgresql=frozenset({tunable.target, *SIZING}))

    def read(self, tunable: Tunable, observation: Observation) -> tuple[Reading, ...]:
        """Read the setting of every cluster on the host."""
        if not observation.postgresql:
            reason = "there is no PostgreSQL cluster on this host"
            return (Reading(tunable, state=ReadingState.NOT_APPLICABLE, reason=reason),)
        return tuple(_read(tunable, cluster, observation) for cluster in observation.postgresql)

    def impossible(self, reading: Reading, wanted: str, observation: Observation) -> str:
        """Refuse what the build does not offer, and libraries that are not installed."""
        cluster = cluster_of(reading, observation)
        if not cluster.can_change:
            return "it is read over its DSN; changing it takes its files on the host"
        setting = cluster.settings[reading.tunable.target]
        if setting.choices and wanted not in setting.choices:
            return f"this build offers {', '.join(setting.choices)}, not {wanted}"
        if reading.tunable.target == "shared_preload_libraries":
            missing = [name for name in libraries_of(wanted) if name not in cluster.libraries]
            if missing:
                return f"not installed for this cluster: {', '.join(missing)}"
        return ""

    def at_stake(self, difference: Difference, observation: Observation) -> str:
        """Say what a weaker promise of durability can lose."""
        if difference.reading.tunable.target != "synchronous_commit":
            return ""
        before = difference.reading.live or "on"
        after = difference.live or difference.boot or before
        if after not in _COMMITS or before not in _COMMITS:
            return ""
        is_weaker = _COMMITS.index(after) < _COMMITS.index(before)
        return "commits that were acknowledged just before a crash" if is_weaker else ""

    def write(self, differences: Sequence[Difference], observation: Observation) -> Artifact:
        """Write one file of ours a cluster, have it checked and read."""
        by_cluster: dict[str, list[Difference]] = defaultdict(list)
        for difference in differences:
            by_cluster[difference.reading.instance].append(difference)
        return Artifact.joined(
            _write(cluster_of(changed[0].reading, observation), changed, observation)
            for changed in by_cluster.values()
        )


def cluster_of(reading: Reading, observation: Observation) -> PgCluster:
    """Return the cluster that a reading is of."""
    return next(one for one in observation.postgresql if one.name == reading.instance)


def _read(tunable: Tunable, cluster: PgCluster, observation: Observation) -> Reading:
    left_out = _left_out(tunable, cluster)
    if left_out:
        state, reason = left_out
        return Reading(tunable, instance=cluster.name, state=state, reason=reason)
    setting = cluster.settings[tunable.target]
    winner = _winner(tunable.target, cluster)
    own = own_settings(own_text(cluster.drop_in, observation)).get(tunable.target)
    boot = winner.setting if winner else None
    return Reading(
        _adapted(tunable, setting, boot),
        instance=cluster.name,
        path=setting_path(cluster.address, tunable.target),
        live=from_server(tunable, setting, setting.setting),
        boot=from_server(tunable, setting, boot) if boot is not None else None,
        source=winner.place if winner else None,
        overridden_by=_overridden(tunable.target, cluster),
        own=from_server(tunable, setting, own) if own is not None else None,
        unkept="" if cluster.config_state else f"{cluster.config_file} is not a plain file",
        facts={
            "role": "standby" if cluster.is_standby else "primary",
            "version": str(cluster.major),
        },
        effect_here=_EFFECTS.get(setting.context, tunable.effect),
        is_restartable=bool(cluster.unit),
        blocked=_blocked(tunable.target, cluster),
    )


def _adapted(tunable: Tunable, setting: PgSetting, boot: str | None) -> Tunable:
    """Return a tunable with what this server offers, and with what its list has already."""
    if isinstance(tunable.value, FitsServer):
        return replace(tunable, value=tunable.value.on_server(setting.choices))
    if isinstance(tunable.value, KeepsList):
        # What waits for a restart is in the list as well.
        return replace(tunable, value=tunable.value.keeping(boot or setting.setting))
    return tunable


def _left_out(tunable: Tunable, cluster: PgCluster) -> tuple[ReadingState, str] | None:
    if cluster.problem:
        state = ReadingState.NOT_APPLICABLE if cluster.is_elsewhere else ReadingState.UNKNOWN
        return state, f"the cluster {cluster.problem}"
    if cluster.is_patroni:
        return ReadingState.NOT_APPLICABLE, "Patroni manages it: change its own configuration"
    setting = cluster.settings.get(tunable.target)
    if setting is None:
        return ReadingState.NOT_APPLICABLE, f"PostgreSQL {cluster.major} has no {tunable.target}"
    if setting.context == "internal":
        return ReadingState.NOT_APPLICABLE, "it was chosen when the cluster was made"
    return None


def _winner(name: str, cluster: PgCluster) -> PgFileSetting | None:
    """Return the line that decides, the last one of all files."""
    rows = [row for row in cluster.files if row.name == name and row.setting is not None]
    return rows[-1] if rows else None


def _overridden(name: str, cluster: PgCluster) -> str | None:
    """Name what beats our file; a line in postgresql.auto.conf is changed where it is."""
    later = [row for row in cluster.files if row.name == name and _is_after_ours(row, cluster)]
    if later:
        return later[-1].place
    role = cluster.role_settings.get(name, "")
    return f"ALTER ROLE or ALTER DATABASE for {role}" if role else None


def _blocked(name: str, cluster: PgCluster) -> str:
    """Say why neither our file nor a line of ours would count."""
    if name in cluster.auto_lines:
        line = cluster.auto_lines[name]
        if line != squeeze(line):
            return f"{cluster.auto_file} has it in a line with blanks of its own: change it there"
        return ""
    role, _, where = cluster.role_settings.get(name, "").partition(", ")
    # Every session, and so the one that reads it back, begins with that.
    is_for_all = role in ("all roles", "postgres") and where in ("all databases", "postgres")
    later = any(row.name == name and _is_after_ours(row, cluster) for row in cluster.files)
    return (
        f"{_overridden(name, cluster)} beats our file: change it there"
        if later or is_for_all
        else ""
    )


def _is_after_ours(row: PgFileSetting, cluster: PgCluster) -> bool:
    """Whether a line is read after our file, also where that is not there yet."""
    if row.path in (cluster.drop_in, cluster.auto_file) or not cluster.is_included:
        return False
    if row.path == cluster.config_file:
        return row.number > cluster.included_at
    folder, _, file = cluster.drop_in.rpartition("/")
    other, _, name = row.path.rpartition("/")
    return other == folder and name > file


def _write(
    cluster: PgCluster, differences: Sequence[Difference], observation: Observation
) -> Artifact:
    boot = {
        one.reading.tunable.target: to_file(
            one.reading.tunable, cluster.settings[one.reading.tunable.target], one.boot
        )
        for one in differences
        if one.boot is not None
    }
    artifacts = [Artifact(_values(cluster, differences), blobs={})]
    if boot:
        artifacts += _files(cluster, boot, observation)
        check = ActionStep(action="check-postgresql", argument=cluster.address)
        load = ActionStep(action="reload-postgresql", argument=cluster.address)
        artifacts.append(Artifact((check, load), blobs={}))
    waits = [one for one in differences if one.live and one.reading.effect is Effect.RESTART]
    if waits and cluster.unit:
        restart = ActionStep(
            action="restart-postgresql",
            argument=f"{cluster.unit} {cluster.address}",
            needs=(Permission.RESTART,),
        )
        artifacts.append(Artifact((restart,), blobs={}))
    return Artifact.joined(artifacts)


def _values(cluster: PgCluster, differences: Sequence[Difference]) -> tuple[Step, ...]:
    """Have what a reload or a restart changes compared before, and read back after it."""
    steps = []
    for one in differences:
        effect = one.reading.effect
        if one.live is None or effect not in (Effect.RELOAD, Effect.RESTART):
            continue
        is_restart = effect is Effect.RESTART
        # Without a unit nothing of ours restarts it. Of -1 a server makes a number at its start.
        if is_restart and (not cluster.unit or one.live.startswith("-")):
            continue
        steps.append(
            ValueStep(
                tunable=one.reading.id,
                path=one.reading.path,
                before=cluster.settings[one.reading.tunable.target].in_force,
                after=_after(cluster, one, one.live),
                write="file",
                needs=(Permission.RESTART,) if is_restart else (),
                waited=_waiting(cluster, one) if is_restart else "",
            )
        )
    return tuple(steps)


def _waiting(cluster: PgCluster, difference: Difference) -> str:
    """Return what the files had for the next restart; empty where it is what is in force."""
    reading, winner = difference.reading, _winner(difference.reading.tunable.target, cluster)
    if winner is None or reading.boot in (None, reading.live) or reading.boot.startswith("-"):
        return ""
    setting = cluster.settings[reading.tunable.target]
    text = winner.setting or ""
    return text if setting.kind == "string" else to_server(reading.tunable, setting, reading.boot)


def _after(cluster: PgCluster, difference: Difference, live: str) -> str:
    """Return what the server will say; a text that a file has by now is taken as it stands."""
    tunable = difference.reading.tunable
    setting, winner = cluster.settings[tunable.target], _winner(tunable.target, cluster)
    if difference.boot is None and winner and winner.setting and setting.kind == "string":
        return winner.setting
    return to_server(tunable, setting, live)


def _files(
    cluster: PgCluster, texts: Mapping[str, str], observation: Observation
) -> list[Artifact]:
    in_auto = {name: text for name, text in texts.items() if name in cluster.auto_lines}
    ours = {name: text for name, text in texts.items() if name not in in_auto}
    artifacts = [_auto_line(cluster, name, text) for name, text in in_auto.items()]
    if ours:
        own = own_settings(own_text(cluster.drop_in, observation))
        artifacts.append(write_text(cluster.drop_in, render({**own, **ours}), observation))
        artifacts.append(_included(cluster))
    return artifacts


def _auto_line(cluster: PgCluster, name: str, text: str) -> Artifact:
    state = cluster.auto_state
    if state is None:
        return Artifact(blobs={})
    old, new = cluster.auto_lines[name], _line(name, text)
    ref = FileRef.of(state)
    step = LineStep(path=cluster.auto_file, line=new, before=ref, size=state.size, replaces=old)
    said = FileChange(path=cluster.auto_file, action="modify", diff=f"-{old}\n+{new}\n")
    return Artifact((step,), (said,), {})


def _included(cluster: PgCluster) -> Artifact:
    state = cluster.config_state
    if cluster.is_included or state is None or state.lines:
        return Artifact(blobs={})
    ref = FileRef.of(state)
    step = LineStep(
        path=cluster.config_file, line=cluster.include_line, before=ref, size=state.size
    )
    diff = f"+{cluster.include_line}\n"
    said = FileChange(path=cluster.config_file, action="modify", diff=diff)
    return Artifact((step,), (said,), {})


def own_settings(text: str) -> dict[str, str]:
    """Read our file: name -> text, in its order."""
    pairs = (line.partition(" = ") for line in text.splitlines() if not line.startswith("#"))
    return {name: value.strip().strip("'") for name, sign, value in pairs if sign}


def render(settings: Mapping[str, str]) -> str:
    """Print our file."""
    return HEADER + "".join(f"{_line(name, text)}\n" for name, text in settings.items())


def _line(name: str, text: str) -> str:
    return f"{name} = '{text.replace(chr(39), chr(39) * 2)}'"


def libraries_of(text: str) -> list[str]:
    """Split a list of libraries into their names, as they are written."""
    return [part.strip().strip('"') for part in text.split(",") if part.strip()]
