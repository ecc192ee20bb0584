"""redis-benchmark on one host, before and after a profile: `python -m bench.redis`.

Both states take turns, in an order drawn for each pair, as a host that is busy with something
else would otherwise decide who is faster. A difference counts when the whole interval is on
one side of nothing.
"""

from __future__ import annotations

import csv
import io
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from bench.controller import Controller, controlled, run
from testbed.host import Host
from testbed.nspawn import NspawnHost

PROFILE = "hft"
PAIRS = 12
TESTS = ("set", "get", "incr", "lpush")
# 50 clients without pipelining, random keys: what a service does that waits for each answer.
_LOAD = f"redis-benchmark --csv -n 60000 -c 50 -r 100000 -d 100 -t {','.join(TESTS)}"
_RESAMPLES = 5000
_INTERVAL = (0.025, 0.975)
_SEED = 7

Figures = Mapping[str, tuple[float, float]]


def main() -> int:
    """Measure, print, and return the exit status; a difference is no failure, nor is none."""
    return run("redis-benchmark", lambda: report(_measured()))


def _measured() -> list[tuple[Figures, Figures]]:
    """Return for each pair the figures before and after the profile."""
    draw = random.Random(_SEED)  # noqa: S311 - an order, not a secret
    host = NspawnHost("bench-redis", packages=("redis-server",))
    with controlled(host) as controller:
        bench = _Bench(host, controller)
        bench.load()
        pairs = []
        for number in range(PAIRS):
            figures: dict[bool, Figures] = {}
            for is_tuned in draw.sample((False, True), 2):
                bench.bring_to(is_tuned)
                figures[is_tuned] = bench.load()
            pairs.append((figures[False], figures[True]))
            print(f"bench: redis-benchmark, pair {number + 1} of {PAIRS}", file=sys.stderr)
        bench.bring_to(False)
        return pairs


class _Bench:
    """One host, with the profile on it or not."""

    def __init__(self, host: Host, controller: Controller) -> None:
        self._host = host
        self._controller = controller
        self._is_tuned = False

    def bring_to(self, is_tuned: bool) -> None:
        """Apply the profile or roll it back, where that is not so already; settle."""
        if is_tuned != self._is_tuned:
            words = ["apply", "--profile", PROFILE] if is_tuned else ["rollback", "--allow", "data"]
            self._controller.optimizer(*words, "--yes")
            self._is_tuned = is_tuned
        self._host.run("redis-cli flushall >/dev/null; sync; sleep 0.5")

    def load(self) -> Figures:
        """Run the load; test -> (requests a second, 99th percentile in ms)."""
        text = self._host.run(_LOAD, timeout=180).stdout
        return {
            row["test"].lower(): (float(row["rps"]), float(row["p99_latency_ms"]))
            for row in csv.DictReader(io.StringIO(text))
        }


def report(pairs: Sequence[tuple[Figures, Figures]]) -> list[str]:
    """Lay medians and intervals out for a terminal."""
    return [
        f"redis-benchmark on one host, {len(pairs)} pairs in drawn order, profile {PROFILE}:",
        "medians before → after, and the median of the ratios with its 95% interval (bootstrap).",
        "",
        *(_row(test, pairs, at, unit) for test in pairs[0][0] for at, unit in _KINDS),
    ]


_KINDS = ((0, "requests/s"), (1, "ms p99"))


def _row(test: str, pairs: Sequence[tuple[Figures, Figures]], at: int, unit: str) -> str:
    before = [figures[test][at] for figures, _ in pairs]
    after = [figures[test][at] for _, figures in pairs]
    ratios = [b / a for a, b in zip(before, after, strict=True) if a]
    low, high = interval(ratios)
    digits = 0 if at == 0 else 3
    return (
        f"{test:8} {median(before):>10.{digits}f} → {median(after):>10.{digits}f} {unit:11}"
        f" × {median(ratios):.3f} ({low:.3f}–{high:.3f})  {_verdict(low, high, at)}"
    )


def _verdict(low: float, high: float, at: int) -> str:
    if low <= 1.0 <= high:
        return "inconclusive"
    is_better = (low > 1.0) == (at == 0)
    return "better" if is_better else "worse"


def interval(ratios: Sequence[float]) -> tuple[float, float]:
    """Return the 95% bootstrap interval of the median of some ratios."""
    medians = sorted(_resampled(ratios))
    first, last = (medians[round(share * (len(medians) - 1))] for share in _INTERVAL)
    return first, last


def _resampled(values: Sequence[float]) -> Iterator[float]:
    draw = random.Random(_SEED)  # noqa: S311 - statistics, not a secret
    for _ in range(_RESAMPLES):
        yield median(draw.choices(values, k=len(values)))


if __name__ == "__main__":
    sys.exit(main())
