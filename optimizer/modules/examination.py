"""From a profile and one observation to verdicts: what every verb starts from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from optimizer import catalog
from optimizer.catalog.declare import sysctl_id
from optimizer.model.observation import Observation
from optimizer.model.profile import Constraint, Profile, Setting
from optimizer.model.reading import Reading
from optimizer.model.request import ProbeRequest, join
from optimizer.model.tunable import Tunable
from optimizer.modules.budget import budget_of, with_numbers
from optimizer.modules.coupling import partner_targets
from optimizer.modules.huge_pages import KEY, pool_as_left, words_of
from optimizer.modules.kinds import KINDS
from optimizer.modules.lasting import with_lasting
from optimizer.modules.libraries import with_libraries
from optimizer.modules.pooling import Pooling
from optimizer.planning.budget import Budget
from optimizer.planning.comparing import Status, Verdict, compare
from optimizer.planning.huge_pages import Pool
from optimizer.resources import logrotate
from optimizer.resources.postgresql import SIZING

# The order in which values are written.
_RANK = {name: position for position, name in enumerate(catalog.TUNABLES)}
_POOL = sysctl_id(KEY)


@dataclass(frozen=True)
class Examination:
    """A host held against a profile.

    verdicts: on every tunable, in the order of writing. budget: None where there is none.
    pool: the huge pages as the verdicts leave them.
    """

    verdicts: tuple[Verdict, ...]
    budget: Budget | None
    pool: Pool


def request_for(profile: Profile) -> ProbeRequest:
    """Say what a probe has to read for a profile."""
    return join(request for setting in profile.settings.values() for request in _requests(setting))


def request_for_tunable(tunable: Tunable) -> ProbeRequest:
    """Say what a probe has to read for a tunable and what the kernel couples to it."""
    partners = ProbeRequest(values=frozenset(partner_targets(tunable, catalog.find)))
    return join((KINDS[tunable.kind].request(tunable), partners))


def _requests(setting: Setting) -> list[ProbeRequest]:
    requests = [request_for_tunable(setting.tunable)]
    if setting.tunable.id == _POOL:
        requests.append(ProbeRequest(postgresql=frozenset(SIZING)))
    if setting.tunable.kind == "logrotate":
        requests += [
            logrotate.wanted_request(setting.tunable, setting.tunable.value.canonical(one.value))
            for one in setting.alternatives
            if one.constraint is not Constraint.UNTOUCHED
        ]
    return requests


def examine(profile: Profile, observation: Observation, pins: Mapping[str, str]) -> Examination:
    """Compare every tunable of a profile with the host.

    What huge pages take from the budget follows from the sizes of the clusters, and these from
    the budget: it only gets smaller, by less from time to time, until it has what they take.
    pins: glob over ids -> why the operator wants it left alone.
    """
    lost = 0
    while True:
        budget = budget_of(profile, observation, lost)
        verdicts = _verdicts(profile, observation, pins, budget)
        pool = pool_as_left(verdicts, observation)
        if pool.lost <= lost:
            found = with_lasting(with_libraries(verdicts, observation))
            return Examination(found, budget, pool)
        lost = pool.lost


def _verdicts(
    profile: Profile, observation: Observation, pins: Mapping[str, str], budget: Budget | None
) -> tuple[Verdict, ...]:
    """Judge the pool of huge pages last, as it follows from all else, and put it in its place."""
    found: dict[str, list[Verdict]] = {}
    pooling = Pooling(profile, observation, budget)
    for setting in sorted(profile.settings.values(), key=lambda one: one.tunable.id == _POOL):
        readings = KINDS[setting.tunable.kind].read(setting.tunable, observation)
        numbers: Mapping[str, int] = {}
        if setting.tunable.id == _POOL:
            numbers = words_of(pool_as_left(_in_order(found), observation))
        found[setting.tunable.id] = [
            _judge(setting, _with(numbers, pooling.with_numbers(one)), observation, pins)
            for one in (with_numbers(reading, budget) for reading in readings)
        ]
    return _in_order(found)


def _with(numbers: Mapping[str, int], reading: Reading) -> Reading:
    return replace(reading, numbers={**reading.numbers, **numbers}) if numbers else reading


def _in_order(found: Mapping[str, Iterable[Verdict]]) -> tuple[Verdict, ...]:
    names = sorted(found, key=lambda name: _RANK.get(name, len(_RANK)))
    return tuple(verdict for name in names for verdict in found[name])


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
