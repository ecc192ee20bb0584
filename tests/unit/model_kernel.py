"""A kernel in memory: the values of a plan's model host, and how writing one changes others.

Only what plans have to know is in here, as the kernel's own source has it: kernel/watchdog.c,
mm/page-writeback.c, mm/util.c, net/ipv4/tcp_cong.c, block/elevator.c.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

VM = "/proc/sys/vm/"
KERNEL = "/proc/sys/kernel/"
IPV4 = "/proc/sys/net/ipv4/"
THP = "/sys/kernel/mm/transparent_hugepage/enabled"
QUEUE = "/sys/block/vda/queue/"
AVAILABLE = f"{IPV4}tcp_available_congestion_control"

START: Mapping[str, str] = {
    f"{VM}swappiness": "60",
    f"{VM}min_free_kbytes": "67584",
    f"{VM}dirty_bytes": "0",
    f"{VM}dirty_ratio": "20",
    f"{VM}dirty_background_bytes": "0",
    f"{VM}dirty_background_ratio": "10",
    f"{VM}overcommit_kbytes": "0",
    f"{VM}overcommit_ratio": "50",
    f"{VM}nr_hugepages": "0",
    f"{VM}nr_hugepages_mempolicy": "0",
    f"{KERNEL}watchdog": "1",
    f"{KERNEL}soft_watchdog": "1",
    f"{KERNEL}nmi_watchdog": "1",
    f"{IPV4}tcp_congestion_control": "cubic",
    f"{IPV4}tcp_allowed_congestion_control": "reno cubic",
    AVAILABLE: "reno cubic",
    f"{IPV4}tcp_rmem": "4096 131072 6291456",
    "/proc/sys/net/core/somaxconn": "4096",
    THP: "madvise",
    f"{QUEUE}scheduler": "mq-deadline",
    f"{QUEUE}nr_requests": "256",
    f"{QUEUE}wbt_lat_usec": "75000",
}
OPTIONS: Mapping[str, str] = {
    THP: "always madvise never",
    f"{QUEUE}scheduler": "none mq-deadline kyber bfq",
}
# Writing one sets the other one to zero.
_EXCLUDING = (
    ("dirty_bytes", "dirty_ratio"),
    ("dirty_background_bytes", "dirty_background_ratio"),
    ("overcommit_kbytes", "overcommit_ratio"),
)
_PARTNERS = {VM + one: VM + other for pair in _EXCLUDING for one, other in (pair, pair[::-1])}
# The smallest value that a write may have; these never take their own zero back.
_LEAST = {f"{VM}dirty_bytes": 8192, f"{VM}dirty_background_bytes": 1}
_POOL = frozenset({f"{VM}nr_hugepages", f"{VM}nr_hugepages_mempolicy"})
_DETECTORS = {f"{KERNEL}soft_watchdog": 1, f"{KERNEL}nmi_watchdog": 2, f"{KERNEL}watchdog": 3}


class Refused(Exception):
    """The kernel's own words for a value that it does not take."""


