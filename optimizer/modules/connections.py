"""How many connections and workers a cluster is to serve: asked for, else configured. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.model.errors import InvalidValue
from optimizer.model.observation import Facts
from optimizer.model.postgresql import PgCluster
from optimizer.model.profile import Constraint, Profile, Wanted
from optimizer.planning.conditions import FACTS, holds
from optimizer.planning.expressions import evaluate

# The most that max_connections can be, in place of what the budget has not worked out yet.
_UNLIMITED = 262_143


@dataclass(frozen=True)
class Asker:
    """What a profile and the files of a cluster say of its numbers."""

    profile: Profile
    facts: Facts
    cluster: PgCluster

    def number(self, name: str, usual: int) -> tuple[int, bool]:
        """Return what a setting that counts something will be, and whether that is fixed.

        It is not fixed where the profile follows the budget: `connections`, with or without an
        upper limit. usual: what it is where nothing else is known.
        """
        configured = self._configured(name, usual)
        wanted = self._wanted(name)
        if wanted is None:
            return configured, True
        most, least = (self._bound(wanted, configured, limit) for limit in (_UNLIMITED, 1))
        number = configured if most >= _UNLIMITED else most
        return number, number == least

    def _configured(self, name: str, usual: int) -> int:
        """What it would be without our own file, which follows from this, not this from it."""
        lines = [
            line.setting
            for line in self.cluster.files
            if line.name == name and line.path != self.cluster.drop_in
        ]
        live = self.cluster.settings[name].setting if name in self.cluster.settings else ""
        found = [text for text in (live, *lines) if text and text.isdecimal()]
        return int(found[-1]) if found else usual

    def _wanted(self, name: str) -> Wanted | None:
        setting = self.profile.settings.get(f"postgresql.{name}")
        known: dict[str, str | int] = dict.fromkeys(FACTS, "")
        known |= self.facts.conditions()
        known["role"] = "standby" if self.cluster.is_standby else "primary"
        known["version"] = str(self.cluster.major)
        alternatives = setting.alternatives if setting else ()
        found = next((one for one in alternatives if holds(one.when, known)), None)
        return None if found is None or found.constraint is Constraint.UNTOUCHED else found

    def _bound(self, wanted: Wanted, configured: int, connections: int) -> int:
        """Return what comes out where the budget allows so many connections."""
        facts = self.facts
        numbers = {"ram": facts.ram, "cpus": facts.cpus, "numa_nodes": facts.numa_nodes}
        try:
            value = evaluate(wanted.value, {**numbers, "connections": connections})
        except InvalidValue:
            # It follows from sizes that follow from this number: take what is there.
            return configured
        if wanted.constraint is Constraint.AT_LEAST:
            return max(value, configured)
        return min(value, configured) if wanted.constraint is Constraint.AT_MOST else value
