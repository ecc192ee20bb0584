"""An independent look at a host: everything that an apply could change, as one flat mapping.

Written apart from the product: it asks the host's own tools (sysctl, find, sha256sum,
systemctl), and shares neither code nor a list of names with what it judges.

Keys are `sysctl NAME`, `sys PATH`, `file PATH`, `unit NAME`, `unit-file NAME`, `timer NAME`,
`service NAME`, `pid SERVICE`, `module NAME`, `cmdline` and `boot`.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from typing import Protocol

Scan = Mapping[str, str]
# Key -> what it was and what it is, None where it is not there.
Differences = dict[str, tuple[str | None, str | None]]

# Values that move by themselves, each with its reason.
MOVING = re.compile(
    r"""
      sysctl\ fs\.(dentry-state|inode-nr|inode-state|file-nr|aio-nr)  # counters of objects in use
    | sysctl\ fs\.quota\..*                                           # statistics
    | sysctl\ fs\.binfmt_misc\..*                                     # mounted on first use
    | sysctl\ kernel\.random\..*                                      # entropy, new UUIDs
    | sysctl\ kernel\.(ns_last_pid|pty\.nr)                           # each process, each login
    | sysctl\ kernel\.perf_event_max_sample_rate                      # lowered by the kernel
    | sysctl\ net\.netfilter\.nf_conntrack_count                      # connections
    | (unit|unit-file|service|pid)\ (session-|user@|user-|run-user-).*  # logins, ours among them
    | (unit|service|pid)\ systemd-(fsckd|hostnamed)\.(service|socket)  # end by themselves
    | (unit|service)\ systemd-tmpfiles-clean\.(timer|service)         # 15 minutes after each boot
    | file\ (/var)?/tmp/(systemd-private|namespace-dev)-.*            # of services that start
    """,
    re.VERBOSE,
)

# Processes, and a share of the memory that happened to be free when the kernel started.
_OF_ONE_BOOT = ("boot", "pid ", "sysctl vm.user_reserve_kbytes")

# One remote command. Records end with NUL, as names of files may hold anything else.
_SCRIPT = r"""
export LC_ALL=C
record() { printf '%s\t%s\0' "$1" "$2"; }

# Wait until what was set in motion (a daemon-reload, a service that starts) has come to rest. The
# very list of units that shows it is kept: what a timer of the host begins next is not in it.
come_to_rest() {
    for wait in $(seq 200); do
        jobs=$(systemctl list-jobs --no-legend)
        units=$(systemctl list-units --all --plain --no-legend --no-pager)
        [ -n "$jobs" ] || echo "$units" | grep -qE '^[^ ]+ +[^ ]+ +(de)?activating ' || break
        sleep 0.1
    done
}

come_to_rest
record boot "$(cat /proc/sys/kernel/random/boot_id)"
systemd-detect-virt --container --quiet || record cmdline "$(cat /proc/cmdline)"
sysctl -a 2>/dev/null | while IFS= read -r line; do
    record "sysctl ${line%% = *}" "${line#* = }"
done

grep -sH '' /sys/kernel/mm/transparent_hugepage/* /sys/kernel/mm/transparent_hugepage/khugepaged/* \
    /sys/kernel/mm/ksm/* /sys/block/*/queue/* /sys/block/*/queue/iosched/* \
    /sys/devices/system/cpu/cpu*/power/* /sys/devices/system/cpu/cpufreq/*/* \
    /sys/devices/system/cpu/smt/control /proc/irq/*/smp_affinity /proc/irq/default_smp_affinity |
    grep -Ev '/(full_scans|pages_|general_profit|ksm_|stable_node|runtime_|khugepaged/pages)' |
    while IFS= read -r line; do record "sys ${line%%:*}" "${line#*:}"; done

for root in /etc /boot /var/lib/optimizer /run/systemd/system /usr/local /root /home \
    /tmp /var/tmp; do
    [ ! -e "$root" ] || find "$root" -path '*/.ssh/*' -o -printf 'file %p\t%y %m %U:%G %l\0'
done
# Kernels are large, and the modules of GRUB many.
for root in /etc /boot/grub /var/lib/optimizer /run/systemd/system /usr/local; do
    [ ! -e "$root" ] ||
        find "$root" -type f ! -path '/boot/grub/i386-pc/*' -exec sha256sum -z -- {} +
done | sed -z 's/^\([0-9a-f]*\)  \(.*\)$/bytes \2\t\1/'

# Looking at values has mounted some file systems.
come_to_rest
echo "$units" |
    while read -r name load active sub rest; do record "unit $name" "$load $active $sub"; done
systemctl list-unit-files --plain --no-legend --no-pager |
    while read -r name state rest; do record "unit-file $name" "$state"; done
systemctl show '*.timer' --no-pager -p Id -p TimersCalendar -p TimersMonotonic |
    sed 's/ ; next_elapse=[^}]*//' |
    awk 'BEGIN { RS = ""; FS = "\n" } { id = ""; rest = ""
        for (i = 1; i <= NF; i++) if ($i ~ /^Id=/) id = substr($i, 4); else rest = rest $i " "
        printf "timer %s\t%s%c", id, rest, 0 }'
# What does one thing and ends has a process only while a timer has it run.
systemctl show '*.service' --no-pager -p Id -p Type -p MainPID -p DropInPaths -p NeedDaemonReload \
    -p LimitNOFILE -p LimitNOFILESoft -p LimitMEMLOCK -p LimitCORE -p Nice -p OOMScoreAdjust \
    -p CPUAffinity -p MemoryMax -p MemorySwapMax -p TasksMax |
    awk 'BEGIN { RS = ""; FS = "\n" } { id = ""; pid = ""; ends = 0; rest = ""
        for (i = 1; i <= NF; i++)
            if ($i ~ /^Id=/) id = substr($i, 4)
            else if ($i ~ /^MainPID=/) pid = substr($i, 9)
            else if ($i == "Type=oneshot") ends = 1
            else rest = rest $i " "
        printf "service %s\t%s%cpid %s\t%s%c", id, rest, 0, id, ends ? 0 : pid, 0 }'

# A container shows the modules of the machine below it.
systemd-detect-virt --container --quiet || while read -r name rest; do
    record "module $name" loaded
done </proc/modules
"""


class Scanned(Protocol):
    """A host of whatever kind: root runs a shell command on it."""

    def run(self, command: str, *, timeout: float) -> subprocess.CompletedProcess[str]: ...


def scan(host: Scanned) -> Scan:
    """Collect what `host` is like now, once everything on it has come to rest."""
    return dict(_without_moving(_records(host.run(_SCRIPT, timeout=180).stdout)))


def _records(text: str) -> Iterator[tuple[str, str]]:
    """Yield key and value of each record; the lines of one file become one value."""
    found: dict[str, list[str]] = {}
    for record in text.split("\0"):
        key, tab, value = record.partition("\t")
        if not tab:
            continue
        kind, _, name = key.partition(" ")
        found.setdefault(f"file {name}" if kind == "bytes" else key, []).append(value.strip())
    return ((key, " ".join(values)) for key, values in found.items())


def _without_moving(records: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    return ((key, value) for key, value in records if not MOVING.fullmatch(key))


def difference(before: Scan, after: Scan) -> Differences:
    """Return what is not the same, without what each boot makes anew."""
    is_one_boot = before["boot"] == after["boot"]
    return {
        key: (before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key) and (is_one_boot or not key.startswith(_OF_ONE_BOOT))
    }
