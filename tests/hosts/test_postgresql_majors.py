"""PostgreSQL 13, 14, 16 and 18 side by side: planned, changed, examined and taken back alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from testbed.host import Host
from tests.hosts.conftest import MakeController
from tests.hosts.controller import POSTGRESQL_FULL, Controller
from tests.hosts.postgresql_lab import Cluster, by_effect
from tests.hosts.postgresql_majors import of_each_major

VIEWS = ("performance_summary", "slow_queries")
OBJECTS = ("extension.pg_stat_statements", *(f"view.{name}" for name in VIEWS))
WORDS = ("--profile", POSTGRESQL_FULL, *(f"--set=postgresql.{name}=on" for name in OBJECTS))


def test_every_major_is_changed_as_planned_examined_and_taken_back(
    majors: Host, controller: MakeController
) -> None:
    one = controller(majors)
    with of_each_major(majors) as clusters:
        before = {major: cluster.look() for major, cluster in clusters.items()}
        planned = one.plan(*WORDS).expect(0).host("majors")
        one.apply(*WORDS).expect(0)
        for major, cluster in clusters.items():
            now = cluster.look()
            wanted = by_effect(planned, cluster)
            found = {name: now.text(name) for name in now.changed(before[major])}
            assert found == wanted["reload"], major
            assert now.pending == set(wanted["restart"]), major
            for view in VIEWS:
                cluster.ask(f"TABLE {view}")
        assert one.verify().expect(0).host("majors")["state"] == "match"
        _check_examination(one, clusters)
        one.rollback().expect(0)
        for major, cluster in clusters.items():
            now, was = cluster.look(), before[major]
            assert (now.values, now.lines, now.files) == (was.values, was.lines, was.files), major
            assert now.extensions == was.extensions


def _check_examination(one: Controller, clusters: Mapping[str, Cluster]) -> None:
    [host] = one.run("doctor", one.inventory, "--format", "json").expect(0).document["hosts"]
    first, *others = (_checks_of(host, cluster) for cluster in clusters.values())
    assert len(first) > 10
    # Columns and views were renamed between these majors: each query has to be right for its own.
    assert "unknown" not in first.values()
    for checks in others:
        assert checks == first


def _checks_of(host: Mapping[str, Any], cluster: Cluster) -> dict[str, str]:
    """Return check, without the cluster's name -> status."""
    return {
        check["check"].replace(cluster.port, "PORT"): check["status"]
        for check in host["checks"]
        if cluster.port in check["check"]
    }
