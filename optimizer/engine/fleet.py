"""The fleet behind the use cases: one new connection and one command per host and call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from optimizer.engine import inventory as inventories
from optimizer.engine.connection import run_program
from optimizer.engine.startup import (
    collect_garbage_from_now_on,
    packages_searched_once,
    postpone_import,
)
from optimizer.model.fleet import Reply, Target
from optimizer.model.postgresql import PgCluster
from optimizer.model.redis import RedisInstance, RedisLogin
from optimizer.model.request import ProbeRequest

if TYPE_CHECKING:
    from pyinfra.api.host import Host


def patch() -> None:
    """Make blocking calls cooperative; has to come before paramiko or ssl are imported."""
    from gevent import monkey

    monkey.patch_all()
    # paramiko imports it, and unittest with it, for `Match exec` in ~/.ssh/config only. gevent
    # looks into every module that is there while it patches.
    postpone_import("invoke")


def open_fleet(
    inventory: str, limit: tuple[str, ...] = (), connect_timeout: int = 10
) -> PyinfraFleet:
    """Read an inventory; nothing is connected yet. connect_timeout in seconds."""
    # gevent and pyinfra look for plugins some thirty times.
    with packages_searched_once():
        patch()
        state = inventories.load_state(inventory, connect_timeout)
    collect_garbage_from_now_on()
    return PyinfraFleet(inventory, inventories.limited(state, limit))


class PyinfraFleet:
    """Hosts of a pyinfra inventory, reached through pyinfra's connectors."""

    def __init__(self, inventory: str, hosts: list[Host]) -> None:
        self._inventory = inventory
        self._hosts = {host.name: host for host in hosts}
        self._commands = dict.fromkeys(self._hosts, 0)

    @property
    def inventory(self) -> str:
        """The inventory as it was named."""
        return self._inventory

    def targets(self) -> tuple[Target, ...]:
        """The selected hosts with the optimizer's data of each."""
        return tuple(inventories.target_of(host) for host in self._hosts.values())

    def commands(self, name: str) -> int:
        """How many remote commands have been run on a host so far."""
        return self._commands[name]

    def run(self, programs: Mapping[str, str], timeout: float) -> Mapping[str, Reply]:
        """Run one program per host on new connections, all at once; timeout in seconds."""
        from gevent.pool import Pool

        # As many as pyinfra itself would connect to at once.
        parallel = next(iter(self._hosts.values())).state.config.PARALLEL or 1
        pool = Pool(parallel)
        jobs = {name: pool.spawn(self._run_one, name, programs[name], timeout) for name in programs}
        return {name: job.get() for name, job in jobs.items()}

    def read_redis(
        self, urls: Mapping[str, RedisLogin], request: ProbeRequest
    ) -> tuple[RedisInstance, ...]:
        """Ask Redis servers that this controller reaches by itself; URL -> login."""
        from optimizer.engine.redis_direct import read_servers

        return read_servers(urls, request)

    def read_postgresql(self, dsn: str, request: ProbeRequest) -> PgCluster:
        """Ask a PostgreSQL cluster that this controller reaches by itself."""
        from optimizer.engine.postgresql_direct import read_cluster

        return read_cluster(dsn, request)

    def _run_one(self, name: str, program: str, timeout: float) -> Reply:
        reply = run_program(self._hosts[name], program, timeout)
        self._commands[name] += reply.is_reached
        return reply
