"""Profiles and tunables as public JSON documents; the other documents are model types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from optimizer.model.profile import Constraint, Profile, Setting
from optimizer.model.tunable import Effect, Risk, Tunable


class _Data(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        serialize_by_alias=True,
        defer_build=True,
    )


class WantedInfo(_Data):
    """One alternative of a setting."""

    constraint: Constraint
    value: str
    when: dict[str, str]
    why: str


class SettingInfo(_Data):
    """What a profile wants of one tunable, and where that is written."""

    tunable: str
    origin: str
    alternatives: tuple[WantedInfo, ...]


class ThresholdInfo(_Data):
    """From where on a health check warns or is critical; None for never."""

    warning: float | None
    critical: float | None


class ProfileInfo(_Data):
    """A profile with everything it extends merged in; a list leaves the settings out.

    memory: shares of services in the memory of a host, where they are not the usual ones.
    """

    name: str
    version: int
    summary: str
    extends: tuple[str, ...]
    digest: str
    settings: tuple[SettingInfo, ...] = ()
    memory: dict[str, int] = {}
    health: dict[str, ThresholdInfo] = {}


class ProfileResult(_Data):
    """What `profile list`, `show` and `lint` answer; problems are what lint found."""

    schema_: Literal["optimizer/profile/1"] = Field("optimizer/profile/1", alias="schema")
    profiles: tuple[ProfileInfo, ...] = ()
    problems: tuple[str, ...] = ()


class TunableInfo(_Data):
    """Everything known about one tunable. values: the allowed ones in words."""

    id: str
    module: str
    kind: str
    target: str
    values: str
    unit: str
    effect: Effect
    risk: Risk
    weight: int
    why: str
    docs: str
    refused: str
    opt_in: str


class TunableResult(_Data):
    """What `tunable list` and `show` answer."""

    schema_: Literal["optimizer/tunable/1"] = Field("optimizer/tunable/1", alias="schema")
    tunables: tuple[TunableInfo, ...]


def profile_result(
    profiles: Iterable[Profile], problems: Iterable[str] = (), *, is_whole: bool = False
) -> ProfileResult:
    """Return profiles as a document, with their settings when whole."""
    found = tuple(_profile(one, is_whole) for one in profiles)
    return ProfileResult(profiles=found, problems=tuple(problems))


def _profile(profile: Profile, is_whole: bool) -> ProfileInfo:
    settings = sorted(profile.settings.items()) if is_whole else []
    return ProfileInfo(
        name=profile.name,
        version=profile.version,
        summary=profile.summary,
        extends=profile.extends,
        digest=profile.digest,
        settings=tuple(_setting(name, setting) for name, setting in settings),
        memory=dict(sorted(profile.memory.items())) if is_whole else {},
        health={
            name: ThresholdInfo(warning=one.warning, critical=one.critical)
            for name, one in (sorted(profile.health.items()) if is_whole else ())
        },
    )


def _setting(name: str, setting: Setting) -> SettingInfo:
    return SettingInfo(
        tunable=name,
        origin=setting.origin,
        alternatives=tuple(
            WantedInfo(
                constraint=wanted.constraint,
                value=wanted.value,
                when=dict(wanted.when),
                why=wanted.why,
            )
            for wanted in setting.alternatives
        ),
    )


def tunable_result(tunables: Iterable[Tunable]) -> TunableResult:
    """Return tunables as a document."""
    return TunableResult(tunables=tuple(_tunable(one) for one in tunables))


def _tunable(tunable: Tunable) -> TunableInfo:
    return TunableInfo(
        id=tunable.id,
        module=tunable.module,
        kind=tunable.kind,
        target=tunable.target,
        values=tunable.value.describe(),
        unit=tunable.unit,
        effect=tunable.effect,
        risk=tunable.risk,
        weight=tunable.weight,
        why=tunable.why,
        docs=tunable.docs,
        refused=tunable.refused,
        opt_in=tunable.opt_in,
    )
