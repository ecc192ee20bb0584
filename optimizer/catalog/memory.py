"""Memory: huge pages, reclaim, writeback, and how much may be promised."""

from __future__ import annotations

from optimizer.catalog.declare import KERNEL_DOCS, Area, sysctl, sysctl_id, sysfs
from optimizer.catalog.valuetypes import Barring
from optimizer.model.tunable import Coupling, Risk
from optimizer.model.values import INT_MAX, LONG_MAX, SWITCH, Choice, Integer

_VM = f"{KERNEL_DOCS}/admin-guide/sysctl/vm.html"
_THP = f"{KERNEL_DOCS}/admin-guide/mm/transhuge.html"
_HUGETLB = f"{KERNEL_DOCS}/admin-guide/mm/hugetlbpage.html"

# A reserve in bytes instead of kB would leave the host without memory at once.
_MIN_FREE_MAX = 4 * 1024 * 1024


def _excludes(key: str) -> Coupling:
    return Coupling(excludes=(sysctl_id(key),))


_HUGE_PAGES = (
    sysfs(
        "thp.enabled",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        value=Choice(("always", "madvise", "never")),
        why="Decides who gets huge pages without asking; built in the background, they cost "
        "pauses, and copying them makes the forks of Redis expensive.",
        docs=_THP,
        weight=6,
        # Starting or stopping khugepaged computes this reserve anew.
        coupling=Coupling(resets=(sysctl_id("vm.min_free_kbytes"),)),
    ),
    sysfs(
        "thp.defrag",
        "/sys/kernel/mm/transparent_hugepage/defrag",
        value=Choice(("always", "defer", "defer+madvise", "madvise", "never")),
        why="Decides whether a page fault may stop to make room for a huge page.",
        docs=_THP,
        weight=3,
    ),
    sysfs(
        "khugepaged.defrag",
        "/sys/kernel/mm/transparent_hugepage/khugepaged/defrag",
        value=SWITCH,
        why="Lets the background thread move memory to make huge pages.",
        docs=_THP,
        weight=2,
    ),
    sysfs(
        "ksm.run",
        "/sys/kernel/mm/ksm/run",
        value=Choice(("0", "1", "2")),
        why="Merges equal pages of virtual machines (2 undoes it); its scanner takes CPU time, and "
        "writing to a merged page is slow.",
        docs=f"{KERNEL_DOCS}/admin-guide/mm/ksm.html",
        weight=3,
    ),
    sysctl(
        "vm.nr_hugepages",
        value=Integer(0, INT_MAX, "pages"),
        why="Reserves huge pages for PostgreSQL's shared buffers; the kernel reserves what it "
        "can get, and what nobody uses is lost to everybody else.",
        docs=_HUGETLB,
        weight=4,
        risk=Risk.HIGH,
        coupling=Coupling(mirrors=(sysctl_id("vm.nr_hugepages_mempolicy"),)),
    ),
    sysctl(
        "vm.nr_hugepages_mempolicy",
        value=Integer(0, INT_MAX, "pages"),
        why="Is the same pool, taken from the NUMA nodes that the writing process may use.",
        docs=_HUGETLB,
        weight=1,
        risk=Risk.HIGH,
        coupling=Coupling(mirrors=(sysctl_id("vm.nr_hugepages"),)),
    ),
)

_WRITEBACK = (
    sysctl(
        "vm.dirty_background_bytes",
        value=Integer(8192, LONG_MAX, "bytes"),
        why="Is how much unwritten data starts writing in the background; early and little keeps "
        "each fsync short.",
        docs=f"{_VM}#dirty-background-bytes",
        weight=4,
        risk=Risk.MEDIUM,
        coupling=_excludes("vm.dirty_background_ratio"),
    ),
    sysctl(
        "vm.dirty_bytes",
        value=Integer(8192, LONG_MAX, "bytes"),
        why="Is how much unwritten data makes every writer wait, which bounds the longest stall.",
        docs=f"{_VM}#dirty-bytes",
        weight=4,
        risk=Risk.MEDIUM,
        coupling=_excludes("vm.dirty_ratio"),
    ),
    sysctl(
        "vm.dirty_background_ratio",
        value=Integer(0, 100, "percent"),
        why="Is the background limit as a share of available memory, far too much on large hosts.",
        docs=f"{_VM}#dirty-background-ratio",
        weight=1,
        risk=Risk.MEDIUM,
        coupling=_excludes("vm.dirty_background_bytes"),
    ),
    sysctl(
        "vm.dirty_ratio",
        value=Integer(0, 100, "percent"),
        why="Is the limit for writers as a share of available memory, gigabytes on large hosts.",
        docs=f"{_VM}#dirty-ratio",
        weight=1,
        risk=Risk.MEDIUM,
        coupling=_excludes("vm.dirty_bytes"),
    ),
    sysctl(
        "vm.dirty_expire_centisecs",
        value=Integer(0, INT_MAX, "cs"),
        why="Is how old unwritten data may become, which is what a power cut can cost.",
        docs=f"{_VM}#dirty-expire-centisecs",
        weight=1,
        risk=Risk.MEDIUM,
    ),
    sysctl(
        "vm.dirty_writeback_centisecs",
        value=Integer(0, INT_MAX, "cs"),
        why="Is how often the writers of old data wake up; 0 puts them to sleep for good.",
        docs=f"{_VM}#dirty-writeback-centisecs",
        weight=1,
        risk=Risk.MEDIUM,
    ),
)

