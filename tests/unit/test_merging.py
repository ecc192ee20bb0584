"""A file of ours that was edited: theirs stays whatever it is, ours goes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.planning.merging import merged
from optimizer.resources import journald, sysctl, unit

DROP_IN = unit.DROP_IN.format(unit="cron.service")
NODE = "/etc/systemd/system/trader.service.d/zz-optimizer-node.conf"
_KEYS = ("vm.swappiness", "vm.dirty_ratio", "net.core.somaxconn", "kernel.pid_max")
_SETTINGS = st.dictionaries(st.sampled_from(_KEYS), st.integers(0, 5), max_size=4)
_LINES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(_KEYS), st.integers(6, 9)).map(
            lambda one: f"{one[0]} = {one[1]}"
        ),
        st.just("# why, see ticket 7"),
    ),
    min_size=1,
    max_size=4,
)


def _text(values: dict[str, int]) -> bytes:
    return sysctl.render({key: str(value) for key, value in values.items()}).encode()


@given(wanted=_SETTINGS, old=st.none() | _SETTINGS, added=_LINES, data=st.data())
def test_theirs_is_all_there_and_of_ours_nothing(
    wanted: dict[str, int], old: dict[str, int] | None, added: list[str], data: st.DataObject
) -> None:
    ours, before = _text(wanted), _text(old) if old is not None else None
    lines = ours.decode().splitlines()
    for line in added:
        lines.insert(data.draw(st.integers(0, len(lines))), line)
    left = merged(sysctl.FILE, ours, before, "\n".join([*lines, ""]).encode())
    assert left is not None
    kept = sysctl.own_values(left.decode())
    theirs = dict(line.split(" = ") for line in lines if line in added and "=" in line)
    assert kept == {**{key: str(value) for key, value in (old or {}).items()}, **theirs}
    assert [line for line in left.decode().splitlines() if line in added] == [
        line for line in lines if line in added
    ]


def test_a_value_that_they_changed_in_our_line_stays_theirs() -> None:
    ours = b"# Written by us\nvm.swappiness = 1\nvm.dirty_ratio = 5\n"
    found = b"# Written by us\nvm.swappiness = 10\nvm.dirty_ratio = 5\n"
    assert merged(sysctl.FILE, ours, None, found) == b"vm.swappiness = 10\n"


def test_a_directive_of_theirs_keeps_its_section() -> None:
    ours = unit.render({"LimitNOFILE": "65536"}).encode()
    assert merged(DROP_IN, ours, None, ours + b"Nice=5\n") == b"[Service]\nNice=5\n"
    old = unit.render({"LimitCORE": "0"}).encode()
    left = merged(DROP_IN, ours, old, ours + b"Nice=5\n")
    assert left == old + b"Nice=5\n"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (DROP_IN, b"[Service]\nLimitNOFILE=1\n[Unit]\nAfter=x.service\n"),
        (DROP_IN, b"[Service]\nLimitNOFILE=1\nEnvironment=A=1 \\\n B=2\n"),
        (NODE, b"[Service]\nLimitNOFILE=1\nNice=5\n"),
        ("/etc/redis/optimizer.conf", b"maxmemory 1\n"),
        # Nothing of theirs in it: a line of ours is gone, or it is in another order.
        (journald.FILE, b"[Service]\n"),
    ],
)
def test_what_cannot_be_told_apart_stays_as_it_is(path: str, found: bytes) -> None:
    assert merged(path, b"[Service]\nLimitNOFILE=1\n", None, found) is None
