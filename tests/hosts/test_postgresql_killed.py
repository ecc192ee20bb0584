"""A controller or the program on the host is killed in between: the cluster is as before."""

from __future__ import annotations

import signal
from datetime import datetime

from tests.hosts.conftest import MakeController
from tests.hosts.controller import POSTGRESQL_FULL, QUICK, wait_for
from tests.hosts.lab import STATE, Lab
from tests.hosts.postgresql_lab import Cluster, differing

# What a loaded machine may add to a timer, in seconds.
SLACK = 8
WORDS = ("--profile", POSTGRESQL_FULL, "--yes", "--format", "json", "--confirm-timeout", QUICK)
ARMED = f"grep -q ^armed {STATE}/journal/progress 2>/dev/null"


def test_when_the_controller_is_killed_after_the_apply_nothing_is_changed(
    pg15: Cluster, controller: MakeController, lab: Lab
) -> None:
    one = controller(pg15.host)
    before = pg15.look()
    running = one.start("apply", one.inventory, *WORDS)
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
    running = one.start("apply", one.inventory, *WORDS)
    # Its number is in the journal. It waits until nobody can go on with what it began.
    found = f"pid=$(readlink {STATE}/journal/busy | cut -d . -f 2)"
    pg15.host.run(f"until [ -e {pg15.drop_in} ]; do :; done; {found}; kill -STOP $pid")
    running.send_signal(signal.SIGKILL)
    running.communicate()
    pg15.host.run(f"{found}; kill -KILL $pid")
    _expect_back(pg15, lab)
    assert differing(before, pg15.look()) == {}


def _expect_back(cluster: Cluster, lab: Lab) -> None:
    wait_for(cluster.host, f"[ ! -e {STATE}/journal ]")
    lines = cluster.host.run(f"cat {STATE}/history").stdout.splitlines()
    events = {line.split("\t")[2]: line.split("\t")[0] for line in lines}
    began, ended = (datetime.fromisoformat(events[word]) for word in ("applied", "restored"))
    assert (ended - began).total_seconds() <= int(QUICK) + SLACK
    assert lab.changes("pg15") == {}
