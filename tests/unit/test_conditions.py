"""Conditions: what `when:` of a profile may ask, and what it must not."""

from __future__ import annotations

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.model.errors import InvalidValue
from optimizer.model.observation import Disk, Facts
from optimizer.planning.conditions import (
    DISK_FACTS,
    FACTS,
    HOST_FACTS,
    INSTANCE_FACTS,
    NODE_FACTS,
    NUMBER_FACTS,
    OBJECT_FACTS,
    PGBOUNCER_FACTS,
    POSTGRESQL_FACTS,
    POSTGRESQL_WORDS,
    REDIS_FACTS,
    WORD_FACTS,
    check,
    holds,
)

HOST: dict[str, str | int] = {
    "cpus": 8,
    "ram": 32 * 2**30,
    "numa_nodes": 1,
    "os": "debian",
    "os_version": "12",
    "virtualization": "kvm",
    "storage": "ssd",
    "init": "systemd",
}


def facts_of_a_host(disks: tuple[Disk, ...] = ()) -> Facts:
    return Facts(
        hostname="a",
        machine_id="",
        boot_id="",
        os="debian",
        os_version="12",
        os_name="Debian 12",
        kernel="6.1",
        cpus=8,
        ram=2**30,
        virtualization="kvm",
        init="systemd",
        uid=0,
        cmdline="",
        disks=disks,
    )


def test_the_facts_a_profile_may_name_are_those_a_host_answers() -> None:
    answers = facts_of_a_host().conditions()
    assert answers.keys() == HOST_FACTS
    assert {name for name, value in answers.items() if isinstance(value, int)} == (
        {*NUMBER_FACTS} - {"workers"}
    )
    of_instances = {"database", "disk", "persistence", "pool_mode", "role", "version"} | {"workers"}
    assert FACTS - HOST_FACTS == of_instances == INSTANCE_FACTS.keys()


def test_a_setting_may_ask_for_the_facts_of_its_own_instances_only() -> None:
    assert {"disk"} == DISK_FACTS - HOST_FACTS
    assert {"persistence", "role"} == REDIS_FACTS - HOST_FACTS
    assert {"role", "version"} == POSTGRESQL_FACTS - HOST_FACTS
    assert {"database"} == OBJECT_FACTS - POSTGRESQL_FACTS
    assert {"pool_mode", "version"} == PGBOUNCER_FACTS - HOST_FACTS
    assert {"version", "workers"} == NODE_FACTS - HOST_FACTS


@pytest.mark.parametrize(
    ("version", "when", "fits"),
    [
        ("15", "15 | 16", True),
        ("17", "< 18", True),
        ("18", "< 18", False),
        ("18", ">= 18", True),
        ("9", ">= 13", False),
        ("", ">= 13", False),
        ("", "< 18", False),
    ],
)
def test_what_a_cluster_of_postgresql_is_can_be_asked_for(
    version: str, when: str, fits: bool
) -> None:
    check({"version": when, "role": "standby"}, POSTGRESQL_FACTS, POSTGRESQL_WORDS)
    cluster: dict[str, str | int] = {**HOST, "version": version, "role": "standby"}
    assert holds({"version": when}, cluster) is fits
    assert holds({"role": "!= primary"}, cluster)


def test_each_server_has_its_own_word_for_a_copy() -> None:
    with pytest.raises(InvalidValue, match="role is never 'replica'") as error:
        check({"role": "replica"}, POSTGRESQL_FACTS, POSTGRESQL_WORDS)
    assert "primary, standby" in error.value.hint
    with pytest.raises(InvalidValue, match="role is never 'standby'"):
        check({"role": "standby"}, REDIS_FACTS)


@pytest.mark.parametrize("persistence", ["none", "rdb", "aof"])
@pytest.mark.parametrize("role", ["primary", "replica"])
def test_what_a_redis_is_can_be_asked_for(persistence: str, role: str) -> None:
    instance: dict[str, str | int] = {**HOST, "persistence": persistence, "role": role}
    for when in ({"persistence": "rdb | aof"}, {"persistence": "!= none", "role": role}):
        check(when, REDIS_FACTS)
        assert holds(when, instance) is (persistence != "none")
    with pytest.raises(InvalidValue, match="persistence is never 'rbd'") as error:
        check({"persistence": "rbd"}, REDIS_FACTS)
    assert "rdb" in error.value.hint


@pytest.mark.parametrize("kinds", [(), ("hdd",), ("nvme",), ("hdd", "ssd"), ("virtio",)])
def test_every_storage_of_a_host_can_be_asked_for(kinds: tuple[str, ...]) -> None:
    disks = tuple(Disk(name="a", kind=kind) for kind in kinds)
    storage = facts_of_a_host(disks).storage
    assert storage in WORD_FACTS["storage"]
    assert set(kinds) <= set(WORD_FACTS["disk"])
    check({"storage": storage})


