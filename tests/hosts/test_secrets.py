"""Secrets of a host and of its controller, planted everywhere: no artefact has one of them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from testbed.debian import CLERKS_PASSWORD
from testbed.host import Host
from tests.hosts.arranged import arranged, restarted_unit, with_file
from tests.hosts.conftest import MakeController, guarded
from tests.hosts.controller import PROFILES, Outcome
from tests.hosts.lab import STATE, Lab
from tests.hosts.postgresql_lab import debian, differing
from tests.hosts.watched import watched

SHARED = ("--profile", str(PROFILES / "memory.yaml"), "--set", "node.max-old-space-size=128 MiB")
# One mark for each place, so that a failure says which.
REDIS, MASTER, ACL = "zq1redis", "zq2master", "zq3acl"
CONNINFO, AUTO, DSN, PHRASE = "zq4conninfo", "zq5auto", "zq6dsn", "zq7phrase"
UNIT_SECRET, FILE_SECRET, ARGUMENT = "zq8unit", "zq9file", "zq10argument"
# Those that a process of the host itself shows.
SHOWN = (UNIT_SECRET, FILE_SECRET, ARGUMENT)
HIDDEN = (REDIS, MASTER, ACL, CONNINFO, AUTO, DSN, PHRASE, CLERKS_PASSWORD)
UNIT = f"""[Service]
Environment=PORT=3000 SECRET={UNIT_SECRET} NODE_OPTIONS=--no-deprecation TOKEN={UNIT_SECRET}
EnvironmentFile=/etc/feed.env
ExecStart=/usr/bin/node -e "setInterval(() => {{}}, 1000)" -- --token={ARGUMENT}
"""
FILE = f"DB_PASSWORD={FILE_SECRET}\nNODE_ENV=production\nAPI_KEY='{FILE_SECRET} x'\n"
REDIS_LINES = f"requirepass {REDIS}\nmasterauth {MASTER}\nuser tuner on >{ACL} ~* &* +@all\n"
RESTART_REDIS = "systemctl reset-failed redis-server; systemctl restart redis-server"


@pytest.fixture
def together(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    with guarded(lab, "together", request) as host:
        yield host


@contextmanager
def planted(host: Host) -> Iterator[None]:
    """Have secrets in everything that an administrator writes them into."""
    folder = "/etc/postgresql/15/main"
    auto = "/var/lib/postgresql/15/main/postgresql.auto.conf"
    with ExitStack() as stack:
        for path, text in (
            ("/etc/redis/redis.conf", REDIS_LINES),
            (f"{folder}/postgresql.conf", f"primary_conninfo = 'password={CONNINFO}'\n"),
            (auto, f"primary_conninfo = 'host=x password={AUTO}'\nwork_mem = '5MB'\n"),
        ):
            stack.enter_context(
                arranged(host, f"cp -a {path} {path}.kept", f"mv {path}.kept {path}")
            )
            host.run(f"cat >>{path}", input=text)
        reload = "systemctl reload postgresql@15-main"
        stack.enter_context(arranged(host, reload, ":"))
        stack.enter_context(arranged(host, RESTART_REDIS, ":"))
        stack.enter_context(with_file(host, "/etc/feed.env", FILE, mode="600"))
        stack.enter_context(restarted_unit(host, "feed.service", UNIT))
        yield
    host.run(f"{RESTART_REDIS}; {reload}")


def key_with_passphrase(host: Host, folder: Path) -> str:
    """Copy the key that the host lets in, and lock the copy."""
    path = folder / "locked"
    shutil.copy(host.user_key, path)
    path.chmod(0o600)
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-P", "", "-N", PHRASE, "-f", str(path)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return str(path)


def test_no_planted_secret_shows_anywhere(
    together: Host, controller: MakeController, tmp_path: Path
) -> None:
    cluster = debian(together, "15")
    cluster.wait()
    before = cluster.look()
    with planted(together), watched(together) as watch:
        one = controller(
            together,
            user="clerk",
            _sudo_password=CLERKS_PASSWORD,
            redis_password=REDIS,
            postgres_dsn=f"host=127.0.0.1 port=1 user=ana password={DSN}",
            ssh_key=key_with_passphrase(together, tmp_path),
            ssh_key_password=PHRASE,
        )
        everything = ("-v", "--explain", "--all")
        saved = tmp_path / "plan.json"
        said: list[Outcome] = [
            one.run("plan", one.inventory, *SHARED, *everything, "-o", str(saved))
        ]
        found = {change["tunable"].partition(".")[0] for change in _changes(saved)}
        assert found >= {"redis", "postgresql", "node"}
        said += [one.apply(*SHARED, "-v", "--no-confirm")]
        # While it waits, the login is in memory, for root alone, and nowhere in the journal.
        logins = together.run("stat -c '%a %u' /run/optimizer-logins").stdout.split()
        assert logins == ["600", "0"]
        waiting = _kept(together)
        said += [one.confirm("-v")]
        said += [one.verify(), one.run("doctor", one.inventory, "-v")]
        said += [one.run("history", one.inventory), one.run("history")]
        said += [one.run("score", one.inventory, *SHARED, "-v")]
        kept = _kept(together)
        said += [one.run("rollback", one.inventory, "--yes", "-v")]
        # What the doctor thinks of such a host is another matter.
        failed = [one for one in said if one.code and one.words[2] != "doctor"]
        assert failed == []
        assert together.run("ls /run/optimizer-logins", check=False).returncode != 0
        # The watch did see us, and what the services show by themselves.
        assert watch.shows("-cli") and watch.shows("sudo") and watch.shows(ARGUMENT)
        assert [mark for mark in HIDDEN if watch.shows(mark)] == []
    log = together.run("journalctl --sync; journalctl -o export").stdout
    texts = {
        "said": "".join(outcome.out + outcome.err for outcome in said),
        "plan": saved.read_text(),
        "controller": _all(one.state),
        "journal": waiting,
        "snapshot": kept,
        "log": log,
    }
    for where, text in texts.items():
        assert text
        assert [mark for mark in (*HIDDEN, *SHOWN) if mark in text] == [], where
    assert differing(before, cluster.look()) == {}


def _changes(saved: Path) -> list[dict[str, str]]:
    return list(json.loads(saved.read_text())["hosts"][0]["changes"])


def _kept(host: Host) -> str:
    """What is left on the host of a change: journal, snapshots, history, units, scratch files."""
    units = (
        "/etc/systemd/system/*optimizer* /etc/systemd/system/*/*optimizer* /run/systemd/transient/*"
    )
    return host.run(
        f"cat $(find {STATE} -type f) $(find /tmp /var/tmp /usr/local/lib/optimizer -type f "
        f"2>/dev/null) {units} $(find /etc -name '*optimizer*' -type f) 2>/dev/null || :"
    ).stdout


def _all(folder: Path) -> str:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return "\n".join(path.read_text(errors="replace") for path in files)
