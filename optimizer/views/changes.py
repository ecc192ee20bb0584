"""Changes, files and left-out tunables as lines: what the views of plan and apply share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from optimizer.model.plan import Change, FileChange, HostPlan, Skipped
from optimizer.model.tunable import Effect, Risk
from optimizer.views.text import Look, Row, align, sentence, shown, wrap

_FEW = 3
_ACTION_SYMBOLS = {"create": "+", "modify": "~", "delete": "-"}
_ALLOWED = {
    Effect.LIVE: "",
    Effect.NEW_CONNECTIONS: "for new connections",
    Effect.RELOAD: "by reload",
    Effect.SESSION: "from the next login",
    Effect.RESTART: "by restart",
    Effect.REBOOT: "at the next reboot",
}


def short(tunable: str) -> str:
    """Return a tunable's id without its module, for lists that stand under the module."""
    is_path = tunable.startswith("/")
    return tunable if is_path else tunable.partition(".")[2] or tunable


def is_taken_along(change: Change) -> bool:
    """Whether it is a setting that goes with another value, and is told in the line of that one."""
    return bool(change.follows) and change.after is None


def flags(change: Change) -> tuple[str, ...]:
    """Return the words that `--allow` needs for a change that is held back."""
    waits = change.effect.permission
    words = (waits.value if waits else "", "data" if change.at_stake else "")
    return tuple(word for word in words if word)


def row(change: Change, look: Look, gone: Sequence[str] = ()) -> Row:
    """Return a change as a row: before and after, in force or only at boot.

    gone: names of settings that go with the old value.
    """
    unit = change.unit
    if change.is_live_different:
        before, after = shown(change.before, unit), shown(change.after, unit)
    else:
        before = f"(at boot) {shown(change.boot_before, unit)}"
        after = shown(change.boot_after, unit)
    return Row(
        symbol=_symbol(change),
        name=short(change.tunable),
        before=before,
        after=after,
        remarks=_remarks(change, look),
        below=_below(change, look, gone),
    )


def _symbol(change: Change) -> str:
    is_restart = change.effect in (Effect.RESTART, Effect.REBOOT) and change.is_live_different
    if not change.allowed or is_restart:
        return "!"
    if change.is_live_different and change.before is None:
        return "+"
    if change.is_live_different and change.after is None:
        return "-"
    return "~"


def _remarks(change: Change, look: Look) -> tuple[str, ...]:
    return (
        _boot_remark(change, look),
        _effect_remark(change),
        f"with {short(change.follows)}" if change.follows else "",
        f"{change.risk.value} risk" if change.risk is not Risk.LOW else "",
    )


def _boot_remark(change: Change, look: Look) -> str:
    """Say where the boot value goes another way than the value in force."""
    if not change.is_live_different:
        return ""
    boot_after = shown(change.boot_after, change.unit)
    if change.boot_before == change.boot_after:
        is_told = change.boot_after is None or change.boot_after == change.after
        return "" if is_told else f"boot stays {boot_after}"
    if change.boot_before not in (None, change.before):
        boot_before = shown(change.boot_before, change.unit)
        return f"boot {boot_before} {look.symbols.arrow} {boot_after}"
    return "" if change.boot_after == change.after else f"boot {boot_after}"


def _effect_remark(change: Change) -> str:
    stake = f"at stake: {change.at_stake}" if change.at_stake else ""
    if change.allowed:
        effect = _ALLOWED[change.effect] if change.is_live_different else ""
        return sentence([effect, stake])
    words = flags(change)
    option = f" (--allow {','.join(words)})" if words else ""
    if change.effect.permission is None:
        return f"{stake}{option}"
    word = change.effect.value
    option = "" if change.advice else option
    stake = f", {stake}" if stake else ""
    if change.boot_before != change.boot_after and change.effect is not Effect.REBOOT:
        # The boot value is written in any case; what is held back is the interruption.
        return f"waits for a {word}{stake}{option}"
    return f"needs a {word}{stake}{option}"


