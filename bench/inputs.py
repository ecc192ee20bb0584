"""The same sysctls three times: as a profile, as a pyinfra deploy, and what a host has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_NAMES = """
icmp_echo_ignore_all icmp_echo_ignore_broadcasts icmp_errors_use_inbound_ifaddr
icmp_ignore_bogus_error_responses icmp_ratelimit icmp_ratemask
igmp_link_local_mcast_reports igmp_max_memberships igmp_max_msf igmp_qrv
ip_default_ttl ip_dynaddr ip_early_demux ip_forward_use_pmtu ip_no_pmtu_disc
ip_nonlocal_bind ip_unprivileged_port_start ipfrag_max_dist ipfrag_time
tcp_abort_on_overflow tcp_autocorking tcp_base_mss tcp_dsack tcp_early_retrans tcp_ecn
tcp_ecn_fallback tcp_fin_timeout tcp_frto tcp_keepalive_intvl tcp_keepalive_probes
tcp_keepalive_time tcp_max_reordering tcp_max_syn_backlog tcp_min_rtt_wlen
tcp_min_tso_segs tcp_moderate_rcvbuf tcp_mtu_probing tcp_no_metrics_save
tcp_orphan_retries tcp_pacing_ca_ratio tcp_pacing_ss_ratio tcp_probe_interval
tcp_probe_threshold tcp_recovery tcp_reordering tcp_retries1 tcp_retries2 tcp_rfc1337
tcp_sack tcp_slow_start_after_idle tcp_stdurg tcp_syn_retries tcp_synack_retries
tcp_thin_linear_timeouts tcp_timestamps tcp_tso_win_divisor tcp_window_scaling
udp_early_demux udp_rmem_min udp_wmem_min
"""
# Whole numbers of a network namespace's own, which every kernel since 5.10 has.
SYSCTLS = tuple(f"net.ipv4.{name}" for name in _NAMES.split())
# Those that differ where differences are wanted: one more is as good a value for each.
CHANGED = tuple(
    f"net.ipv4.{name}"
    for name in (
        "igmp_max_memberships",
        "tcp_fin_timeout",
        "tcp_keepalive_intvl",
        "tcp_keepalive_probes",
        "tcp_keepalive_time",
        "tcp_reordering",
    )
)
# Prints the values in the order of SYSCTLS, one to a line.
READ = "sysctl -n " + " ".join(SYSCTLS)

_DEPLOY = '''\
"""{count} sysctls, one operation each, as pyinfra's documentation has it."""

from pyinfra.operations import server

for key, value in {values}.items():
    server.sysctl(name=key, key=key, value=value, persist=False)
'''


def values(printed: str) -> dict[str, int]:
    """Read what READ printed. ValueError: a value is missing or is not a whole number."""
    return dict(zip(SYSCTLS, map(int, printed.split("\n")[: len(SYSCTLS)]), strict=True))


def different(now: Mapping[str, int]) -> dict[str, int]:
    """Return the same values but for those of CHANGED."""
    return {key: value + (key in CHANGED) for key, value in now.items()}


def profile(name: str, wanted: Mapping[str, int]) -> str:
    """Write a profile that wants exactly these values."""
    settings = {f"system.sysctl.{key}": value for key, value in wanted.items()}
    # JSON is YAML.
    return json.dumps({"name": name, "version": 1, "set": settings}, indent=1)


def deploy(wanted: Mapping[str, int]) -> str:
    """Write a pyinfra deploy with one operation for each value."""
    return _DEPLOY.format(count=len(wanted), values=dict(wanted))


def inventory(hosts: Mapping[str, Mapping[str, Any]]) -> str:
    """Write an inventory as both programs take it: name -> data."""
    return f"hosts = {[(name, dict(data)) for name, data in hosts.items()]!r}\n"
