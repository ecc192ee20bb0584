"""Health of Node services: what is found, what is left out, and what a profile changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import profiles
from optimizer.model.node_health import NodeHealth, NodeProcess, NodeSpan, Quantiles
from optimizer.model.profile import Threshold
from optimizer.model.result import HealthCheck
from optimizer.scoring.node_health import node_health
from tests.unit.node_services import (
    BAD,
    CALM,
    DOWN,
    GOOD,
    HIDDEN,
    MIB,
    PROBE,
    UNWATCHED,
    UPTIME,
)


def found(one: NodeHealth, **thresholds: Threshold) -> dict[str, HealthCheck]:
    """Check a service; results by what stands between `node.` and the bracket."""
    by_name = {f"node.{name.replace('_', '-')}": level for name, level in thresholds.items()}
    checks = node_health(one, by_name, UPTIME)
    assert all(check.name.endswith(f"[{one.name}]") for check in checks)
    return {check.name.partition("[")[0].removeprefix("node."): check for check in checks}


def seen(window: NodeSpan) -> NodeHealth:
    """Return a service whose one process saw this of late."""
    probe = replace(PROBE, window=window, start=window)
    return replace(GOOD, processes=(NodeProcess(100, 1, 60 * MIB, 22, 1024, probe),))


def late(p50: float = 0.0, p99: float = 0.0, longest: float = 0.0, count: int = 5000) -> NodeHealth:
    """Return a service whose loop was late by so many milliseconds."""
    return seen(replace(CALM, delay=Quantiles(count, p50 / 1e3, p99 / 1e3, longest / 1e3)))


def test_a_good_service_is_optimal_in_all() -> None:
    checks = found(GOOD)
    assert {check.status for check in checks.values()} == {"optimal"}
    assert checks["server"].value == "Node 20.19.2, 2 processes, 360 MiB, up 3 d"
    assert checks["loop-delay"].value == "0.2 ms in 55 s"
    assert checks["loop-delay-longest"].value == "4 ms in 55 s, 83 ms since the start"
    assert checks["gc-pause"].value == "2 ms, 200 pauses in 55 s take 0.2 % of the time"
    assert checks["open-files"].value == "0 %, 150 of 524288"


def test_the_worst_process_counts_and_all_that_is_wrong_is_found_at_once() -> None:
    checks = found(BAD)
    assert {name: check.status for name, check in checks.items()} == {
        "server": "warning",
        "loop-delay-median": "critical",
        "loop-delay": "critical",
        "loop-delay-longest": "critical",
        "loop-used": "critical",
        "heap-used": "critical",
        "gc-pause": "critical",
        "open-files": "critical",
        "memory-used": "critical",
        "restarts": "critical",
    }
    assert all(check.recommendation for check in checks.values())
    assert checks["heap-used"].value == "98 % of 2 GiB"
    assert checks["restarts"].value == "7, the last 10 min ago"
    assert checks["server"].value.endswith("1 of 3 probes give no answer: no answer within 3 s")


def test_without_a_probe_there_are_the_facts_of_the_kernel_and_of_systemd() -> None:
    checks = found(UNWATCHED)
    assert checks.keys() == {"server", "open-files", "restarts"}
    assert {check.status for check in checks.values()} == {"optimal"}
    assert "without the probe" in checks["server"].value
    assert found(HIDDEN).keys() == {"server"}


def test_a_unit_that_does_not_run_is_critical() -> None:
    check = found(DOWN)["server"]
    assert (check.status, check.value) == ("critical", "does not run: failed")
    assert check.recommendation == "systemctl status gone.service"


@pytest.mark.parametrize(
    ("profile", "limit"), [("production", 10.0), ("hft", 1.0), ("hft-colo", 1.0)]
)
def test_the_limit_of_a_profile_is_where_the_loop_becomes_a_fault(
    profile: str, limit: float
) -> None:
    thresholds = profiles.load(profile).health

    def statuses(one: NodeHealth) -> list[str]:
        checks = {check.name: check.status for check in node_health(one, thresholds, UPTIME)}
        return [
            checks[f"node.loop-delay{which}[web.service]"] for which in ("-median", "", "-longest")
        ]

    # A timer may be a millisecond late by itself, which is no delay.
    assert statuses(late(limit + 0.9, limit + 0.9, limit))[1] != "warning"
    assert statuses(late(limit + 1.1, limit + 1.1, limit)) == ["critical", "warning", "optimal"]
    assert statuses(late(0, 11 * limit + 1, 101 * limit)) == ["optimal", "critical", "critical"]
    # An idle loop is as good as can be, also where a millisecond is the limit.
    assert statuses(late(0.4, 1.2, 1.9)) == ["optimal"] * 3


def test_few_samples_and_pauses_are_told_and_not_judged() -> None:
    checks = found(late(50, 500, 5000, count=99))
    assert checks["loop-delay"].status == "good"
    assert checks["loop-delay"].value == "no data, 99 samples"
    few = replace(CALM, pauses=Quantiles(count=3, p50=0.2, p99=0.3, max=0.3))
    assert (found(seen(few))["gc-pause"].status, found(seen(few))["gc-pause"].value) == (
        "good",
        "3 in 55 s, longest 300 ms",
    )
    assert found(seen(replace(CALM, pauses=Quantiles())))["gc-pause"].value == "none in 55 s"
    assert found(seen(replace(CALM, seconds=2, utilization=1)))["loop-used"].status == "good"


def test_a_restart_of_long_ago_is_told_and_not_judged() -> None:
    one = replace(GOOD, restarts=3, active_since=UPTIME - 3 * 86_400)
    assert (found(one)["restarts"].status, found(one)["restarts"].value) == (
        "optimal",
        "3, the last 3 d ago",
    )
    assert found(replace(one, active_since=UPTIME - 60))["restarts"].status == "warning"


def test_a_profile_has_the_last_word() -> None:
    mild = Threshold(99, None)
    assert found(BAD, heap_used=mild)["heap-used"].status == "good"


_TIMES = st.floats(0, 1e5)
_QUANTILES = st.builds(Quantiles, st.integers(0, 10**9), _TIMES, _TIMES, _TIMES)


@given(
    st.builds(
        NodeSpan,
        seconds=_TIMES,
        utilization=st.floats(0, 1),
        delay=_QUANTILES,
        pauses=_QUANTILES,
    )
)
def test_any_numbers_can_be_judged(window: NodeSpan) -> None:
    for check in found(seen(window)).values():
        assert check.status in ("optimal", "good", "warning", "critical")
        assert check.value
