"""Conditions on the facts of a host: what stands behind `when:` in a profile.

A condition is a comparison and what to compare with: `> 1`, `>= 8 GiB`, `!= none`. A value
alone means equality, and `|` separates alternatives: `kvm | none`, `!= kvm | none`. Words
are compared without regard to case, versions number by number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt, ne

from optimizer.model.errors import InvalidValue
from optimizer.model.nearest import did_you_mean
from optimizer.model.values import parse_size, plain

NUMBER_FACTS = ("cpus", "numa_nodes", "ram", "workers")

# The words that a fact can have; empty where they cannot be listed.
WORD_FACTS: Mapping[str, tuple[str, ...]] = {
    "database": (),
    "disk": ("hdd", "nvme", "ssd", "virtio"),
    "init": (),
    "os": (),
    "os_version": (),
    "persistence": ("aof", "none", "rdb"),
    "pool_mode": ("session", "statement", "transaction"),
    "role": ("primary", "replica"),
    "storage": ("hdd", "mixed", "ssd", "unknown"),
    "version": (),
    "virtualization": (),
}
# A standby of PostgreSQL is what a replica of Redis is.
POSTGRESQL_WORDS: Mapping[str, tuple[str, ...]] = {**WORD_FACTS, "role": ("primary", "standby")}

FACTS = frozenset({*NUMBER_FACTS, *WORD_FACTS})

# Facts of one disk or one server, and the settings that can ask for them.
INSTANCE_FACTS: Mapping[str, str] = {
    "database": "extensions and views of PostgreSQL",
    "disk": "settings that exist once per disk",
    "persistence": "settings of Redis",
    "pool_mode": "settings of PgBouncer",
    "role": "settings of Redis and PostgreSQL",
    "version": "settings of PostgreSQL, PgBouncer and Node",
    "workers": "settings of Node",
}
HOST_FACTS = FACTS - INSTANCE_FACTS.keys()
DISK_FACTS = HOST_FACTS | {"disk"}
REDIS_FACTS = HOST_FACTS | {"persistence", "role"}
NODE_FACTS = HOST_FACTS | {"version", "workers"}
POSTGRESQL_FACTS = HOST_FACTS | {"role", "version"}
OBJECT_FACTS = POSTGRESQL_FACTS | {"database"}
PGBOUNCER_FACTS = HOST_FACTS | {"pool_mode", "version"}

_CONDITION = re.compile(r"(==|!=|>=|<=|=|>|<|) ?([^<>=!].*)")
_VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})*")
_Order = Callable[[tuple[int, ...], tuple[int, ...]], bool]
_ORDERS: Mapping[str, _Order] = {">": gt, ">=": ge, "<": lt, "<=": le, "=": eq, "!=": ne}


@dataclass(frozen=True)
class _Condition:
    """A comparison, and the values of which one has to fit (with `!=`: none)."""

    fact: str
    operator: str
    values: tuple[str, ...]


def holds(when: Mapping[str, str], facts: Mapping[str, str | int]) -> bool:
    """Return whether all conditions hold for a host with these facts (sizes in bytes).

    Raises InvalidValue for a condition that cannot be read and a fact that is not given.
    """
    _refuse_unknown(when, facts.keys())
    conditions = [_parse(name, text) for name, text in when.items()]
    return all([_fits(condition, facts[condition.fact]) for condition in conditions])


def check(
    when: Mapping[str, str],
    names: Collection[str] = HOST_FACTS,
    words: Mapping[str, tuple[str, ...]] = WORD_FACTS,
) -> None:
    """Raise InvalidValue for a condition that no host could be asked.

    names: the facts that will be there: HOST_FACTS, DISK_FACTS, REDIS_FACTS, NODE_FACTS,
        POSTGRESQL_FACTS, OBJECT_FACTS, PGBOUNCER_FACTS.
    words: what each of them may be, WORD_FACTS or POSTGRESQL_WORDS.
    """
    _refuse_unknown(when, names)
    for name, text in when.items():
        condition = _parse(name, text)
        if name in NUMBER_FACTS:
            _compare_number(condition, 0)
            continue
        _compare_word(condition, "0")
        known = words.get(name, ())
        for value in condition.values:
            if known and value not in known:
                raise InvalidValue(
                    what=f"{name} is never {value!r}", hint=did_you_mean(value, known)
                )


def _refuse_unknown(when: Mapping[str, str], names: Collection[str]) -> None:
    for name in when:
        if name in names:
            continue
        if name in FACTS:
            raise InvalidValue(
                what=f"the fact {name} is not known for this setting",
                hint=f"Only {INSTANCE_FACTS[name]} have a fact named {name}.",
            )
        raise InvalidValue(what=f"there is no fact named {name!r}", hint=did_you_mean(name, names))


def _parse(fact: str, text: str) -> _Condition:
    match = _CONDITION.fullmatch(plain(text))
    if match is None:
        raise InvalidValue(
            what=f"{fact}: {text!r} is not a condition",
            hint='Write a value, alternatives ("kvm | none"), or a comparison ("> 1").',
        )
    operator = match[1].replace("==", "=") or "="
    values = tuple(value.strip().lower() for value in match[2].split("|"))
    if "" in values or any(value[0] in "<>=!" for value in values):
        raise InvalidValue(what=f"{fact}: {text!r} has an alternative that is no value")
    if len(values) > 1 and operator not in ("=", "!="):
        raise InvalidValue(what=f"{fact}: {operator} compares with one value, not with several")
    return _Condition(fact, operator, values)


def _fits(condition: _Condition, fact: str | int) -> bool:
    if isinstance(fact, int):
        return _compare_number(condition, fact)
    return _compare_word(condition, fact.lower())


def _compare_number(condition: _Condition, fact: int) -> bool:
    try:
        values = [(parse_size(value),) for value in condition.values]
    except InvalidValue as error:
        raise InvalidValue(what=f"{condition.fact} is a number: {error}") from error
    return _compare(condition.operator, (fact,), values)


def _compare_word(condition: _Condition, fact: str) -> bool:
    if condition.operator in ("=", "!="):
        return (fact in condition.values) == (condition.operator == "=")
    wanted = condition.values[0]
    if not _VERSION.fullmatch(wanted):
        raise InvalidValue(
            what=f"{condition.fact}: {wanted!r} is a word, it has no order",
            hint="Words are compared with = and !=.",
        )
    # A rolling release has no version: it is neither older nor newer than any.
    if not _VERSION.fullmatch(fact):
        return False
    return _compare(condition.operator, _version(fact), [_version(wanted)])


def _compare(operator: str, fact: tuple[int, ...], values: Collection[tuple[int, ...]]) -> bool:
    order = _ORDERS[operator]
    if operator == "!=":
        return all(order(fact, value) for value in values)
    return any(order(fact, value) for value in values)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