_PROMISES = (
    sysctl(
        "vm.overcommit_ratio",
        value=Integer(1, INT_MAX, "percent"),
        why="Is the share of memory that strict accounting may promise; without effect otherwise.",
        docs=f"{_VM}#overcommit-ratio",
        weight=1,
        risk=Risk.HIGH,
        coupling=_excludes("vm.overcommit_kbytes"),
    ),
    sysctl(
        "vm.overcommit_kbytes",
        value=Integer(1, LONG_MAX, "kB"),
        why="Is the same limit as an amount.",
        docs=f"{_VM}#overcommit-kbytes",
        weight=1,
        risk=Risk.HIGH,
        coupling=_excludes("vm.overcommit_ratio"),
    ),
    sysctl(
        "vm.overcommit_memory",
        value=Barring(
            Choice(("0", "1")),
            (("2", "strict accounting makes the fork of a Redis save fail with memory free"),),
        ),
        why="Decides whether memory may be promised that is not there: 1 lets Redis fork for a "
        "save at any size, 2 would make that fail and is refused.",
        docs=f"{_VM}#overcommit-memory",
        weight=5,
        risk=Risk.HIGH,
    ),
)

_RECLAIM = (
    sysctl(
        "vm.swappiness",
        value=Integer(0, 200),
        why="Weighs swapping against dropping file cache; low keeps the memory of services in "
        "RAM, and 0 risks the out-of-memory killer before it swaps at all.",
        docs=f"{_VM}#swappiness",
        weight=5,
    ),
    sysctl(
        "vm.zone_reclaim_mode",
        value=Integer(0, 7),
        why="Empties the cache of the own NUMA node before using another node's memory, which "
        "stalls allocations.",
        docs=f"{_VM}#zone-reclaim-mode",
        weight=3,
        risk=Risk.HIGH,
    ),
    sysctl(
        "vm.min_free_kbytes",
        value=Integer(1024, _MIN_FREE_MAX, "kB"),
        why="Is the reserve for allocations that cannot wait, such as those of network drivers; "
        "far too much of it leaves the host without memory.",
        docs=f"{_VM}#min-free-kbytes",
        weight=3,
        risk=Risk.HIGH,
    ),
    sysctl(
        "vm.watermark_scale_factor",
        value=Integer(1, 3000),
        why="Is how early memory is freed in the background, in 1/10000 of a node's memory, so "
        "that a process rarely has to free some itself.",
        docs=f"{_VM}#watermark-scale-factor",
        weight=2,
    ),
    sysctl(
        "vm.compaction_proactiveness",
        value=Integer(0, 100),
        why="Is how busily free memory is joined in the background, which takes CPU time at "
        "moments of its own choice.",
        docs=f"{_VM}#compaction-proactiveness",
        weight=2,
    ),
    sysctl(
        "vm.compact_unevictable_allowed",
        value=SWITCH,
        why="Lets that joining move locked memory as well, a page fault for a process that "
        "locked its memory to have none.",
        docs=f"{_VM}#compact-unevictable-allowed",
        weight=2,
    ),
    sysctl(
        "vm.vfs_cache_pressure",
        value=Barring(
            Integer(1, INT_MAX, "percent"),
            (("0", "the cache of file names then grows until memory runs out"),),
        ),
        why="Weighs dropping the cache of file names against dropping file contents.",
        docs=f"{_VM}#vfs-cache-pressure",
        weight=1,
        risk=Risk.MEDIUM,
    ),
    sysctl(
        "vm.max_map_count",
        value=Integer(0, INT_MAX),
        why="Caps the mapped areas of one process; raise it when an application asks for it.",
        docs=f"{_VM}#max-map-count",
        weight=1,
    ),
    sysctl(
        "vm.stat_interval",
        value=Integer(1, INT_MAX, "s"),
        why="Is how often every CPU stops to add up its memory counters.",
        docs=f"{_VM}#stat-interval",
        weight=3,
    ),
)

AREA = Area("Memory", (*_HUGE_PAGES, *_WRITEBACK, *_PROMISES, *_RECLAIM))
