"""A kernel in memory: the values of a plan's model host, and how writing one changes others.

Only what plans have to know is in here, as the kernel's own source has it: kernel/watchdog.c,
mm/page-writeback.c, mm/util.c, net/ipv4/tcp_cong.c, net/ipv4/devinet.c, block/elevator.c,
drivers/cpufreq/cpufreq_governor.c. tests/hosts/test_vm_coupled.py asks a real one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

VM = "/proc/sys/vm/"
KERNEL = "/proc/sys/kernel/"
IPV4 = "/proc/sys/net/ipv4/"
THP = "/sys/kernel/mm/transparent_hugepage/enabled"
QUEUE = "/sys/block/vda/queue/"
CPUFREQ = "/sys/devices/system/cpu/cpufreq/"
CONF = f"{IPV4}conf/"
POLICIES = ("policy0", "policy1")
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
    f"{IPV4}ip_forward": "0",
    f"{CONF}all/accept_redirects": "1",
    **{f"{CONF}{card}/forwarding": "0" for card in ("all", "default", "lo", "eth0")},
    **{f"{CONF}{card}/rp_filter": "0" for card in ("all", "default", "lo", "eth0")},
    **{f"{CPUFREQ}{policy}/scaling_governor": "schedutil" for policy in POLICIES},
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


# What only one I/O scheduler has, and what it begins with.
_IOSCHED: Mapping[str, Mapping[str, str]] = {
    "none": {},
    "mq-deadline": {"read_expire": "500", "fifo_batch": "16", "async_depth": "256"},
    "kyber": {"read_lat_nsec": "2000000"},
    "bfq": {"slice_idle": "8"},
}
# Of these governors each policy has its own settings, of the others all share one set.
_OF_POLICY: Mapping[str, Mapping[str, str]] = {"schedutil": {"rate_limit_us": "1000"}}
_SHARED: Mapping[str, Mapping[str, str]] = {
    "ondemand": {"up_threshold": "95"},
    "conservative": {"freq_step": "5"},
}
# Requests that a disk itself takes; a scheduler may have more wait.
_DEPTH = 256


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
        # Interfaces whose settings somebody wrote do not take a new default any more.
        self._own_words: set[str] = set()
        self._values |= _named(f"{QUEUE}iosched/", _IOSCHED["mq-deadline"])
        for policy in POLICIES:
            self._values |= _named(f"{CPUFREQ}{policy}/schedutil/", _OF_POLICY["schedutil"])

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

    def plug(self, card: str) -> None:
        """Add a network interface; it begins with the defaults."""
        for name in ("forwarding", "rp_filter"):
            self._values[f"{CONF}{card}/{name}"] = self._values[f"{CONF}default/{name}"]

    def unplug(self, card: str) -> None:
        """Take a network interface away, and its settings."""
        self._drop(f"{CONF}{card}/")

    def _writer(self, path: str) -> Callable[[str, str], None]:
        special = {
            f"{IPV4}tcp_congestion_control": self._write_congestion,
            f"{IPV4}tcp_allowed_congestion_control": self._write_allowed,
            AVAILABLE: self._write_read_only,
            THP: self._write_thp,
            f"{QUEUE}scheduler": self._write_scheduler,
            f"{QUEUE}nr_requests": self._write_queue,
            f"{IPV4}ip_forward": self._write_forward,
        }
        if path.startswith(CONF):
            return self._write_interface
        if path.endswith("/scaling_governor"):
            return self._write_governor
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
            self._values[f"{QUEUE}nr_requests"] = str(_DEPTH if text == "none" else 2 * _DEPTH)
            self._values[f"{QUEUE}wbt_lat_usec"] = "0" if text == "bfq" else "75000"
            self._drop(f"{QUEUE}iosched/")
            self._values |= _named(f"{QUEUE}iosched/", _IOSCHED[text])
        self._values[path] = text

    def _write_queue(self, path: str, text: str) -> None:
        if int(text) > _DEPTH and self._values[f"{QUEUE}scheduler"] == "none":
            raise Refused("Invalid argument")
        self._values[path] = text
        if f"{QUEUE}iosched/async_depth" in self._values:
            self._values[f"{QUEUE}iosched/async_depth"] = "256"

    def _write_forward(self, path: str, text: str) -> None:
        """Take all interfaces along: one number under two names."""
        if self._values[path] != text:
            for name in self._values:
                if name.startswith(CONF) and name.endswith("/forwarding"):
                    self._values[name] = text
            self._values[f"{CONF}all/accept_redirects"] = "0" if text == "1" else "1"
        self._values[path] = text

    def _write_interface(self, path: str, text: str) -> None:
        card, name = path.removeprefix(CONF).split("/")
        if (card, name) == ("all", "forwarding"):
            self._write_forward(f"{IPV4}ip_forward", text)
            return
        self._values[path] = text
        if card == "default" and name != "forwarding":
            for other in ("lo", "eth0"):
                if f"{CONF}{other}/{name}" not in self._own_words:
                    self._values[f"{CONF}{other}/{name}"] = text
        self._own_words.add(path)

    def _write_governor(self, path: str, text: str) -> None:
        old, self._values[path] = self._values[path], text
        if old == text:
            return
        folder = path.rpartition("/")[0]
        self._drop(f"{folder}/{old}/")
        self._values |= _named(f"{folder}/{text}/", _OF_POLICY.get(text, {}))
        in_use = {self._values[f"{CPUFREQ}{policy}/scaling_governor"] for policy in POLICIES}
        if old not in in_use:
            self._drop(f"{CPUFREQ}{old}/")
        shared = _named(f"{CPUFREQ}{text}/", _SHARED.get(text, {}))
        self._values = {**shared, **self._values}

    def _drop(self, folder: str) -> None:
        self._values = {p: text for p, text in self._values.items() if not p.startswith(folder)}


def _named(folder: str, settings: Mapping[str, str]) -> dict[str, str]:
    return {folder + name: text for name, text in settings.items()}
