"""The resource kinds there are, by the name that tunables use. A new kind is added here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from optimizer.resources.base import ResourceKind
from optimizer.resources.boot_parameter import BootParameter
from optimizer.resources.journald import Journald
from optimizer.resources.logrotate import Logrotate
from optimizer.resources.maintenance import Maintenance
from optimizer.resources.node import NodeSetting
from optimizer.resources.package import PackageKind
from optimizer.resources.pgbouncer import PgbouncerParameter
from optimizer.resources.postgresql import PostgresqlSetting
from optimizer.resources.postgresql_object import PostgresqlObject
from optimizer.resources.redis import RedisParameter
from optimizer.resources.sysctl import Sysctl
from optimizer.resources.sysfs import Sysfs
from optimizer.resources.timer import Timer
from optimizer.resources.unit import UnitDirective

_ALL: tuple[ResourceKind, ...] = (
    Sysctl(),
    Sysfs(),
    UnitDirective(),
    Journald(),
    Logrotate(),
    Timer(),
    BootParameter(),
    RedisParameter(),
    PostgresqlSetting(),
    PostgresqlObject(),
    Maintenance(),
    PgbouncerParameter(),
    NodeSetting(),
    PackageKind(),
)

KINDS: Mapping[str, ResourceKind] = MappingProxyType({kind.name: kind for kind in _ALL})
