"""The port to the hosts: what a use case needs of a fleet, and what a host answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from optimizer.model.postgresql import PgCluster
from optimizer.model.redis import RedisInstance, RedisLogin
from optimizer.model.request import ProbeRequest


@dataclass(frozen=True)
class Target:
    """A host as the inventory has it.

    profile, overrides, pins: what inventory data says for this host (`optimizer_profile`,
        `optimizer_set`, `optimizer_pin`); pins map a glob over tunable ids to the reason.
    logins: how to log in to the Redis servers of the host: port or path of a socket, empty
        for all others -> login. redis_urls: servers that this controller can reach itself,
        a URL without its login -> login. postgres_dsn: of a cluster that it reaches itself.
    is_local: it is the machine that this runs on.
    """

    name: str
    profile: str = ""
    overrides: Mapping[str, str] = field(default_factory=dict)
    pins: Mapping[str, str] = field(default_factory=dict)
    logins: Mapping[str, RedisLogin] = field(default_factory=dict)
    redis_urls: Mapping[str, RedisLogin] = field(default_factory=dict)
    postgres_dsn: str = field(default="", repr=False)
    is_local: bool = False


@dataclass(frozen=True)
class Reply:
    """What a host said to one command; `error` says why it could not be asked.

    hint: what to do about the error. is_reached: whether a connection came about at all.
    """

    text: str = ""
    error: str = ""
    hint: str = ""
    is_reached: bool = True


class Fleet(Protocol):
    """Hosts that programs can be run on; each call is one new connection to each host."""

    @property
    def inventory(self) -> str:
        """The inventory as it was named, to be repeated in advice."""

    def targets(self) -> tuple[Target, ...]:
        """The selected hosts, in the inventory's order."""

    def run(self, programs: Mapping[str, str], timeout: float) -> Mapping[str, Reply]:
        """Run one program per host, all hosts at once; timeout in seconds."""

    def read_redis(
        self, urls: Mapping[str, RedisLogin], request: ProbeRequest
    ) -> tuple[RedisInstance, ...]:
        """Ask Redis servers that the controller reaches by itself; URL -> login."""

    def read_postgresql(self, dsn: str, request: ProbeRequest) -> PgCluster:
        """Ask a PostgreSQL cluster that the controller reaches by itself."""

    def commands(self, name: str) -> int:
        """How many remote commands have been run on a host so far."""
