"""From what was found of a server to its health checks, by the thresholds that hold. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from optimizer.model.profile import Threshold
from optimizer.model.result import HealthCheck
from optimizer.scoring.checks import CHECKS, threshold_of
from optimizer.scoring.finding import Finding


def judged(
    findings: Iterable[Finding], thresholds: Mapping[str, Threshold], instance: str
) -> tuple[HealthCheck, ...]:
    """Judge each finding; instance: the server that it is of, which its name carries."""
    return tuple(
        CHECKS[one.check].judge(
            one.number,
            one.value,
            threshold_of(one.check, thresholds) if one.threshold is None else one.threshold,
            one.advice,
            instance,
        )
        for one in findings
    )
