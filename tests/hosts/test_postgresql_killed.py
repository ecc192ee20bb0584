"""A controller or the program on the host is killed in between: the cluster is as before."""

from __future__ import annotations

import signal

from tests.hosts.conftest import MakeController
from tests.hosts.controller import POSTGRESQL_FULL, QUICK, wait_for
from tests.hosts.faults.cutter import BUSY
from tests.hosts.history import expect_in_time
from tests.hosts.lab import STATE, Lab
from tests.hosts.postgresql_lab import Cluster, differing
from tests.hosts.stopped import stop_confirmation

WORDS = ("--profile", POSTGRESQL_FULL, "--confirm-timeout", QUICK)
ARMED = f"grep -q ^armed {STATE}/journal/progress 2>/dev/null"


def test_when_the_controller_is_killed_after_the_apply_nothing_is_changed(
    pg15: Cluster, controller: MakeController, lab: Lab
) -> None:
    one = controller(pg15.host)
    before = pg15.look()
    running = one.start("apply", one.inventory, *WORDS, "--yes")
    # The host goes on without it, up to the confirmation that never comes.
    wait_for(pg15.host, ARMED)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    _expect_back(pg15, lab)
    assert differing(before, pg15.look()) == {}


def test_when_the_confirmation_and_its_controller_are_killed_amid_the_files_they_are_put_back(
    pg15: Cluster, controller: MakeController, lab: Lab
) -> None:
    one = controller(pg15.host)
    before = pg15.look()
    # It waits until nobody can go on with what it began.
    stop_confirmation(pg15.host, one, "say:pg_reload_conf", *WORDS)
    pg15.host.run(f"[ -e {pg15.drop_in} ] && kill -KILL {BUSY}")
    _expect_back(pg15, lab)
    assert differing(before, pg15.look()) == {}


def _expect_back(cluster: Cluster, lab: Lab) -> None:
    wait_for(cluster.host, f"[ ! -e {STATE}/journal ]")
    expect_in_time(cluster.host)
    assert lab.changes("pg15") == {}
