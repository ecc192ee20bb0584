"""What a way back means for Redis servers: data that it could lose, files that it leaves. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from optimizer.model.observation import Observation
from optimizer.model.redis import NO_SAVE, RedisInstance, split_path
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import (
    ActionStep,
    FileStep,
    LineStep,
    MoveStep,
    Step,
    ValueStep,
)
from optimizer.model.tunable import Permission
from optimizer.resources.back import Back, Held
from optimizer.resources.redis_stake import at_stake

# What a way back has to know of each server.
REQUEST = ProbeRequest(
    redis=frozenset(
        {
            *("appendonly", "save", "maxmemory", "maxmemory-policy"),
            *("dir", "appenddirname", "appendfilename"),
        }
    )
)
# Switching persistence back off is no loss: a dump is made first, where dumps are made at all,
# and where none are the owner had wanted none. These two throw keys away at once.
_GUARDED = ("maxmemory", "maxmemory-policy")


def guarded(steps: Sequence[Step], seen: Observation, allow: Collection[Permission]) -> Back:
    """Hold back what can lose data, and set aside what would come back as old data.

    Of a server that could lose keys nothing goes back, neither now nor at its next start.
    """
    stakes = dict(_stakes(steps, seen)) if Permission.DATA not in allow else {}
    kept = [step for step in steps if not _is_of(step, stakes, seen)]
    held = tuple(
        Held(step, at_stake=stakes[server.name])
        for step, _, server in _parameters(steps, seen)
        if server.name in stakes
    )
    taken = [_with_needs(step, kept, seen) for step in kept]
    return Back((*taken, *_set_aside(taken, seen)), held)


def _stakes(steps: Sequence[Step], seen: Observation) -> Iterator[tuple[str, str]]:
    """Yield the name of each server that could lose keys, and how many."""
    for step, parameter, server in _parameters(steps, seen):
        if parameter in _GUARDED:
            stake = at_stake(parameter, step.before, step.after, server)
            if stake:
                yield server.name, stake


def _is_of(step: Step, names: Collection[str], seen: Observation) -> bool:
    """Whether a step changes one of these servers, or what it starts with."""
    for server in seen.redis:
        if server.name not in names:
            continue
        match step:
            case ValueStep(path=path):
                if (parts := split_path(path)) and parts[0] == server.address:
                    return True
            case FileStep(path=path) | LineStep(path=path):
                if path in (server.include, server.config_file):
                    return True
            case ActionStep(argument=argument):
                if argument == server.unit:
                    return True
    return False


def _parameters(
    steps: Sequence[Step], seen: Observation
) -> Iterator[tuple[ValueStep, str, RedisInstance]]:
    by_address = {server.address: server for server in seen.redis}
    for step in steps:
        if isinstance(step, ValueStep) and (parts := split_path(step.path)):
            address, parameter = parts
            if address in by_address:
                yield step, parameter, by_address[address]


def _set_aside(steps: Sequence[Step], seen: Observation) -> Iterator[MoveStep]:
    """An append-only file that nothing is added to would be old data to a later start with it."""
    for step, parameter, server in _parameters(steps, seen):
        name = server.config.get("appenddirname") or server.config.get("appendfilename")
        folder = server.config.get("dir", "").rstrip("/")
        if parameter == "appendonly" and step.after == "no" and name and folder:
            path = f"{folder}/{name}"
            yield MoveStep(path=path, to=f"{path}.set-aside-{int(seen.facts.now)}")


def _with_needs(step: Step, steps: Sequence[Step], seen: Observation) -> Step:
    """Restarting a server that keeps nothing by then takes another word of consent."""
    if not isinstance(step, ActionStep) or step.action != "restart-unit":
        return step
    after = {
        (server.name, parameter): one.after for one, parameter, server in _parameters(steps, seen)
    }
    for server in seen.redis:
        appendonly = after.get((server.name, "appendonly"), server.config.get("appendonly"))
        save = after.get((server.name, "save"), server.config.get("save", NO_SAVE))
        is_lost = appendonly != "yes" and save == NO_SAVE and server.keys
        if server.unit == step.argument and is_lost:
            needs = dict.fromkeys([*step.needs, Permission.DATA])
            return step.model_copy(update={"needs": tuple(needs)})
    return step
