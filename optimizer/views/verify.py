"""Whether hosts still match, as text: only what does not."""

from __future__ import annotations

from collections.abc import Iterable

from optimizer.model.result import Drift, HostVerdict, VerifyResult
from optimizer.views import changes
from optimizer.views.fold import fold
from optimizer.views.text import (
    Asked,
    Look,
    Row,
    align,
    count,
    following,
    labelled,
    shown,
    wrap,
)

_ORDER = ("match", "drift", "unknown", "unreachable")
_WORDS = {"match": "matches", "drift": "drift", "unknown": "unknown", "unreachable": "not reached"}
_SYMBOLS = {"match": "=", "drift": "~", "unknown": "?", "unreachable": "?"}


def render(result: VerifyResult, look: Look, asked: Asked) -> list[str]:
    """Return how many hosts match, and what differs on the others."""
    lines = wrap(_headline(result), look, "  ", "")
    for group in _groups(result.hosts):
        details = _details(group, look)
        if details or group[0].state != "match" or look.show_all:
            lines += ["", *_heading(group, look), *details]
    return [*lines, "", *following(_next(result, asked), look)]


def _headline(result: VerifyResult) -> str:
    matching = sum(host.state == "match" for host in result.hosts)
    total = len(result.hosts)
    hosts = count(total, "host") if matching == total else f"{matching} of {count(total, 'host')}"
    verb = "matches" if matching == 1 else "match"
    if result.profile is None:
        return f"{hosts} {verb} what was last applied."
    version = f" {result.profile.version}" if result.profile.version else ""
    return f"{hosts} {verb} {result.profile.name}{version}."


def _groups(hosts: Iterable[HostVerdict]) -> list[list[HostVerdict]]:
    groups: dict[str, list[HostVerdict]] = {}
    for host in hosts:
        groups.setdefault(host.model_dump_json(exclude={"name"}), []).append(host)
    return sorted(groups.values(), key=lambda group: _ORDER.index(group[0].state))


def _heading(group: list[HostVerdict], look: Look) -> list[str]:
    state = group[0].state
    number = f" ({count(len(group), 'host')})" if len(group) > 1 else ""
    error = f": {group[0].error}" if group[0].error else ""
    applied = f" from {group[0].applied}" if state == "drift" and group[0].applied else ""
    head = f"{_SYMBOLS[state]} {fold(host.name for host in group)}{number}"
    return wrap(f"{head}   {_WORDS[state]}{applied}{error}", look, "    ", "")


def _details(group: list[HostVerdict], look: Look) -> list[str]:
    host = group[0]
    lines = _drift(host.drift, "~", look)
    if host.pending:
        lines += ["  waiting for a restart or a reboot", *_drift(host.pending, "!", look)]
    lines += changes.left_out("unknown", host.unknown, look)
    for note in host.notes:
        lines += labelled("note", note, look)
    return [*lines, f"  {host.checked} checked"] if look.show_all else lines


def _drift(found: Iterable[Drift], symbol: str, look: Look) -> list[str]:
    modules: dict[str, list[Row]] = {}
    for drift in found:
        row = Row(
            symbol=symbol,
            name=changes.short(drift.tunable),
            before=f"{_found(drift)}, expected {_text(drift, drift.expected)}",
            remarks=() if _is_file(drift) else _remarks(drift),
        )
        module = "files" if _is_file(drift) else drift.tunable.partition(".")[0]
        modules.setdefault(module, []).append(row)
    lines: list[str] = []
    for module, rows in modules.items():
        lines += [f"  {module}", *(line for chunk in align(rows, look) for line in chunk)]
    return lines


def _is_file(drift: Drift) -> bool:
    return drift.tunable.startswith("/")


def _found(drift: Drift) -> str:
    """Return what is there: a file counts at boot, a value now."""
    return _text(drift, drift.boot if _is_file(drift) else drift.live)


def _text(drift: Drift, value: str | None) -> str:
    return "no file" if value is None and _is_file(drift) else shown(value)


def _remarks(drift: Drift) -> tuple[str, ...]:
    """Say what the next boot will set, where that is news."""
    is_live_right = drift.live == drift.expected
    if drift.boot == drift.expected:
        return () if is_live_right else ("boot value is right",)
    source = f" from {drift.source}" if drift.source else ""
    if drift.boot is None:
        return ("not set at boot",) if is_live_right else ()
    return (f"at boot {drift.boot}{source}",)


def _next(result: VerifyResult, asked: Asked) -> str:
    differing = [host.name for host in result.hosts if host.state in ("drift", "unknown")]
    missing = [host.name for host in result.hosts if host.state == "unreachable"]
    if differing:
        here = asked.for_host(differing[0]) if len(result.hosts) > 1 else asked
        return here.profile_command("plan")
    if missing:
        return asked.for_host(missing[0]).command("doctor")
    return asked.command("history")
