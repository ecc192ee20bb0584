"""What doctor found, as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import groupby

from optimizer.model.result import Diagnosis, DoctorResult, HostDiagnosis
from optimizer.views import checks
from optimizer.views.fold import fold
from optimizer.views.text import Asked, Look, count, following, labelled, sentence, wrap

_SYMBOLS = {"ok": "=", "warning": "!", "critical": "!", "unknown": "?"}
_ORDER = ("ok", "unknown", "warning", "critical")
# The check that a server answers, which tells what it is.
_SERVER = "server"


def render(result: DoctorResult, look: Look, asked: Asked) -> list[str]:
    """Return every answer that is not `ok`; all of them with --all.

    Of a single host all answers about itself are told, too, and those of its servers counted.
    """
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
    lines = wrap(hosts, look, "    ", "")
    for owner, own in groupby(host.checks, key=lambda check: checks.owner(check.check)):
        found = list(own)
        tell = partial(_server, owner) if owner else _own
        lines += tell(found, is_whole, look)
    return lines


def _own(found: Sequence[Diagnosis], is_whole: bool, look: Look) -> list[str]:
    told = [check for check in found if is_whole or check.status != "ok"]
    lines = [line for check in told for line in _told(check, look, "  ")]
    fine = len(found) - len(told)
    return lines + ([f"  = {fine} ok"] if fine else [])


def _server(owner: str, found: Sequence[Diagnosis], is_whole: bool, look: Look) -> list[str]:
    """Return what one server says of itself, and what is wrong with it, worst first."""
    about = [one for one in found if checks.title(one.check) == _SERVER and one.status == "ok"]
    bad = [check for check in found if check.status != "ok"]
    told = [one for one in found if one not in about] if look.show_all else bad
    introduced = [owner, *(one.answer for one in about)] if is_whole or told else [owner]
    if not told:
        return wrap(f"= {sentence([*introduced, f'{len(found)} ok'])}", look, "    ", "  ")
    lines = wrap(sentence(introduced), look, "    ", "  ")
    for check in sorted(told, key=lambda check: -_ORDER.index(check.status)):
        lines += _told(check, look, "    ")
    fine = len(found) - len(told) - len(about)
    return lines + ([f"    = {fine} ok"] if fine else [])


def _told(check: Diagnosis, look: Look, indent: str) -> list[str]:
    head = f"{indent}{_SYMBOLS[check.status]} {check.status:<8}  "
    below = " " * len(head)
    lines = wrap(f"{checks.title(check.check)}: {check.answer}", look, below, head)
    return lines + (labelled("hint", check.hint, look, below) if check.hint else [])


def _summary(result: DoctorResult) -> list[str]:
    statuses = [check.status for host in result.hosts for check in host.checks]
    missing = sum(host.state == "unreachable" for host in result.hosts)
    counts = [f"{statuses.count(one)} {one}" for one in _ORDER if one in statuses]
    return [sentence([*counts, f"{missing} not reached" if missing else ""]) + "."]


def _next(result: DoctorResult, asked: Asked) -> str:
    if all(host.state == "unreachable" for host in result.hosts):
        return asked.command("doctor", "--connect-timeout", "60")
    return asked.command("plan", "--profile", asked.profile or "NAME")
