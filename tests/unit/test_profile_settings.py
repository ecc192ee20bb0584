"""One setting of a profile: the forms it may have, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer import profiles
from optimizer.model.errors import ProfileError, UnknownTunable
from optimizer.model.profile import Constraint, Wanted
from tests.unit.shelf import (
    MIN_FREE,
    RMEM_MAX,
    SCHEDULER,
    SOMAXCONN,
    SWAPPINESS,
    TCP_RMEM,
    THP,
    TITAN,
    Shelf,
    wanted,
)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


# Forms of a setting


def test_a_profile_has_what_its_file_says(shelf: Shelf) -> None:
    path = shelf.put(
        "hft",
        """\
        summary: Lowest tail latency;
          spends power.
        set:
          system.thp.enabled: never
        """,
        head="version: 3\n",
    )
    profile = shelf.load("hft")
    assert (profile.name, profile.version, profile.extends) == ("hft", 3, ())
    assert profile.summary == "Lowest tail latency; spends power."
    assert profile.settings[THP].tunable.id == THP
    assert profile.settings[THP].origin == "hft.yaml:6"
    assert profile == profiles.load(str(path))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"{THP}: never", Wanted(Constraint.EXACTLY, "never")),
        (f"{SOMAXCONN}: {{at_least: 4096}}", Wanted(Constraint.AT_LEAST, "4096")),
        (f"{SOMAXCONN}: {{at_most: 4096}}", Wanted(Constraint.AT_MOST, "4096")),
        (
            f"{SOMAXCONN}: {{exactly: 4096, why: Bursts   of orders.}}",
            Wanted(Constraint.EXACTLY, "4096", why="Bursts of orders."),
        ),
        (
            f'{SOMAXCONN}: {{exactly: 1, when: {{cpus: "> 1", os: debian}}}}',
            Wanted(Constraint.EXACTLY, "1", when={"cpus": "> 1", "os": "debian"}),
        ),
        (f"{TCP_RMEM}: untouched", Wanted(Constraint.UNTOUCHED)),
        (
            f"{TCP_RMEM}: {{exactly: untouched, why: The team of db-1 tunes it.}}",
            Wanted(Constraint.UNTOUCHED, why="The team of db-1 tunes it."),
        ),
        (f"{TCP_RMEM}: 4096  131072 6291456", Wanted(Constraint.EXACTLY, "4096 131072 6291456")),
        (f"{RMEM_MAX}: 16 MiB", Wanted(Constraint.EXACTLY, "16777216")),
        ("system.boot.nosoftlockup:", Wanted(Constraint.EXACTLY, "present")),
    ],
)
def test_a_setting_may_be_written_in_these_forms(shelf: Shelf, line: str, expected: Wanted) -> None:
    assert wanted(shelf.setting(line)) == expected


def test_a_list_is_alternatives_in_their_order(shelf: Shelf) -> None:
    setting = shelf.setting(
        f"{SCHEDULER}:",
        "    - {exactly: none, when: {disk: nvme | ssd}}\n"
        "    - {exactly: mq-deadline, when: {disk: hdd}}\n"
        "    - untouched\n",
    )
    assert setting.alternatives == (
        Wanted(Constraint.EXACTLY, "none", when={"disk": "nvme | ssd"}),
        Wanted(Constraint.EXACTLY, "mq-deadline", when={"disk": "hdd"}),
        Wanted(Constraint.UNTOUCHED),
    )


@pytest.mark.parametrize(
    "text",
    [
        "{paths: [/var/log/titan/*.log], maxsize: 100M, compress: off}",
        "{exactly: {paths: [/var/log/titan/*.log], maxsize: 100M, compress: off}}",
    ],
)
def test_a_log_set_is_a_mapping_and_kept_as_its_canonical_text(shelf: Shelf, text: str) -> None:
    value = wanted(shelf.setting(f"{TITAN}: {text}"))
    assert value == Wanted(
        Constraint.EXACTLY,
        "/var/log/titan/*.log; daily; rotate 14; maxsize 100M; maxage 30; nocompress; missingok; "
        "notifempty; sharedscripts",
    )
    assert wanted(shelf.setting(f'{TITAN}: "{value.value}"')) == value


def test_a_log_set_may_have_a_reason_and_a_condition(shelf: Shelf) -> None:
    text = "{paths: [/var/log/titan/*.log], why: It grows., when: {os: debian}}"
    value = wanted(shelf.setting(f"{TITAN}: {text}"))
    assert (value.why, value.when) == ("It grows.", {"os": "debian"})


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (f"{THP}: never", "never"),
        ("system.cpufreq.boost: off", "0"),
        ("system.cpufreq.boost: Yes", "1"),
        (f"{SOMAXCONN}: 0x10", "16"),
        (f"{SOMAXCONN}: 1_000", "1000"),
        ("system.logrotate-timer.OnCalendar: 12:30", "12:30"),
        ("system.logrotate-timer.OnCalendar: 2026-01-02", "2026-01-02"),
        ("system.sysctl.kernel.core_pattern: null", "null"),
        ("system.sysctl.kernel.core_pattern: 1e3", "1e3"),
        ("system.sysctl.kernel.core_pattern: ~", None),
    ],
)
def test_a_value_is_the_text_that_was_written(shelf: Shelf, line: str, value: str | None) -> None:
    if value is None:
        assert "'~' is not a word" in str(shelf.refusal(line))
    else:
        assert wanted(shelf.setting(line)).value == value


# Expressions


@pytest.mark.parametrize(
    "line",
    [
        f"{MIN_FREE}: min(1% ram, 1 GiB) / 1 KiB",
        f"{SOMAXCONN}: min(2 * cpus, 16)",
        "system.unit.titan.service.MemoryMax: 25% ram",
        "redis.maxmemory: (slice - max(32 MiB, 5% slice)) / 2.3",
        "redis.maxmemory: min(25% ram, slice)",
        "postgresql.shared_buffers: buffers",
        "postgresql.max_connections: connections - 3",
        "postgresql.max_wal_size: min(wal, 8 GiB)",
    ],
)
def test_an_expression_over_facts_is_kept_for_the_host(shelf: Shelf, line: str) -> None:
    assert wanted(shelf.setting(line)).value == line.partition(": ")[2]


def test_an_expression_without_facts_is_computed_once(shelf: Shelf) -> None:
    assert wanted(shelf.setting(f"{SOMAXCONN}: 4 * 1024")).value == "4096"
    assert wanted(shelf.setting(f"{MIN_FREE}: 64 MiB / 1 KiB")).value == "65536"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (f"{RMEM_MAX}: 25% rma", "position 5: there is no fact named rma"),
        (f"{SOMAXCONN}: 2 * cpus)", "position 9: expected an operator"),
        (f"{SOMAXCONN}: cpus / 0", "position 6: division by zero"),
        (f"{SOMAXCONN}: -2 * cpus", "comes to -32 on a host with 16 CPUs"),
        (f"{SWAPPINESS}: 2 * 150", "2 \\* 150 comes to 300 .* out of range"),
        # A hundredth of the RAM in bytes, taken for kB, would be ten times the RAM.
        (f"{MIN_FREE}: 1% ram", "1% ram is a number of bytes, and this is counted in kB"),
        (f"{MIN_FREE}: 64 MiB", "64 MiB is a number of bytes, and this is counted in kB"),
        (f"{SOMAXCONN}: 10k", "10k is a number of bytes, and this is counted in plain numbers"),
        (f"{RMEM_MAX}: ram * ram", "neither a number nor a size"),
        (f"{THP}: 25% ram", "'25% ram' is not one of always, madvise, never"),
        (f"{TCP_RMEM}: 1% ram 4096 8192", "3 are needed"),
        (f"{RMEM_MAX}: 5% slice", "the fact slice is not known for this setting"),
        ("redis.maxmemory: buffers", "the fact buffers is not known for this setting"),
        (f"{SOMAXCONN}: 2 * connections", "the fact connections is not known for this setting"),
        ("postgresql.max_connections: work", "work is a number of bytes"),
        ("postgresql.work_mem: bufers", "'bufers' is not a number of bytes"),
        ("redis.maxmemory: 5% slcie", "there is no fact named slcie"),
        ("redis.maxmemory: slice - 65 GiB", "and 64 GiB, 16 GiB of them for the instance"),
        ("redis.slowlog-max-len: 5% slice", "is a number of bytes"),
    ],
)
def test_an_expression_that_is_wrong_is_refused(shelf: Shelf, line: str, what: str) -> None:
    error = shelf.refusal(line)
    assert isinstance(error, ProfileError)
    with pytest.raises(ProfileError, match=f"^Profile one.yaml:4: .*{what}"):
        raise error


def test_a_number_of_a_server_says_whose_it_is(shelf: Shelf) -> None:
    hint = shelf.refusal(f"{RMEM_MAX}: 5% slice").hint
    assert "Only settings of Redis, PostgreSQL and Node have one" in hint
    hint = shelf.refusal("redis.maxmemory: min(work, 1 GiB)").hint
    assert "Only settings of PostgreSQL have one" in hint


# What is refused


def test_a_value_out_of_range_is_named_with_its_line(shelf: Shelf) -> None:
    assert str(shelf.refusal(f"{SWAPPINESS}: 300")) == (
        f"Profile one.yaml:4: {SWAPPINESS}: 300 is out of range, allowed is 0 to 200"
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("system.thp.enabeld", "Did you mean system.thp.enabled?"),
        ("vm.swapiness", f"Did you mean {SWAPPINESS}?"),
        ("redis.something-else-altogether", "optimizer tunable list"),
        ("system.sysctl.vm.../../etc/passwd", ""),
        ("system.sysctl.$(reboot)", ""),
        ("system.sysctl.vm.a b", ""),
        ("system.boot.a;b", ""),
        ("system.logrotate.../x", ""),
    ],
)
def test_an_unknown_tunable_is_named_with_the_nearest(shelf: Shelf, name: str, hint: str) -> None:
    error = shelf.refusal(f"{name}: 1")
    assert isinstance(error, UnknownTunable)
    assert str(error) == f"one.yaml:4: there is no tunable named {name}."
    assert hint in error.hint


def test_no_message_has_a_control_character(shelf: Shelf) -> None:
    for line in (
        '"system.\\e[2J": 1',
        f'{THP}: "\\e[2J"',
        f'{THP}: {{exactly: never, why: "\\e[2J"}}',
        f'{THP}: {{exactly: never, "\\e[2J": 1}}',
        f'{THP}: {{exactly: never, when: {{"\\e[2J": 1}}}}',
        f'{TITAN}: {{paths: [/var/log/a.log], "\\e[2J": 1}}',
    ):
        error = shelf.refusal(line)
        assert str(error).isprintable(), line
        assert error.hint.isprintable(), line


def test_a_refused_tunable_is_answered_with_the_reason(shelf: Shelf) -> None:
    error = shelf.refusal("system.sysctl.net.ipv4.tcp_tw_recycle: 1")
    assert "tcp_tw_recycle is refused: " in str(error)
    assert "tcp_tw_reuse" in str(error)


def test_a_sysctl_outside_the_catalogue_may_be_named(shelf: Shelf) -> None:
    setting = shelf.setting("system.sysctl.kernel.printk: 3 4 1 3")
    assert wanted(setting).value == "3 4 1 3"
    assert not setting.tunable.is_known


@pytest.mark.parametrize(
    "text", ["$(reboot)", "'`reboot`'", "never; reboot", "never && reboot", "'a|b'", "'a\"b'"]
)
@pytest.mark.parametrize(
    "name", [THP, SOMAXCONN, TCP_RMEM, RMEM_MAX, "system.sysctl.kernel.core_pattern"]
)
def test_shell_characters_are_refused_everywhere(shelf: Shelf, name: str, text: str) -> None:
    assert isinstance(shelf.refusal(f"{name}: {text}"), ProfileError)


@pytest.mark.parametrize("name", [THP, SOMAXCONN, "system.sysctl.kernel.core_pattern"])
@pytest.mark.parametrize(
    ("text", "body"), [("|", "    5\n"), ("|", "    5\n    6\n"), ('"5\\n"', ""), ('"5\\0"', "")]
)
def test_a_line_break_in_a_value_is_refused(shelf: Shelf, name: str, text: str, body: str) -> None:
    assert "has a line break or another control character" in str(
        shelf.refusal(f"{name}: {text}", body)
    )


@pytest.mark.parametrize(
    ("line", "what", "hint"),
    [
        (f"{SOMAXCONN}: many", f"{SOMAXCONN}: 'many' is not a whole number", ""),
        (f"{SOMAXCONN}: 1e3", f"{SOMAXCONN}: '1e3' is not a whole number", ""),
        (f"{SOMAXCONN}: 1.5", f"{SOMAXCONN}: '1.5' is not a whole number", ""),
        (f"{SOMAXCONN}:", f"{SOMAXCONN}: there is no value", "Allowed is 1 to "),
        (f"{SOMAXCONN}: {{}}", f"{SOMAXCONN}: one of exactly, at_least and at_most", ""),
        (f"{SOMAXCONN}: {{why: x}}", f"{SOMAXCONN}: one of exactly, at_least", ""),
        (f"{SOMAXCONN}: {{at_least: 1, at_most: 5}}", f"{SOMAXCONN}: one of exactly", ""),
        (
            f"{SOMAXCONN}: {{at_leats: 5}}",
            f"{SOMAXCONN}: 'at_leats' is not known",
            "mean at_least?",
        ),
        (f"{SOMAXCONN}: {{exactly: [5]}}", f"{SOMAXCONN}: exactly has to be a text", ""),
        (f"{SOMAXCONN}: {{exactly: 5, when: x}}", f"{SOMAXCONN}: when has to be a mapping", ""),
        (f"{SOMAXCONN}: [[5]]", f"{SOMAXCONN}: this has to be a value, or a mapping", ""),
        (f"{SOMAXCONN}: []", f"{SOMAXCONN}: the list of alternatives is empty", ""),
        (f"{SOMAXCONN}: [1, 2]", f"{SOMAXCONN}: this is never used", "all but the last a `when`"),
        (f"{SOMAXCONN}: {{at_least: untouched}}", "'untouched' is not a whole number", ""),
        (f"{THP}: {{at_least: madvise}}", "'madvise' is a word, it has no 'at least'", ""),
        (f"{THP}: {{exactly: never, when: {{cpu: 1}}}}", "no fact named 'cpu'", "mean cpus?"),
        (f"{THP}: {{exactly: never, when: {{disk: hdd}}}}", "fact disk is not known", "per disk"),
        (f"{THP}: {{exactly: never, when: {{cpus: '> x'}}}}", "cpus is a number: 'x'", ""),
        (f"{SCHEDULER}: {{exactly: none, when: {{disk: nvem}}}}", "disk is never", "nvme"),
        (f"{TITAN}: {{path: /var/log/a.log}}", "'path' is not known here", "Did you mean paths?"),
        (f"{TITAN}: {{paths: [/var/log/*]}}", "rotated before", ""),
        (f"{TITAN}: /var/log/titan/*.log", "is not what we write", ""),
        (f"{TITAN}: {{at_least: 5}}", "'at_least' is not known here", ""),
    ],
)
def test_a_setting_that_is_wrong_says_how(shelf: Shelf, line: str, what: str, hint: str) -> None:
    error = shelf.refusal(line)
    assert str(error).startswith("Profile one.yaml:4: ")
    assert what in str(error)
    assert hint in error.hint


def test_a_problem_of_an_alternative_is_named_with_its_own_line(shelf: Shelf) -> None:
    body = "    - {exactly: none, when: {disk: ssd}}\n    - {exactly: nnone, when: {disk: hdd}}\n"
    assert str(shelf.refusal(f"{SCHEDULER}:", body)).startswith("Profile one.yaml:6: ")
