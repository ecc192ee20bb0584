"""Packages on the host: what is asked of apt and dpkg, and when; functions stand in for both.

A file stands in for what is installed. What apt and dpkg really do is for the tests on real hosts.
"""

from __future__ import annotations

import shlex
import subprocess

import pytest

from optimizer.app.outcomes import problems_of, verdict_of
from optimizer.host import program
from optimizer.host.wire import Answer, confirm_program
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import ValueStep
from tests.unit.factories import RUN
from tests.unit.shell_lab import EARLIER_BOOT, Edit, Lab, with_override, without_probe, words

LIBRARY, WANTED = "package:pgbouncer/libevent", "package:pgbouncer"
VERSION = "1:1.18.0-1+deb12u1"


def fake(lab: Lab, *more: str) -> str:
    """Return functions by which each package is a file below `dpkg` with its state."""
    folder = shlex.quote(str(lab.root / "dpkg"))
    log = shlex.quote(str(lab.root / "asked"))
    return "\n".join(
        (
            f"dpkg_has() {{ cat {folder}/${{1##*[:/]}} 2>/dev/null || echo @absent; }}",
            'package_read() { REPLY=$(dpkg_has "$1"); }',
            f'package_install() {{ echo "install $*" >>{log}; echo "$3" >{folder}/$2; }}',
            f'package_purge() {{ echo "purge $*" >>{log}; ERROR=; rm -f {folder}/$2; }}',
            f'package_await() {{ echo "await $1" >>{log}; }}',
            *more,
            "",
        )
    )


def begun(lab: Lab) -> None:
    """Apply the change that installs both."""
    (lab.root / "dpkg").mkdir()
    steps = [
        ValueStep(tunable="t", path=path, before="@absent", after=after, write="last", patience=60)
        for path, after in ((LIBRARY, "2.1-8"), (WANTED, VERSION))
    ]
    answers = lab.apply(lab.change(steps), edit=with_override("apply", fake(lab)))
    assert verdict_of(answers) == "applied", answers


def confirmed(lab: Lab, *more: str) -> tuple[Answer, ...]:
    edit = with_override("confirm", fake(lab, *more))
    return lab.run(edit(without_probe(confirm_program(RUN, ProbeRequest()))))


def restoring(lab: Lab, *more: str) -> Edit:
    return with_override("restore", fake(lab, *more))


def there(lab: Lab) -> dict[str, str]:
    return {file.name: file.read_text().strip() for file in (lab.root / "dpkg").iterdir()}


def asked(lab: Lab) -> list[str]:
    log = lab.root / "asked"
    return log.read_text().splitlines() if log.exists() else []


BOTH = {"libevent": "2.1-8", "pgbouncer": VERSION}
DIES = 'held() { [ "$1" = now ] || exit 1; }'


def test_packages_wait_for_the_confirmation_and_the_timer_grants_their_time(lab: Lab) -> None:
    begun(lab)
    assert there(lab) == {}
    assert "armed\tprocess\t720" in (lab.journal / "progress").read_text()
    assert verdict_of(confirmed(lab)) == "confirmed"
    assert there(lab) == BOTH
    assert asked(lab) == [
        f"install {LIBRARY} libevent 2.1-8",
        f"install {WANTED} pgbouncer {VERSION}",
    ]


def test_one_that_cannot_be_installed_takes_back_what_came_before_it(lab: Lab) -> None:
    begun(lab)
    fails = "package_write() { case $1=$2 in *r=[0-9]*) echo half-configured"
    fails += (
        f" >{shlex.quote(str(lab.root / 'dpkg'))}/pgbouncer; ERROR='script failed'; return 1 ;;"
    )
    fails += ' *=@absent) package_purge "$1" "${1##*[:/]}" ;;'
    fails += ' *) package_install "$1" "${1##*[:/]}" "$2" ;; esac; }'
    answers = confirmed(lab, fails)
    assert verdict_of(answers) == "restored"
    assert "script failed" in str(problems_of(answers)[0])
    assert there(lab) == {}
    assert [line for line in asked(lab) if line.startswith("purge")] == [
        f"purge {WANTED} pgbouncer",
        f"purge {LIBRARY} libevent",
    ]
    assert not lab.journal.exists()


@pytest.mark.parametrize("state", [VERSION, "unpacked", "half-installed", "config-files"])
def test_after_a_death_in_between_what_is_half_done_goes_too(lab: Lab, state: str) -> None:
    begun(lab)
    confirmed(lab, DIES)
    (lab.root / "dpkg/pgbouncer").write_text(f"{state}\n")
    answers = lab.restore("automatic", RUN, edit=restoring(lab))
    assert verdict_of(answers) == "restored"
    assert there(lab) == {}
    # Whoever is at work still is waited for before anything is looked at.
    assert f"await {WANTED}" in asked(lab)[-4:]


