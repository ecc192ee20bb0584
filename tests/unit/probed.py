"""A host that was probed, for the use cases that start from what a probe saw."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from optimizer.app import doctor, looking
from optimizer.model.observation import Observation
from optimizer.model.request import ProbeRequest


@dataclass
class Probed:
    """Stands in for the probe: notes what is asked and shows the same host each time."""

    seen: Observation
    asked: dict[str, ProbeRequest] = field(default_factory=dict)

    def __call__(
        self, fleet: object, requests: dict[str, ProbeRequest], progress: object
    ) -> dict[str, Observation]:
        self.asked = dict(requests)
        return dict.fromkeys(requests, self.seen)


def probed(monkeypatch: pytest.MonkeyPatch, seen: Observation) -> Probed:
    """Have every use case see this host."""
    probe = Probed(seen)
    monkeypatch.setattr(doctor, "probe", probe)
    monkeypatch.setattr(looking, "probe", probe)
    return probe
