"""Logins of Redis servers from inventory data and the environment."""

from __future__ import annotations

import pytest

from optimizer.engine.logins import PASSWORD_VARIABLE, USER_VARIABLE, logins_of
from optimizer.host.wire import apply_program, probe_program
from optimizer.model.errors import InventoryError
from optimizer.model.redis import RedisLogin
from optimizer.model.request import ProbeRequest
from tests.unit.factories import snapshot


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    monkeypatch.delenv(USER_VARIABLE, raising=False)


def test_without_data_there_are_none() -> None:
    found = logins_of("db-1", {})
    assert (found.by_server, found.by_url) == ({}, {})


def test_one_password_is_for_all_servers() -> None:
    found = logins_of("db-1", {"redis_password": "s3cret", "redis_user": "tuner"})
    assert found.by_server == {"": RedisLogin("tuner", "s3cret")}


def test_servers_may_have_passwords_of_their_own() -> None:
    data = {"redis_password": {6379: "one", "/run/redis.sock": "two"}, "redis_user": {6379: "ana"}}
    assert logins_of("db-1", data).by_server == {
        "6379": RedisLogin("ana", "one"),
        "/run/redis.sock": RedisLogin("", "two"),
    }


def test_the_environment_counts_where_the_inventory_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "from outside")
    assert logins_of("db-1", {}).by_server == {"": RedisLogin("", "from outside")}
    given = logins_of("db-1", {"redis_password": "inside"})
    assert given.by_server == {"": RedisLogin("", "inside")}


def test_a_url_is_kept_without_its_login_which_serves_on_the_host_too() -> None:
    found = logins_of("db-1", {"redis_url": "redis://ana:p%40ss@10.0.0.5:6380/0"})
    assert found.by_url == {"redis://10.0.0.5:6380/0": RedisLogin("ana", "p@ss")}
    assert found.by_server == {"6380": RedisLogin("ana", "p@ss")}


@pytest.mark.parametrize(
    "data",
    [
        {"redis_password": "a\tb"},
        {"redis_password": "a\nb"},
        {"redis_url": "http://:hidden@example.net"},
        {"redis_url": "redis://:hidden@[::1"},
        {"redis_url": "redis://ana:hid/den@db"},
        {"redis_url": "redis://ana:hidden?x@db"},
        {"redis_url": "redis://ana:hidden#x@db"},
        {"redis_url": "redis://ana:hidden/x"},
        {"redis_url": "redis://db?password=hidden"},
        {"redis_url": "unix://ana:hidden/x@/run/redis.sock"},
    ],
)
def test_what_is_no_login_is_refused_without_repeating_it(data: dict[str, str]) -> None:
    with pytest.raises(InventoryError) as caught:
        logins_of("db-1", data)
    assert "hid" not in str(caught.value)


def test_a_login_does_not_print_its_password() -> None:
    assert "s3cret" not in repr(RedisLogin("ana", "s3cret"))


def test_what_is_kept_on_the_host_has_no_login() -> None:
    logins = {"": RedisLogin("ana", "s3cret")}
    assert "s3cret" in probe_program(ProbeRequest(), logins)
    program = apply_program(snapshot([]), 60, logins)
    manifest, restore = program.index("MANIFEST="), program.index("RESTORE_PROGRAM=")
    assert program.count("s3cret") == 1
    assert program.index("s3cret") < min(manifest, restore)
