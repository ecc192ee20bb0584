"""What the console of a PgBouncer says, read and judged; answers are those of real servers."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace

from optimizer import catalog
from optimizer.host.pgbouncer_observed import poolers
from optimizer.model.observation import ConfigLine
from optimizer.model.pgbouncer import PgBouncer, Pool, PooledDatabase, Traffic
from optimizer.model.profile import Threshold
from optimizer.model.result import HealthCheck
from optimizer.scoring.checks import CHECKS
from optimizer.scoring.pgbouncer_health import pgbouncer_health
from tests.unit.pgbouncers import POOLER, cluster, config
from tests.unit.postgresql_clusters import HEALTHY

# Of PgBouncer 1.18, beside lines of the probe.
OLD = """\
pgbouncer|6432|address|postgres@/var/run/postgresql:6432
pgbouncer|6432|unit|pgbouncer.service
pgbouncer|6432|open_files|1024
pgbouncer|6432|config_file|/etc/pgbouncer/pgbouncer.ini
pgbouncer|6432|include|/etc/pgbouncer/optimizer.ini
pgbouncer-config|6432|default_pool_size|20|20|yes
pgbouncer-config|6432|pool_mode|transaction|session|yes
pgbouncer-config|6432|listen_backlog|128|128|no
pgbouncer-VERSION|6432|version
pgbouncer-VERSION|6432|PgBouncer 1.18.0
pgbouncer-DATABASES|6432|name|host|port|database|force_user|pool_size|min_pool_size|reserve_pool|\
pool_mode|max_connections|current_connections|paused|disabled
pgbouncer-DATABASES|6432|app|127.0.0.1|5432|app||30|0|4||0|21|0|0
pgbouncer-DATABASES|6432|pgbouncer||6432|pgbouncer|pgbouncer|2|0|0|statement|0|0|0|0
pgbouncer-database|6432|app|host=127.0.0.1|pool_size=30|reserve_pool=4
pgbouncer-database|6432|*|host=db.example|port=5433
pgbouncer-POOLS|6432|database|user|cl_active|cl_waiting|cl_active_cancel_req|\
cl_waiting_cancel_req|sv_active|sv_active_cancel|sv_being_canceled|sv_idle|sv_used|sv_tested|\
sv_login|maxwait|maxwait_us|pool_mode
pgbouncer-POOLS|6432|app|web|20|10|0|0|20|0|0|0|0|0|0|1|500000|transaction
pgbouncer-POOLS|6432|pgbouncer|pgbouncer|1|0|0|0|0|0|0|0|0|0|0|0|0|statement
pgbouncer-STATS|6432|database|total_xact_count|total_query_count|total_received|total_sent|\
total_xact_time|total_query_time|total_wait_time|avg_xact_count|avg_query_count|avg_recv|\
avg_sent|avg_xact_time|avg_query_time|avg_wait_time
pgbouncer-STATS|6432|app|9|9|0|0|0|0|0|500|500|0|0|60000|60000|9800000
pgbouncer-line|6432|/etc/pgbouncer/pgbouncer.ini|39|[pgbouncer]
pgbouncer-line|6432|/etc/pgbouncer/pgbouncer.ini|40|pool_mode = transaction
pgbouncer-unloaded|6432|auth_type
"""


def read(text: str) -> tuple[PgBouncer, ...]:
    rows: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for line in text.splitlines():
        word, *fields = line.split("|")
        rows[word].append(tuple(fields))
    return poolers(rows)


def test_what_a_console_says_is_read() -> None:
    [found] = read(OLD)
    assert (found.release, found.mode, found.open_files) == ((1, 18, 0), "transaction", 1024)
    assert found.config["default_pool_size"].is_reloadable
    assert not found.config["listen_backlog"].is_reloadable
    own = frozenset({"pool_size", "reserve_pool_size"})
    assert found.databases == (
        PooledDatabase("app", "127.0.0.1", "5432", 30, 4, own=own),
        # Any other name leads elsewhere, and nobody has used one yet.
        PooledDatabase("*", "db.example", "5433"),
    )
    assert found.pools == (Pool("app", "web", 20, 10, 20, 1.5, "transaction"),)
    assert found.lines[1] == ConfigLine(
        "/etc/pgbouncer/pgbouncer.ini", 40, "pool_mode = transaction"
    )
    assert found.unloaded == ("auth_type",)
    assert (found.most_servers, found.free_files) == (34, 1024 - 32 - 34)


def test_the_wait_for_a_connection_keeps_no_connection_busy() -> None:
    # 500 a second, 60 ms each, of which ten clients at a time only wait.
    [old] = read(OLD)
    assert round(old.traffic[0].busy, 1) == 20.2
    assert Traffic("app", 500, 0.06, 40.0).busy == 0


def test_since_1_23_the_wait_is_an_average_of_the_waits() -> None:
    columns = "database|avg_server_assignment_count|avg_xact_count|avg_xact_time|avg_wait_time"
    stats = f"pgbouncer-STATS|6432|{columns}\npgbouncer-STATS|6432|app|551|551|54251|17732\n"
    kept = [line for line in OLD.splitlines() if not line.startswith("pgbouncer-STATS")]
    [new] = read("\n".join(kept) + "\n" + stats)
    assert round(new.traffic[0].busy, 1) == 20.1


def test_one_that_cannot_be_asked_has_only_its_reason() -> None:
    [found] = read("pgbouncer|6432|problem|gives no answer\npgbouncer|6432|unit|x.service\n")
    assert (found.problem, found.config) == ("gives no answer", {})


def judged(pooler: PgBouncer, connections: int = 100) -> dict[str, HealthCheck]:
    health = replace(HEALTHY, max_connections=connections)
    checks = pgbouncer_health([pooler], [cluster(connections, health=health)])
    return {check.name.removesuffix("[6432]").rpartition(".")[2]: check for check in checks}


def test_a_healthy_one() -> None:
    found = judged(POOLER)
    assert {check.status for check in found.values()} <= {"optimal", "good"}
    assert found["pgbouncer-pools"].value == "41 %, 40 of the 97 of PostgreSQL 5432"
    assert found["pgbouncer-waiting"].value == "none"


def test_everything_that_can_be_wrong() -> None:
    sick = replace(
        POOLER,
        version="PgBouncer 1.18.0",
        config=config(max_client_conn="2000"),
        databases=(PooledDatabase("app", "", "5432", size=60),),
        pools=(
            Pool("app", "app", 1910, 40, 60, 12.0, "transaction"),
            Pool("app", "web", mode="transaction"),
        ),
    )
    found = judged(sick, connections=50)
    bad = {name: check.status for name, check in found.items() if check.recommendation}
    assert bad == {
        "pgbouncer-waiting": "critical",
        "pgbouncer-pool-used": "warning",
        "pgbouncer-clients": "critical",
        "pgbouncer-open-files": "warning",
        "pgbouncer-prepared": "warning",
    }
    assert found["pgbouncer-waiting"].value.startswith("40 clients for up to")
    # The usual size is what counts for a database without a number of its own.
    crowded = replace(sick, config=config(default_pool_size="60"))
    assert judged(crowded, connections=50)["pgbouncer-pools"].status == "warning"


def test_one_that_gives_no_answer_is_a_warning_and_one_in_a_container_none_of_ours() -> None:
    [check] = pgbouncer_health([PgBouncer("6432", problem="gives no answer")], [])
    assert (check.status, check.value) == ("warning", "gives no answer")
    assert pgbouncer_health([PgBouncer("pid 7", problem="x", is_elsewhere=True)], []) == ()


def test_a_profile_moves_a_threshold() -> None:
    moved = {"postgresql.pgbouncer-pool-used": Threshold(5)}
    checks = pgbouncer_health([POOLER], [], moved)
    assert [check.name for check in checks if check.status == "warning"] == [
        "postgresql.pgbouncer-pool-used[6432]"
    ]


def test_every_check_can_be_found_and_its_advice_names_tunables_that_there_are() -> None:
    names = {name.partition("[")[0] for name in (check.name for check in _all())}
    own = [one for one in CHECKS.values() if one.name.startswith("postgresql.pgbouncer")]
    assert names == {one.name for one in own}
    for name in re.findall(r"postgresql\.pgbouncer\.\w+", " ".join(one.advice for one in own)):
        assert catalog.find(name) is not None, name


def _all() -> tuple[HealthCheck, ...]:
    return pgbouncer_health([POOLER], [cluster(health=HEALTHY)])
