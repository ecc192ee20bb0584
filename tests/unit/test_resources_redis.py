"""Redis parameters: what is read of a server, what a change of it writes, what it can lose."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from optimizer.host.redis_observed import parameters
from optimizer.model.observation import ConfigLine, LinedFile, Observation, Unit
from optimizer.model.plan import HostPlan
from optimizer.model.reading import ReadingState
from optimizer.model.redis import NO_SAVE, RedisInstance
from optimizer.model.transaction import ActionStep, FileStep, LineStep, MoveStep, ValueStep
from optimizer.model.tunable import Effect, Permission
from optimizer.modules.host_plan import plan_host
from optimizer.resources.redis_back import guarded
from tests.unit.factories import file_state, observation, profile, read

CONF = "/etc/redis/redis.conf"
OURS = "/etc/redis/redis.optimizer.conf"
PATH = "redis:127.0.0.1:6379/"
DATA = frozenset({Permission.DATA})
RESTART = frozenset({Permission.RESTART})

SERVER = RedisInstance(
    name="6379",
    address="127.0.0.1:6379",
    unit="redis-server.service",
    config_file=CONF,
    config_state=LinedFile("ab" * 32, "640", "104:105", 93000),
    include=OURS,
    config={
        "maxmemory": "0",
        "maxmemory-policy": "noeviction",
        "appendonly": "no",
        "save": "3600 1",
        "io-threads": "1",
        "maxclients": "10000",
        "tcp-backlog": "511",
        "dir": "/var/lib/redis",
        "dbfilename": "dump.rdb",
        "appenddirname": "appendonlydir",
        "activedefrag": "no",
    },
    fixed=frozenset({"io-threads", "tcp-backlog"}),
    info={"redis_version": "7.0.15", "role": "master", "used_memory": str(100 * 2**20)},
    keys=1000,
    expiring=100,
    lines=(ConfigLine(CONF, 7, "save 3600 1"), ConfigLine(CONF, 9, "appendonly no")),
    open_files=65535,
)


def seen(server: RedisInstance = SERVER, **parts: Any) -> Observation:
    directories = frozenset({"/etc/redis"})
    made = observation({}, redis=(server,), directories=directories, **parts)
    return replace(made, values={one.path: one for one in parameters(server)})


def server(config: dict[str, str] | None = None, **parts: Any) -> RedisInstance:
    return replace(SERVER, config={**SERVER.config, **(config or {})}, **parts)


def plan(
    values: dict[str, object],
    on: RedisInstance = SERVER,
    allow: frozenset[Permission] = frozenset(),
    **parts: Any,
) -> HostPlan:
    return plan_host("db-1", profile(values), seen(on, **parts), {}, allow)


def values_of(made: HostPlan) -> dict[str, tuple[str, str]]:
    return {
        step.path.removeprefix(PATH): (step.before, step.after)
        for step in made.steps
        if isinstance(step, ValueStep)
    }


def test_a_host_without_a_server_has_nothing_to_do() -> None:
    [found] = read("redis.maxmemory", observation({}))
    assert found.state is ReadingState.NOT_APPLICABLE
    assert "no Redis" in found.reason


@pytest.mark.parametrize(
    ("server", "state", "reason"),
    [
        (RedisInstance("6379", problem="wants a password"), ReadingState.UNKNOWN, "wants a pass"),
        (
            RedisInstance("pid 7", problem="runs in a container", is_elsewhere=True),
            ReadingState.NOT_APPLICABLE,
            "container",
        ),
        (server({}, info={"redis_mode": "sentinel"}), ReadingState.NOT_APPLICABLE, "sentinel"),
    ],
)
def test_a_server_that_cannot_be_managed_says_why(
    server: RedisInstance, state: ReadingState, reason: str
) -> None:
    [found] = read("redis.maxmemory", seen(server))
    assert found.state is state
    assert reason in found.reason


def test_a_parameter_that_a_version_does_not_have_is_not_applicable() -> None:
    [found] = read("redis.maxmemory-eviction-tenacity", seen())
    assert found.state is ReadingState.NOT_APPLICABLE
    assert found.reason == "Redis 7.0.15 has no maxmemory-eviction-tenacity"


def test_live_and_boot_value_are_two() -> None:
    [found] = read("redis.save", seen(server({"save": "60 5"})))
    assert (found.live, found.boot, found.source) == ("60 5", "3600 1", f"{CONF}:7")


def test_the_server_says_what_waits_for_a_restart() -> None:
    assert read("redis.io-threads", seen())[0].effect is Effect.RESTART
    assert read("redis.io-threads", seen(server(fixed=frozenset())))[0].effect is Effect.LIVE
    assert read("redis.maxmemory", seen())[0].effect is Effect.LIVE


def test_what_stands_behind_our_line_wins_and_is_named() -> None:
    mine = ConfigLine(OURS, 2, "appendonly yes")
    include = ConfigLine(CONF, 20, f"include {OURS}")
    late = ConfigLine(CONF, 21, "appendonly no")
    [found] = read("redis.appendonly", seen(server(lines=(*SERVER.lines, include, mine, late))))
    assert (found.boot, found.overridden_by) == ("no", f"{CONF}:21")
    [found] = read("redis.appendonly", seen(server(lines=(*SERVER.lines, include, mine))))
    assert (found.boot, found.overridden_by) == ("yes", None)


def test_what_the_command_line_sets_wins_over_all_files() -> None:
    [found] = read("redis.maxmemory", seen(server(arguments={"maxmemory": "1048576"})))
    assert found.boot == "1048576"
    assert found.overridden_by == "the command line of redis-server.service"


def test_a_change_is_set_now_and_written_for_the_next_start() -> None:
    made = plan({"redis.maxmemory-policy": "volatile-ttl"})
    assert values_of(made) == {"maxmemory-policy": ("noeviction", "volatile-ttl")}
    [file] = [step for step in made.steps if isinstance(step, FileStep)]
    assert (file.path, file.before) == (OURS, None)
    [line] = [step for step in made.steps if isinstance(step, LineStep)]
    assert (line.path, line.line) == (CONF, f"include {OURS}")
    assert (line.before.mode, line.before.owner, line.size) == ("640", "104:105", 93000)


def test_the_bytes_of_the_servers_own_file_are_in_no_plan() -> None:
    made = plan({"redis.maxmemory-policy": "volatile-ttl"})
    assert SERVER.config_state is not None
    assert SERVER.config_state.sha256 not in made.blobs


def test_our_line_is_written_once() -> None:
    state = replace(SERVER.config_state, lines=frozenset({"include"}))  # type: ignore[type-var]
    made = plan({"redis.maxmemory-policy": "volatile-ttl"}, server(config_state=state))
    assert not [step for step in made.steps if isinstance(step, LineStep)]


def test_settings_that_are_in_our_file_already_stay_in_it() -> None:
    files = {OURS: file_state(b"timeout 30\nmaxmemory-policy noeviction\n")}
    made = plan({"redis.maxmemory-policy": "volatile-ttl"}, files=files)
    [file] = [change for change in made.files if change.path == OURS]
    assert "+maxmemory-policy volatile-ttl" in file.diff
    assert "-timeout" not in file.diff


def test_a_server_without_a_file_keeps_nothing_and_the_plan_says_so() -> None:
    made = plan(
        {"redis.maxmemory-policy": "volatile-ttl"}, server(config_file="", config_state=None)
    )
    assert values_of(made) == {"maxmemory-policy": ("noeviction", "volatile-ttl")}
    assert len(made.steps) == 1
    assert any("runs without a configuration file" in note for note in made.notes)


def test_an_append_only_file_is_given_time_by_how_much_there_is() -> None:
    made = plan({"redis.appendonly": "yes"})
    [step] = [step for step in made.steps if isinstance(step, ValueStep)]
    assert step.patience == 60
    large = server(info={**SERVER.info, "used_memory": str(100 * 2**30)})
    [step] = [
        one for one in plan({"redis.appendonly": "yes"}, large).steps if isinstance(one, ValueStep)
    ]
    assert step.patience == 100 * 2**30 // (20 * 2**20)


@pytest.mark.parametrize(
    ("wanted", "config", "stake"),
    [
        ({"redis.appendonly": "no"}, {"appendonly": "yes"}, "1000 keys will not be in an append"),
        ({"redis.save": "none"}, {}, "1000 keys will not be saved"),
        ({"redis.maxmemory-policy": "allkeys-lru"}, {}, "900 keys without an expiry may be"),
        ({"redis.maxmemory": "101 MiB"}, {}, "100.0 MiB are in use"),
        ({"redis.maxmemory": "104 MiB"}, {"maxmemory": str(2**30)}, "100.0 MiB are in use"),
    ],
)
def test_what_can_lose_data_is_held_back_until_that_is_allowed(
    wanted: dict[str, object], config: dict[str, str], stake: str
) -> None:
    lines = (ConfigLine(CONF, 7, "save 3600 1"), ConfigLine(CONF, 9, "appendonly yes"))
    held = plan(wanted, server(config, lines=lines))
    [change] = held.changes
    assert not change.allowed
    assert change.at_stake.startswith(stake)
    assert held.steps == ()
    done = plan(wanted, server(config, lines=lines), DATA)
    assert done.changes[0].allowed
    assert done.changes[0].at_stake == change.at_stake
    assert values_of(done)


@pytest.mark.parametrize(
    ("wanted", "parts"),
    [
        ({"redis.maxmemory": "106 MiB"}, {}),
        ({"redis.maxmemory": "50 MiB"}, {"info": {**SERVER.info, "used_memory": "1000"}}),
        ({"redis.maxmemory-policy": "volatile-lru"}, {}),
        ({"redis.maxmemory-policy": "allkeys-lru"}, {"keys": 100}),
        ({"redis.save": "none"}, {"keys": 0}),
        ({"redis.appendonly": "yes"}, {}),
    ],
)
def test_what_can_lose_nothing_needs_no_permission(
    wanted: dict[str, object], parts: dict[str, Any]
) -> None:
    [change] = plan(wanted, server(**parts)).changes
    assert change.allowed
    assert change.at_stake == ""


def test_a_raised_limit_is_never_at_stake_even_above_what_is_used() -> None:
    [change] = plan({"redis.maxmemory": "60 MiB"}, server({"maxmemory": str(2**20)})).changes
    assert change.allowed


def test_a_dump_that_would_come_back_is_set_aside() -> None:
    made = plan({"redis.save": "none"}, allow=DATA)
    [move] = [step for step in made.steps if isinstance(step, MoveStep)]
    assert (move.path, move.to) == (
        "/var/lib/redis/dump.rdb",
        "/var/lib/redis/dump.rdb.set-aside-1000",
    )


def test_beside_an_append_only_file_a_dump_does_not_come_back() -> None:
    made = plan({"redis.save": "none"}, server({"appendonly": "yes"}), DATA)
    assert not [step for step in made.steps if isinstance(step, MoveStep)]


def test_a_restart_waits_and_is_a_loss_where_nothing_brings_the_keys_back() -> None:
    wanted: dict[str, object] = {"redis.io-threads": 2}
    assert plan(wanted).changes[0].allowed is False
    made = plan(wanted, allow=RESTART)
    [action] = [step for step in made.steps if isinstance(step, ActionStep)]
    assert (action.argument, action.needs) == ("redis-server.service", (Permission.RESTART,))
    volatile = server({"save": NO_SAVE})
    [change] = plan(wanted, volatile, RESTART).changes
    assert not change.allowed
    assert change.at_stake == "1000 keys, which nothing brings back after a restart"
    assert not [
        step for step in plan(wanted, volatile, RESTART).steps if isinstance(step, ActionStep)
    ]
    [action] = [
        step
        for step in plan(wanted, volatile, RESTART | DATA).steps
        if isinstance(step, ActionStep)
    ]
    assert set(action.needs) == {Permission.RESTART, Permission.DATA}


def test_more_clients_than_files_are_impossible_and_the_number_is_said() -> None:
    made = plan({"redis.maxclients": 70000})
    [left] = made.not_applicable
    assert "65535" in left.reason
    assert "70032" in left.reason
    assert made.steps == ()


def test_what_the_build_cannot_do_is_left_out_with_its_own_words() -> None:
    made = plan({"redis.activedefrag": "yes"}, server(unable={"activedefrag": "no jemalloc here"}))
    assert [left.reason for left in made.not_applicable] == ["no jemalloc here"]


def test_a_server_read_over_its_url_is_not_changed() -> None:
    made = plan({"redis.maxmemory-policy": "volatile-ttl"}, server(can_change=False))
    assert made.steps == ()
    assert "redis-cli" in made.not_applicable[0].reason


def test_a_slice_is_the_limit_of_the_unit_or_the_share_of_the_host() -> None:
    asked: dict[str, object] = {"redis.maxmemory": "slice / 2"}
    [change] = plan(asked, server(memory_max=2 * 2**30)).changes
    assert change.after == str(2**30)
    [change] = plan(asked).changes
    # 16 GiB but for a tenth, with no other service on the host.
    assert change.after == str((16 * 2**30 - 16 * 2**30 // 10) // 2)


def test_a_plan_that_was_applied_leaves_nothing_to_do() -> None:
    asked: dict[str, object] = {"redis.maxmemory-policy": "volatile-ttl", "redis.save": "60 5"}
    made = plan(asked)
    live = {name: after for name, (_, after) in values_of(made).items()}
    [file] = [change for change in made.files if change.path == OURS]
    ours = [line[1:] for line in file.diff.splitlines()[3:]]
    lines = (
        *SERVER.lines,
        ConfigLine(CONF, 20, f"include {OURS}"),
        *(ConfigLine(OURS, number, line) for number, line in enumerate(ours, 1)),
    )
    state = replace(SERVER.config_state, lines=frozenset({"include"}))  # type: ignore[type-var]
    after = server(live, lines=lines, config_state=state)
    files = {OURS: file_state("\n".join(ours).encode() + b"\n")}
    again = plan(asked, after, files=files)
    assert again.changes == ()
    assert again.steps == ()


def back(step: ValueStep, on: RedisInstance, allow: frozenset[Permission] = frozenset()) -> Any:
    return guarded([step], seen(on), allow)


def value_step(name: str, before: str, after: str) -> ValueStep:
    return ValueStep(tunable=f"redis.{name}[6379]", path=PATH + name, before=before, after=after)


def test_a_way_back_that_would_throw_keys_away_is_held() -> None:
    step = value_step("maxmemory", "0", str(50 * 2**20))
    held = back(step, SERVER)
    assert held.steps == ()
    assert held.held[0].at_stake.startswith("100.0 MiB are in use")
    assert back(step, SERVER, DATA).steps == (step,)


def test_going_back_from_an_append_only_file_sets_it_aside() -> None:
    step = value_step("appendonly", "yes", "no")
    taken = back(step, server({"appendonly": "yes"})).steps
    assert taken == (
        step,
        MoveStep(
            path="/var/lib/redis/appendonlydir", to="/var/lib/redis/appendonlydir.set-aside-1000"
        ),
    )


def test_a_restart_after_which_nothing_is_left_needs_more_consent() -> None:
    restart = ActionStep(
        action="restart-unit", argument="redis-server.service", needs=(Permission.RESTART,)
    )
    steps = [value_step("appendonly", "yes", "no"), restart]
    kept = guarded(steps, seen(server({"appendonly": "yes"})), DATA).steps
    assert restart in kept
    lost = guarded(steps, seen(server({"appendonly": "yes", "save": NO_SAVE})), DATA).steps
    [action] = [step for step in lost if isinstance(step, ActionStep)]
    assert set(action.needs) == {Permission.RESTART, Permission.DATA}


def test_our_file_spells_names_as_the_version_of_the_server_does() -> None:
    older = server({"server_cpulist": ""}, fixed=frozenset({"server_cpulist"}))
    made = plan({"redis.server-cpulist": "0-1"}, older)
    [file] = [change for change in made.files if change.path == OURS]
    assert "+server_cpulist 0-1" in file.diff
    newer = server({"server-cpulist": ""}, fixed=frozenset({"server-cpulist"}))
    [file] = [
        change
        for change in plan({"redis.server-cpulist": "0-1"}, newer).files
        if change.path == OURS
    ]
    assert "+server-cpulist 0-1" in file.diff


def test_the_servers_own_program_reads_our_file_before_it_is_kept() -> None:
    known_program = server(info={**SERVER.info, "executable": "/usr/bin/redis-server"})
    made = plan({"redis.maxmemory-policy": "volatile-ttl"}, known_program)
    [check] = [step for step in made.steps if isinstance(step, ActionStep)]
    assert (check.action, check.argument) == ("check-redis", f"/usr/bin/redis-server {OURS}")
    assert check.needs == ()


def test_a_limit_of_its_unit_restarts_no_server_that_would_lose_its_keys() -> None:
    unit = Unit(
        "redis-server.service",
        {"LoadState": "loaded", "ActiveState": "active", "LimitNOFILE": "1024"},
    )
    asked = profile({"system.unit.redis-server.service.LimitNOFILE": 10240})
    volatile = seen(server({"save": NO_SAVE}), units={unit.name: unit})
    held = plan_host("db-1", asked, volatile, {}, RESTART)
    assert held.changes[0].at_stake.startswith("1000 keys")
    assert not [step for step in held.steps if getattr(step, "action", "") == "restart-unit"]
    kept = plan_host("db-1", asked, seen(units={unit.name: unit}), {}, RESTART)
    assert [step for step in kept.steps if getattr(step, "action", "") == "restart-unit"]
