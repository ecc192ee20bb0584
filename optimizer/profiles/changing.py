"""A profile with other settings than it was read with: some replaced, or only some of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from optimizer import catalog
from optimizer.model.errors import InvalidValue, ProfileError, UsageError
from optimizer.model.profile import Profile
from optimizer.profiles.digest import sealed
from optimizer.profiles.document import Source, parse_value, raise_first
from optimizer.profiles.settings import read_setting


def override(
    profile: Profile,
    values: Mapping[str, object],
    *,
    origin: str = "--set",
    is_forced: bool = False,
) -> Profile:
    """Return the profile with other settings for some tunables, by id.

    values: for each id YAML in short form (`1`, `untouched`, `{at_least: 5}`), or the same
    as data. origin: where they were given. is_forced: they are of those that are refused, and
    may be forced. Raises InvalidValue or UnknownTunable.
    """
    settings = dict(profile.settings)
    for name, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value)
        try:
            written = parse_value(text, f"{origin} {name}")
            setting = read_setting(name, written, Source(origin, {}), raise_first, is_forced)
        except ProfileError as error:
            what = f"{error.values['profile']}: {error.values['what']}"
            raise InvalidValue(what=what, hint=error.hint) from error
        if setting is not None:
            settings[setting.tunable.id] = setting
    return sealed(replace(profile, settings=settings))


def select(profile: Profile, only: Sequence[str] = (), skip: Sequence[str] = ()) -> Profile:
    """Return the profile with the settings whose id matches one of `only` and none of `skip`.

    Both are globs; without `only` all match. Raises UsageError for a glob that matches no
    tunable at all: a mistyped `skip` would change what it was meant to spare.
    """
    for option, globs in (("--only", only), ("--skip", skip)):
        for glob in globs:
            if not _matches_any(glob, profile):
                hint = "A glob covers the whole id: system.sysctl.vm.*"
                raise UsageError(what=f"{option} {glob} matches no tunable", hint=hint)
    kept = {
        name: setting
        for name, setting in profile.settings.items()
        if (not only or _matches(name, only)) and not _matches(name, skip)
    }
    return sealed(replace(profile, settings=kept))


def _matches(name: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


def _matches_any(glob: str, profile: Profile) -> bool:
    families = (family.pattern for family in catalog.FAMILIES)
    named = catalog.find(glob)
    return (named is not None and named.is_known) or any(
        fnmatchcase(name, glob) for name in (*profile.settings, *catalog.TUNABLES, *families)
    )