def _below(change: Change, look: Look, gone: Sequence[str]) -> tuple[str, ...]:
    lines = wrap(change.advice, look) if change.advice else []
    lines += wrap(f"takes its own settings along: {', '.join(gone)}", look) if gone else []
    if look.show_why:
        lines += wrap(change.why, look) if change.why else []
        lines += [f"boot value from {change.source}"] if change.source else []
        lines += [f"gain +{change.gain:.1f} points"] if change.gain else []
        lines += [change.docs] if change.docs else []
    return tuple(lines)


def by_module(changes: Iterable[Change], look: Look) -> list[str]:
    """Return changes in columns, under the modules they belong to."""
    ordered: list[Change] = []
    gone: dict[str, list[str]] = {}
    for change in changes:
        if is_taken_along(change):
            name = change.tunable.partition("[")[0].rpartition(".")[2]
            gone.setdefault(change.follows or "", []).append(name)
        else:
            ordered.append(change)
    modules: dict[str, list[str]] = {}
    rows = [row(change, look, gone.get(change.tunable, ())) for change in ordered]
    lines = align(rows, look)
    for change, chunk in zip(ordered, lines, strict=True):
        modules.setdefault(change.module, []).extend(chunk)
    return [line for name, chunk in modules.items() for line in (f"  {name}", *chunk)]


def files(changes: Iterable[FileChange], look: Look) -> list[str]:
    """Return the files that change, with their diffs where those are wanted."""
    lines: list[str] = []
    for change in changes:
        lines.append(f"    {_ACTION_SYMBOLS[change.action]} {change.path}")
        if look.show_diff and change.diff:
            lines += [f"        {line}" for line in change.diff.splitlines()]
    return ["  files", *lines] if lines else []


def steps(host: HostPlan) -> tuple[str, ...]:
    """Return what is done on a host besides values and files, in words."""
    lines: list[str] = []
    for step in host.steps:
        if step.step == "module":
            lines.append(f"    + load kernel module {step.name}")
        elif step.step == "directory":
            sign = "+" if step.is_present else "-"
            lines.append(f"    {sign} directory {step.path}")
        # What waits for a restart is among the values; nothing is done for it.
        elif step.step == "action" and step.action != "restart-later":
            sign = "!" if step.needs else "~"
            lines.append(f"    {sign} {step.action.replace('-', ' ')} {step.argument}".rstrip())
    return tuple(lines)


def left_out(label: str, skipped: Sequence[Skipped], look: Look) -> list[str]:
    """Return how many tunables are left out, and the first of them by reason."""
    if not skipped:
        return []
    reasons: dict[str, list[str]] = {}
    for one in skipped:
        reasons.setdefault(one.reason, []).append(one.tunable)
    ordered = sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0]))
    # One more reason takes no more room than to say that there is one more.
    limit = len(ordered) if look.show_all or len(ordered) == _FEW + 1 else _FEW
    lines = [f"  {label} {len(skipped)}"]
    for reason, names in ordered[:limit]:
        lines += wrap(f"{reason or 'no reason given'}: {_few(names, look)}", look, "      ", "    ")
    if hidden := ordered[limit:]:
        more = sum(len(names) for _, names in hidden)
        lines.append(f"    {look.symbols.ellipsis} {more} more for {len(hidden)} other reasons")
    return lines


def _few(names: Sequence[str], look: Look) -> str:
    if look.show_all or len(names) <= _FEW:
        return ", ".join(names)
    return f"{', '.join(names[:_FEW])} and {len(names) - _FEW} more"


def effects(changes: Iterable[Change]) -> str:
    """Return how many changes count when: `4 live, 1 restart`."""
    order = list(Effect)
    found = [change.effect for change in changes]
    return sentence(f"{found.count(effect)} {effect.value}" for effect in order if effect in found)


def not_allowed(changes: Iterable[Change], look: Look) -> list[str]:
    """Return what is held back, and the option that would let it through."""
    held = [change for change in changes if not change.allowed and not change.advice]
    words = [word for change in held for word in flags(change)]
    if not words:
        return []
    known = [word for word in ("restart", "reboot", "data") if word in words]
    counts = sentence(f"{words.count(word)} {_HELD[word]}" for word in known)
    text = f"Not allowed yet: {counts}. Add --allow {','.join(known)} to include what is held back."
    return wrap(text, look)


_HELD = {"restart": "by restart", "reboot": "by reboot", "data": "that can lose data"}
