"""The PostgreSQL part of the catalogue: complete, and closed where it has to be."""

from __future__ import annotations

import pytest

from optimizer import catalog
from optimizer.catalog import postgresql
from optimizer.catalog.postgresql_values import Libraries
from optimizer.model.errors import InvalidValue
from optimizer.model.tunable import Effect, Risk

OURS = {tunable.target: tunable for tunable in postgresql.AREA.tunables}
REFUSED = {
    tunable.target: tunable
    for tunable in catalog.TUNABLES.values()
    if tunable.kind == "postgresql" and tunable.refused
}

# Context postmaster in pg_settings of 15 to 18.
POSTMASTER = {
    "autovacuum_max_workers",
    "autovacuum_worker_slots",
    "huge_page_size",
    "huge_pages",
    "io_max_concurrency",
    "io_method",
    "max_connections",
    "max_wal_senders",
    "max_worker_processes",
    "reserved_connections",
    "shared_buffers",
    "shared_preload_libraries",
    "superuser_reserved_connections",
    "wal_buffers",
}

# pg_settings of a PostgreSQL 15 as Debian installs it: setting, in units of `unit`.
DEFAULTS = {
    "autovacuum_naptime": "60",
    "autovacuum_vacuum_cost_delay": "2",
    "autovacuum_vacuum_cost_limit": "-1",
    "autovacuum_vacuum_scale_factor": "0.2",
    "checkpoint_completion_target": "0.9",
    "checkpoint_timeout": "300",
    "effective_io_concurrency": "1",
    "huge_pages": "try",
    "idle_in_transaction_session_timeout": "0",
    "jit": "on",
    "log_autovacuum_min_duration": "600000",
    "log_min_duration_statement": "-1",
    "log_statement": "none",
    "max_connections": "100",
    "random_page_cost": "4",
    "shared_preload_libraries": "",
    "synchronous_commit": "on",
    "tcp_keepalives_idle": "0",
    "tcp_user_timeout": "0",
    "wal_compression": "off",
}
DEFAULT_SIZES = {
    "autovacuum_work_mem": "-1",
    "checkpoint_flush_after": str(32 * 8192),
    "effective_cache_size": str(524288 * 8192),
    "huge_page_size": "0",
    "log_temp_files": "-1",
    "maintenance_work_mem": str(65536 * 1024),
    "max_wal_size": str(1024 * 2**20),
    "min_wal_size": str(80 * 2**20),
    "shared_buffers": str(16384 * 8192),
    "wal_buffers": str(512 * 8192),
    "work_mem": str(4096 * 1024),
}


def test_every_setting_is_declared_under_its_own_name() -> None:
    assert len(OURS) == len(postgresql.AREA.tunables) == 73
    for target, tunable in OURS.items():
        assert (tunable.kind, tunable.id) == ("postgresql", f"postgresql.{target}")
        assert not tunable.refused


def test_what_a_server_cannot_change_needs_a_restart() -> None:
    assert {name for name, one in OURS.items() if one.effect is Effect.RESTART} == POSTMASTER
    others = {one.effect for name, one in OURS.items() if name not in POSTMASTER}
    assert others == {Effect.RELOAD}


@pytest.mark.parametrize(("name", "text"), [*DEFAULTS.items(), *DEFAULT_SIZES.items()])
def test_what_a_new_server_has_is_a_value(name: str, text: str) -> None:
    assert OURS[name].value.canonical(text) == text


def test_sizes_are_bytes() -> None:
    assert {name for name, tunable in OURS.items() if tunable.unit == "bytes"} == set(DEFAULT_SIZES)


def test_connections_stand_before_the_memory_that_they_share() -> None:
    order = list(OURS)
    assert order.index("max_connections") < order.index("work_mem")


@pytest.mark.parametrize(
    "name",
    [
        "autovacuum",
        "fsync",
        "full_page_writes",
        "max_connections",
        "shared_buffers",
        "shared_preload_libraries",
        "synchronous_commit",
        "work_mem",
    ],
)
def test_what_can_lose_data_or_keep_a_server_from_starting_is_a_high_risk(name: str) -> None:
    assert OURS[name].risk is Risk.HIGH


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "autovacuum"])
@pytest.mark.parametrize("spelling", ["off", "OFF", "false", "no", "0"])
def test_what_keeps_the_data_sound_cannot_be_switched_off(name: str, spelling: str) -> None:
    with pytest.raises(InvalidValue, match="off is refused"):
        OURS[name].value.canonical(spelling)


def test_libraries_are_added_and_never_replaced() -> None:
    assert isinstance(OURS["shared_preload_libraries"].value, Libraries)


@pytest.mark.parametrize(
    "name",
    ["listen_addresses", "port", "unix_socket_permissions", "ssl", "ssl_key_file", "hba_file",
     "password_encryption", "krb_server_keyfile"],
)  # fmt: skip
def test_who_may_reach_a_server_is_reported_and_never_changed(name: str) -> None:
    assert "reported by doctor, never changed" in REFUSED[name].refused


@pytest.mark.parametrize("name", ["data_directory", "config_file", "external_pid_file"])
def test_where_a_server_finds_its_files_is_never_changed(name: str) -> None:
    assert "next start" in REFUSED[name].refused


@pytest.mark.parametrize(
    "name", ["wal_level", "archive_mode", "archive_command", "primary_conninfo", "restore_command"]
)
def test_standbys_and_archives_are_left_alone(name: str) -> None:
    assert "standbys, archive and backups" in REFUSED[name].refused


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("postgresql.shared-buffers", "postgresql.shared_buffers"),
        ("postgresql.sharedBuffers", "postgresql.shared_buffers"),
        ("postgresql.work_men", "postgresql.work_mem"),
        ("postgres.work_mem", "postgresql.work_mem"),
        ("postgres.maxConnections", "postgresql.max_connections"),
        ("POSTGRES_SHARED_BUFFERS", "postgresql.shared_buffers"),
        ("POSTGRESQL_EFFECTIVE_CACHE_SIZE", "postgresql.effective_cache_size"),
        ("pg.random_page_cost", "postgresql.random_page_cost"),
        ("shared_buffers", "postgresql.shared_buffers"),
        ("effective_io_concurrency", "postgresql.effective_io_concurrency"),
    ],
)
def test_names_from_programs_and_environments_lead_to_the_setting(written: str, meant: str) -> None:
    assert catalog.find(written) is None
    assert catalog.nearest(written) == meant
