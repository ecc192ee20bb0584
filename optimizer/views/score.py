"""The score as text: where points are lost first, because that is what one can act on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from optimizer.model.result import HealthCheck, HostScore, LostPoint, ScoreResult
from optimizer.model.tunable import Effect
from optimizer.views import changes, checks
from optimizer.views.fold import fold
from optimizer.views.text import (
    Asked,
    Look,
    Row,
    align,
    bar,
    count,
    following,
    labelled,
    points,
    shown,
    table,
    wrap,
)

_MOST = 10
_MEANING = "The score tells how closely a host follows the profile, not how fast it is."


def render(result: ScoreResult, look: Look, asked: Asked) -> list[str]:
    """Return the score of one host in full, of many as a distribution."""
    profile = result.profile
    lines = [f"Profile {profile.name} {profile.version} {look.symbols.dot} {_hosts(result)}", ""]
    if len(result.hosts) > 1:
        lines += [*_fleet(result.hosts, look), ""]
    if len(result.hosts) == 1 or look.show_all:
        for group in _groups(result.hosts):
            lines += [*_group(group, look), ""]
    return [*lines, *wrap(_MEANING, look), *following(_next(result, asked), look)]


def _hosts(result: ScoreResult) -> str:
    return count(len(result.hosts), "host")


def _groups(hosts: Iterable[HostScore]) -> list[list[HostScore]]:
    groups: dict[str, list[HostScore]] = {}
    for host in hosts:
        groups.setdefault(host.model_dump_json(exclude={"name"}), []).append(host)
    return sorted(groups.values(), key=lambda group: (_rank(group[0]), group[0].name))


def _rank(host: HostScore) -> float:
    return -1.0 if host.score is None else host.score


def _group(group: Sequence[HostScore], look: Look) -> list[str]:
    host = group[0]
    hosts = fold(one.name for one in group)
    if host.error:
        why = "not reached" if host.state == "unreachable" else "not known"
        return wrap(f"? {hosts}   {why}: {host.error}", look, "    ", "")
    dot = look.symbols.dot
    head = f"{hosts}   score {points(host.score)} of 100 {dot} {host.status}"
    lines = wrap(head, look, "    ", "")
    lines += _modules(host, look)
    lines += _lost(host.lost, look)
    lines += _health(host, look)
    lines += changes.left_out("pinned", host.pinned, look)
    lines += changes.left_out("unknown", host.unknown, look)
    return lines + changes.left_out("not applicable", host.not_applicable, look)


def _modules(host: HostScore, look: Look) -> list[str]:
    rows = [
        (
            module.module,
            bar((module.score or 0) / 100, look),
            points(module.score),
            f"weight {module.weight:g}",
            f"{module.matching} of {module.counted} match",
        )
        for module in host.modules
    ]
    return table(rows, "<<>><", look)


def _lost(lost: Sequence[LostPoint], look: Look) -> list[str]:
    if not lost:
        return []
    ordered = sorted(lost, key=lambda point: (-point.gain, point.tunable))
    limit = len(ordered) if look.show_all else _MOST
    told = ordered[:limit]
    width = max(len(_gain(point)) for point in told)
    rows = [_lost_row(point, width, look) for point in told]
    lines = ["  lost", *(line for chunk in align(rows, look) for line in chunk)]
    if len(ordered) > limit:
        lines.append(f"    {look.symbols.ellipsis} {len(ordered) - limit} more, shown with --all")
    return lines


def _gain(point: LostPoint) -> str:
    return f"+{point.gain:.1f}"


def _lost_row(point: LostPoint, width: int, look: Look) -> Row:
    is_live_right = point.live == point.wanted
    return Row(
        symbol=f"{_gain(point):>{width}}",
        name=point.tunable,
        before=shown(point.live),
        after=None if is_live_right else shown(point.wanted),
        remarks=(
            "not set at boot" if is_live_right else "",
            "" if point.effect == Effect.LIVE.value else point.effect,
        ),
        below=tuple(wrap(point.why, look)) if look.show_why and point.why else (),
    )


def _health(host: HostScore, look: Look) -> list[str]:
    told = [one for one in host.health if look.show_all or one.status in ("warning", "critical")]
    if not told:
        return []
    lines = ["  health"]
    for owner, own in groupby(told, key=lambda check: checks.owner(check.name)):
        indent = "    "
        if owner:
            lines.append(f"{indent}{owner}")
            indent += "  "
        lines += [line for check in own for line in _check(check, look, indent)]
    return lines


def _check(check: HealthCheck, look: Look, indent: str) -> list[str]:
    sign = "!" if check.status in ("warning", "critical") else "="
    name = checks.title(check.name)
    # What a server says is a sentence as often as a number.
    said = f"{name}: {check.value}" if checks.owner(check.name) else f"{name} is {check.value}"
    threshold = "" if check.threshold == "none" else f" (threshold {check.threshold})"
    text = f"{said}, {check.status}{threshold}"
    lines = labelled(sign, text, look, indent)
    if check.recommendation:
        lines += labelled("hint", check.recommendation, look, f"{indent}  ")
    return lines


def _fleet(hosts: Sequence[HostScore], look: Look) -> list[str]:
    """Return the distribution over bands of ten points, and where most is to be won."""
    scored = [host for host in hosts if host.score is not None]
    bands: dict[int, list[str]] = {}
    for host in scored:
        bands.setdefault(min(9, int((host.score or 0) // 10)), []).append(host.name)
    most = max((len(names) for names in bands.values()), default=1)
    rows = [
        (_band(band), bar(len(names) / most, look), str(len(names)), fold(names))
        for band, names in sorted(bands.items(), reverse=True)
    ]
    for state, word in (("unknown", "unknown"), ("unreachable", "not reached")):
        names = [host.name for host in hosts if host.state == state]
        if names:
            rows.append((word, "", str(len(names)), fold(names)))
    return [*_extremes(scored, look), *table(rows, ">>><", look), *_won(scored, look)]


def _band(band: int) -> str:
    last = 100 if band == 9 else band * 10 + 9
    return f"{band * 10}-{last}"


def _extremes(scored: Sequence[HostScore], look: Look) -> list[str]:
    if not scored:
        return []
    ordered = sorted(scored, key=_rank)
    median = ordered[len(ordered) // 2]
    lowest = ordered[0]
    text = f"median {points(median.score)}, lowest {points(lowest.score)} ({lowest.name})"
    return wrap(text, look, "  ", "")


def _won(scored: Sequence[HostScore], look: Look) -> list[str]:
    totals: dict[str, list[float]] = {}
    for host in scored:
        for point in host.lost:
            totals.setdefault(point.tunable, []).append(point.gain)
    if not totals:
        return []
    tunable, gains = max(totals.items(), key=lambda item: (sum(item[1]), item[0]))
    text = f"{tunable}, {count(len(gains), 'host')}, +{sum(gains) / len(gains):.1f} each"
    return labelled("Most points to win:", text, look, "")


def _next(result: ScoreResult, asked: Asked) -> str:
    if all(host.state == "unreachable" for host in result.hosts):
        return asked.command("doctor")
    if any(host.lost for host in result.hosts):
        return asked.profile_command("plan")
    return asked.command("verify")
