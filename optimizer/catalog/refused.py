"""What no profile may set: settings without any effect, and settings that break a host.

Of Redis and PostgreSQL: who may reach a server, and where its data is.
"""

from __future__ import annotations

from optimizer.catalog.declare import (
    KERNEL_DOCS,
    PARAMETERS,
    REDIS_DOCS,
    Area,
    postgresql_docs,
    refuse,
    refuse_boot,
)
from optimizer.model.values import Choice

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

_NO_START = "the next start would look for it in another place, and may not find it"
_STANDBYS = "standbys, archive and backups depend on it, and without them a host has no second copy"
_OTHER_CODE = "it runs code of its own within the server"
_UNSAFE = "it hides damage or makes some, and is for the repair of one server by hand"

_CONNECTION = "runtime-config-connection"
_FILE_PLACES = "runtime-config-file-locations"
_REPLICATION = "runtime-config-replication"
_WAL = "runtime-config-wal"
_CLIENT = "runtime-config-client"
_DEVELOPER = "runtime-config-developer"

_POSTGRESQL = tuple(
    refuse("postgresql", name, why, postgresql_docs(name, page), refused=refused)
    for name, why, page, refused in (
        ("listen_addresses", "Is where the server listens.", _CONNECTION, _ACCESS),
        ("port", "Is the port that the server listens on.", _CONNECTION, _ACCESS),
        ("unix_socket_directories", "Is where its sockets are.", _CONNECTION, _ACCESS),
        ("unix_socket_group", "Is the group that owns its sockets.", _CONNECTION, _ACCESS),
        ("unix_socket_permissions", "Is who may open its sockets.", _CONNECTION, _ACCESS),
        ("ssl", "Allows encrypted connections.", _CONNECTION, _ACCESS),
        ("ssl_ca_file", "Is the file with trusted authorities.", _CONNECTION, _ACCESS),
        ("ssl_cert_file", "Is the file with the certificate.", _CONNECTION, _ACCESS),
        ("ssl_key_file", "Is the file with the private key.", _CONNECTION, _ACCESS),
        ("ssl_crl_file", "Is the file with revoked certificates.", _CONNECTION, _ACCESS),
        ("ssl_ciphers", "Is which ciphers are allowed.", _CONNECTION, _ACCESS),
        ("ssl_passphrase_command", "Asks for the key's passphrase.", _CONNECTION, _ACCESS),
        ("password_encryption", "Is how passwords are kept.", _CONNECTION, _ACCESS),
        ("krb_server_keyfile", "Is the file with Kerberos keys.", _CONNECTION, _ACCESS),
        ("data_directory", "Is where the data is.", _FILE_PLACES, _NO_START),
        ("config_file", "Is where the configuration is.", _FILE_PLACES, _NO_START),
        ("hba_file", "Is the file with who may log in.", _FILE_PLACES, _ACCESS),
        ("ident_file", "Is the file with names of users.", _FILE_PLACES, _ACCESS),
        ("external_pid_file", "Is a file with the process number.", _FILE_PLACES, _NO_START),
        ("wal_level", "Is how much the log has in it.", _WAL, _STANDBYS),
        ("archive_mode", "Keeps finished files of the log.", _WAL, _STANDBYS),
        ("archive_command", "Is the command that keeps them.", _WAL, _STANDBYS),
        ("archive_library", "Is the library that keeps them.", _WAL, _STANDBYS),
        ("restore_command", "Is the command that brings them back.", _WAL, _STANDBYS),
        ("primary_conninfo", "Is the primary that a standby follows.", _REPLICATION, _STANDBYS),
        ("primary_slot_name", "Is the slot that a standby uses.", _REPLICATION, _STANDBYS),
        ("synchronous_standby_names", "Is who a commit waits for.", _REPLICATION, _STANDBYS),
        ("hot_standby", "Lets a standby answer queries.", _REPLICATION, _STANDBYS),
        ("session_preload_libraries", "Loads libraries in each session.", _CLIENT, _OTHER_CODE),
        ("local_preload_libraries", "Loads libraries in each session.", _CLIENT, _OTHER_CODE),
        ("dynamic_library_path", "Is where libraries are looked for.", _CLIENT, _OTHER_CODE),
        ("zero_damaged_pages", "Takes damaged pages for empty ones.", _DEVELOPER, _UNSAFE),
        ("ignore_checksum_failure", "Reads pages that are damaged.", _DEVELOPER, _UNSAFE),
        ("ignore_system_indexes", "Reads system tables in order.", _DEVELOPER, _UNSAFE),
        ("allow_system_table_mods", "Lets system tables be changed.", _DEVELOPER, _UNSAFE),
        ("data_sync_retry", "Goes on after a failed fsync.", "runtime-config-error-handling",
         _UNSAFE),
    )
)  # fmt: skip

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
        refuse_boot(
            "idle",
            Choice(("poll", "halt", "nomwait")),
            "Chooses how a CPU waits for work; poll never lets it rest.",
            refused="a CPU that polls takes heat and turbo from the others and slows its "
            "hardware thread down; use system.cpu.resume_latency",
        ),
        refuse_boot(
            "mitigations",
            Choice(("off", "auto", "auto,nosmt")),
            "Switches the protection against processor flaws.",
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
        *_POSTGRESQL,
    ),
)
