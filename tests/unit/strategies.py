"""Hosts and profiles to try plans on: values that are coupled in the kernel, and files."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from optimizer.resources import sysctl
from tests.unit.model_host import ModelHost, StoredFile
from tests.unit.model_kernel import IPV4, KERNEL, QUEUE, THP, VM, ModelKernel, Refused

_SYSCTL = "system.sysctl."
_WATCHDOGS = (f"{_SYSCTL}kernel.soft_watchdog", f"{_SYSCTL}kernel.nmi_watchdog")

# What a profile may want, by tunable.
WISHES: Mapping[str, tuple[object, ...]] = {
    f"{_SYSCTL}vm.swappiness": (0, 1, 60, {"at_most": 10}, {"at_least": 100}),
    f"{_SYSCTL}vm.dirty_bytes": (8192, "64 MiB", "10% ram", {"at_most": "1 MiB"}),
    f"{_SYSCTL}vm.dirty_ratio": (5, 20, {"at_most": 10}),
    f"{_SYSCTL}vm.dirty_background_bytes": (65536, {"at_least": "32 MiB"}),
    f"{_SYSCTL}vm.dirty_background_ratio": (3, 10),
    f"{_SYSCTL}vm.overcommit_ratio": (50, 80, {"at_least": 60}),
    f"{_SYSCTL}vm.overcommit_kbytes": (1000, 2000),
    f"{_SYSCTL}vm.nr_hugepages": (0, 10, {"at_least": 5}),
    f"{_SYSCTL}vm.min_free_kbytes": (67584, 45056, {"at_least": 100000}),
    _WATCHDOGS[0]: (0, 1),
    _WATCHDOGS[1]: (0, 1),
    f"{_SYSCTL}net.ipv4.tcp_congestion_control": ("cubic", "bbr", "reno"),
    f"{_SYSCTL}net.ipv4.tcp_rmem": (
        "4096 87380 16777216",
        {"at_least": "4096 131072 33554432"},
        {"at_most": "8192 65536 4194304"},
    ),
    f"{_SYSCTL}net.core.somaxconn": (128, 4096, {"at_least": 8192}, {"at_least": 1024}),
    "system.thp.enabled": ("always", "madvise", "never"),
    "system.block.scheduler": ("none", "mq-deadline", "bfq"),
    "system.block.nr_requests": (64, 256),
}
_EXCLUDING = (
    ("vm.dirty_bytes", "vm.dirty_ratio"),
    ("vm.dirty_background_bytes", "vm.dirty_background_ratio"),
    ("vm.overcommit_kbytes", "vm.overcommit_ratio"),
)

# Writes that somebody may have made before we came.
EARLIER = (
    (f"{VM}swappiness", "10"),
    (f"{VM}dirty_bytes", "1048576"),
    (f"{VM}dirty_ratio", "40"),
    (f"{VM}dirty_background_bytes", "524288"),
    (f"{VM}overcommit_kbytes", "4096"),
    (f"{VM}nr_hugepages", "7"),
    (f"{VM}min_free_kbytes", "90112"),
    (f"{KERNEL}nmi_watchdog", "0"),
    (f"{KERNEL}soft_watchdog", "0"),
    (f"{IPV4}tcp_congestion_control", "reno"),
    ("/proc/sys/net/core/somaxconn", "65535"),
    (THP, "always"),
    (f"{QUEUE}scheduler", "bfq"),
    (f"{QUEUE}nr_requests", "32"),
)
# Names that are read before our file; one that is read after it keeps its value for good.
_BEFORE_OURS = ("/etc/sysctl.d/50-own.conf", "/usr/lib/sysctl.d/10-vendor.conf")
_LINES = ("vm.swappiness = 10", "vm/dirty_ratio=30", "-vm.nr_hugepages", "net.core.*=2048", "# -")
_FILES = st.dictionaries(
    st.sampled_from((*_BEFORE_OURS, sysctl.FILE)),
    st.lists(st.sampled_from(_LINES), max_size=3).map(lambda lines: "\n".join([*lines, ""])),
    max_size=3,
)


def wishes(least: int = 1) -> st.SearchStrategy[dict[str, object]]:
    """Make what one profile wants, by tunable, without pairs that exclude each other."""
    one = st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(values) for name, values in WISHES.items()}
    )
    return one.map(_without_pairs).filter(lambda wanted: len(wanted) >= least)


def _without_pairs(wanted: dict[str, object]) -> dict[str, object]:
    dropped = {f"{_SYSCTL}{other}" for one, other in _EXCLUDING if f"{_SYSCTL}{one}" in wanted}
    return {name: value for name, value in wanted.items() if name not in dropped}


def hosts() -> st.SearchStrategy[ModelHost]:
    """Make hosts on which somebody changed some values and wrote some files before."""
    return st.builds(_host, st.lists(st.sampled_from(EARLIER), max_size=6, unique=True), _FILES)


def fresh_hosts() -> st.SearchStrategy[ModelHost]:
    """Make hosts whose kernel has the values that it starts with."""
    return st.builds(_host, st.just([]), _FILES)


def _host(earlier: list[tuple[str, str]], files: dict[str, str]) -> ModelHost:
    host = ModelHost(ModelKernel())
    change(host.kernel, earlier)
    host.files |= {path: StoredFile(text.encode()) for path, text in files.items()}
    return host


def change(kernel: ModelKernel, writes: list[tuple[str, str]]) -> None:
    """Write values as somebody else would; what the kernel refuses stays as it is."""
    for path, text in writes:
        try:
            kernel.write(path, text)
        except Refused:
            continue
