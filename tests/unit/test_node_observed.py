"""From what a probe answers of Node services to what is known of them, and their memory."""

from __future__ import annotations

import pytest

from optimizer.host.observed import observe
from optimizer.host.wire import parse_answer, probe_program
from optimizer.model.errors import InvalidValue
from optimizer.model.node import NodeService, UnitLine
from optimizer.model.plan import HostPlan
from optimizer.model.request import ProbeRequest
from optimizer.modules.budget import budget_of
from optimizer.modules.host_plan import plan_host
from tests.unit.factories import facts, profile
from tests.unit.node_units import seen, service, with_options

MIB = 2**20
HEAP = "node.max-old-space-size"
OURS = "/etc/systemd/system/web.service.d/zz-optimizer-node.conf"
HOST = """\
fact	hostname	db-1
fact	boot_id	b
fact	kernel	6.12
fact	init	systemd
fact	uid	0
fact	numa_nodes	1
fact	processors	4
fact	mem_total	17179869184
"""
UNIT = """\
service	node
library-user	web.service
node	web.service	kind	unit
node	web.service	pid	123
node	web.service	workers	2
node	web.service	user	web
node	web.service	executable	/usr/bin/node
node	web.service	version	18.20.4
node	web.service	MemoryMax	1073741824
node	web.service	CPUQuotaPerSecUSec	1.500000s
node	web.service	Transient	no
node	web.service	reloads	/bin/kill -HUP $MAINPID
node-refused	web.service	--x	node: --x is not allowed in NODE_OPTIONS
node-variable	web.service	NODE_OPTIONS	--a --b
node-limit	web.service	LimitNOFILE	524288
node-flag	web.service	--expose-gc	
node-configured	web.service	NODE_OPTIONS	--a
node-file	web.service	/etc/default/web	NODE_OPTIONS	--a --b
node-line	web.service	/f/web.service	NODE_OPTIONS	--old
node-line	web.service	/f/web.service	LimitNOFILE	5
node-line	web.service	/f/web.service	@reset	
node-line	web.service	/f/web.service	NODE_OPTIONS	--a
"""


def _services(text: str) -> tuple[NodeService, ...]:
    return observe(parse_answer(f"{HOST}{text}end\n"), "db-1").node


def test_a_service_is_read_with_what_sets_its_environment() -> None:
    of = observe(parse_answer(f"{HOST}{UNIT}end\n"), "db-1")
    (found,) = of.node
    assert found == NodeService(
        name="web.service",
        unit="web.service",
        pid=123,
        workers=2,
        executable="/usr/bin/node",
        version="18.20.4",
        user="web",
        variables={"NODE_OPTIONS": "--a --b"},
        limits={"LimitNOFILE": "524288"},
        configured={"NODE_OPTIONS": "--a"},
        files={"NODE_OPTIONS": UnitLine("/etc/default/web", "NODE_OPTIONS", "--a --b")},
        # An empty Environment= takes back variables, and no limits.
        lines=(
            UnitLine("/f/web.service", "LimitNOFILE", "5"),
            UnitLine("/f/web.service", "NODE_OPTIONS", "--a"),
        ),
        flags={"--expose-gc": ""},
        refused={"--x": "node: --x is not allowed in NODE_OPTIONS"},
        memory_max=1024 * MIB,
        cpu_quota=1.5,
        reloads="/bin/kill -HUP $MAINPID",
    )
    assert of.services == of.services | {"node"}
    assert of.library_users == {"web.service"}
    assert of.values["node:web.service/NODE_OPTIONS"].text == "--a --b"
    assert of.values["node:web.service/LimitNOFILE"].text == "524288"


@pytest.mark.parametrize(
    ("lines", "limit"),
    [
        ("", 1024 * MIB),
        (f"node-line\tweb.service\t{OURS}\tMemoryMax\t1G\n", None),
        (f"node-line\tweb.service\t/f/web.service\tMemoryMax\t2G\n"
         f"node-line\tweb.service\t{OURS}\tMemoryMax\t1G\n", 2048 * MIB),
    ],
)  # fmt: skip
def test_a_limit_of_our_own_is_no_limit_to_follow(lines: str, limit: int | None) -> None:
    (found,) = _services(UNIT + lines)
    assert found.memory_max == limit


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("node\tpid 9\tkind\tcontainer\n", "runs in a container"),
        ("node\tpid 9\tkind\tuser\n", "a user's own systemd"),
        ("node\tpid 9\tkind\tnone\n", "is run by no unit"),
        ("node\tpid 9\tkind\tnone\nnode\tpid 9\tpm2\tyes\n", "--update-env"),
        ("node\tpid 9\tkind\tunit\nnode\tpid 9\tTransient\tyes\n", "systemd-run"),
        ("node\tpid 9\tkind\tunit\nnode\tpid 9\tunsafe\tyes\n", "can be changed by others"),
    ],
)
def test_what_is_not_managed_is_reported_with_what_to_do(more: str, said: str) -> None:
    (found,) = _services(more)
    assert said in found.problem