def test_a_package_that_lay_in_the_journal_at_a_death_is_no_damage(lab: Lab) -> None:
    begun(lab)
    dies = f"echo half-installed >{shlex.quote(str(lab.root / 'dpkg'))}/$2; exit 1"
    confirmed(lab, f'package_install() {{ mkdir -p "$JOURNAL/package/partial"; {dies}; }}')
    assert there(lab) == {"libevent": "half-installed"}
    assert (lab.journal / "package").is_dir()
    assert verdict_of(lab.restore("automatic", RUN, edit=restoring(lab))) == "restored"
    assert there(lab) == {}
    assert not lab.journal.exists()


def test_at_boot_packages_wait_until_services_have_been_started(lab: Lab) -> None:
    begun(lab)
    confirmed(lab, DIES)
    later = "restore_after_boot() { emit note later; }"
    answers = lab.restore("boot", edit=restoring(lab, later, EARLIER_BOOT))
    assert words(answers) == ["note", "result"]
    assert there(lab) == BOTH
    assert verdict_of(lab.restore("automatic", RUN, edit=restoring(lab))) == "restored"
    assert there(lab) == {}


def test_one_that_somebody_upgraded_meanwhile_is_kept_and_named(lab: Lab) -> None:
    begun(lab)
    confirmed(lab, DIES)
    (lab.root / "dpkg/libevent").write_text("2.1-9\n")
    answers = lab.restore("automatic", RUN, edit=restoring(lab))
    assert [answer.fields for answer in answers if answer.word == "foreign"] == [
        (LIBRARY, "@absent", "2.1-8", "2.1-9")
    ]
    assert there(lab) == {"libevent": "2.1-9"}


def test_one_that_was_never_begun_is_not_purged(lab: Lab) -> None:
    begun(lab)
    # Somebody installs the very same before the confirmation, which never comes.
    (lab.root / "dpkg/libevent").write_text("2.1-8\n")
    assert verdict_of(lab.restore("automatic", RUN, edit=restoring(lab))) == "restored"
    assert there(lab) == {"libevent": "2.1-8"}


def ask(lab: Lab, script: str, *functions: str) -> list[tuple[str, ...]]:
    """Run the words about packages with functions in place of apt and dpkg."""
    head, _, _ = program("probe").rpartition("\nprobe_main")
    lab.journal.mkdir(parents=True, exist_ok=True)
    scratch = f"scratch={shlex.quote(str(lab.root / 'scratch'))}"
    answers = lab.run("\n".join((head, scratch, *functions, script, "")))
    return [(answer.word, *answer.fields) for answer in answers]


SIMULATED = """
Reading package lists...
Inst libc-ares2 (1.18.1-3 localhost [amd64])
Inst libevent-2.1-7 (2.1.12-stable-8 localhost [amd64])
Inst pgbouncer (1:1.18.0-1+deb12u1 Debian:12.5/stable [amd64]) []
Conf libevent-2.1-7 (2.1.12-stable-8 localhost [amd64])
Conf libc-ares2 (1.18.1-3 localhost [amd64])
Conf pgbouncer (1:1.18.0-1+deb12u1 Debian:12.5/stable [amd64])
"""


def simulated(text: str, *, works: bool = True) -> str:
    return (
        f"package_apt() {{ printf '%s\\n' {shlex.quote(text)}; {'true' if works else 'false'}; }}"
    )


NOTHING = "command() { return 1; }\ndpkg() { :; }"


def test_what_comes_along_is_read_in_the_order_of_setting_up(lab: Lab) -> None:
    found = ask(lab, "probe_installation surely-not-there", NOTHING, simulated(SIMULATED))
    assert [fields[2:4] for fields in found] == [
        ("libevent-2.1-7", "2.1.12-stable-8"),
        ("libc-ares2", "1.18.1-3"),
        ("pgbouncer", "1:1.18.0-1+deb12u1"),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Inst libc6 [2.36-9] (2.36-9+deb12u14 Debian [amd64])", "libc6 would be upgraded"),
        ("Remv exim4 [4.96]", "exim4 would be removed"),
        ("Inst libx:i386 (1.0 Debian [i386])", "libx:i386 is of another architecture"),
    ],
)
def test_a_simulation_that_touches_others_says_so(lab: Lab, line: str, said: str) -> None:
    found = ask(lab, "probe_installation nobody", NOTHING, simulated(SIMULATED + line))
    assert ("package-refused", "nobody", said) in found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("E: Unable to locate package nobody", "apt-get update"),
        ("E: Package 'nobody' has no installation candidate", "apt-get update"),
        ("E: Unmet dependencies. Try it", "apt cannot install it: Unmet dependencies. Try it"),
    ],
)
def test_what_apt_cannot_do_is_told(lab: Lab, text: str, said: str) -> None:
    [found] = ask(lab, "probe_installation nobody", NOTHING, simulated(text, works=False))
    assert found[:2] == ("package-left", "nobody")
    assert said in found[2]


