"""What apply, confirm, rollback and snapshot did, as text: trouble last and in full."""

from __future__ import annotations

from collections.abc import Iterable

from optimizer.model.plan import Change
from optimizer.model.result import ApplyResult, HostOutcome, Problem, RollbackResult
from optimizer.model.tunable import Effect
from optimizer.views import changes
from optimizer.views.fold import fold
from optimizer.views.text import (
    SHORT_ID,
    Asked,
    Look,
    count,
    following,
    labelled,
    points,
    shown,
    table,
    wrap,
)

_Result = ApplyResult | RollbackResult
_Group = list[HostOutcome]
_ORDER = ("applied", "waiting", "unchanged", "unreachable", "refused", "restored", "failed")
_WORDS = {
    "applied": "applied",
    "waiting": "waiting for confirm",
    "unchanged": "unchanged",
    "refused": "refused, nothing changed",
    "restored": "failed, restored and checked",
    "failed": "not restored",
    "unreachable": "not reached",
}
_SYMBOLS = {"refused": "!", "restored": "!", "failed": "!", "unreachable": "?", "unchanged": "="}


def render(result: _Result, look: Look, asked: Asked) -> list[str]:
    """Return what happened on each group of hosts, and how to undo it."""
    lines = [_title(result, look)]
    if len(result.hosts) > 1:
        lines += _states(result, look)
    for group in _groups(result.hosts):
        lines += _details(result, group, look)
    return lines + _after(result, look, asked)


def _title(result: _Result, look: Look) -> str:
    dot = f" {look.symbols.dot} "
    profile = result.profile
    version = f" {profile.version}" if profile.version else ""
    what = f"{profile.name}{version}"
    if what and isinstance(result, ApplyResult):
        what = f"profile {what}"
    changed = sum(len(host.applied) for host in result.hosts)
    changes_text = f"{count(changed, 'change')} on " if changed else ""
    hosts = f"{changes_text}{count(len(result.hosts), 'host')}"
    parts = [f"Run {result.run}" if result.run else "", what, hosts]
    return dot.join(part for part in parts if part)


def _word(result: _Result, state: str) -> str:
    is_rolled_back = isinstance(result, RollbackResult) and state == "applied"
    return "rolled back" if is_rolled_back else _WORDS[state]


def _states(result: _Result, look: Look) -> list[str]:
    """Return one line for each state: how many hosts, and which."""
    rows: list[tuple[str, ...]] = []
    for state in _ORDER:
        names = [host.name for host in result.hosts if host.state == state]
        if names:
            symbol = _SYMBOLS.get(state, "~")
            rows.append((symbol, _word(result, state), str(len(names)), fold(names)))
    return table(rows, "<<><", look)


def _groups(hosts: Iterable[HostOutcome]) -> list[_Group]:
    """Group hosts with the same details, the worst last."""
    groups: dict[str, _Group] = {}
    for host in hosts:
        key = host.model_dump_json(
            exclude={"name", "snapshot", "commands", "score_before", "score_after"}
        )
        groups.setdefault(key, []).append(host)
    return sorted(groups.values(), key=lambda group: _ORDER.index(group[0].state))


def _details(result: _Result, group: _Group, look: Look) -> list[str]:
    host = group[0]
    lines: list[str] = []
    told = (*host.applied, *host.held_back) if look.show_all else host.held_back
    lines += changes.by_module(told, look)
    for problem in host.problems:
        lines += _problem(problem, look)
    lines += _pending(host.pending, look)
    lines += _foreign(host.foreign, look)
    for note in host.notes:
        lines += labelled("note", note, look)
    about = _about(host, look) if len(group) == 1 else ""
    if not lines and not about and len(result.hosts) > 1:
        return []
    head = f"{fold(one.name for one in group)}   {_word(result, host.state)}"
    return ["", *wrap(f"{head}   {about}".rstrip(), look, "    ", ""), *lines]


def _about(host: HostOutcome, look: Look) -> str:
    """Return what differs from host to host: the snapshot and the score."""
    parts = [f"snapshot {host.snapshot[:SHORT_ID]}"] if host.snapshot else []
    if score := _score(host, look):
        parts.append(score)
    return f" {look.symbols.dot} ".join(parts)


def _score(host: HostOutcome, look: Look) -> str:
    if host.score_before is None and host.score_after is None:
        return ""
    return f"score {points(host.score_before)} {look.symbols.arrow} {points(host.score_after)}"


def _problem(problem: Problem, look: Look) -> list[str]:
    where = " ".join(part for part in (problem.tunable, problem.path) if part)
    text = f"{where}: {problem.what}" if where else problem.what
    if problem.expected is not None or problem.found is not None:
        text += f" (expected {shown(problem.expected)}, found {shown(problem.found)})"
    return labelled("!", text, look)


def _pending(pending: Iterable[Change], look: Look) -> list[str]:
    """Return what is written for the next start but not in force yet."""
    waiting: dict[str, list[str]] = {}
    for change in pending:
        word = "reboot" if change.effect is Effect.REBOOT else "restart"
        waiting.setdefault(word, []).append(change.tunable)
    lines: list[str] = []
    for word, names in waiting.items():
        lines += labelled(f"waits for a {word}", ", ".join(names), look)
    return lines


def _foreign(found: Iterable[Change], look: Look) -> list[str]:
    lines: list[str] = []
    for change in found:
        reason = change.why or "it was set after us"
        text = f"{change.tunable} {shown(change.before, change.unit)}, kept: {reason}"
        lines += labelled("?", text, look)
    return lines


def _after(result: _Result, look: Look, asked: Asked) -> list[str]:
    """Return how to undo it, and what to do next."""
    lines = [""]
    held = [change for host in result.hosts for change in host.held_back]
    lines += changes.not_allowed(held, look)
    if any(host.foreign for host in result.hosts):
        lines.append("Add --include-foreign to restore what somebody else changed.")
    changed = [host for host in result.hosts if host.state in ("applied", "waiting")]
    if changed and not look.is_quiet:
        lines.append(f"Undo: {_undo(changed, asked)}")
    return lines + following(_next(result, asked), look)


def _undo(changed: list[HostOutcome], asked: Asked) -> str:
    snapshots = {host.snapshot for host in changed if host.snapshot}
    to = snapshots.pop()[:SHORT_ID] if len(snapshots) == 1 else "last"
    return asked.command("rollback", "--to", to)


def _next(result: _Result, asked: Asked) -> str:
    for state in ("failed", "restored", "refused", "unreachable"):
        names = [host.name for host in result.hosts if host.state == state]
        if names and state in ("failed", "unreachable"):
            return asked.for_host(names[0]).command("doctor")
        if names:
            return asked.for_host(names[0]).profile_command("plan")
    if any(host.state == "waiting" for host in result.hosts):
        return asked.command("confirm", result.run)
    return asked.command("verify")


def render_snapshots(result: ApplyResult, look: Look, asked: Asked) -> list[str]:
    """Return the snapshots that were taken without a change."""
    rows = [
        ("+" if host.snapshot else _SYMBOLS.get(host.state, "!"), host.name, _taken(host))
        for host in result.hosts
    ]
    return [*table(rows, "<<<", look), "", *following(asked.command("history"), look)]


def _taken(host: HostOutcome) -> str:
    problems = "; ".join(problem.what for problem in host.problems)
    if host.snapshot:
        return f"snapshot {host.snapshot[:SHORT_ID]}" + (f" ({problems})" if problems else "")
    return _WORDS[host.state] + (f": {problems}" if problems else "")
