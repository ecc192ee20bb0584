"""What a profile wants of one tunable: alternatives, each with its condition and its value."""

from __future__ import annotations

import json

from optimizer import catalog
from optimizer.model.errors import InvalidValue, OptimizerError, ProfileError, UnknownTunable
from optimizer.model.profile import Constraint, Setting, Wanted
from optimizer.model.tunable import Tunable
from optimizer.planning import conditions
from optimizer.profiles.document import Alternative, Location, Report, Source, check
from optimizer.profiles.facts import facts_for, words_for
from optimizer.profiles.values import read_value

_UNTOUCHED = "untouched"


def read_setting(
    name: str, written: object, source: Source, report: Report, is_forced: bool = False
) -> Setting | None:
    """Return what is wanted of one tunable; None when a problem went to `report`."""
    location = ("set", name)
    try:
        tunable = _tunable(name, source.place(*location), is_forced)
    except OptimizerError as error:
        report(error)
        return None
    several = isinstance(written, list)
    if written == []:
        report(source.error(f"{name}: the list of alternatives is empty", *location))
    alternatives: list[Wanted] = []
    for at, one in enumerate(written if isinstance(written, list) else [written]):
        here = (*location, at) if several else location
        if alternatives and not alternatives[-1].when:
            what = f"{name}: this is never used, what stands before it holds everywhere"
            hint = "A list names alternatives; give all but the last a `when`."
            report(source.error(what, *here, hint=hint))
        try:
            alternatives += _wanted(tunable, one, source, here, report)
        except InvalidValue as error:
            report(source.error(f"{name}: {error}", *here, hint=error.hint))
    if not alternatives:
        return None
    return Setting(tunable, tuple(alternatives), source.place(*location))


def _tunable(name: str, where: str, is_forced: bool) -> Tunable:
    tunable = catalog.find(name)
    if tunable is None:
        shown = name if name.isprintable() else repr(name)
        nearest = catalog.nearest(name)
        hint = f"Did you mean {nearest}?" if nearest else "optimizer tunable list names them all."
        raise UnknownTunable(where=where, name=shown, hint=hint)
    if is_forced and not tunable.is_forcible:
        never = "is refused, and cannot be forced" if tunable.refused else "is not refused: --set"
        names = sorted(one.id for one in catalog.TUNABLES.values() if one.is_forcible)
        hint = f"--force takes {' and '.join(names)}."
        raise ProfileError(profile=where, what=f"{name} {never}", hint=hint)
    if tunable.refused and not is_forced:
        hint = f"On the command line --force {name}=… does it." if tunable.is_forcible else ""
        raise ProfileError(profile=where, what=f"{name} is refused: {tunable.refused}", hint=hint)
    return tunable


def _wanted(
    tunable: Tunable, written: object, source: Source, location: Location, report: Report
) -> list[Wanted]:
    """Return one alternative in a list; an empty one when a problem went to `report`."""
    alternative = check(Alternative, _as_mapping(tunable, written), source, location, report)
    if alternative is None:
        return []
    conditions.check(alternative.when, facts_for(tunable), words_for(tunable))
    [(name, text)] = alternative.given
    constraint = Constraint(name)
    if constraint is Constraint.EXACTLY and text == _UNTOUCHED:
        return [Wanted(Constraint.UNTOUCHED, when=alternative.when, why=alternative.why)]
    value = read_value(tunable, text, is_ordered=constraint is not Constraint.EXACTLY)
    return [Wanted(constraint, value, alternative.when, alternative.why)]


def _as_mapping(tunable: Tunable, written: object) -> object:
    """Return an alternative in its long form, `{exactly: …, when: …}`."""
    if isinstance(written, str):
        return {"exactly": written}
    if tunable.kind != "logrotate" or not isinstance(written, dict):
        return written
    # The value of a log set is a mapping itself; what is not its own stands beside it.
    beside = {key: written[key] for key in ("when", "why") if key in written}
    value = {key: part for key, part in written.items() if key not in beside}
    if isinstance(written.get("exactly"), str):
        return written
    return {**beside, "exactly": json.dumps(value.get("exactly", value))}