def test_what_is_there_without_a_package_is_left_alone(lab: Lab) -> None:
    [found] = ask(lab, "probe_installation sh", simulated(SIMULATED))
    assert found[:2] == ("package-left", "sh")
    assert "no package brought it" in found[2]


def test_an_interrupted_dpkg_is_left_alone(lab: Lab) -> None:
    broken = "command() { return 1; }\ndpkg() { echo 'x is half configured'; }"
    [found] = ask(lab, "probe_installation nobody", broken, simulated(SIMULATED))
    assert "dpkg --audit" in found[2]


def test_dependents_and_edited_files_are_read_from_dpkg(lab: Lab) -> None:
    said = """dpkg: dependency problems prevent removal of libevent-2.1-7:amd64:
 pgbouncer depends on libevent-2.1-7 (>= 2.1.8-stable).
 tor:amd64 depends on libevent-2.1-7 (>= 2.1.8-stable).
 nslcd pre-depends on libevent-2.1-7.

dpkg: error processing package libevent-2.1-7:amd64 (--purge):"""
    verified = """??5??????   /usr/sbin/x
??5?????? c /etc/pgbouncer/pgbouncer.ini
missing     c /etc/default/pgbouncer"""
    dpkg = f"dpkg() {{ case $1 in -V) printf '%s\\n' {shlex.quote(verified)} ;; "
    dpkg += f"*) printf '%s\\n' {shlex.quote(said)} ;; esac; }}"
    found = ask(lab, "probe_package_back package:pgbouncer/libevent", dpkg)
    assert found == [
        ("depends", LIBRARY, "nslcd, pgbouncer, tor"),
        ("edited", LIBRARY, "/etc/pgbouncer/pgbouncer.ini, /etc/default/pgbouncer"),
    ]


def test_another_dpkg_is_waited_for_and_other_errors_are_not(lab: Lab) -> None:
    count = shlex.quote(str(lab.root / "count"))
    locked = f"""dpkg() {{
    echo x >>{count}
    [ "$(grep -c x {count})" -gt 2 ] && return 0
    echo 'dpkg: error: dpkg frontend lock was locked by another process with pid 7'
    return 2
}}
sleep() {{ :; }}"""
    script = 'package_dpkg --purge a && emit done "$(grep -c x ' + count + ')"'
    assert ask(lab, script, locked) == [("done", "3")]
    broken = (
        "dpkg() { echo ' tor depends on a.'; echo 'dpkg: error processing package a'; return 1; }"
    )
    [found] = ask(lab, 'package_dpkg --purge a || emit failed "$ERROR"', broken)
    assert "tor depends on a." in found[1]


def says(lab: Lab, name: str, script: str) -> None:
    """Have a program of that name; with a dash in it none for a function."""
    path = lab.root / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def cut_off(lab: Lab, state: str, *, is_begun: bool = True) -> tuple[str, ...]:
    """Have what a killed apt leaves: a journal with what it had fetched; return who stands in."""
    package = lab.journal / "package"
    package.mkdir(parents=True)
    (package / "libevent_2.1-8_amd64.deb").touch()
    if is_begun:
        (package / "said").touch()
    says(lab, "dpkg-deb", "[ $1 = -f ] && echo libevent")
    log = shlex.quote(str(lab.root / "asked"))
    return (
        "has() { true; }",
        f"from={shlex.quote(str(lab.journal))} UNDO=yes",
        f"package_read() {{ REPLY={shlex.quote(state)}; }}",
        f"PATH={shlex.quote(str(lab.root / 'bin'))}:$PATH",
        f'package_apt() {{ echo "apt $*" >>{log}; [ "$1" != check ]; }}',
        f'dpkg() {{ echo "dpkg $*" >>{log}; }}',
    )


@pytest.mark.parametrize("state", ["half-installed", "@absent"])
def test_what_was_being_unpacked_is_unpacked_again_to_be_purged_whole(lab: Lab, state: str) -> None:
    assert ask(lab, f"package_await {LIBRARY}", *cut_off(lab, state)) == []
    deb = lab.journal / "package/libevent_2.1-8_amd64.deb"
    assert asked(lab) == ["apt check", "dpkg --triggers-only -a", f"dpkg --unpack {deb}"]


@pytest.mark.parametrize("state", [VERSION, "unpacked", "half-configured", "config-files"])
def test_what_dpkg_has_listed_is_not_unpacked_again(lab: Lab, state: str) -> None:
    assert ask(lab, f"package_await {LIBRARY}", *cut_off(lab, state)) == []
    assert asked(lab) == ["apt check", "dpkg --triggers-only -a"]


