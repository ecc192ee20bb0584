"""Find profiles by name, and read them with all that they extend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_config_path

from optimizer.model.errors import InvalidValue, OptimizerError, UnknownProfile
from optimizer.model.nearest import did_you_mean
from optimizer.model.profile import Profile, Setting, Threshold
from optimizer.planning.shares import read_share
from optimizer.profiles.digest import sealed
from optimizer.profiles.document import Document, Levels, Report, Source, check, read
from optimizer.profiles.settings import read_setting
from optimizer.scoring.thresholds import read_threshold

_SUFFIX = ".yaml"


def default_directories() -> tuple[Path, ...]:
    """Return where profiles are looked for, the first wins."""
    package = Path(__file__).parents[1]
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
        return sealed(
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
            setting = read_setting(name, written, source, self.report)
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
