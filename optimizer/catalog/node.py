"""Node services: the runtime's options and variables, the limits of their units, and the probe.

Sources: https://nodejs.org/api/cli.html, the libuv documentation on its thread pool,
systemd.exec(5), systemd.resource-control(5).
"""

from __future__ import annotations

from typing import Unpack

from optimizer.catalog.declare import MANUAL, Area, Details, Family, unit_of
from optimizer.catalog.node_values import OPTION_VALUE, is_option, is_variable, mebibytes
from optimizer.catalog.postgresql_values import Time
from optimizer.catalog.spelling import meant, spellings
from optimizer.catalog.valuetypes import CpuList, Limit
from optimizer.model.tunable import Effect, Risk, Tunable
from optimizer.model.values import INT_MAX, Choice, Integer, ValueType

_CLI = "https://nodejs.org/api/cli.html"
_HTTP = "https://nodejs.org/api/http.html#new-agentoptions"
_EXECUTION = f"{MANUAL}/man5/systemd.exec.5.html"
_RESOURCES = f"{MANUAL}/man5/systemd.resource-control.5.html"

_OPTION = "node.option."
_WORKERS = "node.worker-count."
ON_OFF = Choice(("on", "off"), (("yes", "on"), ("true", "on"), ("no", "off"), ("false", "off")))
_YES_NO = Choice(("yes", "no"), (("on", "yes"), ("true", "yes"), ("off", "no"), ("false", "no")))
_AGENT = (
    "it changes how the program speaks to others, counts only where node.probe is on, and does not "
    "reach fetch"
)

# Options that no profile may name, and why.
_REFUSED = {
    "expose-gc": "with it a program can stop itself for a full collection, 0.5 to 0.8 s each time",
    "require": "it runs code of its own in every process of the service",
    "import": "it runs code of its own in every process of the service",
    "loader": "it runs code of its own in every process of the service",
    "experimental-loader": "it runs code of its own in every process of the service",
    "env-file": "what is in the file would beat what the unit sets",
    "inspect": "whoever reaches the debugger can run anything as the service",
    "inspect-brk": "whoever reaches the debugger can run anything as the service",
    "inspect-port": "whoever reaches the debugger can run anything as the service",
    "debug-port": "whoever reaches the debugger can run anything as the service",
    "max-old-space-size": "node.max-old-space-size sets it, within the memory budget",
    "max-semi-space-size": "node.max-semi-space-size sets it, within the memory budget",
    "max-old-space-size-percentage": "it counts from all of the memory; node.max-old-space-size "
    "counts from what the service may take",
}


def _node(
    name: str, target: str, value: ValueType, why: str, docs: str, **details: Unpack[Details]
) -> Tunable:
    """Declare a setting of Node services; it counts when the service starts again."""
    details = {"effect": Effect.RESTART, **details}
    return Tunable(f"node.{name}", "node", target, value, why, docs, unit=unit_of(value), **details)


