"""What configuration files of Redis set, and the file of ours among them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.model.observation import ConfigLine
from optimizer.model.redis import NO_SAVE
from optimizer.resources.redis_config import own_settings, render, set_by, words_of
from tests.unit.factories import known

CONF = "/etc/redis/redis.conf"


def lines(*texts: str) -> list[ConfigLine]:
    return [ConfigLine(CONF, number, text) for number, text in enumerate(texts, 1)]


@pytest.mark.parametrize(
    ("name", "texts", "text"),
    [
        ("maxmemory", ["maxmemory 2gb"], str(2 * 2**30)),
        # Unlike everywhere else in a profile: without a b they are powers of ten.
        ("maxmemory", ["maxmemory 2g"], str(2 * 10**9)),
        ("maxmemory", ["maxmemory 1gb", "maxmemory 100"], "100"),
        ("maxmemory-policy", ['MAXMEMORY-POLICY "noeviction"'], "noeviction"),
        ("server-cpulist", ["server_cpulist 0-3"], "0-3"),
        ("save", ["save 3600 1", "save 300 100"], "3600 1 300 100"),
        ("save", ["save 3600 1 300 100"], "3600 1 300 100"),
        ("save", ["save 3600 1", 'save ""'], NO_SAVE),
        ("save", ["save 3600 1", "save ''", "save 60 5"], "60 5"),
        (
            "client-output-buffer-limit.replica",
            ["client-output-buffer-limit slave 256mb 64mb 60"],
            f"{256 * 2**20} {64 * 2**20} 60",
        ),
        (
            "client-output-buffer-limit.normal",
            ["client-output-buffer-limit normal 0 0 0", "client-output-buffer-limit pubsub 1 1 1"],
            "0 0 0",
        ),
    ],
)
def test_the_last_line_counts_and_save_points_add_up(
    name: str, texts: list[str], text: str
) -> None:
    found = set_by(known(f"redis.{name}"), lines(*texts))
    assert found is not None
    assert found.text == text


def test_the_line_that_decides_is_named() -> None:
    found = set_by(known("redis.timeout"), lines("timeout 0", "hz 10", "timeout 300"))
    assert found is not None
    assert found.line.place == f"{CONF}:3"


def test_what_no_line_sets_is_not_set() -> None:
    assert set_by(known("redis.timeout"), lines("hz 10", "include /etc/redis/x.conf")) is None


def test_words_in_quotation_marks_stay_one() -> None:
    assert words_of("""dir "/var/lib/my redis" 'a b' ''""") == [
        "dir",
        "/var/lib/my redis",
        "a b",
        "",
    ]


_SAVES = st.lists(
    st.tuples(st.integers(1, 9999), st.integers(0, 99999)), max_size=4, unique=True
).map(lambda pairs: " ".join(f"{a} {b}" for a, b in pairs) or NO_SAVE)
_OWN = st.fixed_dictionaries(
    {},
    optional={
        "save": _SAVES,
        "maxmemory": st.integers(0, 2**40).map(str),
        "client-output-buffer-limit.normal": st.just("67108864 16777216 60"),
        "client-output-buffer-limit.pubsub": st.just("1 1 0"),
        "appendonly": st.sampled_from(["yes", "no"]),
    },
)


@given(_OWN)
def test_our_file_reads_back_as_it_was_written(settings: dict[str, str]) -> None:
    assert own_settings(render(settings)) == settings


@given(_OWN)
def test_a_server_reads_our_file_behind_its_own_as_we_meant_it(settings: dict[str, str]) -> None:
    theirs = ["save 900 1", "maxmemory 5mb", "appendonly no"]
    everything = lines(*theirs, *render(settings).splitlines())
    for name, text in settings.items():
        found = set_by(known(f"redis.{name}"), everything)
        assert found is not None
        assert found.text == text
