"""How many processes a Node service will have, and how large their semi-spaces are. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.model.errors import InvalidValue
from optimizer.model.node import OPTIONS, NodeService
from optimizer.model.observation import Facts
from optimizer.model.profile import Constraint, Profile, Wanted
from optimizer.planning.conditions import FACTS, holds
from optimizer.planning.division import Server
from optimizer.planning.expressions import evaluate
from optimizer.resources.node import WORKER_COUNT
from optimizer.resources.node_options import value_of
from optimizer.resources.node_setting import MIB

_SEMI_SPACE = "node.max-semi-space-size"
# What V8 takes at most of a 64-bit process, by major version of Node; 16 MiB before 24.
_USUAL = 16 * MIB
_LARGER = {24: 64 * MIB, 25: 64 * MIB}
_NEWEST = 32 * MIB


@dataclass(frozen=True)
class NodeAsker:
    """What a profile wants of a service, as far as it can be known before the budget is."""

    profile: Profile
    facts: Facts

    def server(self, service: NodeService) -> Server:
        """Return a service as the budget counts it."""
        return Server(
            service.name,
            service.memory_max,
            processes=1 + max(service.workers, self._workers(service)),
            semi_space=self._number(_SEMI_SPACE, service, _semi_space(service)),
        )

    def _workers(self, service: NodeService) -> int:
        """Return the workers that a variable of the service will ask for; 0 where none does."""
        environment = {**service.variables, **service.configured}
        asked = [
            self._number(name, service, 0)
            for name in self.profile.settings
            if name.startswith(WORKER_COUNT) and name.removeprefix(WORKER_COUNT) in environment
        ]
        # A service that has the variable, and no workers, does not follow it.
        return max(asked, default=0) if service.workers else 0

    def _number(self, name: str, service: NodeService, found: int) -> int:
        wanted = self._wanted(name, service)
        if wanted is None:
            return found
        facts = {"ram": self.facts.ram, "cpus": self.facts.cpus}
        facts |= {"numa_nodes": self.facts.numa_nodes, "workers": service.workers}
        try:
            value = evaluate(wanted.value, facts)
        except InvalidValue:
            # It follows from the budget, which follows from this: take what is there.
            return found
        if wanted.constraint is Constraint.AT_LEAST:
            return max(value, found)
        return min(value, found) if wanted.constraint is Constraint.AT_MOST else value

    def _wanted(self, name: str, service: NodeService) -> Wanted | None:
        setting = self.profile.settings.get(name)
        known: dict[str, str | int] = dict.fromkeys(FACTS, "")
        known |= self.facts.conditions()
        known |= {"version": str(service.major), "workers": service.workers}
        alternatives = setting.alternatives if setting else ()
        found = next((one for one in alternatives if holds(one.when, known)), None)
        return None if found is None or found.constraint is Constraint.UNTOUCHED else found


def _semi_space(service: NodeService) -> int:
    """Return the semi-space that a service has now, in bytes."""
    option = "--max-semi-space-size"
    text = service.flags.get(option) or value_of(service.variables.get(OPTIONS, ""), option) or ""
    if text.isdecimal():
        return int(text) * MIB
    if service.major in _LARGER:
        return _LARGER[service.major]
    return _NEWEST if service.major > max(_LARGER) else _USUAL
