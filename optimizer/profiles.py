"""Profiles: find them by name, read them with all they extend, and refuse what is wrong."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from platformdirs import user_config_path

from optimizer import catalog
from optimizer.model.errors import (
    InvalidValue,
    OptimizerError,
    ProfileError,
    UnknownProfile,
    UnknownTunable,
    UsageError,
)
from optimizer.model.nearest import did_you_mean
from optimizer.model.profile import Constraint, Profile, Setting, Threshold, Wanted
from optimizer.model.tunable import Tunable
from optimizer.model.values import plain
from optimizer.planning import conditions, expressions
from optimizer.planning.shares import read_share
from optimizer.profile_document import (
    Alternative,
    Document,
    Levels,
    Location,
    Report,
    Source,
    check,
    parse_value,
    raise_first,
    read,
)
from optimizer.scoring.thresholds import read_threshold

_SUFFIX = ".yaml"
_UNTOUCHED = "untouched"

# What tells an expression from a mistyped word.
_ARITHMETIC = re.compile(r"[%*/()+]|(?<=.)-")

# A host to try expressions on: large enough that shares of it are not zero.
_SAMPLE: Mapping[str, int] = {"cpus": 16, "numa_nodes": 2, "ram": 64 * 2**30}
_SAMPLE_WORDS = "16 CPUs, 2 NUMA nodes and 64 GiB"

# What each server has besides, worked out from the memory that it may take in all (slice).
_SAMPLES_OF_SERVERS: Mapping[str, Mapping[str, int]] = {
    "redis": {"slice": 16 * 2**30},
    "postgresql": {
        "slice": 16 * 2**30,
        "buffers": 4 * 2**30,
        "work": 16 * 2**20,
        "maintenance": 2**30,
        "autovacuum": 256 * 2**20,
        "cache": 48 * 2**30,
        "connections": 100,
        "wal": 16 * 2**30,
    },
    "pgbouncer": {"pool": 20, "needed": 4, "room": 60, "pools": 1, "share": 97, "files": 972},
    "node": {
        "slice": 4 * 2**30,
        "process": 2 * 2**30,
        "heap": 1536 * 2**20,
        "workers": 1,
        "processes": 2,
    },
}
_SERVERS: Mapping[str, str] = {
    "redis": "Redis",
    "postgresql": "PostgreSQL",
    "pgbouncer": "PgBouncer",
    "node": "Node",
}
# What the pool of huge pages has besides: pages that clusters need, and that other programs have.
_SAMPLES_OF_TUNABLES: Mapping[str, Mapping[str, int]] = {
    "system.sysctl.vm.nr_hugepages": {"database_pages": 8400, "other_pages": 100},
}
_WORD = re.compile(r"[a-z]+")


def default_directories() -> tuple[Path, ...]:
    """Return where profiles are looked for, the first wins."""
    package = Path(__file__).parent
    packaged = package / "_data" / "profiles"
    return (
        Path("profiles"),
        user_config_path("optimizer") / "profiles",
        Path("/etc/optimizer/profiles"),
        # A checkout has no _data; its profiles stand beside the package.
        packaged if packaged.is_dir() else package.parent / "profiles",
    )


def names(directories: Sequence[Path] | None = None) -> list[tuple[str, Path]]:
    """Return the profiles that can be named, each with the file it would be read from."""
    found: dict[str, Path] = {}
    for directory in directories or default_directories():
        for path in sorted(directory.glob(f"*{_SUFFIX}")):
            found.setdefault(path.stem, path)
    return sorted(found.items())


def load(name_or_path: str, *, directories: Sequence[Path] | None = None) -> Profile:
    """Return a profile with everything it extends merged in.

    name_or_path: a name to look for in `directories`, or a path when it has a `/` or ends
    in .yaml. Raises ProfileError, UnknownProfile or UnknownTunable for the first problem.
    """
    profile, problems = _read_all(name_or_path, directories)
    if profile is None or problems:
        first, others = problems[0], len(problems) - 1
        if others:
            more = f"{others} more: optimizer profile lint {name_or_path}"
            first.hint = f"{first.hint} {more}".strip()
        raise first
    return profile


def lint(name_or_path: str, *, directories: Sequence[Path] | None = None) -> list[OptimizerError]:
    """Return every problem of a profile and of what it extends, as `load` would raise them."""
    try:
        return _read_all(name_or_path, directories)[1]
    except UnknownProfile as error:
        return [error]


def _read_all(
    name_or_path: str, directories: Sequence[Path] | None
) -> tuple[Profile | None, list[OptimizerError]]:
    search = tuple(directories or default_directories())
    problems: list[OptimizerError] = []
    profile = _Loader(search, problems.append).load(_find(name_or_path, search))
    # A profile that is extended on two ways is read twice, and has each problem once.
    return profile, list({str(problem): problem for problem in problems}.values())


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
            setting = _setting(name, written, Source(origin, {}), raise_first, is_forced)
        except ProfileError as error:
            what = f"{error.values['profile']}: {error.values['what']}"
            raise InvalidValue(what=what, hint=error.hint) from error
        if setting is not None:
            settings[setting.tunable.id] = setting
    return _sealed(replace(profile, settings=settings))


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
    return _sealed(replace(profile, settings=kept))


def _matches(name: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


def _find(name_or_path: str, directories: Sequence[Path]) -> Path:
    if "/" in name_or_path or name_or_path.endswith(_SUFFIX):
        return Path(name_or_path)
    known = dict(names(directories))
    if name_or_path not in known:
        raise UnknownProfile(name=name_or_path, hint=did_you_mean(name_or_path, known))
    return known[name_or_path]


@dataclass(frozen=True)
class _Loader:
    """Reads a profile and what it extends; `report` decides whether a problem ends it."""

    directories: tuple[Path, ...]
    report: Report

    def load(self, path: Path, trail: tuple[str, ...] = ()) -> Profile | None:
        """Return the profile; None when a problem went to `report`.

        trail: names of the profiles that lead here by `extends`.
        """
        written = read(path, self.report)
        if written is None:
            return None
        document, source = written
        settings: dict[str, Setting] = {}
        health: dict[str, Threshold] = {}
        memory: dict[str, int] = {}
        for parent in self._parents(document, source, path, (*trail, path.stem)):
            settings.update(parent.settings)
            health.update(parent.health)
            memory.update(parent.memory)
        settings.update(self._own(document, source))
        health.update(self._health(document, source))
        memory.update(self._memory(document, source))
        return _sealed(
            Profile(
                name=document.name,
                version=int(document.version),
                summary=document.summary,
                extends=tuple(document.extends),
                settings=settings,
                health=health,
                memory=memory,
            )
        )

    def _parents(
        self, document: Document, source: Source, path: Path, trail: tuple[str, ...]
    ) -> Iterator[Profile]:
        # A profile beside this one is meant before one of the same name elsewhere.
        directories = (path.parent, *self.directories)
        for name in document.extends:
            if name in trail:
                circle = " → ".join([*trail[trail.index(name) :], name])
                self.report(source.error(f"extends itself: {circle}", "extends"))
                continue
            try:
                parent_path = _find(name, directories)
            except UnknownProfile as error:
                what = f"extends {name}, and there is no profile of that name"
                self.report(source.error(what, "extends", hint=error.hint))
                continue
            parent = self.load(parent_path, trail)
            if parent is not None:
                yield parent

    def _own(self, document: Document, source: Source) -> Iterator[tuple[str, Setting]]:
        for name, written in document.settings.items():
            setting = _setting(name, written, source, self.report)
            if setting is not None:
                yield setting.tunable.id, setting

    def _health(self, document: Document, source: Source) -> Iterator[tuple[str, Threshold]]:
        for name, written in document.health.items():
            location = ("health", name)
            levels = check(Levels, written, source, location, self.report)
            if levels is None:
                continue
            try:
                yield name, read_threshold(name, levels.warning, levels.critical)
            except InvalidValue as error:
                self.report(source.error(f"{name}: {error}", *location, hint=error.hint))

    def _memory(self, document: Document, source: Source) -> Iterator[tuple[str, int]]:
        for name, written in document.memory.items():
            try:
                yield name, read_share(name, written)
            except InvalidValue as error:
                what = f"{name}: {error}"
                self.report(source.error(what, "memory", name, hint=error.hint))


def _setting(
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
    conditions.check(alternative.when, _facts_for(tunable), _words_for(tunable))
    [(name, text)] = alternative.given
    constraint = Constraint(name)
    if constraint is Constraint.EXACTLY and text == _UNTOUCHED:
        return [Wanted(Constraint.UNTOUCHED, when=alternative.when, why=alternative.why)]
    value = _value(tunable, text, is_ordered=constraint is not Constraint.EXACTLY)
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


def _facts_for(tunable: Tunable) -> frozenset[str]:
    """Return the names that `when:` of this tunable may ask for."""
    match _server(tunable):
        case "pgbouncer":
            return conditions.PGBOUNCER_FACTS
        case "redis":
            return conditions.REDIS_FACTS
        case "postgresql" if tunable.kind == "postgresql-object":
            return conditions.OBJECT_FACTS
        case "postgresql":
            return conditions.POSTGRESQL_FACTS
        case "node":
            return conditions.NODE_FACTS
    is_per_disk = "/block/" in tunable.target
    return conditions.DISK_FACTS if is_per_disk else conditions.HOST_FACTS


def _server(tunable: Tunable) -> str:
    """Return the server that a tunable belongs to: its module, but for the pools of a database."""
    return tunable.kind if tunable.kind == "pgbouncer" else tunable.module


def _words_for(tunable: Tunable) -> Mapping[str, tuple[str, ...]]:
    """Return what the facts of this tunable may be, where that can be listed."""
    is_postgresql = tunable.module == "postgresql"
    return conditions.POSTGRESQL_WORDS if is_postgresql else conditions.WORD_FACTS


def _numbers_for(tunable: Tunable) -> Mapping[str, int]:
    """Return a sample of what expressions of this tunable may use."""
    of_server = _SAMPLES_OF_SERVERS.get(_server(tunable), {})
    return {**_SAMPLE, **of_server, **_SAMPLES_OF_TUNABLES.get(tunable.id, {})}


def _refuse_of_other_servers(text: str, sample: Mapping[str, int]) -> None:
    """Raise InvalidValue for a number that only settings of some servers have."""
    for word in _WORD.findall(text):
        owners = [
            _SERVERS[server] for server, numbers in _SAMPLES_OF_SERVERS.items() if word in numbers
        ]
        if owners and word not in sample:
            raise InvalidValue(
                what=f"the fact {word} is not known for this setting",
                hint=f"Only settings of {_listed(owners)} have one: it is worked out from "
                "what the server may take in all.",
            )


def _listed(names: Sequence[str]) -> str:
    """Return names as a sentence has them: `A, B and C`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _value(tunable: Tunable, text: str, *, is_ordered: bool) -> str:
    """Return the canonical text of a literal, and an expression over facts as it is."""
    try:
        literal = tunable.value.canonical(text)
    except InvalidValue as error:
        words = plain(text)
        if not words:
            hint = f"Allowed is {tunable.value.describe()}."
            raise InvalidValue(what="there is no value", hint=hint) from error
        if not tunable.value.is_numeric:
            raise
        return _expression(tunable, words, error)
    if is_ordered:
        tunable.value.order(literal)
    return literal