def test_a_probe_is_asked_for_options_variables_and_directives_apart() -> None:
    asked = frozenset({"--x", "CLUSTER_WORKERS", "LimitNOFILE", "probe"})
    text = probe_program(ProbeRequest(node=asked))
    assert "NODE_FLAGS=--x\n" in text
    (line,) = [one for one in text.splitlines() if one.startswith("NODE='")]
    assert {"CLUSTER_WORKERS", "NODE_OPTIONS"} < set(line[6:-1].split())
    assert "NODE=''\n" in probe_program(ProbeRequest())


def _heap(of: NodeService, gib: int = 16, **settings: str) -> dict[str, int]:
    """Return the numbers of a service in MiB, from the budget of a host of nothing else."""
    wanted = profile({HEAP: "heap", **settings})
    budget = budget_of(wanted, seen(of, facts=facts(ram=gib * 2**30)))
    assert budget is not None
    sizes = budget.processes[of.name]
    return {"process": sizes.process // MIB, "heap": sizes.heap // MIB}


def test_a_heap_follows_from_the_limit_of_the_unit_and_its_processes() -> None:
    limited = service(memory_max=2048 * MIB)
    assert _heap(limited) == {"process": 2048, "heap": 1536}
    assert _heap(service(memory_max=2048 * MIB, workers=3)) == {"process": 512, "heap": 320}
    # Three semi-spaces stand beside it, and 128 MiB for all else.
    semi = {"node.max-semi-space-size": "256 MiB"}
    assert _heap(limited, **semi) == {"process": 2048, "heap": 1152}
    found = with_options("--max-semi-space-size=256", memory_max=2048 * MIB)
    assert _heap(found) == {"process": 2048, "heap": 1152}
    # At least 32 leaves the 256 that are there.
    assert _heap(found, **{"node.max-semi-space-size": "{at_least: 32 MiB}"})["heap"] == 1152
    assert _heap(service(memory_max=2048 * MIB, version="24.1.0"))["heap"] == 1536
    assert _heap(service(), gib=64) == {"process": 58982, "heap": 4096}


def test_workers_that_are_asked_for_are_counted_before_they_run() -> None:
    of = service(memory_max=4096 * MIB, workers=1, variables={"WORKERS": "1"})
    assert _heap(of)["process"] == 2048
    assert _heap(of, **{"node.worker-count.WORKERS": "3"})["process"] == 1024
    alone = service(memory_max=4096 * MIB, variables={"WORKERS": "1"})
    assert _heap(alone, **{"node.worker-count.WORKERS": "3"})["process"] == 4096


def _plan(of: NodeService, heap: str) -> HostPlan:
    return plan_host("db-1", profile({HEAP: heap}), seen(of), {}, frozenset())


def test_a_heap_that_does_not_fit_refuses_the_plan_with_the_sum() -> None:
    four = service(memory_max=4096 * MIB, workers=3)
    assert _plan(four, "512 MiB").state == "planned"
    refused = _plan(four, "4096 MiB")
    assert refused.state == "refused"
    assert "each process of Node web.service may take 1024 MiB" in refused.error
    assert "would take 4272 MiB with a heap of 4096 MiB" in refused.error


def test_processes_that_have_no_room_refuse_the_plan() -> None:
    of = service(memory_max=512 * MIB, workers=3)
    with pytest.raises(InvalidValue, match="needs 768 MiB at least for its 4 processes"):
        budget_of(profile({HEAP: "heap"}), seen(of))
    assert _plan(of, "heap").state == "refused"


def test_a_heap_is_worked_out_in_the_plan() -> None:
    (change,) = _plan(service(memory_max=2048 * MIB), "heap").changes
    assert (change.before, change.after) == (None, str(1536 * MIB))
    assert not change.allowed