@pytest.mark.parametrize(
    ("when", "does_hold"),
    [
        ({}, True),
        ({"cpus": "> 1"}, True),
        ({"cpus": "8"}, True),
        ({"cpus": "= 8"}, True),
        ({"cpus": "== 8"}, True),
        ({"cpus": "4 | 8"}, True),
        ({"cpus": "!= 4 | 8"}, False),
        ({"cpus": "!= 4 | 6"}, True),
        ({"cpus": "< 8"}, False),
        ({"ram": ">= 8 GiB"}, True),
        ({"ram": ">= 32 GiB"}, True),
        ({"ram": "> 32GiB"}, False),
        ({"ram": "< 1 TiB"}, True),
        ({"virtualization": "!= none"}, True),
        ({"virtualization": "kvm | none"}, True),
        ({"virtualization": "none|kvm"}, True),
        ({"virtualization": "vmware | none"}, False),
        ({"virtualization": "!=kvm"}, False),
        ({"storage": "ssd"}, True),
        ({"os": "Debian"}, True),
        ({"os_version": ">= 9"}, True),
        ({"os_version": "> 12.1"}, False),
        ({"os": "debian", "cpus": "> 8"}, False),
        ({"os": "debian", "cpus": ">= 8"}, True),
    ],
)
def test_examples(when: dict[str, str], does_hold: bool) -> None:
    check(when)
    assert holds(when, HOST) is does_hold


@given(
    st.integers(0, 2**63),
    st.integers(0, 2**63),
    st.sampled_from(["<", "<=", ">", ">=", "=", "==", "!="]),
    st.sampled_from(["", " "]),
)
def test_comparing_numbers_is_comparing_numbers(
    fact: int, wanted: int, sign: str, blank: str
) -> None:
    by_sign = {
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
        "=": operator.eq,
        "==": operator.eq,
        "!=": operator.ne,
    }
    condition = {"cpus": f"{sign}{blank}{wanted}"}
    assert holds(condition, {"cpus": fact}) is by_sign[sign](fact, wanted)


@given(st.lists(st.sampled_from(["kvm", "none", "lxc", "vmware"]), min_size=1))
def test_alternatives_hold_when_one_of_them_does(words: list[str]) -> None:
    text = " | ".join(words)
    assert holds({"virtualization": text}, HOST) is ("kvm" in words)
    assert holds({"virtualization": f"!= {text}"}, HOST) is ("kvm" not in words)


@pytest.mark.parametrize("version", ["", "sid", "12-beta"])
def test_a_version_that_is_no_number_is_neither_older_nor_newer(version: str) -> None:
    host = {**HOST, "os_version": version}
    assert not holds({"os_version": ">= 1"}, host)
    assert not holds({"os_version": "< 99"}, host)
    assert holds({"os_version": "!= 12"}, host)


@pytest.mark.parametrize(
    ("when", "what", "hint"),
    [
        ({"cpu": "1"}, "no fact named 'cpu'", "Did you mean cpus?"),
        ({"x": "1"}, "no fact named 'x'", "Known: cpus, "),
        ({"disk": "nvme"}, "fact disk is not known for this setting", "once per disk"),
        ({"role": "replica"}, "fact role is not known for this setting", "settings of Redis"),
        ({"slice": "> 1"}, "no fact named 'slice'", "Known: cpus, "),
        ({"cpus": ">> 1"}, "'>> 1' is not a condition", "Write a value"),
        ({"cpus": ""}, "'' is not a condition", "Write a value"),
        ({"cpus": ">"}, "'>' is not a condition", "Write a value"),
        ({"cpus": "> many"}, "cpus is a number: 'many'", ""),
        ({"cpus": "> 1 | 2"}, "> compares with one value", ""),
        ({"os": "a || b"}, "alternative that is no value", ""),
        ({"os": "a | !b"}, "alternative that is no value", ""),
        ({"os": "a |"}, "alternative that is no value", ""),
        ({"os": "> debian"}, "'debian' is a word, it has no order", "= and !="),
        ({"os": "a\nb"}, "line break", ""),
    ],
)
def test_a_condition_that_cannot_be_read_is_refused_before_and_on_a_host(
    when: dict[str, str], what: str, hint: str
) -> None:
    for refuse in (lambda: check(when), lambda: holds(when, HOST)):
        with pytest.raises(InvalidValue, match=what.replace("|", r"\|")) as error:
            refuse()
        assert hint in error.value.hint


def test_a_mistake_is_found_even_behind_a_condition_that_does_not_hold() -> None:
    with pytest.raises(InvalidValue):
        holds({"os": "fedora", "cpus": "> many"}, HOST)


@pytest.mark.parametrize(
    ("when", "hint"), [({"storage": "sdd"}, "Did you mean ssd?"), ({"storage": "tape"}, "Known: ")]
)
def test_a_word_that_a_fact_never_has_is_refused(when: dict[str, str], hint: str) -> None:
    with pytest.raises(InvalidValue, match="storage is never") as error:
        check(when)
    assert hint in error.value.hint


def test_the_kind_of_a_disk_is_known_where_there_is_a_disk() -> None:
    check({"disk": "nvme | ssd"}, FACTS)
    assert holds({"disk": "nvme | ssd"}, {**HOST, "disk": "nvme"})
    with pytest.raises(InvalidValue, match="disk is never 'nmve'"):
        check({"disk": "nmve"}, FACTS)


@given(
    st.dictionaries(st.sampled_from(sorted(HOST)), st.text() | st.text("<>=!| 12ab"), max_size=3)
)
def test_any_text_is_a_condition_or_a_proper_refusal(when: dict[str, str]) -> None:
    try:
        result = holds(when, HOST)
    except InvalidValue as error:
        assert str(error)
        return
    assert result in (True, False)
