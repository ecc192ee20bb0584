"""What the load on Node services came to: a table, and the goals of the probe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median

from bench.redis import interval

WITHOUT, AGAIN, WITH, TUNED = "without", "without again", "with the probe", "with production"
_STATES = (WITHOUT, AGAIN, WITH, TUNED)
_PER_CENT = 100
_MOST_LOST = 1.0
_MOST_MEMORY = 5.0


@dataclass(frozen=True)
class Figures:
    """One start of a service.

    cost: microseconds of processor time a request. rate: requests a second. p50, p99: latency in
    ms. memory: MiB in RAM after a load. idle: processor time without any load, % of a CPU.
    """

    cost: float
    rate: float
    p50: float
    p99: float
    memory: float
    idle: float


Starts = Sequence[Mapping[str, Figures]]
_Measure = Callable[[Figures], float]

_MEASURES: Mapping[str, _Measure] = {
    "µs CPU/request": lambda one: one.cost,
    "requests/s": lambda one: one.rate,
    "ms p50": lambda one: one.p50,
    "ms p99": lambda one: one.p99,
}
_AMOUNTS: Mapping[str, _Measure] = {
    "MiB RSS": lambda one: one.memory,
    "% of a CPU idle": lambda one: one.idle,
}


def report(starts: Starts) -> list[str]:
    """Lay medians and intervals out for a terminal."""
    return [
        f"a Node service on one host, {len(starts)} starts, 32 connections: medians, and the",
        "median of the ratios (×) or differences (+) to both `without` of the same start, with its",
        "95% interval (bootstrap); of `without` itself to the other one.",
        "",
        *(line for name, of in _MEASURES.items() for line in _rows(starts, name, of, _RATIO)),
        *(line for name, of in _AMOUNTS.items() for line in _rows(starts, name, of, _DIFFERENCE)),
        "",
        *_goals(starts),
    ]


@dataclass(frozen=True)
class _Comparison:
    """How two figures are compared, and how that is printed."""

    compare: Callable[[float, float], float]
    text: str


_RATIO = _Comparison(lambda one, other: one / other, "× {:.3f} ({:.3f}–{:.3f})")
_DIFFERENCE = _Comparison(lambda one, other: one - other, "{:+.2f} ({:+.2f} to {:+.2f})")


def _rows(starts: Starts, name: str, of: _Measure, how: _Comparison) -> list[str]:
    lines = []
    for state in _STATES:
        value = median(of(one[state]) for one in starts)
        compared = "" if state == WITHOUT else how.text.format(*_compared(starts, state, of, how))
        lines.append(f"{name:16}{state:16}{value:>10.2f}  {compared}".rstrip())
    return lines


def _compared(
    starts: Starts, state: str, of: _Measure, how: _Comparison
) -> tuple[float, float, float]:
    """Return the median of what a state is to the service without anything, and its interval."""
    base = (WITHOUT,) if state == AGAIN else (WITHOUT, AGAIN)
    found = [how.compare(of(one[state]), mean(of(one[name]) for name in base)) for one in starts]
    return median(found), *interval(found)


def _goals(starts: Starts) -> list[str]:
    cost, least, most = (
        _PER_CENT * (one - 1)
        for one in _compared(starts, WITH, _MEASURES["µs CPU/request"], _RATIO)
    )
    size, low, high = _compared(starts, WITH, _AMOUNTS["MiB RSS"], _DIFFERENCE)
    return [
        f"goal: the probe costs at most {_MOST_LOST:.0f} % of the throughput:"
        f" {_verdict(least, most, _MOST_LOST)}, {cost:+.1f} % of processor time a request"
        f" ({least:+.1f} to {most:+.1f})",
        f"goal: and {_MOST_MEMORY:.0f} MiB at most: {_verdict(low, high, _MOST_MEMORY)},"
        f" {size:+.1f} MiB ({low:+.1f} to {high:+.1f})",
    ]


def _verdict(low: float, high: float, most: float) -> str:
    return "met" if high <= most else "missed" if low > most else "inconclusive"