def test_what_apt_never_came_to_is_not_unpacked(lab: Lab) -> None:
    standing_in = cut_off(lab, "@absent", is_begun=False)
    assert ask(lab, f"package_await {LIBRARY}", *standing_in) == []
    assert asked(lab) == ["apt check", "dpkg --triggers-only -a"]


def test_what_somebody_put_there_meanwhile_is_not_unpacked_over(lab: Lab) -> None:
    standing_in = (*cut_off(lab, "@absent"), "package_is_free() { false; }")
    assert ask(lab, f"package_await {LIBRARY}", *standing_in) == []
    assert asked(lab) == ["apt check", "dpkg --triggers-only -a"]


def test_what_was_only_about_to_be_purged_is_not_wished_away_any_more(lab: Lab) -> None:
    standing_in = cut_off(lab, VERSION)
    says(lab, "dpkg-query", "echo purge installed")
    dpkg = f"dpkg() {{ [ $1 != --set-selections ] || cat >{shlex.quote(str(lab.root / 'wish'))}; }}"
    marks = f'package_mark() {{ echo "mark $*" >>{shlex.quote(str(lab.root / "asked"))}; }}'
    assert ask(lab, f"package_await {LIBRARY}", *standing_in, dpkg, marks) == []
    assert (lab.root / "wish").read_text() == "libevent install\n"
    assert asked(lab) == ["apt check", "mark auto libevent"]


def test_a_trigger_of_others_that_failed_on_a_full_disk_is_made_up_for(lab: Lab) -> None:
    standing_in = cut_off(lab, "@absent", is_begun=False)
    rows = "half-configured 2.41 2.41 libc-bin\nhalf-configured 2 1 another\nhalf-configured 3  new"
    says(lab, "dpkg-query", f"case $3 in *Config-Version*) echo {shlex.quote(rows)} ;; esac")
    ask(lab, f"package_await {LIBRARY}", *standing_in)
    assert asked(lab) == ["apt check", "dpkg --triggers-only -a", "dpkg --configure libc-bin"]


def test_a_trigger_of_others_that_fails_still_is_tried_again(lab: Lab) -> None:
    standing_in = cut_off(lab, "@absent", is_begun=False)
    says(lab, "dpkg-query", "case $3 in *Config*) echo half-configured 2.41 2.41 libc-bin ;; esac")
    fails = "dpkg() { [ $1 != --configure ] || { echo 'dpkg: error: no room'; return 1; }; }"
    found = ask(lab, f'package_await {LIBRARY}; emit is "$FAILED"', *standing_in, fails)
    why = "dpkg: error: no room "
    assert found == [
        ("failed", "-", "package:libc-bin", "installed", "half-configured", why),
        ("is", "yes"),
    ]


def test_an_apt_that_has_no_lock_yet_is_waited_for(lab: Lab) -> None:
    early = lab.root / "early"
    folder = f"Dir::Cache::archives={lab.journal}/package"
    with subprocess.Popen(["sh", "-c", "sleep 1; :", "apt-get", folder]) as orphan:
        looks = f"package_apt() {{ ! grep -qs archives /proc/{orphan.pid}/cmdline || >{early}; }}"
        waits = "sleep() { command sleep 0.1; }"
        ask(lab, f"package_await {LIBRARY}", *cut_off(lab, VERSION), looks, waits)
    assert not early.exists()


def test_of_a_killed_apt_no_file_with_a_made_up_name_stays(lab: Lab) -> None:
    left = lab.root / "extended_states.aB3xYz"
    left.touch()
    finds = f"find() {{ echo {shlex.quote(str(left))}; }}"
    ask(lab, f"package_await {LIBRARY}", *cut_off(lab, VERSION), finds)
    assert not left.exists()


def test_one_that_is_half_there_is_purged_before_it_is_installed(lab: Lab) -> None:
    log = shlex.quote(str(lab.root / "asked"))
    steps = (
        f'package_purge() {{ echo "purge $*" >>{log}; }}',
        f'package_put() {{ echo "put $*" >>{log}; }}',
    )
    ask(lab, f"package_install {LIBRARY} libevent 2.1-8", *cut_off(lab, "half-installed"), *steps)
    assert asked(lab) == [f"purge {LIBRARY} libevent", f"put {LIBRARY} libevent 2.1-8"]
    assert not (lab.journal / "package").exists()


def test_what_could_not_be_installed_stays_in_the_journal(lab: Lab) -> None:
    puts = 'package_put() { : >"$folder/libevent.deb"; ERROR=full; return 1; }'
    ask(lab, f"package_install {LIBRARY} libevent 2.1-8", *cut_off(lab, "@absent"), puts)
    assert (lab.journal / "package/libevent.deb").exists()
