"""Profiles as text. Starts without pydantic and rich, as these lists have to be quick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optimizer.model.profile import Constraint, Profile, Setting, Threshold, Wanted
from optimizer.views.text import Look, following, labelled, shown, table, wrap

_CONSTRAINTS = {
    Constraint.EXACTLY: "",
    Constraint.AT_LEAST: "at least ",
    Constraint.AT_MOST: "at most ",
    Constraint.UNTOUCHED: "untouched",
}


def render_list(profiles: Sequence[Profile], problems: Sequence[str], look: Look) -> list[str]:
    """Return names, versions and summaries, and what is wrong with the others."""
    rows = [(one.name, str(one.version), one.summary) for one in profiles]
    lines = table([("profile", "version", "summary"), *rows], "<><", look, "")
    lines += [line for problem in problems for line in wrap(f"! {problem}", look, "  ", "")]
    return [*lines, "", *following("optimizer profile show NAME", look)]


def render(profile: Profile, look: Look) -> list[str]:
    """Return everything a profile wants."""
    lines = wrap(f"Profile {profile.name} {profile.version}: {profile.summary}", look, "  ", "")
    if profile.extends:
        lines += labelled("extends", ", ".join(profile.extends), look)
    modules: dict[str, list[tuple[str, ...]]] = {}
    for name, setting in sorted(profile.settings.items()):
        rows = modules.setdefault(name.partition(".")[0], [])
        rows += _rows(name.partition(".")[2] or name, setting, look)
    for module, rows in modules.items():
        lines += ["", f"  {module}", *table(rows, "<<", look, "    ")]
    if profile.memory:
        shares = [(name, str(share)) for name, share in sorted(profile.memory.items())]
        lines += ["", "  memory, in shares", *table(shares, "<>", look, "    ")]
    if profile.health:
        levels = [(name, _levels(one)) for name, one in sorted(profile.health.items())]
        lines += ["", "  health", *table(levels, "<<", look, "    ")]
    command = f"optimizer plan INVENTORY --profile {profile.name}"
    return [*lines, "", *following(command, look)]


def _levels(threshold: Threshold) -> str:
    levels = (("warning", threshold.warning), ("critical", threshold.critical))
    return ", ".join(f"{name} {level:g}" for name, level in levels if level is not None) or "never"


def _rows(name: str, setting: Setting, look: Look) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for at, wanted in enumerate(setting.alternatives):
        rows.append((name if at == 0 else "", wish(wanted, setting.tunable.unit)))
        if look.show_why and wanted.why:
            rows.append(("", f"  {wanted.why}"))
    return rows


def wish(wanted: Wanted, unit: str = "") -> str:
    """Return what is wanted in words: `at least 4096 when storage is ssd`."""
    value = _CONSTRAINTS[wanted.constraint]
    if wanted.constraint is not Constraint.UNTOUCHED:
        value += shown(wanted.value, unit)
    return f"{value} when {_conditions(wanted.when)}" if wanted.when else value


def _conditions(when: Mapping[str, str]) -> str:
    return " and ".join(f"{fact} {condition}" for fact, condition in sorted(when.items()))


def render_lint(path: str, problems: Sequence[str], look: Look) -> list[str]:
    """Return what is wrong with a profile file."""
    if not problems:
        return [f"{path} is a valid profile."]
    return [line for problem in problems for line in wrap(f"! {problem}", look, "  ", "")]
