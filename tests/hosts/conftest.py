"""Tests on real hosts: throw-away containers and a virtual machine, reached over SSH.

Each test leaves its hosts as they were, which is checked by an independent scan. A host that a
failed test has spoilt is replaced.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from testbed.host import Host
from tests.hosts.controller import Controller, new_controller
from tests.hosts.lab import Lab, impossible_here
from tests.hosts.pgbouncer_lab import PoolerHost
from tests.hosts.postgresql_lab import Cluster, debian, differing
from tests.hosts.redis_lab import Server
from tests.hosts.scan import Differences

_FOLDER = Path(__file__).parent
_FAILED = pytest.StashKey[bool]()
_TOLD = pytest.StashKey[list[str]]()

MakeController = Callable[..., Controller]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "hosts: needs real hosts, so root on Debian or Ubuntu")
    config.addinivalue_line("markers", "vm: needs a virtual machine; slow where it is emulated")
    config.addinivalue_line("markers", "slow: left to make test-vm")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _FOLDER in item.path.parents:
            item.add_marker("hosts")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for line in config.stash.get(_TOLD, []):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def told(request: pytest.FixtureRequest) -> list[str]:
    """Lines for the end of the run, whether a test passes or fails: what chance has chosen."""
    return request.config.stash.setdefault(_TOLD, [])


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    made = Lab()
    reason = impossible_here() or made.why_not()
    if reason:
        message = f"tests on real hosts are left out: {reason}"
        # For where they must not be left out unseen.
        if os.environ.get("OPTIMIZER_HOSTS") == "required":
            pytest.fail(message)
        pytest.skip(message)
    yield made
    made.stop()


@contextmanager
def guarded(
    lab: Lab,
    name: str,
    request: pytest.FixtureRequest,
    cleared: Callable[[], Differences] = dict,
) -> Iterator[Host]:
    """Lend a host out, and see to it that it comes back as it was.

    cleared: takes away what else a test may leave; returns what it must not leave.
    """
    host = lab.host(name)
    yield host
    try:
        changes = cleared() | lab.clear(name)
    except Exception:
        lab.drop(name)
        raise
    if changes:
        lab.drop(name)
        # A failed test has its own say.
        if not request.node.stash.get(_FAILED, False):
            pytest.fail(f"{name} is not as it was before: {changes}")


@pytest.fixture
def bookworm(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    with guarded(lab, "bookworm", request) as host:
        yield host


@pytest.fixture
def trixie(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    with guarded(lab, "trixie", request) as host:
        yield host


@pytest.fixture
def pair(bookworm: Host, trixie: Host) -> tuple[Host, Host]:
    """Both releases at once."""
    return bookworm, trixie


@pytest.fixture(params=["bookworm", "trixie"])
def host(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    """One release after the other."""
    with guarded(lab, request.param, request) as one:
        yield one


@pytest.fixture
def closed(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    with guarded(lab, "closed", request) as host:
        yield host


@contextmanager
def lent_server(lab: Lab, kind: str, request: pytest.FixtureRequest) -> Iterator[Server]:
    """Lend out a host whose server holds many keys, saved; its settings have to come back."""
    server = Server(lab.host(kind), "valkey" if kind == "valkey" else "redis")
    server.fill()
    before = server.config()

    def cleared() -> Differences:
        after = server.config()
        server.empty()
        return {
            f"CONFIG GET {name}": (before.get(name), after.get(name))
            for name in before.keys() | after.keys()
            if before.get(name) != after.get(name)
        }

    with guarded(lab, kind, request, cleared):
        yield server


@pytest.fixture
def redis7(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Server]:
    with lent_server(lab, "redis7", request) as server:
        yield server


@pytest.fixture(params=["redis7", "redis8", "valkey"])
def server(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Server]:
    """One build after the other."""
    with lent_server(lab, request.param, request) as one:
        yield one


@contextmanager
def lent_cluster(lab: Lab, kind: str, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Lend out a host with Debian's cluster; its settings and files have to come back."""
    cluster = debian(lab.host(kind), kind.removeprefix("pg"))
    cluster.wait()
    before = cluster.look()
    with guarded(lab, kind, request, lambda: differing(before, cluster.look())):
        yield cluster


@pytest.fixture
def pg15(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with lent_cluster(lab, "pg15", request) as cluster:
        yield cluster


@pytest.fixture
def pg17(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with lent_cluster(lab, "pg17", request) as cluster:
        yield cluster


@pytest.fixture
def majors(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    with guarded(lab, "majors", request) as host:
        yield host


@pytest.fixture(params=["pg15", "pg17"])
def cluster(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """One version after the other."""
    with lent_cluster(lab, request.param, request) as one:
        yield one


@contextmanager
def lent_pooler(lab: Lab, kind: str, request: pytest.FixtureRequest) -> Iterator[PoolerHost]:
    """Lend out a host with a PgBouncer that has a database; all of it has to come back."""
    pooler = PoolerHost(lab.host(kind))
    pooler.make_ready()
    lab.accept(kind)
    before = pooler.look()

    def cleared() -> Differences:
        return {} if pooler.look() == before else {"pgbouncer": ("as it was", "changed")}

    with guarded(lab, kind, request, cleared):
        yield pooler


@pytest.fixture
def pool15(lab: Lab, request: pytest.FixtureRequest) -> Iterator[PoolerHost]:
    with lent_pooler(lab, "pool15", request) as pooler:
        yield pooler


@pytest.fixture(params=["pool15", "pool17"])
def pooler(lab: Lab, request: pytest.FixtureRequest) -> Iterator[PoolerHost]:
    """One version after the other."""
    with lent_pooler(lab, request.param, request) as one:
        yield one


@contextmanager
def lent_offer(lab: Lab, kind: str, request: pytest.FixtureRequest) -> Iterator[Host]:
    """Lend out a host with a cluster that runs, on which PgBouncer can be installed."""
    debian(lab.host(kind), kind.removeprefix("offer")).wait()
    with guarded(lab, kind, request) as host:
        yield host


@pytest.fixture
def offer15(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    with lent_offer(lab, "offer15", request) as host:
        yield host


@pytest.fixture
def offer17(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    with lent_offer(lab, "offer17", request) as host:
        yield host


@pytest.fixture(params=["offer15", "offer17"])
def offering(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    """One release after the other."""
    with lent_offer(lab, request.param, request) as one:
        yield one


@pytest.fixture
def machine(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    """A virtual machine, which has a kernel of its own."""
    with guarded(lab, "machine", request) as host:
        yield host


@pytest.fixture
def node18(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    with guarded(lab, "node18", request) as host:
        yield host


@pytest.fixture
def node22(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    with guarded(lab, "node22", request) as host:
        yield host


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[MakeController]:
    """Makes a controller for some hosts; more words are inventory data of each of them."""
    all_made: list[Controller] = []

    def make(*hosts: Host, user: str = "root", **data: Any) -> Controller:
        folder = tmp_path / f"controller-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        made = new_controller(folder, *hosts, user=user, **data)
        all_made.append(made)
        return made

    yield make
    for made in all_made:
        made.end()
