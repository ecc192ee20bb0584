"""Which profile each host follows: from the command line, or from inventory data."""

from __future__ import annotations

from collections.abc import Iterable

from optimizer import profiles
from optimizer.app.requests import ProfileRequest
from optimizer.model.errors import UsageError
from optimizer.model.fleet import Fleet, Target
from optimizer.model.plan import ProfileRef
from optimizer.model.profile import Profile


def profile_of_each(fleet: Fleet, request: ProfileRequest) -> dict[str, Profile]:
    """Load the profile of every host, with inventory data and then `--set` laid over it."""
    loaded: dict[str, Profile] = {}
    chosen = {}
    for target in fleet.targets():
        name = request.name or target.profile
        if not name:
            raise UsageError(
                what=f"no profile is named, and the inventory names none for {target.name}",
                hint="Add --profile NAME, or optimizer_profile to the inventory's data.",
            )
        if name not in loaded:
            loaded[name] = profiles.load(name)
        chosen[target.name] = _adapted(loaded[name], target, request)
    return chosen


def _adapted(profile: Profile, target: Target, request: ProfileRequest) -> Profile:
    origin = f"inventory data of {target.name}"
    adapted = profiles.override(profile, target.overrides, origin=origin)
    adapted = profiles.override(adapted, request.overrides)
    adapted = profiles.override(adapted, request.forced, origin="--force", is_forced=True)
    if request.only or request.skip:
        adapted = profiles.select(adapted, request.only, request.skip)
    return adapted


def reference(chosen: Iterable[Profile]) -> ProfileRef:
    """Name the profile of a run; several of them are named together."""
    by_name = {profile.name: profile for profile in chosen}
    if len(by_name) == 1:
        (profile,) = by_name.values()
        return ProfileRef(name=profile.name, version=profile.version, digest=profile.digest)
    return ProfileRef(name=", ".join(sorted(by_name)))
