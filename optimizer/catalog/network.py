"""Sockets and TCP: queues, buffers, congestion control, the life of a connection."""

from __future__ import annotations

from optimizer.catalog.declare import KERNEL_DOCS, Area, sysctl
from optimizer.catalog.valuetypes import Barring
from optimizer.model.tunable import Coupling, Effect, Risk
from optimizer.model.values import (
    INT_MAX,
    SWITCH,
    UINT_MAX,
    Choice,
    Integer,
    IntegerList,
    Text,
)

_IP = f"{KERNEL_DOCS}/networking/ip-sysctl.html"
_CORE = f"{KERNEL_DOCS}/admin-guide/sysctl/net.html"
_CONNTRACK = f"{KERNEL_DOCS}/networking/nf_conntrack-sysctl.html"

# Times are kept in ticks, of which a kernel has up to 1000 a second.
_SECONDS_MAX = INT_MAX // 1000
_KERNEL_WORD = r"[a-z0-9_-]{1,15}"
_CONGESTION_CONTROLS = (
    "bbr", "bic", "cdg", "dctcp", "highspeed", "htcp", "hybla", "illinois", "lp", "nv",
    "scalable", "vegas", "veno", "westwood", "yeah",
)  # fmt: skip
_QUEUEING_DISCIPLINES = (
    "cake", "choke", "codel", "etf", "fq", "fq_codel", "fq_pie", "hhf", "pie", "sfb", "sfq",
)  # fmt: skip

_BACKLOGS = (
    sysctl(
        "net.core.somaxconn",
        value=Integer(1, INT_MAX),
        why="Caps how many finished handshakes may wait for accept(), so that a burst of "
        "connections is not dropped; a listener keeps the cap of its last listen().",
        docs=_IP,
        weight=3,
        effect=Effect.NEW_CONNECTIONS,
    ),
    sysctl(
        "net.ipv4.tcp_max_syn_backlog",
        value=Integer(0, INT_MAX),
        why="Caps the half-open connections of a listener before SYN cookies take over.",
        docs=_IP,
        weight=2,
    ),
    sysctl(
        "net.ipv4.tcp_syncookies",
        value=Barring(
            Choice(("1", "2")),
            (("0", "a flood of SYN packets would then keep every client out"),),
        ),
        why="Keeps a listener reachable when its queue of half-open connections overflows.",
        docs=_IP,
        weight=3,
    ),
)

_BUFFERS = (
    sysctl(
        "net.core.rmem_max",
        value=Integer(2304, INT_MAX, "bytes"),
        why="Caps the receive buffer that an application asks for with SO_RCVBUF, which a UDP "
        "feed handler needs in a burst; TCP autotuning does not look at it.",
        docs=f"{_CORE}#rmem-max",
        weight=2,
        effect=Effect.NEW_CONNECTIONS,
    ),
    sysctl(
        "net.core.wmem_max",
        value=Integer(4608, INT_MAX, "bytes"),
        why="Caps the send buffer that an application asks for with SO_SNDBUF.",
        docs=f"{_CORE}#wmem-max",
        weight=1,
        effect=Effect.NEW_CONNECTIONS,
    ),
    sysctl(
        "net.core.rmem_default",
        value=Integer(2304, INT_MAX, "bytes"),
        why="Is the receive buffer of UDP and UNIX sockets that ask for none, so its cost "
        "multiplies with their number.",
        docs=f"{_CORE}#rmem-default",
        weight=1,
        effect=Effect.NEW_CONNECTIONS,
        risk=Risk.MEDIUM,
    ),
    sysctl(
        "net.core.wmem_default",
        value=Integer(4608, INT_MAX, "bytes"),
        why="Is the send buffer of UDP and UNIX sockets that ask for none.",
        docs=f"{_CORE}#wmem-default",
        weight=1,
        effect=Effect.NEW_CONNECTIONS,
        risk=Risk.MEDIUM,
    ),
    sysctl(
        "net.ipv4.tcp_rmem",
        value=IntegerList(3, 4096, INT_MAX, "bytes"),
        why="Bounds the receive window that TCP grows by itself (minimum, start, maximum); a "
        "smaller start slows every new connection, a larger maximum queues more old data.",
        docs=_IP,
        weight=2,
        effect=Effect.NEW_CONNECTIONS,
        risk=Risk.MEDIUM,
    ),
    sysctl(
        "net.ipv4.tcp_wmem",
        value=IntegerList(3, 4096, INT_MAX, "bytes"),
        why="Bounds the send buffer that TCP grows by itself (minimum, start, maximum).",
        docs=_IP,
        weight=2,
        effect=Effect.NEW_CONNECTIONS,
        risk=Risk.MEDIUM,
    ),
    sysctl(
        "net.ipv4.tcp_notsent_lowat",
        value=Integer(0, UINT_MAX, "bytes"),
        why="Lets an application add to a send queue only while little is unsent, so that a slow "
        "reader gets fresh data rather than a long queue of old data.",
        docs=_IP,
        weight=3,
    ),
    sysctl(
        "net.ipv4.tcp_limit_output_bytes",
        value=Integer(1, INT_MAX, "bytes"),
        why="Caps what one connection keeps in the queues below TCP.",
        docs=_IP,
        weight=1,
    ),
)

