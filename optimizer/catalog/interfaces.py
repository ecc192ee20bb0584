"""Settings that every network interface has, and those that reach into all of them.

Source: net/ipv4/devinet.c, net/ipv6/addrconf.c, Documentation/networking/ip-sysctl.rst.
"""

from __future__ import annotations

import re

from optimizer.catalog.declare import KERNEL_DOCS, Area, sysctl, sysctl_id
from optimizer.model.tunable import Coupling, Risk
from optimizer.model.values import SWITCH

_IP = f"{KERNEL_DOCS}/networking/ip-sysctl.html"
_V4, _V6 = "/proc/sys/net/ipv4/conf", "/proc/sys/net/ipv6/conf"
_FORWARD = "net.ipv4.ip_forward"

# What all interfaces have at once, also those that are made later.
EVERYWHERE = (f"{_V4}/*/forwarding", f"{_V6}/*/forwarding", f"{_V6}/*/disable_ipv6")

# A default is for interfaces that are made later; IPv4 gives it also to each one that
# nobody has set yet.
_DEFAULT = re.compile(r"net\.ipv4\.conf\.default\.([a-z0-9_]+)")
# `all` is what each of them has from then on.
_EVERYWHERE = re.compile(r"net\.ipv6\.conf\.all\.(forwarding|disable_ipv6)")


def coupling_of(key: str) -> Coupling:
    """Return what the kernel does to all interfaces when a sysctl that is not declared is set."""
    if found := _DEFAULT.fullmatch(key):
        return Coupling(resets=(f"{_V4}/*/{found[1]}",))
    if found := _EVERYWHERE.fullmatch(key):
        return Coupling(mirrors=(f"{_V6}/*/{found[1]}",))
    return Coupling()


def _forwarding(*other_names: str) -> Coupling:
    """A router takes no redirects, and a host does."""
    return Coupling(
        mirrors=(*other_names, f"{_V4}/*/forwarding"),
        opposes=(f"{_V4}/all/accept_redirects",),
    )


AREA = Area(
    "Network interfaces",
    (
        sysctl(
            _FORWARD,
            value=SWITCH,
            why="Makes a router of the host; containers and virtual machines on it need that.",
            docs=f"{_IP}#proc-sys-net-ipv4-variables",
            weight=2,
            risk=Risk.HIGH,
            coupling=_forwarding(),
        ),
        sysctl(
            "net.ipv4.conf.all.forwarding",
            value=SWITCH,
            why="Is net.ipv4.ip_forward under its other name.",
            docs=f"{_IP}#proc-sys-net-ipv4-conf-variables",
            weight=1,
            risk=Risk.HIGH,
            coupling=_forwarding(sysctl_id(_FORWARD)),
        ),
        sysctl(
            "net.ipv6.conf.all.forwarding",
            value=SWITCH,
            why="Makes a router of the host for IPv6; it then takes no addresses and no routes "
            "from other routers any more.",
            docs=f"{_IP}#proc-sys-net-ipv6-variables",
            weight=2,
            risk=Risk.HIGH,
            coupling=coupling_of("net.ipv6.conf.all.forwarding"),
        ),
    ),
)
