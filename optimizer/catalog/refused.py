"""What no profile may set: settings without any effect, and settings that break a host.

Of Redis: who may reach a server, and where its keys are.
"""

from __future__ import annotations

from optimizer.catalog.declare import KERNEL_DOCS, PARAMETERS, REDIS_DOCS, Area, refuse

_IP = f"{KERNEL_DOCS}/networking/ip-sysctl.html"
_SCHEDULER = f"{KERNEL_DOCS}/scheduler/sched-debug.html"

_PAGES = (
    "the kernel computes it from the memory of the host, and it counts in pages: what was "
    "meant in bytes switches its protection off"
)
_GONE = (
    "kernels since 5.13 have no such sysctl, and from 6.6 on the scheduler has no use for most "
    "of its values"
)
_ACCESS = (
    "who may reach a server and who may log in is no matter of tuning; it is reported by doctor, "
    "never changed"
)
_FILES = "the next start would look for its keys in another place and come up without them"
_OTHER_SERVER = "it makes another server of it, and can replace all of its keys"

_REDIS = tuple(
    refuse("redis", parameter, why, REDIS_DOCS, refused=refused)
    for parameter, why, refused in (
        ("bind", "Are the addresses that the server listens on.", _ACCESS),
        ("port", "Is the TCP port that the server listens on.", _ACCESS),
        ("tls-port", "Is the port for encrypted connections.", _ACCESS),
        ("protected-mode", "Refuses other hosts while there is no password.", _ACCESS),
        ("requirepass", "Is the password of the default user.", _ACCESS),
        ("aclfile", "Is the file with the users and their rights.", _ACCESS),
        ("user", "Is a user and its rights.", _ACCESS),
        ("rename-command", "Hides a command or gives it another name.", _ACCESS),
        ("masteruser", "Is the user that a replica logs in as.", _ACCESS),
        ("masterauth", "Is the password that a replica logs in with.", _ACCESS),
        ("replicaof", "Makes the server a replica of another one.", _OTHER_SERVER),
        ("cluster-enabled", "Makes the server a node of a cluster.", _OTHER_SERVER),
        ("dir", "Is the directory of dumps and append-only files.", _FILES),
        ("dbfilename", "Is the name of the dump.", _FILES),
        ("appendfilename", "Is the name of the append-only files.", _FILES),
        ("appenddirname", "Is the directory of the append-only files.", _FILES),
    )
)

AREA = Area(
    "Refused",
    (
        refuse(
            "sysctl",
            "net.ipv4.tcp_low_latency",
            "Chose between two ways to receive until kernel 4.14.",
            _IP,
            refused="kernels since 4.14 read nothing from it; remove it",
        ),
        refuse(
            "sysctl",
            "net.ipv4.tcp_tw_recycle",
            "Shortened TIME_WAIT and broke clients behind address translation.",
            _IP,
            refused="kernels since 4.12 do not have it; net.ipv4.tcp_tw_reuse is what is left",
        ),
        refuse(
            "sysctl",
            "net.ipv4.tcp_mem",
            "Is where TCP starts to save memory, and where it stops taking any.",
            _IP,
            refused=_PAGES,
        ),
        refuse(
            "sysctl",
            "net.ipv4.udp_mem",
            "Is where UDP starts to save memory, and where it stops taking any.",
            _IP,
            refused=_PAGES,
        ),
        *(
            refuse(
                "sysctl",
                f"kernel.sched_{name}_ns",
                "Tuned the time slices of an earlier scheduler.",
                _SCHEDULER,
                refused=_GONE,
            )
            for name in ("latency", "min_granularity", "wakeup_granularity", "migration_cost")
        ),
        refuse(
            "boot",
            "idle",
            "Chooses how a CPU waits for work; poll never lets it rest.",
            PARAMETERS,
            refused="a CPU that polls takes heat and turbo from the others and slows its "
            "hardware thread down; use system.cpu.resume_latency",
        ),
        refuse(
            "boot",
            "mitigations",
            "Switches the protection against processor flaws.",
            PARAMETERS,
            refused="without them every process can read the memory of the others; that is a "
            "decision to make outside of a profile",
        ),
        refuse(
            "boot",
            "elevator",
            "Chose the I/O scheduler of all disks.",
            PARAMETERS,
            refused="kernels since 5.0 ignore it; use system.block.scheduler",
        ),
        *_REDIS,
    ),
)
