"""What is said of Node services besides their changes: notes, advice, and what a way back keeps."""

from __future__ import annotations

from datetime import date

import pytest

from optimizer.model.node import PROBE_FILE, NodeService, UnitLine, end_of_life
from optimizer.model.transaction import ActionStep, DirectoryStep, FileRef, FileStep, Step
from optimizer.model.tunable import Permission
from optimizer.modules.examination import examine
from optimizer.modules.node_advice import node_advice
from optimizer.modules.node_notes import node_notes
from optimizer.resources import node_back
from tests.unit.factories import facts, observation, profile
from tests.unit.node_units import FRAGMENT, OURS, seen, service, with_options

# Noon of 26 November 2026.
NOW = facts(now=1_795_694_400.0)
LIBRARY = PROBE_FILE.rpartition("/")[0]
AWAY = FileStep(path=PROBE_FILE, before=FileRef(sha256="ab", mode="644", owner="0:0"), after=None)
FOLDER = DirectoryStep(path=LIBRARY, is_present=False)
RESTART = ActionStep(action="restart-node", argument="web.service", needs=(Permission.RESTART,))


@pytest.mark.parametrize(
    ("version", "since"),
    [
        ("18.20.4", date(2025, 4, 30)),
        ("20.19.2", date(2026, 4, 30)),
        ("22.23.3", None),
        ("24.1.0", None),
        # Not in the list yet, and not in it any more.
        ("31.0.0", None),
        ("8.1.0", date(2023, 9, 11)),
        ("", None),
    ],
)
def test_a_release_without_security_fixes_is_named(version: str, since: date | None) -> None:
    assert end_of_life(version, NOW.now) == since
    assert end_of_life("20.19.2", 1_700_000_000.0) is None


def _notes(*services: NodeService) -> list[str]:
    of = seen(*services, facts=NOW)
    wanted = profile({"node.uv-threadpool-size": "8"})
    return list(node_notes(examine(wanted, of, {}).verdicts, of))


def test_plans_name_old_releases_hidden_options_and_reloads_that_are_none() -> None:
    assert _notes(service(version="22.1.0")) == []
    lines = (UnitLine(FRAGMENT, "NODE_OPTIONS", "--a"), UnitLine(OURS, "NODE_OPTIONS", "--b"))
    of = service(reloads="/bin/kill -HUP $MAINPID", lines=lines, configured={"NODE_OPTIONS": "--b"})
    assert _notes(of) == [
        "web.service: Node 18.20.4 has had no security fixes since 2025-04-30",
        "web.service: --a was added to its NODE_OPTIONS since ours were written, which hide it "
        "until they are written again",
        "web.service can be reloaded, which keeps the environment and the limits that it was "
        "started with: what is set here takes a restart",
    ]


@pytest.mark.parametrize(
    ("of", "word", "answer"),
    [
        (service(), "release", "Node 18.20.4 has had no security fixes since 2025-04-30"),
        (service(variables={"UV_THREADPOOL_SIZE": ""}), "threads", "is '', so one thread serves"),
        (service(variables={"UV_THREADPOOL_SIZE": "0"}), "threads", "is '0', so one thread"),
        (with_options("--expose_gc"), "collections", "can force collections"),
        (service(flags={"--expose-gc": ""}), "collections", "can force collections"),
        (service(workers=9), "workers", "9 workers share 4 CPUs"),
        (service(workers=2, cpu_quota=1.5), "workers", "2 workers share 1.5 CPUs"),
    ],
)
def test_doctor_warns_of_what_only_the_owner_can_change(
    of: NodeService, word: str, answer: str
) -> None:
    found = {one.check: one for one in node_advice(seen(of, facts=NOW))}
    assert found[f"node.{word}[web.service]"].status == "warning"
    assert answer in found[f"node.{word}[web.service]"].answer


def test_doctor_has_no_complaint_about_a_sound_service_and_tells_what_its_program_sets() -> None:
    of = service(
        version="22.23.3",
        workers=4,
        variables={"UV_THREADPOOL_SIZE": "8", "NODE_ENV": "production"},
    )
    found = list(node_advice(seen(of, facts=NOW)))
    assert {one.status for one in found} == {"ok"}
    hint = next(one.hint for one in found if one.check == "node.program[web.service]")
    assert "freeSocketTimeout is one of agentkeepalive" in hint
    assert "NODE_ENV" not in hint
    old = list(node_advice(seen(service(), facts=NOW)))
    hint = next(one.hint for one in old if one.check == "node.program[web.service]")
    assert "Node 18 opens a connection a request" in hint
    assert "NODE_ENV is not set" in hint


def test_doctor_says_what_to_do_with_services_that_are_not_managed() -> None:
    pm2 = service(problem="is run by pm2: pm2 restart NAME --update-env")
    assert next(iter(node_advice(seen(pm2)))).answer.startswith("it is run by pm2")
    container = service(name="pid 9", unit="", is_elsewhere=True, problem="runs in a container")
    (only,) = node_advice(seen(container))
    assert (only.check, only.status) == ("node.managed[pid 9]", "ok")


@pytest.mark.parametrize(
    ("steps", "users", "allow", "kept"),
    [
        ([AWAY, FOLDER], set(), set(), ()),
        ([AWAY, FOLDER], {"web.service"}, set(), ("web.service",)),
        ([AWAY, FOLDER, RESTART], {"web.service"}, {Permission.RESTART}, ()),
        # It is restarted only where that is allowed, and only if it is one of them.
        ([AWAY, FOLDER, RESTART], {"web.service"}, set(), ("web.service",)),
        ([AWAY, FOLDER, RESTART], {"web.service", "pid 9"}, {Permission.RESTART}, ("pid 9",)),
        ([RESTART], {"web.service"}, set(), ()),
    ],
)
def test_the_file_that_is_loaded_goes_after_the_last_that_runs_with_it(
    steps: list[Step], users: set[str], allow: set[Permission], kept: tuple[str, ...]
) -> None:
    of = observation(library_users=frozenset(users))
    back = node_back.guarded(steps, of, allow)
    assert back.kept_by == kept
    held = {AWAY, FOLDER} if kept else set()
    assert back.steps == tuple(step for step in steps if step not in held)