_CONGESTION = (
    sysctl(
        "net.core.default_qdisc",
        value=Text(_KERNEL_WORD, "the name of a queueing discipline"),
        why="Is the queueing discipline of links that come up afterwards; fq paces BBR's packets "
        "in one place rather than with a timer for each socket.",
        docs=f"{_CORE}#default-qdisc",
        weight=2,
        effect=Effect.NEW_CONNECTIONS,
        modules={name: f"sch_{name}" for name in _QUEUEING_DISCIPLINES},
    ),
    sysctl(
        "net.ipv4.tcp_congestion_control",
        value=Text(_KERNEL_WORD, "the name of a congestion control"),
        why="Decides how fast new connections send: cubic fits a LAN, BBR holds its rate over "
        "long or lossy paths but slows down for 200 ms every 10 s to measure the path.",
        docs=_IP,
        weight=4,
        effect=Effect.NEW_CONNECTIONS,
        risk=Risk.MEDIUM,
        modules={name: f"tcp_{name}" for name in _CONGESTION_CONTROLS},
    ),
)

_CONNECTION_LIFE = (
    sysctl(
        "net.ipv4.tcp_keepalive_time",
        value=Integer(1, _SECONDS_MAX, "s"),
        why="Is how long a connection may be silent before it is probed, for sockets that ask "
        "for keepalive; it bounds how late a dead peer is noticed.",
        docs=_IP,
        weight=2,
    ),
    sysctl(
        "net.ipv4.tcp_keepalive_intvl",
        value=Integer(1, _SECONDS_MAX, "s"),
        why="Is the pause between two keepalive probes.",
        docs=_IP,
        weight=2,
    ),
    sysctl(
        "net.ipv4.tcp_keepalive_probes",
        value=Integer(1, 127),
        why="Is how many keepalive probes may go unanswered before the connection is reset.",
        docs=_IP,
        weight=2,
    ),
    sysctl(
        "net.ipv4.tcp_retries2",
        value=Integer(0, 255),
        why="Is how often data is sent again before a silent peer is given up; the default of 15 "
        "takes about a quarter of an hour, 8 about 100 s.",
        docs=_IP,
        weight=2,
        risk=Risk.MEDIUM,
    ),
    sysctl(
        "net.ipv4.tcp_slow_start_after_idle",
        value=SWITCH,
        why="Makes a connection that paused start slowly again; switched off, an order after a "
        "quiet minute goes out at full window.",
        docs=_IP,
        weight=4,
    ),
    sysctl(
        "net.ipv4.tcp_thin_linear_timeouts",
        value=SWITCH,
        why="Repeats a lost packet of a sparse stream, such as an order session, after equal "
        "rather than doubling waits.",
        docs=f"{KERNEL_DOCS}/networking/tcp-thin.html",
        weight=3,
    ),
    sysctl(
        "net.ipv4.tcp_rto_min_us",
        value=Integer(1, INT_MAX, "us"),
        why="Is the shortest wait before lost data is sent again; below the default of 200 ms it "
        "speeds up recovery in a LAN and repeats data needlessly over a WAN.",
        docs=_IP,
        weight=2,
        effect=Effect.NEW_CONNECTIONS,
        risk=Risk.MEDIUM,
    ),
    sysctl(
        "net.ipv4.tcp_autocorking",
        value=SWITCH,
        why="Joins small writes while an earlier packet still waits below TCP, which saves "
        "packets and can delay a message.",
        docs=_IP,
        weight=2,
    ),
    sysctl(
        "net.ipv4.tcp_fastopen",
        value=Integer(0, 0x607),
        why="Sends data with the first packet of a handshake, where both applications use it.",
        docs=_IP,
        weight=1,
        effect=Effect.NEW_CONNECTIONS,
    ),
    sysctl(
        "net.ipv4.tcp_mtu_probing",
        value=Choice(("0", "1", "2")),
        why="Finds the packet size of a path by trying, for paths that swallow ICMP.",
        docs=_IP,
        weight=1,
        effect=Effect.NEW_CONNECTIONS,
    ),
    sysctl(
        "net.ipv4.tcp_no_metrics_save",
        value=SWITCH,
        why="Starts each connection without what an earlier one learned about the path.",
        docs=_IP,
        weight=1,
    ),
    sysctl(
        "net.ipv4.tcp_timestamps",
        value=Barring(
            Choice(("1", "2")),
            (("0", "round trips are then measured badly and old packets not recognised"),),
        ),
        why="Measures round trips exactly and tells old packets from new ones.",
        docs=_IP,
        weight=2,
        effect=Effect.NEW_CONNECTIONS,
        risk=Risk.HIGH,
    ),
    sysctl(
        "net.ipv4.tcp_sack",
        value=Barring(
            Choice(("1",)), (("0", "one lost packet then makes TCP send a whole window again"),)
        ),
        why="Repeats only what was lost, so that one lost packet costs one round trip.",
        docs=_IP,
        weight=2,
        effect=Effect.NEW_CONNECTIONS,
        risk=Risk.HIGH,
    ),
    sysctl(
        "net.ipv4.tcp_window_scaling",
        value=Barring(
            Choice(("1",)), (("0", "no connection could then have more than 64 KiB in flight"),)
        ),
        why="Allows more than 64 KiB in flight, which any long path needs.",
        docs=_IP,
        weight=2,
        effect=Effect.NEW_CONNECTIONS,
        risk=Risk.HIGH,
    ),
)

