"""A cluster asked by its host's psql and by the controller's psycopg says the same."""

from __future__ import annotations

from dataclasses import replace

from optimizer import catalog
from optimizer.engine.postgresql_direct import read_cluster
from optimizer.host.observed import observe
from optimizer.host.wire import parse_answer, probe_program
from optimizer.model.postgresql import PgCluster
from optimizer.model.postgresql_health import PgHealth
from optimizer.model.request import ProbeRequest
from tests.hosts.arranged import arranged
from tests.hosts.conftest import MakeController
from tests.hosts.controller import Controller
from tests.hosts.postgresql_lab import Cluster, differing

PASSWORD = "of both ways"  # noqa: S105
_SETTINGS = frozenset(
    tunable.target for tunable in catalog.TUNABLES.values() if tunable.kind == "postgresql"
)
# What only the host can see of a cluster.
_OF_THE_HOST = {
    "address": "",
    "unit": "",
    "data": "",
    "cluster": "",
    "config_file": "",
    "config_state": None,
    "auto_state": None,
    "programs": "",
    "drop_in": "",
    "included_at": 0,
    "libraries": frozenset(),
    "free_wal": None,
    "huge": None,
    "auto_lines": {},
    "can_change": True,
    "health": None,
}
# What has moved on by the second question.
_OF_THE_MOMENT = {"uptime": 0.0, "stats_age": 0.0, "hits": 0, "reads": 0}
# Two indexes that are alike, in a database of its own.
_WATCHED = r"""
CREATE DATABASE watched;
\c watched
CREATE TABLE one AS SELECT generate_series(1, 100) AS id;
CREATE INDEX first ON one (id);
CREATE INDEX second ON one (id);
"""
_NO_PSQL = "chmod {} /usr/bin/psql /usr/lib/postgresql/*/bin/psql"


def test_both_ways_of_asking_give_the_same(cluster: Cluster, controller: MakeController) -> None:
    host = cluster.host
    before = cluster.look()
    request = ProbeRequest(postgresql=_SETTINGS, postgresql_health=True)
    mine = host.run("echo $SSH_CLIENT").stdout.split()[0]
    dsn = f"host={host.address} port={cluster.port} user=watcher dbname=postgres"
    cluster.ask(f"CREATE ROLE watcher SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
    cluster.ask("ALTER ROLE watcher IN DATABASE template1 SET work_mem = '3MB'")
    cluster.ask(_WATCHED)
    with (
        cluster.with_lines(cluster.main, "listen_addresses = '*'"),
        cluster.with_lines(
            f"{cluster.conf}/pg_hba.conf", f"host all watcher {mine}/32 scram-sha-256"
        ),
    ):
        cluster.restart()
        said = host.run("sh", input=probe_program(request)).stdout
        [by_host] = observe(parse_answer(said), host.name).postgresql
        by_controller = read_cluster(f"{dsn} password='{PASSWORD}'", request)
        assert by_controller.problem == ""
        assert len(by_host.settings) > 40
        assert by_host.role_settings == {"work_mem": "watcher, template1"}
        assert _common(by_host) == _common(by_controller)
        assert by_host.health is not None
        assert by_host.health.found["duplicate"].count == 1
        assert by_controller.health is not None
        assert _lasting(by_host.health) == _lasting(by_controller.health)
        one = controller(host, postgres_dsn=f"{dsn} password='{PASSWORD}'")
        told = _told(one)
        with arranged(host, _NO_PSQL.format("a-x"), _NO_PSQL.format("a+x")):
            assert _told(one) == told
        refused = read_cluster(f"{dsn} password=wrong", request)
        assert "password authentication failed" in refused.problem
        assert "wrong" not in refused.problem
    cluster.restart()
    cluster.ask("DROP DATABASE watched")
    cluster.ask("DROP ROLE watcher")
    assert differing(before, cluster.look()) == {}


def _lasting(health: PgHealth) -> PgHealth:
    assert health.unasked == {}
    return replace(health, **_OF_THE_MOMENT)  # type: ignore[arg-type]


def _told(one: Controller) -> dict[str, str]:
    """Return check -> status of what the doctor says about clusters."""
    [host] = one.run("doctor", one.inventory, "--format", "json").expect(0).document["hosts"]
    checks = {check["check"]: check["status"] for check in host["checks"]}
    # How much of its memory is on huge pages only the host can see.
    asked = {name for name in checks if "5432" in name and "huge-pages" not in name}
    found = {name: checks[name] for name in asked}
    assert len(found) > 10
    return found


def _common(cluster: PgCluster) -> PgCluster:
    return replace(cluster, **_OF_THE_HOST)  # type: ignore[arg-type]