class ModelKernel:
    """Values by path, with the kernel's couplings.

    syncs_watchdog: before 6.8, reading a detector's switch also set it to what it read.
    huge_pages: how many there can be; a larger wish is clamped without an error.
    """

    def __init__(self, *, syncs_watchdog: bool = False, huge_pages: int = 1000) -> None:
        self.syncs_watchdog = syncs_watchdog
        self.huge_pages = huge_pages
        self.modules: set[str] = set()
        self._values = dict(START)
        self._switches = dict.fromkeys(_DETECTORS, True)
        self._running = 3

    def paths(self) -> list[str]:
        """All values there are."""
        return sorted(self._values)

    def read(self, path: str) -> str | None:
        """Return the canonical text of a value, None where there is none."""
        if path in _DETECTORS:
            is_running = bool(self._running & _DETECTORS[path])
            if self.syncs_watchdog:
                self._switches[path] = is_running
            return "1" if is_running else "0"
        return self._values.get(path)

    def values(self) -> dict[str, str]:
        """Return every value as it reads now."""
        return {path: str(self.read(path)) for path in self.paths()}

    def write(self, path: str, text: str) -> None:
        """Write a value. Refused: the kernel does not take it."""
        if path not in self._values:
            raise Refused("No such file or directory")
        if path in OPTIONS and text not in OPTIONS[path].split():
            raise Refused("Invalid argument")
        writer = self._writer(path)
        writer(path, text)

    def load(self, module: str) -> None:
        """Load a kernel module; one of a congestion control algorithm offers it."""
        self.modules.add(module)
        algorithm = module.removeprefix("tcp_")
        if module.startswith("tcp_") and algorithm not in self._values[AVAILABLE].split():
            self._values[AVAILABLE] += f" {algorithm}"

    def unload(self, module: str) -> None:
        """Unload a module, unless something uses it."""
        algorithm = module.removeprefix("tcp_")
        allowed = self._values[f"{IPV4}tcp_allowed_congestion_control"].split()
        if algorithm != self._values[f"{IPV4}tcp_congestion_control"] and algorithm not in allowed:
            self.modules.discard(module)
            offered = self._values[AVAILABLE].split()
            self._values[AVAILABLE] = " ".join(word for word in offered if word != algorithm)

    def _writer(self, path: str) -> Callable[[str, str], None]:
        special = {
            f"{IPV4}tcp_congestion_control": self._write_congestion,
            f"{IPV4}tcp_allowed_congestion_control": self._write_allowed,
            AVAILABLE: self._write_read_only,
            THP: self._write_thp,
            f"{QUEUE}scheduler": self._write_scheduler,
        }
        if path in _PARTNERS:
            return self._write_excluding
        if path in _DETECTORS:
            return self._write_detector
        return self._write_pool if path in _POOL else special.get(path, self._values.__setitem__)

    def _write_read_only(self, path: str, text: str) -> None:
        raise Refused("Permission denied")

    def _write_excluding(self, path: str, text: str) -> None:
        if int(text) < _LEAST.get(path, 0):
            raise Refused("Invalid argument")
        is_changed = self._values[path] != text
        self._values[path] = text
        if is_changed or "overcommit" in path:
            self._values[_PARTNERS[path]] = "0"

    def _write_pool(self, path: str, text: str) -> None:
        self._values.update(dict.fromkeys(_POOL, str(min(int(text), self.huge_pages))))

    def _write_detector(self, path: str, text: str) -> None:
        if self._switches[path] == (text == "1"):
            return
        self._switches[path] = text == "1"
        self._running = 0
        if self._switches[f"{KERNEL}watchdog"]:
            self._running = sum(
                bit for name, bit in _DETECTORS.items() if bit < 3 and self._switches[name]
            )

    def _write_congestion(self, path: str, text: str) -> None:
        if text not in self._values[AVAILABLE].split():
            raise Refused("No such file or directory")
        self._values[path] = text
        allowed = self._values[f"{IPV4}tcp_allowed_congestion_control"].split()
        self._allow({*allowed, text})

    def _write_allowed(self, path: str, text: str) -> None:
        if not set(text.split()) <= set(self._values[AVAILABLE].split()):
            raise Refused("No such file or directory")
        self._allow(set(text.split()))

    def _allow(self, algorithms: set[str]) -> None:
        offered = self._values[AVAILABLE].split()
        self._values[f"{IPV4}tcp_allowed_congestion_control"] = " ".join(
            word for word in offered if word in algorithms
        )

    def _write_thp(self, path: str, text: str) -> None:
        if self._values[path] != text:
            self._values[f"{VM}min_free_kbytes"] = "67584" if text != "never" else "45056"
        self._values[path] = text

    def _write_scheduler(self, path: str, text: str) -> None:
        if self._values[path] != text:
            self._values[f"{QUEUE}nr_requests"] = "1023" if text == "none" else "256"
            self._values[f"{QUEUE}wbt_lat_usec"] = "0" if text == "bfq" else "75000"
        self._values[path] = text