_PORTS_AND_TABLES = (
    sysctl(
        "net.ipv4.ip_local_port_range",
        value=IntegerList(2, 1, 65535),
        why="Is the range of ports for outgoing connections (first, last); one peer address can "
        "have that many at a time.",
        docs=_IP,
        weight=1,
        risk=Risk.MEDIUM,
    ),
    sysctl(
        "net.ipv4.tcp_tw_reuse",
        value=Choice(("0", "1", "2")),
        why="Lets an outgoing connection take a port that still waits in TIME_WAIT, for hosts "
        "that run out of ports.",
        docs=_IP,
        weight=1,
        risk=Risk.MEDIUM,
    ),
    sysctl(
        "net.ipv4.tcp_fin_timeout",
        value=Integer(1, _SECONDS_MAX, "s"),
        why="Is how long a connection closed on this side waits for the other side; it does not "
        "shorten TIME_WAIT.",
        docs=_IP,
        weight=1,
    ),
    sysctl(
        "net.ipv4.tcp_max_tw_buckets",
        value=Integer(0, INT_MAX),
        why="Caps the connections in TIME_WAIT as a guard against floods, so lowering it breaks "
        "correct traffic first.",
        docs=_IP,
        weight=1,
        risk=Risk.MEDIUM,
    ),
    sysctl(
        "net.ipv4.tcp_max_orphans",
        value=Integer(0, INT_MAX),
        why="Caps the connections that no process owns any more, as a guard against floods.",
        docs=_IP,
        weight=1,
        risk=Risk.MEDIUM,
    ),
    sysctl(
        "net.netfilter.nf_conntrack_max",
        value=Integer(1, INT_MAX),
        why="Caps the connections that the firewall tracks; above it packets are dropped.",
        docs=_CONNTRACK,
        weight=2,
        risk=Risk.MEDIUM,
        # The host's own network namespace has it under two names.
        coupling=Coupling(mirrors=("/proc/sys/net/nf_conntrack_max",)),
    ),
)

AREA = Area(
    "Sockets and TCP",
    (*_BACKLOGS, *_BUFFERS, *_CONGESTION, *_CONNECTION_LIFE, *_PORTS_AND_TABLES),
)
