"""Secrets of the controller: in no message, no representation, no plan and no traceback."""

from __future__ import annotations

import pytest

from optimizer.engine.postgresql_direct import read_cluster
from optimizer.model.fleet import Target
from optimizer.model.redis import RedisLogin
from optimizer.model.request import ProbeRequest

SECRET = "zq7391"  # noqa: S105


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgres//ana:{SECRET}@db/x",
        f"host=db user=ana password={SECRET} {SECRET}",
        f"host=db passwort={SECRET}",
        f"postgresql://ana:{SECRET}@db:port/x",
        f"postgresql://ana:{SECRET}%zz@db/x",
        f"host=db password='{SECRET}",
        f"postgresql://ana@db/x?sslpassphrase={SECRET}",
        f"postgresql://ana:{SECRET}@[::1/x",
        f"host=127.0.0.1 port=1 user=ana password={SECRET} connect_timeout=1",
        f"host=127.0.0.1 port=1 user=ana password={SECRET} sslmode={SECRET}",
        f"host=127.0.0.1 port={SECRET} user=ana",
    ],
)
def test_a_connection_string_that_does_not_work_is_not_repeated(dsn: str) -> None:
    cluster = read_cluster(dsn, ProbeRequest(postgresql_health=True))
    assert cluster.problem
    assert SECRET not in repr(cluster)


def test_what_the_inventory_says_of_a_host_is_printed_without_secrets() -> None:
    target = Target(
        name="db-1",
        logins={"": RedisLogin("ana", SECRET)},
        redis_urls={"redis://db": RedisLogin("ana", SECRET)},
        postgres_dsn=f"password={SECRET}",
    )
    assert SECRET not in repr(target)
