"""Node services: plan, apply, restart, roll back; /proc and the running program tell."""

from __future__ import annotations

from testbed.host import Host
from tests.hosts.conftest import MakeController
from tests.hosts.controller import NODE, Controller
from tests.hosts.lab import Lab
from tests.hosts.node_lab import Service, services

PROBE = "/usr/local/lib/optimizer/node-probe.cjs"
LOADED = f"--max-old-space-size=256 --max-semi-space-size=32 --require {PROBE}"
THEIRS = '--max-http-header-size=8192 --title=\\"a b\\"'
RESTART = ("--allow", "restart")
RELOAD = "ExecReload=/bin/kill -HUP $MAINPID"
WEB = {"more": f'Environment="NODE_OPTIONS={THEIRS}"\n{RELOAD}'}
MANY = {"more": f"Environment=WORKERS=1 UV_THREADPOOL_SIZE=\n{RELOAD}"}


def _is_tuned(service: Service, before: str) -> None:
    environment = service.environment()
    assert environment["NODE_OPTIONS"] == f"{before} {LOADED}".strip()
    assert environment["UV_THREADPOOL_SIZE"] == "8"
    # The limit of the whole heap is the old space and three semi-spaces.
    assert service.heap() == 256 + 3 * 32
    assert service.limit("Max open files").split()[3:5] == ["16384", "16384"]


def test_what_waits_for_a_restart_comes_with_it_and_goes_back_with_another(
    node18: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(node18)
    with services(node18, {"web": WEB}) as running:
        web = running["web"]
        before = web.environment()
        heap, limit, pid = web.heap(), web.limit("Max open files"), web.pid()
        arranged = lab.changes("node18")

        waiting = one.apply("--profile", NODE).expect(0).host("node18")
        assert {change["tunable"] for change in waiting["pending"]} == {
            f"node.{name}[web.service]"
            for name in (
                *("max-old-space-size", "max-semi-space-size", "uv-threadpool-size"),
                *("limit-nofile", "oom-score-adjust", "probe"),
            )
        }
        assert web.pid() == pid
        again = one.plan("--profile", NODE, "--detailed-exitcode").expect(0).host("node18")
        assert again["score"]["now"] == 0
        assert "can be reloaded, which keeps the environment" in str(again["notes"])
        # Nothing runs with it yet, so the file that is loaded goes at once.
        one.rollback().expect(0)
        assert lab.changes("node18") == arranged

        outcome = one.apply("--profile", NODE, *RESTART).expect(0).host("node18")
        assert outcome["pending"] == []
        _is_tuned(web, '--max-http-header-size=8192 --title="a b"')
        _starts_without_the_file(web)
        sockets = "ls -d /run/optimizer-node-web"
        node18.run(sockets)
        one.rollback(*RESTART).expect(0)
        assert node18.run(sockets, check=False).returncode != 0
        assert _lasting(web.environment()) == _lasting(before)
        assert (web.heap(), web.limit("Max open files")) == (heap, limit)
    assert lab.changes("node18") == {}


def _starts_without_the_file(service: Service) -> None:
    """Whoever takes the file away or closes it does not keep the service from starting."""
    for spoil in (f"rm -r {PROBE.rpartition('/')[0]}", f"chmod 0 {PROBE}"):
        service.host.run(f"cp -p {PROBE} /run/kept; {spoil}")
        service.restart()
        assert PROBE in service.environment()["NODE_OPTIONS"]
        service.host.run(f"cp -p /run/kept {PROBE}; rm /run/kept")


def test_a_cluster_is_tuned_and_the_probe_stays_as_long_as_one_of_it_loads_it(
    node22: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(node22)
    with services(node22, {"many": MANY}) as running:
        many = running["many"]
        before = many.environment()
        one.apply("--profile", NODE).expect(0)
        _reload_brings_nothing(many)
        one.apply("--profile", NODE, *RESTART).expect(0)
        _is_tuned(many, "")
        # One that forks, and as many as the variable says.
        assert many.environment()["WORKERS"] == "2"
        assert len(many.processes()) == 3
        assert one.verify().expect(0).host("node22")["state"] == "match"
        _limits_are_compared_with_the_kernel(many, one)

        said = one.run("rollback", one.inventory, "--dry-run").expect(0).said
        assert f"{PROBE} stays while many.service runs with it" in said
        one.rollback().expect(0)
        # Workers that it forks now load the file as well.
        assert node22.run(f"stat -c '%a %U' {PROBE}").stdout == "644 root\n"
        many.restart()
        assert _lasting(many.environment()) == _lasting(before)
        one.rollback().expect(0)
    assert lab.changes("node22") == {}


def _reload_brings_nothing(service: Service) -> None:
    """A worker that a cluster forks now still has what its first process was started with."""
    before = service.processes()
    service.host.run(f"systemctl reload {service.unit}")
    service.host.run(f"until [ $(wc -l <{service.group}) -gt {len(before)} ]; do sleep 0.1; done")
    (new,) = set(service.processes()) - set(before)
    assert "NODE_OPTIONS" not in service.environment(new)


def _limits_are_compared_with_the_kernel(service: Service, one: Controller) -> None:
    """What somebody has changed on the running process, with every file as it was, is found."""
    pid = service.pid()
    service.host.run(f"runuser -u daemon -- prlimit --nofile=999 --pid {pid}")
    service.host.run(f"echo 300 >/proc/{pid}/oom_score_adj")
    found = one.verify().expect(2).host("node22")["drift"]
    assert {(drift["tunable"], drift["live"]) for drift in found} == {
        ("node.limit-nofile[many.service]", "999"),
        ("node.oom-score-adjust[many.service]", "300"),
    }
    service.restart()
    one.verify().expect(0)


def _lasting(environment: dict[str, str]) -> dict[str, str]:
    """Return what is the same at each start."""
    moving = ("INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID")
    return {name: text for name, text in environment.items() if name not in moving}
