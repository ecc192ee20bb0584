"""What doctor found, as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from optimizer.model.result import DoctorResult, HostDiagnosis
from optimizer.views.fold import fold
from optimizer.views.text import Asked, Look, count, following, labelled, sentence, wrap

_SYMBOLS = {"ok": "=", "warning": "!", "critical": "!", "unknown": "?"}
_ORDER = ("ok", "unknown", "warning", "critical")


def render(result: DoctorResult, look: Look, asked: Asked) -> list[str]:
    """Return every answer that is not `ok`; all of them for one host or with --all."""
    groups = _groups(result.hosts)
    look_all = look.show_all or len(groups) == 1
    lines: list[str] = []
    for group in groups:
        lines += [*_group(group, look_all, look), ""]
    return [*lines, *_summary(result), *following(_next(result, asked), look)]


def _groups(hosts: Iterable[HostDiagnosis]) -> list[list[HostDiagnosis]]:
    groups: dict[str, list[HostDiagnosis]] = {}
    for host in hosts:
        groups.setdefault(host.model_dump_json(exclude={"name"}), []).append(host)
    return sorted(groups.values(), key=lambda group: (group[0].state, -len(group), group[0].name))


def _group(group: Sequence[HostDiagnosis], is_whole: bool, look: Look) -> list[str]:
    host = group[0]
    number = f" ({count(len(group), 'host')})" if len(group) > 1 else ""
    hosts = fold(one.name for one in group) + number
    if host.state == "unreachable":
        return wrap(f"? {hosts}   not reached: {host.error}", look, "    ", "")
    told = [check for check in host.checks if is_whole or check.status != "ok"]
    fine = len(host.checks) - len(told)
    lines = wrap(hosts, look, "    ", "")
    for check in told:
        head = f"  {_SYMBOLS[check.status]} {check.status:<8}  "
        lines += wrap(f"{check.check}: {check.answer}", look, " " * len(head), head)
        lines += labelled("hint", check.hint, look, " " * len(head)) if check.hint else []
    return lines + ([f"  = {fine} ok"] if fine else [])


def _summary(result: DoctorResult) -> list[str]:
    statuses = [check.status for host in result.hosts for check in host.checks]
    missing = sum(host.state == "unreachable" for host in result.hosts)
    counts = [f"{statuses.count(one)} {one}" for one in _ORDER if one in statuses]
    return [sentence([*counts, f"{missing} not reached" if missing else ""]) + "."]


def _next(result: DoctorResult, asked: Asked) -> str:
    if all(host.state == "unreachable" for host in result.hosts):
        return asked.command("doctor", "--connect-timeout", "60")
    return asked.command("plan", "--profile", asked.profile or "NAME")
