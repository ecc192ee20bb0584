"""From the answer of a probe to the PostgreSQL clusters of a host."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from optimizer.host.postgresql_health_observed import healths
from optimizer.host.postgresql_objects_observed import databases_of
from optimizer.host.redis_observed import lined_files
from optimizer.model.observation import LinedFile, LiveValue, ValueState
from optimizer.model.postgresql import PgCluster, PgFileSetting, PgSetting, setting_path

Rows = Mapping[str, Sequence[tuple[str, ...]]]


def clusters(by_word: Rows) -> tuple[PgCluster, ...]:
    """Put the lines about each cluster together; ValueError, KeyError for lines that are cut."""
    said: dict[str, dict[str, str]] = defaultdict(dict)
    for name, key, *value in by_word["postgresql"]:
        said[name][key] = "\t".join(value)
    states = lined_files(by_word["lined"])
    lines: dict[str, dict[str, str]] = defaultdict(dict)
    for name, setting, *text in by_word["postgresql-auto"]:
        lines[name][setting] = "\t".join(text)
    found, databases = healths(by_word), databases_of(by_word)
    unlisted = {name: why for name, key, _, why, *_ in by_word["postgresql-object"] if not key}
    return tuple(
        replace(
            _cluster(name, facts, states, lines.get(name, {})),
            health=found.get(name),
            databases=databases.get(name, ()),
            unlisted=unlisted.get(name, ""),
        )
        for name, facts in sorted(said.items())
    )


def _cluster(
    name: str,
    facts: Mapping[str, str],
    states: Mapping[str, LinedFile],
    auto_lines: Mapping[str, str],
) -> PgCluster:
    config, data = facts.get("config_file", ""), facts.get("data", "")
    auto = f"{data}/postgresql.auto.conf"
    made = PgCluster(
        name=name,
        address=facts.get("address", ""),
        problem=facts.get("problem", ""),
        is_elsewhere=facts.get("elsewhere") == "yes",
        cluster=facts.get("cluster", ""),
        unit=facts.get("unit", ""),
        data=data,
        config_file=config,
        config_state=states.get(config),
        auto_state=states.get(auto),
        auto_lines=dict(auto_lines),
        programs=facts.get("programs", "").rpartition("/")[0],
        drop_in=facts.get("drop_in", ""),
        included_at=int(facts.get("included_at", 0)),
        is_patroni=facts.get("is_patroni") == "yes",
        libraries=frozenset(facts.get("libraries", "").split()),
        free_wal=int(facts["free_wal"]) if facts.get("free_wal") else None,
        huge=int(facts["huge"]) if facts.get("huge") else None,
    )
    return described(made, json.loads(facts["json"])) if "json" in facts else made


def described(cluster: PgCluster, said: Mapping[str, Any]) -> PgCluster:
    """Return a cluster with what the server itself said, as the query of the probe shapes it."""
    return replace(
        cluster,
        version=said["version"],
        is_standby=said["standby"],
        settings={row[0]: _setting(row) for row in said["settings"] or ()},
        files=tuple(_file_setting(row) for row in said["files"] or ()),
        role_settings={name: f"{role}, {where}" for name, where, role in said["roles"] or ()},
    )


def _setting(row: Sequence[Any]) -> PgSetting:
    name, setting, unit, kind, context, choices, default, is_pending = row
    return PgSetting(
        name=name,
        setting=setting or "",
        unit=unit or "",
        kind=kind,
        context=context,
        choices=tuple(choices or ()),
        default=default or "",
        is_pending=bool(is_pending),
    )


def _file_setting(row: Sequence[Any]) -> PgFileSetting:
    path, number, name, setting, is_applied, error = row
    return PgFileSetting(path, number, name or "", setting, bool(is_applied), error or "")


def settings_of(cluster: PgCluster) -> Iterator[LiveValue]:
    """Return the settings of a cluster as values, the way those of the kernel are."""
    for name, setting in cluster.settings.items():
        yield LiveValue(setting_path(cluster.address, name), ValueState.WRITABLE, setting.in_force)