def _expression(tunable: Tunable, text: str, as_literal: InvalidValue) -> str:
    """Return a checked expression; one without facts is computed here and now."""
    is_arithmetic = _ARITHMETIC.search(text) is not None
    sample = _numbers_for(tunable)
    _refuse_of_other_servers(text, sample)
    try:
        is_size = expressions.counts_bytes(text, sample)
        result = expressions.evaluate(text, sample)
    except InvalidValue as error:
        if is_arithmetic:
            raise
        raise as_literal from error
    if is_size and tunable.unit != "bytes":
        raise InvalidValue(
            what=f"{text} is a number of bytes, and this is counted in "
            f"{tunable.unit or 'plain numbers'}",
            hint="Divide by a size, for example: / 1 KiB.",
        )
    is_constant = _is_constant(text)
    if is_constant and not is_arithmetic:
        raise as_literal
    try:
        literal = tunable.value.canonical(str(result))
    except InvalidValue as error:
        part = ", 16 GiB of them for the instance" if "slice" in sample else ""
        what = f"{text} comes to {result} on a host with {_SAMPLE_WORDS}{part}: {error}"
        raise InvalidValue(what=what) from error
    return literal if is_constant else text


def _is_constant(text: str) -> bool:
    try:
        expressions.evaluate(text, {})
    except InvalidValue:
        return False
    return True


def _matches_any(glob: str, profile: Profile) -> bool:
    families = (family.pattern for family in catalog.FAMILIES)
    named = catalog.find(glob)
    return (named is not None and named.is_known) or any(
        fnmatchcase(name, glob) for name in (*profile.settings, *catalog.TUNABLES, *families)
    )


def _sealed(profile: Profile) -> Profile:
    """Return the profile with its digest: equal digests ask the same of every host."""
    content = {
        "name": profile.name,
        "version": profile.version,
        "set": {
            name: [[one.constraint, one.value, dict(one.when)] for one in setting.alternatives]
            for name, setting in profile.settings.items()
        },
    }
    if profile.memory:
        content["memory"] = dict(profile.memory)
    text = json.dumps(content, sort_keys=True)
    return replace(profile, digest=hashlib.sha256(text.encode()).hexdigest())
