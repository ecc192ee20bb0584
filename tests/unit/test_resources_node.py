"""Node services: found on a host, and handed on to be changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from optimizer.host import node_probe
from optimizer.model.node import PROBE_FILE, NodeService, UnitLine
from optimizer.model.observation import Observation
from optimizer.model.reading import ReadingState
from optimizer.model.transaction import ActionStep, FileStep, Step, ValueStep, in_order
from optimizer.model.tunable import Permission
from optimizer.modules.kinds import KINDS
from optimizer.resources import node_drop_in
from optimizer.resources.base import Artifact
from optimizer.resources.node_drop_in import DropIn
from optimizer.resources.node_setting import hidden_options
from tests.unit.factories import differences, facts, file_state, known, observation, read
from tests.unit.node_units import FRAGMENT, OURS, THEIRS, seen, service, with_options

MIB = 2**20
HEAP = "node.max-old-space-size"
THREADS = "node.uv-threadpool-size"
LOAD = f"--require {PROBE_FILE}"
NAMES = some.from_regex(r"[A-Z_]{1,8}", fullmatch=True)
VALUES = some.text(some.characters(codec="ascii", min_codepoint=32, max_codepoint=126))


def change(
    name: str, of: Observation, live: str | None = None, boot: str | None = None
) -> Artifact:
    """Return what carrying one difference of one service out takes."""
    return KINDS["node"].write(differences(name, of, live, boot), of)


def written(artifact: Artifact, path: str = OURS) -> str:
    """Return the text that a file is to have."""
    (step,) = [one for one in artifact.steps if isinstance(one, FileStep) and one.path == path]
    assert step.after is not None
    return artifact.blobs[step.after.sha256].decode()


def actions(artifact: Artifact) -> list[tuple[str, str]]:
    return [(one.action, one.argument) for one in artifact.steps if isinstance(one, ActionStep)]


@given(some.dictionaries(NAMES, VALUES, max_size=4))
def test_our_file_says_what_was_put_into_it(variables: dict[str, str]) -> None:
    drop_in = DropIn(variables, {"Nice": "-5"})
    assert node_drop_in.read(drop_in.render()) == drop_in


def test_our_file_is_written_as_systemd_reads_it() -> None:
    drop_in = DropIn().with_variable("NODE_OPTIONS", '--title="a b" --x=50%')
    assert drop_in.render().endswith(
        '[Service]\nEnvironment="NODE_OPTIONS=--title=\\"a b\\" --x=50%%"\n'
    )


@pytest.mark.parametrize(
    ("of", "live", "boot"),
    [
        (service(), None, None),
        (with_options("--max_old_space_size=512"), 512 * MIB, 512 * MIB),
        (with_options("--max-old-space-size=512", variables={}), None, 512 * MIB),
        # The command line beats both.
        (with_options("--max-old-space-size=512", flags={"--max-old-space-size": "300"}),
         300 * MIB, 300 * MIB),
        # An environment file beats the unit at the next start.
        (with_options("--max-old-space-size=512",
                      files={"NODE_OPTIONS": UnitLine("/e", "NODE_OPTIONS", "--a")}),
         512 * MIB, None),
    ],
)  # fmt: skip
def test_a_heap_is_found_in_force_and_at_the_next_start(
    of: NodeService, live: int | None, boot: int | None
) -> None:
    (found,) = read(HEAP, seen(of))
    assert (found.live, found.boot) == (live and str(live), boot and str(boot))
    assert found.facts == {"version": "18", "workers": 0}


@pytest.mark.parametrize(
    ("of", "name", "said"),
    [
        (service(flags={"--max-old-space-size": "300"}), HEAP,
         "the command line of web.service has --max-old-space-size=300, which beats NODE_OPTIONS"),
        (service(files={"NODE_OPTIONS": UnitLine("/e", "NODE_OPTIONS", "")}), HEAP,
         "EnvironmentFile=/e sets NODE_OPTIONS, which beats what a unit sets"),
        (service(files={"NODE_OPTIONS": UnitLine("/e", "NODE_OPTIONS", "")}), THREADS, ""),
        (service(lines=(UnitLine("/r/web.service.d/zzz.conf", "UV_THREADPOOL_SIZE", "9"),)),
         THREADS,
         "/r/web.service.d/zzz.conf sets UV_THREADPOOL_SIZE and is read after our file"),
        (service(lines=(UnitLine("/r/web.service.d/50-x.conf", "UV_THREADPOOL_SIZE", "9"),)),
         THREADS, ""),
        # The unit itself is read first, whatever it is called.
        (service(lines=(UnitLine("/r/zzzz.service", "UV_THREADPOOL_SIZE", "9"),)), THREADS, ""),
    ],
)  # fmt: skip
def test_what_beats_our_file_is_named(of: NodeService, name: str, said: str) -> None:
    (found,) = read(name, seen(of))
    assert found.blocked == said


def test_options_are_merged_with_those_of_the_unit() -> None:
    artifact = change(HEAP, seen(with_options(THEIRS)), live=f"{256 * MIB}", boot=f"{256 * MIB}")
    assert f'"NODE_OPTIONS={THEIRS} --max-old-space-size=256"' in written(artifact)
    (value,) = [one for one in artifact.steps if isinstance(one, ValueStep)]
    assert value == ValueStep(
        tunable="node.options[web.service]",
        path="node:web.service/NODE_OPTIONS",
        before=THEIRS,
        after=f"{THEIRS} --max-old-space-size=256",
        write="file",
        needs=(Permission.RESTART,),
    )
    assert actions(artifact) == [
        ("daemon-reload", ""),
        ("check-node", "web.service"),
        ("restart-node", "web.service"),
    ]


def test_what_our_file_has_already_stays_and_what_others_have_added_comes_in() -> None:
    ours = DropIn({"NODE_OPTIONS": "--a --max-semi-space-size=32", "OTHER": "x"})
    lines = (
        UnitLine(FRAGMENT, "NODE_OPTIONS", "--a --b=50%%"),
        UnitLine(OURS, "NODE_OPTIONS", "--a --max-semi-space-size=32"),
    )
    of = service(lines=lines, configured=ours.variables)
    files = {OURS: file_state(ours.render().encode())}
    assert hidden_options(of) == ["--b"]
    artifact = change(HEAP, seen(of, files=files), boot=f"{256 * MIB}")
    after = node_drop_in.read(written(artifact))
    assert after.variables == {
        "NODE_OPTIONS": "--a --max-semi-space-size=32 --b=50% --max-old-space-size=256",
        "OTHER": "x",
    }
    # Nothing in force differs, so nothing is restarted.
    assert ("restart-node", "web.service") not in actions(artifact)


def test_the_probe_is_there_before_a_unit_names_it_and_has_a_place_for_its_socket() -> None:
    artifact = change("node.probe", seen(service()), live="on", boot="on")
    files = [one.path for one in artifact.steps if isinstance(one, FileStep)]
    assert files == [PROBE_FILE, OURS]
    assert written(artifact, PROBE_FILE) == node_probe()
    assert LOAD in written(artifact)
    assert "RuntimeDirectory=optimizer-node-%N\n" in written(artifact)
    # A service would not start without the file.
    assert f"[ -e {PROBE_FILE} ] || : >{PROBE_FILE}" in written(artifact)


def test_a_service_keeps_its_own_runtime_directory_alone() -> None:
    of = service(lines=(UnitLine(FRAGMENT, "RuntimeDirectory", "web"),))
    assert "RuntimeDirectory" not in written(change("node.probe", seen(of), live="on", boot="on"))


def test_a_probe_that_is_switched_off_leaves_nothing_of_it_in_our_file() -> None:
    ours = DropIn({"NODE_OPTIONS": f"{THEIRS} {LOAD}"}, {"RuntimeDirectory": "optimizer-node-%N"})
    lines = (
        UnitLine(FRAGMENT, "NODE_OPTIONS", THEIRS),
        UnitLine(OURS, "NODE_OPTIONS", ours.variables["NODE_OPTIONS"]),
        UnitLine(OURS, "RuntimeDirectory", "optimizer-node-%N"),
    )
    of = service(lines=lines, configured=ours.variables, variables=ours.variables)
    files = {
        OURS: file_state(ours.render().encode()),
        PROBE_FILE: file_state(node_probe().encode()),
    }
    (found,) = read("node.probe", seen(of, files=files))
    assert (found.live, found.boot) == ("on", "on")
    artifact = change("node.probe", seen(of, files=files), live="off", boot="off")
    assert node_drop_in.read(written(artifact)) == DropIn()
    (value,) = [one for one in artifact.steps if isinstance(one, ValueStep)]
    assert value.after == THEIRS


@pytest.mark.parametrize(("content", "boot"), [(None, "missing"), (b"old", "outdated")])
def test_a_probe_of_another_version_is_seen(content: bytes | None, boot: str) -> None:
    files = {PROBE_FILE: file_state(content)} if content else {}
    (found,) = read("node.probe", seen(with_options(LOAD), files=files))
    assert (found.live, found.boot) == ("on", boot)


def test_a_directive_is_the_units() -> None:
    (found,) = read("node.limit-nofile", seen(service()))
    assert found.boot == "1024:524288"
    assert "LimitNOFILE=9\n" in written(
        change("node.limit-nofile", seen(service()), live="9", boot="9")
    )


def limit_steps(artifact: Artifact) -> list[ValueStep]:
    return [one for one in artifact.steps if isinstance(one, ValueStep)]


def test_after_its_restart_the_kernel_has_to_hold_the_limits_of_the_unit() -> None:
    of = seen(service(limits={"LimitNOFILE": "524288", "Nice": "0"}))
    (found,) = read("node.limit-nofile", of)
    assert (found.live, found.boot) == ("524288", "1024:524288")
    # Node raises the soft limit to the hard one.
    assert limit_steps(change("node.limit-nofile", of, live="99:100", boot="99:100")) == [
        ValueStep(
            tunable="node.limit-nofile[web.service]",
            path="node:web.service/LimitNOFILE",
            before="524288",
            after="100",
            write="file",
            needs=(Permission.RESTART,),
        )
    ]
    # What systemd has for the next start already is what a way back would bring.
    (waits,) = limit_steps(
        change("node.nice", seen(service(limits={"Nice": "5"})), live="-5", boot="-5")
    )
    assert (waits.before, waits.after, waits.waited) == ("5", "-5", "0")
    # But not what systemd cannot give: the process would have it by now.
    less = seen(service(limits={"LimitNOFILE": "20000"}), facts=facts(file_limit=20000))
    (step,) = limit_steps(change("node.limit-nofile", less, live="100", boot="100"))
    assert (step.before, step.waited) == ("20000", "")


def test_what_the_kernel_does_not_tell_or_holds_as_another_number_is_not_compared() -> None:
    assert limit_steps(change("node.nice", seen(service()), live="-5", boot="-5")) == []
    of = seen(service(limits={"LimitNOFILE": "524288"}))
    assert limit_steps(change("node.limit-nofile", of, live="infinity", boot="infinity")) == []
    assert limit_steps(change("node.limit-nofile", of, boot="99:524288")) == []


def test_limits_that_node_has_raised_by_itself_are_no_difference_to_ours() -> None:
    of = service(
        limits={"LimitNOFILE": "524288"}, lines=(UnitLine(OURS, "LimitNOFILE", "1024:524288"),)
    )
    (found,) = read("node.limit-nofile", seen(of))
    assert (found.live, found.boot) == ("1024:524288", "1024:524288")
    (found,) = read("node.limit-nofile", seen(replace(of, limits={"LimitNOFILE": "9"})))
    assert found.live == "9"


@pytest.mark.parametrize(
    ("most", "wanted", "said"),
    [
        (20000, "1024:524288", "no service gets more than 20000 open files here"),
        (20000, "20000", ""),
        (20000, "infinity", ""),
        (None, "524288", ""),
    ],
)
def test_more_open_files_than_systemd_can_give_are_impossible(
    most: int | None, wanted: str, said: str
) -> None:
    of = seen(service(), facts=facts(file_limit=most))
    (found,) = read("node.limit-nofile", of)
    assert KINDS["node"].impossible(found, wanted, of) == said


def test_a_limit_of_memory_is_one_that_the_kernel_can_hold() -> None:
    value = known("node.memory-max").value
    assert value.canonical("100000000") == str(100000000 // 65536 * 65536)
    assert value.canonical("infinity") == "infinity"


def test_a_number_of_workers_is_set_only_where_its_variable_is() -> None:
    name = "node.worker-count.CLUSTER_WORKERS"
    (found,) = read(name, seen(service()))
    assert found.state is ReadingState.NOT_APPLICABLE
    assert found.reason == "its environment has no CLUSTER_WORKERS"
    (found,) = read(name, seen(service(configured={"CLUSTER_WORKERS": "4"})))
    assert (found.live, found.boot) == (None, "4")


def test_an_option_that_the_program_refuses_is_impossible_in_its_own_words() -> None:
    words = "node: --optimize-for-size is not allowed in NODE_OPTIONS"
    of = seen(service(refused={"--optimize-for-size": words}))
    kind = KINDS["node"]
    (found,) = read("node.option.optimize-for-size", of)
    assert kind.impossible(found, "present", of) == f"Node 18.20.4 says: {words}"
    (found,) = read(HEAP, of)
    assert kind.impossible(found, "1", of) == ""
    unasked = seen(service(version=""))
    (found,) = read(HEAP, unasked)
    assert "could not be asked" in kind.impossible(found, "1", unasked)


def test_services_that_are_not_managed_and_a_host_without_any_are_left_out() -> None:
    (found,) = read(HEAP, seen(service(problem="is run by pm2")))
    assert (found.state, found.reason) == (ReadingState.NOT_APPLICABLE, "it is run by pm2")
    (found,) = read(HEAP, observation(services=frozenset({"node"})))
    assert found.state is ReadingState.UNKNOWN
    (found,) = read(HEAP, observation())
    assert found.reason == "there is no Node service on this host"


@pytest.mark.parametrize("name", ["node.option.expose-gc", "node.option.inspect"])
def test_options_that_endanger_a_service_are_refused(name: str) -> None:
    assert known(name).refused


def test_checks_come_before_systemd_reads_anything_and_restarts_last() -> None:
    steps: list[Step] = [
        ActionStep(action="restart-unit", argument="web.service"),
        ActionStep(action="restart-node", argument="web.service"),
        ActionStep(action="daemon-reload"),
        ActionStep(action="check-node", argument="web.service"),
    ]
    order = [one.action for one in in_order(steps) if isinstance(one, ActionStep)]
    assert order == ["check-node", "daemon-reload", "restart-node", "restart-unit"]
