"""From a profile and one observation to verdicts: what every verb starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from optimizer import catalog
from optimizer.model.observation import Observation
from optimizer.model.profile import Constraint, Profile, Setting
from optimizer.model.reading import Reading
from optimizer.model.request import ProbeRequest, join
from optimizer.model.tunable import Tunable
from optimizer.modules.budget import budget_of, with_numbers
from optimizer.modules.coupling import partner_targets
from optimizer.modules.kinds import KINDS
from optimizer.modules.libraries import with_libraries
from optimizer.planning.comparing import Status, Verdict, compare
from optimizer.resources import logrotate

# The order in which values are written.
_RANK = {name: position for position, name in enumerate(catalog.TUNABLES)}


def request_for(profile: Profile) -> ProbeRequest:
    """Say what a probe has to read for a profile."""
    return join(request for setting in profile.settings.values() for request in _requests(setting))


def request_for_tunable(tunable: Tunable) -> ProbeRequest:
    """Say what a probe has to read for a tunable and what the kernel couples to it."""
    partners = ProbeRequest(values=frozenset(partner_targets(tunable, catalog.find)))
    return join((KINDS[tunable.kind].request(tunable), partners))


def _requests(setting: Setting) -> list[ProbeRequest]:
    requests = [request_for_tunable(setting.tunable)]
    if setting.tunable.kind == "logrotate":
        requests += [
            logrotate.wanted_request(setting.tunable, setting.tunable.value.canonical(one.value))
            for one in setting.alternatives
            if one.constraint is not Constraint.UNTOUCHED
        ]
    return requests


def examine(
    profile: Profile, observation: Observation, pins: Mapping[str, str]
) -> tuple[Verdict, ...]:
    """Compare every tunable of a profile with the host, in the order of writing.

    pins: glob over ids -> why the operator wants it left alone.
    """
    settings = sorted(profile.settings.values(), key=_rank)
    budget = budget_of(profile, observation)
    verdicts = (
        _judge(setting, with_numbers(reading, budget), observation, pins)
        for setting in settings
        for reading in KINDS[setting.tunable.kind].read(setting.tunable, observation)
    )
    return with_libraries(tuple(verdicts), observation)


def _rank(setting: Setting) -> int:
    return _RANK.get(setting.tunable.id, len(_RANK))


def _judge(
    setting: Setting, reading: Reading, observation: Observation, pins: Mapping[str, str]
) -> Verdict:
    verdict = compare(setting, reading, observation.facts, _pin(reading, pins))
    if verdict.status is Status.NOT_APPLICABLE and not setting.tunable.is_known:
        return replace(verdict, reason=verdict.reason + _meant(setting.tunable.id))
    if verdict.status is not Status.DRIFT:
        return verdict
    kind = KINDS[setting.tunable.kind]
    reason = kind.impossible(reading, verdict.wanted, observation)
    if reason:
        return replace(
            verdict, status=Status.NOT_APPLICABLE, reason=reason, difference=None, wanted=""
        )
    if verdict.difference is None:
        return verdict
    return replace(verdict, at_stake=kind.at_stake(verdict.difference, observation))


def _meant(name: str) -> str:
    """A setting that neither the catalogue nor the kernel knows is most likely mistyped."""
    near = catalog.nearest(name)
    return f"; did you mean {near}?" if near else ""


def _pin(reading: Reading, pins: Mapping[str, str]) -> str | None:
    for pattern, why in pins.items():
        # Brackets of an instance are meant as they stand, not as a set of characters.
        literal = pattern.replace("[", "[[]")
        if fnmatchcase(reading.id, literal) or fnmatchcase(reading.tunable.id, pattern):
            return why
    return None