AREA = Area(
    "Node",
    (
        _node(
            "max-old-space-size",
            "--max-old-space-size",
            mebibytes(32, 64 * 1024),
            "Limits the heap of each process; without it that is half of the memory of the host "
            "up to 4 GiB, whatever else runs there.",
            f"{_CLI}#--max-old-space-sizesize-in-mib",
            weight=8,
            risk=Risk.HIGH,
        ),
        _node(
            "max-semi-space-size",
            "--max-semi-space-size",
            mebibytes(1, 512),
            "Is where new objects are; what has no room dies later in the old space, at a far "
            "higher price. Three of them stand beside the heap.",
            f"{_CLI}#--max-semi-space-sizesize-in-mib",
            weight=4,
            risk=Risk.MEDIUM,
        ),
        _node(
            "uv-threadpool-size",
            "UV_THREADPOOL_SIZE",
            Integer(1, 1024),
            "Is how many threads serve files, DNS, compression and cryptography; anything but a "
            "number, an empty text too, means one.",
            f"{_CLI}#uv_threadpool_sizesize",
            weight=2,
        ),
        _node(
            "limit-nofile",
            "LimitNOFILE",
            Limit(1, is_pair=True),
            "Caps the open files and connections of each process; Node raises the soft limit to "
            "the hard one by itself.",
            _EXECUTION,
        ),
        _node(
            "memory-max",
            "MemoryMax",
            # The kernel counts whole pages, of 64 KiB at most.
            Limit(2**20, "bytes", step=2**16),
            "Ends the service, rather than another one, when all of its processes together take "
            "more than this.",
            _RESOURCES,
            weight=4,
            risk=Risk.HIGH,
            opt_in="systemd may enforce it as soon as it reads its files, before a restart has "
            "given the service a heap that fits",
        ),
        _node(
            "oom-score-adjust",
            "OOMScoreAdjust",
            Integer(-1000, 1000),
            "Says who is killed first (1000) or never (-1000) when memory runs out; a Node "
            "service comes back sooner than a database.",
            _EXECUTION,
            risk=Risk.MEDIUM,
        ),
        _node(
            "nice",
            "Nice",
            Integer(-20, 19),
            "Gives the service more of a contended CPU, the more the lower it is.",
            _EXECUTION,
            weight=1,
            risk=Risk.MEDIUM,
        ),
        _node(
            "cpu-affinity",
            "CPUAffinity",
            CpuList(),
            "Keeps all threads of the service on these CPUs; a process needs two at least, as its "
            "garbage is collected beside it.",
            _EXECUTION,
            risk=Risk.MEDIUM,
            opt_in="which CPUs a service gets has to be chosen for each host",
        ),
        _node(
            "probe",
            "probe",
            ON_OFF,
            "Loads a file of ours that measures the event loop, the garbage collector and the "
            "heap, and answers on a socket that only the service's account may open.",
            f"{_CLI}#-r---require-module",
            weight=2,
            risk=Risk.MEDIUM,
        ),
        _node(
            "agent.keep-alive",
            "OPTIMIZER_NODE_AGENT_KEEP_ALIVE",
            _YES_NO,
            "Keeps connections of the global HTTP agents open between requests; 19 and later do "
            "so by themselves.",
            _HTTP,
            weight=1,
            risk=Risk.MEDIUM,
            opt_in=_AGENT,
        ),
        _node(
            "agent.max-sockets",
            "OPTIMIZER_NODE_AGENT_MAX_SOCKETS",
            Integer(1, INT_MAX),
            "Caps the connections of the global HTTP agents to one server; more requests wait.",
            _HTTP,
            weight=1,
            risk=Risk.MEDIUM,
            opt_in=_AGENT,
        ),
        _node(
            "agent.max-free-sockets",
            "OPTIMIZER_NODE_AGENT_MAX_FREE_SOCKETS",
            Integer(1, INT_MAX),
            "Caps the connections to one server that the global HTTP agents keep while nobody "
            "uses them.",
            _HTTP,
            weight=1,
            opt_in=_AGENT,
        ),
        _node(
            "agent.timeout",
            "OPTIMIZER_NODE_AGENT_TIMEOUT",
            Time(1, INT_MAX, "ms"),
            "Is after how long without any data a socket of the global HTTP agents counts as dead.",
            _HTTP,
            weight=1,
            risk=Risk.MEDIUM,
            opt_in=_AGENT,
        ),
    ),
)


def _option(name: str) -> Tunable | None:
    """Return the tunable of any other option; the service's own program says if it takes it."""
    option = name.removeprefix(_OPTION)
    if not name.startswith(_OPTION) or not is_option(option):
        return None
    return _node(
        f"option.{option}",
        f"--{option}",
        OPTION_VALUE,
        "Is an option of Node; the program of each service is asked whether it takes it in "
        "NODE_OPTIONS.",
        _CLI,
        weight=1,
        risk=Risk.MEDIUM,
        refused=_REFUSED.get(option, ""),
    )


def _worker_count(name: str) -> Tunable | None:
    """Return the tunable of a variable that a program takes the number of its workers from."""
    variable = name.removeprefix(_WORKERS)
    if not name.startswith(_WORKERS) or not is_variable(variable):
        return None
    return _node(
        f"worker-count.{variable}",
        variable,
        Integer(1, 1024),
        "Is how many processes the program starts, each with a heap of its own; set only where "
        "the environment has this variable, as it is the program's and not Node's.",
        "https://nodejs.org/api/cluster.html",
        risk=Risk.MEDIUM,
    )


OPTIONS = Family(
    "node.option.<option>", "any other option that NODE_OPTIONS may have, or `present`", _option
)
WORKER_COUNTS = Family(
    "node.worker-count.<VARIABLE>",
    "the variable that a program takes the number of its workers from",
    _worker_count,
)

_SPELLED = {**spellings(AREA.tunables)} | {
    tunable.id.removeprefix("node.").replace("-", "").replace(".", ""): tunable.id
    for tunable in AREA.tunables
}


def nearest(name: str) -> str | None:
    """Return the id that a mistyped one was probably meant to be.

    Written as in a program or an environment (nodejs.maxOldSpaceSize) it is known too.
    """
    return meant(name, ("nodejs", "node"), _SPELLED)
