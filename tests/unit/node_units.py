"""Node services as a probe finds them."""

from __future__ import annotations

from dataclasses import replace

from optimizer.model.node import NodeService, UnitLine
from optimizer.model.observation import Observation, Unit
from tests.unit.factories import observation

WEB = NodeService(
    name="web.service",
    unit="web.service",
    pid=123,
    executable="/usr/bin/node",
    version="18.20.4",
    user="web",
)
OURS = WEB.drop_in
FRAGMENT = "/etc/systemd/system/web.service"
THEIRS = "--enable-source-maps"


def service(**parts: object) -> NodeService:
    """Make a service that runs with nothing set, but for `parts`."""
    return replace(WEB, **parts)  # type: ignore[arg-type]


def with_options(text: str, **parts: object) -> NodeService:
    """Make a service whose unit sets NODE_OPTIONS, and that runs with them."""
    set_ = {"NODE_OPTIONS": text}
    line = UnitLine(FRAGMENT, "NODE_OPTIONS", text)
    return service(**{"variables": set_, "configured": set_, "lines": (line,), **parts})


def seen(*services: NodeService, **parts: object) -> Observation:
    """Make an observation of a host with these services."""
    usual = {
        "LoadState": "loaded",
        "ActiveState": "active",
        "LimitNOFILE": "524288",
        "LimitNOFILESoft": "1024",
        "OOMScoreAdjust": "0",
        "Nice": "0",
    }
    units = {one.unit: Unit(one.unit, usual) for one in services if one.unit}
    return observation(**{"node": services, "units": units, **parts})
