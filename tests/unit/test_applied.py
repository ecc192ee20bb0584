"""What has to be read besides what the snapshots name, for what was applied."""

from __future__ import annotations

import pytest

from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import ValueStep
from optimizer.modules.applied import Applied


@pytest.mark.parametrize(
    ("tunable", "path", "is_more"),
    [
        ("system.sysctl.vm.swappiness", "/proc/sys/vm/swappiness", False),
        ("system.thp.enabled", "/sys/kernel/mm/transparent_hugepage/enabled", False),
        ("system.boot.skew_tick", "boot:skew_tick", False),
        ("redis.appendonly[6379]", "redis:127.0.0.1:6379/appendonly", True),
    ],
)
def test_a_second_probe_is_for_services_alone(tunable: str, path: str, is_more: bool) -> None:
    step = ValueStep(tunable=tunable, path=path, before="1", after="0")
    assert (Applied((step,), {}).request() != ProbeRequest()) is is_more
