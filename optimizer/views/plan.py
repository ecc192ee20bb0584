"""A plan as text: differences only, hosts with the same differences once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from optimizer.model.plan import Change, HostPlan, Plan, ScoreForecast, group_equal
from optimizer.model.tunable import Effect
from optimizer.views import budget, changes
from optimizer.views.fold import fold
from optimizer.views.text import (
    SHORT_ID,
    Asked,
    Look,
    Row,
    align,
    count,
    following,
    labelled,
    points,
    shown,
    wrap,
    wrap_parts,
)

_Group = list[HostPlan]
# What the summary of a host is joined with.
_DOT = " · "


def render(plan: Plan, look: Look, asked: Asked) -> list[str]:
    """Return the whole plan, ending with the next useful command."""
    groups = _groups(plan.hosts, look)
    lines = [_title(plan, look), ""]
    for group in groups:
        lines += [*_render_group(plan, group, len(groups), look), ""]
    lines += _summary(plan, groups, look)
    if len(groups) == 1 and groups[0][0].score:
        lines += _score_line(groups[0][0].score, look)
    lines += changes.not_allowed(_all_changes(plan.hosts), look)
    return lines + _next(plan, look, asked)


def question(plan: Plan) -> str:
    """Return what is asked before the plan is carried out."""
    hosts = [host for host in plan.hosts if not host.is_empty]
    allowed = [change for change in _all_changes(hosts) if change.allowed]
    restarts = sum(change.effect is Effect.RESTART for change in allowed)
    files = sum(len(host.files) for host in hosts)
    what = count(len(allowed), "change") if allowed else count(files, "file change")
    verb = "Restore" if plan.kind == "rollback" else "Apply"
    join = "on" if plan.kind == "rollback" else "to"
    extra = f" ({restarts} by restart)" if restarts else ""
    return f"{verb} {what}{extra} {join} {count(len(hosts), 'host')}?"


def _title(plan: Plan, look: Look) -> str:
    dot = look.symbols.dot
    profile = plan.profile
    version = f" {profile.version}" if profile.version else ""
    what = f"Profile {profile.name}{version}"
    if plan.kind != "apply":
        what = (profile.name or plan.kind).capitalize()
    return f"{what} {dot} {count(len(plan.hosts), 'host')}"


def _groups(hosts: Iterable[HostPlan], look: Look) -> list[_Group]:
    """Group hosts that read the same, what needs attention last, next to the summary."""
    groups: list[_Group] = []
    for equal in group_equal(hosts):
        # Steps and budgets are no part of the model's comparison, but may be shown.
        finer: dict[tuple[str, ...], _Group] = {}
        for host in equal:
            finer.setdefault((*changes.steps(host), *_budget(host, look)), []).append(host)
        groups += finer.values()
    order = ("planned", "refused", "unreachable")
    return sorted(groups, key=lambda group: order.index(group[0].state))


def _render_group(plan: Plan, group: _Group, groups: int, look: Look) -> list[str]:
    host = group[0]
    if host.state != "planned":
        return _render_problem(group, look)
    lines = _heading(group, groups, look)
    if plan.kind == "rollback" and len(group) == 1 and host.undoes:
        lines += labelled("undoes", ", ".join(one[:SHORT_ID] for one in host.undoes), look)
    lines += _body(host, look) or ["  = nothing to change"]
    return lines + _remains(host, look)


def _heading(group: _Group, groups: int, look: Look) -> list[str]:
    host = group[0]
    dot = f" {look.symbols.dot} "
    hosts = count(len(group), "host") if len(group) > 1 else ""
    score = host.score
    forecast = ""
    if score and groups > 1:
        forecast = f"score {points(score.now)} {look.symbols.arrow} {points(score.after)}"
    parts = (hosts, *_in_common(group), forecast)
    lines = wrap_parts(parts, dot, look, "  ", f"{fold(one.name for one in group)}   ")
    return lines or wrap(fold(one.name for one in group), look, "  ", "")


def _in_common(group: _Group) -> list[str]:
    """Return what the hosts of a group have in common, of what describes each of them."""
    first, *others = (host.summary.split(_DOT) for host in group)
    return [part for part in first if all(part in other for other in others)]


def _body(host: HostPlan, look: Look) -> list[str]:
    lines = changes.by_module(host.changes, look)
    lines += changes.files(host.files, look)
    if also := changes.steps(host):
        lines += ["  also", *also]
    if host.foreign:
        lines += ["  changed by somebody else", *_foreign(host.foreign, look)]
    return lines


def _foreign(found: Sequence[Change], look: Look) -> list[str]:
    rows = [
        Row(
            symbol="?",
            name=change.tunable,
            before=shown(change.before, change.unit),
            remarks=(f"kept: {change.why or 'it was set after us'}",),
        )
        for change in found
    ]
    return [line for lines in align(rows, look) for line in lines]


def _remains(host: HostPlan, look: Look) -> list[str]:
    lines = [f"  = {host.unchanged} match"] if host.unchanged and look.show_all else []
    lines += changes.left_out("pinned", host.pinned, look)
    lines += changes.left_out("unknown", host.unknown, look)
    lines += changes.left_out("not applicable", host.not_applicable, look)
    for note in host.notes:
        lines += labelled("note", note, look)
    return lines + _budget(host, look)


def _budget(host: HostPlan, look: Look) -> list[str]:
    return budget.render(host.budget, look) if look.show_why else []


def _render_problem(group: _Group, look: Look) -> list[str]:
    host = group[0]
    symbol, word = ("!", "refused") if host.state == "refused" else ("?", "not reached")
    hosts = fold(one.name for one in group)
    number = f" ({count(len(group), 'host')})" if len(group) > 1 else ""
    lines = wrap(f"{symbol} {hosts}{number}   {word}: {host.error}", look, "    ", "")
    lines += labelled("hint", host.hint, look) if host.hint else []
    if host.state == "refused":
        lines += _body(host, look) + _remains(host, look)
    return lines


def _all_changes(hosts: Iterable[HostPlan]) -> list[Change]:
    found = (change for host in hosts for change in host.changes)
    return [change for change in found if not changes.is_taken_along(change)]


def _summary(plan: Plan, groups: list[_Group], look: Look) -> list[str]:
    hosts = plan.hosts
    found = _all_changes(hosts)
    allowed = [change for change in found if change.allowed]
    files = sum(len(host.files) for host in hosts)
    verb = "to restore" if plan.kind == "rollback" else "to change"
    where = ""
    if len(hosts) > 1:
        differing = sum(bool(host.changes or host.files) for host in hosts)
        in_groups = f" in {count(len(groups), 'group')}" if len(groups) > 1 else ""
        where = f"{differing} of {len(hosts)} hosts differ{in_groups}"
    counts = (
        where,
        f"{len(allowed)} {verb}",
        _counted(len(found) - len(allowed), "held back"),
        count(files, "file") if files else "",
        _counted(sum(host.unchanged for host in hosts), "match"),
        _counted(sum(len(host.pinned) for host in hosts), "pinned"),
        _counted(sum(len(host.unknown) for host in hosts), "unknown"),
        _counted(sum(len(host.not_applicable) for host in hosts), "not applicable"),
        _counted(sum(len(host.foreign) for host in hosts), "kept"),
        _counted(sum(host.state == "refused" for host in hosts), "refused"),
        _counted(sum(host.state == "unreachable" for host in hosts), "not reached"),
    )
    lines = wrap_parts(counts, ", ", look, "      ", "Plan: ")
    lines[-1] += "."
    return lines + ([f"      {changes.effects(allowed)}."] if allowed else [])


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number else ""


def _score_line(score: ScoreForecast, look: Look) -> list[str]:
    text = f"Score {points(score.now)} {look.symbols.arrow} {points(score.after)}"
    if score.possible != score.after:
        text += f", {points(score.possible)} with what waits for a restart, a reboot or --allow"
    return wrap(f"{text}.", look)


def _next(plan: Plan, look: Look, asked: Asked) -> list[str]:
    foreign = any(host.foreign for host in plan.hosts)
    lines = ["Add --include-foreign to restore what somebody else changed."] if foreign else []
    planned = [host for host in plan.hosts if not host.is_empty]
    if any(host.state == "refused" for host in plan.hosts):
        command = f"optimizer profile show {plan.profile.name}"
    elif all(host.state == "unreachable" for host in plan.hosts):
        command = asked.command("doctor")
    elif not planned:
        command = asked.command("verify")
    elif plan.kind == "rollback":
        command = asked.command("rollback", *asked.narrowing)
    else:
        command = asked.saved_command() if asked.saved else asked.profile_command("apply")
    return lines + following(command, look)


def saved(plan: Plan, path: str) -> str:
    """Return the line that tells where a plan was saved."""
    return f"Saved plan {plan.id[:19]} to {path}."
