"""From the answer of a probe to an observation, and answers that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.host.observed import observe
from optimizer.host.wire import GarbledAnswer, parse_answer
from optimizer.model.observation import Disk, LiveValue, Observation, Unit, ValueState
from tests.unit.factories import observed, profile
from tests.unit.model_host import FACTS, ModelHost

FACT_LINES = "".join(f"fact\t{name}\t{text}\n" for name, text in FACTS.items())


def seen(*lines: str, facts: str = FACT_LINES) -> Observation:
    """Observe what a host answered."""
    return observe(parse_answer(facts + "".join(f"{line}\n" for line in lines) + "end\n"), "db-1")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("value\t/p\twritable\t60\t", LiveValue("/p", ValueState.WRITABLE, "60")),
        ("value\t/p\tread-only\t4096 1 2\t", LiveValue("/p", ValueState.READ_ONLY, "4096 1 2")),
        ("value\t/p\twritable\t@empty\t", LiveValue("/p", ValueState.WRITABLE, "")),
        ("value\t/p\tunreadable\t-\t", LiveValue("/p", ValueState.UNREADABLE, "-")),
        (
            "value\t/sys/p\twritable\tmadvise\talways [madvise] never",
            LiveValue("/sys/p", ValueState.WRITABLE, "madvise", ("always", "madvise", "never")),
        ),
    ],
)
def test_a_value_is_read(line: str, value: LiveValue) -> None:
    assert seen(line).values == {value.path: value}


def test_a_file_is_read_with_its_bytes_mode_and_owner() -> None:
    [state] = seen("file\t/etc/a b\tabc 640 0:4\t00ff0a").files.values()
    assert (state.content, state.mode, state.owner, state.sha256) == (
        b"\x00\xff\n", "640", "0:4", "abc",
    )  # fmt: skip


def test_an_empty_file_is_there() -> None:
    assert seen("file\t/etc/a\tabc 644 0:0\t").files["/etc/a"].content == b""


def test_lines_of_configuration_keep_their_tabs_and_numbers() -> None:
    found = seen("config\tsysctl\t/etc/a\t12\t vm.x =\t1 ", "config\ttmpfiles\t/etc/t\t1\tw /p")
    [line] = found.config["sysctl"]
    assert (line.place, line.text) == ("/etc/a:12", "vm.x =\t1")
    assert [one.text for one in found.config["tmpfiles"]] == ["w /p"]


@pytest.mark.parametrize(
    ("target", "changed", "time"),
    [("", "1700000000", 1700000000.0), ("/dev/null", "1700000000", 0.0), ("/etc/b", "", 0.0)],
)
def test_a_masking_link_has_no_time(target: str, changed: str, time: float) -> None:
    found = seen(f"config-file\tsysctl\t/etc/a\t{target}\t{changed}")
    assert found.config_files == {"sysctl": {"/etc/a": time}}


def test_a_unit_comes_with_the_limits_of_its_process() -> None:
    found = seen(
        "unit\tr.service\tLoadState=loaded",
        "unit\tr.service\tEnvironment=A=b",
        "limit\tr.service\tMax open files\t1024\t524288",
        "process\tr.service\tNice\t-5",
    )
    assert found.units == {
        "r.service": Unit(
            "r.service",
            {"LoadState": "loaded", "Environment": "A=b"},
            {"Max open files": "1024:524288", "Nice": "-5"},
        )
    }


def test_snapshots_come_line_by_line() -> None:
    found = seen("snapshot\tab\trun\tr-1", "snapshot\tcd\trun\tr-2", "snapshot\tab\tvalue\tt\t/p",
                 "damaged\tcd\tthe manifest was changed")  # fmt: skip
    assert found.snapshots == {"ab": "run\tr-1\nvalue\tt\t/p\n", "cd": "run\tr-2\n"}
    # What a host does not call damaged has to be a manifest all the same.
    assert list(found.damaged) == ["cd", "ab"]
    assert found.damaged["cd"] == "the manifest was changed"
    assert "cut or changed" in found.damaged["ab"]


def test_everything_else_has_its_place() -> None:
    found = seen(
        "absent\t/proc/none", "link\t/etc/l\t/t", "directory\t/etc", "module\ttcp_bbr\tloadable",
        "user\ttitan", "group\tadm", "authority\ttuned\trunning", "disk\tvda\tvirtio",
        "pending\tr-1\thft\tana@desk\t2026-11-21T10:15:00.5Z\tapplying\t@empty",
        "has-no\tmeaning here",
    )  # fmt: skip
    assert found.absent == {"/proc/none"}
    assert found.links == {"/etc/l": "/t"}
    assert found.directories == {"/etc"}
    assert found.modules == {"tcp_bbr": "loadable"}
    assert found.users == {"titan"}
    assert found.groups == {"adm"}
    assert found.authorities == {"tuned": "running"}
    assert found.facts.disks == (Disk("vda", "virtio"),)
    assert str(found.pending).startswith("run r-1 of ana@desk, begun 2026-11-21 10:15:00 UTC")


@pytest.mark.parametrize(
    ("lines", "cpus"),
    [
        ((), 4),
        (("fact\tcpus_allowed\t0-1,4,6-7",), 5),
        (("fact\tcpus_allowed\t0-7", "fact\tcpu.max\t200000 100000"), 2),
        (("fact\tcpus_allowed\t0-7", "fact\tcpu.max\t50000 100000"), 1),
        (("fact\tcpus_allowed\t0-7", "fact\tcpu.max\tmax 100000"), 8),
    ],
)
def test_cpus_are_those_that_may_be_used(lines: tuple[str, ...], cpus: int) -> None:
    assert seen(*lines).facts.cpus == cpus


@pytest.mark.parametrize(
    ("limit", "ram"),
    [("max", 16 * 2**30), (str(2**30), 2**30), (str(2**63), 16 * 2**30)],
)
def test_memory_is_what_the_cgroup_leaves(limit: str, ram: int) -> None:
    assert seen(f"fact\tmemory.max\t{limit}").facts.ram == ram


def test_facts_that_a_small_host_lacks_have_a_default() -> None:
    needed = (
        "hostname",
        "boot_id",
        "kernel",
        "uid",
        "processors",
        "mem_total",
        "init",
        "numa_nodes",
    )
    bare = "".join(f"fact\t{name}\t{FACTS[name]}\n" for name in needed)
    facts = seen(facts=bare).facts
    assert (facts.os, facts.machine_id, facts.virtualization) == ("unknown", "", "none")
    assert (facts.state_free, facts.memory_pressure, facts.failed_units) == (None, None, ())


@pytest.mark.parametrize("name", ["hostname", "boot_id", "kernel", "uid", "mem_total", "init"])
def test_an_answer_without_a_needed_fact_is_garbled(name: str) -> None:
    lines = [line for line in FACT_LINES.splitlines(True) if not line.startswith(f"fact\t{name}\t")]
    with pytest.raises(GarbledAnswer, match="db-1 gave an answer that cannot be read"):
        seen(facts="".join(lines))


@pytest.mark.parametrize(
    "line",
    [
        "value\t/p",
        "value\t/p\twrong\t60\t",
        "file\t/p\tabc 644\t00",
        "file\t/p\tabc 644 0:0\txyz",
        "file\t/p",
        "link\t/p",
        "config\tsysctl\t/p\tfirst\tx",
        "config-file\tsysctl\t/p",
        "unit\tu",
        "limit\tu\tMax\t1",
        "damaged\tab",
        "fact\tuid\troot",
        "disk\tvda",
        "absent",
        "fact",
    ],
)
def test_a_line_that_was_cut_makes_the_answer_garbled(line: str) -> None:
    with pytest.raises(GarbledAnswer):
        seen(line)


@given(st.integers(0, 400))
def test_an_answer_that_was_cut_anywhere_is_garbled(length: int) -> None:
    """Without its last line nothing is believed, however whole the rest looks."""
    text = FACT_LINES + "value\t/p\twritable\t60\t\nend\n"
    cut = text[: min(length, len(text) - 5)]
    with pytest.raises(GarbledAnswer):
        observe(parse_answer(cut), "db-1")


@given(st.text(), st.sampled_from([FACT_LINES, ""]))
def test_no_answer_is_worse_than_garbled(text: str, before: str) -> None:
    """A login message, binary noise: it is either passed over or refused, never a crash."""
    try:
        found = observe(parse_answer(f"{text}\n{before}{text}\nend\n"), "db-1")
    except GarbledAnswer:
        return
    assert found.facts.hostname == "db-1"


def test_a_probe_reads_what_it_was_asked_for_and_nothing_else() -> None:
    from optimizer.modules.examination import request_for

    asked = request_for(profile({"system.sysctl.vm.dirty_bytes": 8192}))
    found = observed(ModelHost(), asked)
    assert set(found.values) == {"/proc/sys/vm/dirty_bytes", "/proc/sys/vm/dirty_ratio"}
