"""A profile as it is written: YAML text, the shape it has to have, and where each part stands.

What the names and values in it mean is left to optimizer.profiles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from yaml.composer import ComposerError
from yaml.error import MarkedYAMLError
from yaml.reader import ReaderError

from optimizer.model.errors import OptimizerError, ProfileError
from optimizer.model.nearest import did_you_mean
from optimizer.model.values import squeeze

# Many times the longest profile; what is larger was given by mistake.
MAX_BYTES = 256 * 1024
MAX_SCALAR = 2000

# YAML's own words for common mistakes, and what to tell the author instead.
_PLAIN_WORDS = (
    ("found character '\\t'", "a tab indents this line; use spaces"),
    ("cannot start any token", "a value cannot begin with this character; put it in quotes"),
    ("mapping values are not allowed", "a second ': ' in one line; put the value in quotes"),
    ("could not find expected ':'", "this line is no 'name: value'"),
    ("expected <block end>", "this line is not indented like those above it"),
    ("expected the node content", "a value is missing here, or a bracket is not closed"),
    ("expected ',' or", "a bracket is opened here or above and not closed"),
    ("end of stream", "a quotation mark is opened above and not closed"),
    ("another document", "a second document begins here; a file is one profile"),
)

Report = Callable[[OptimizerError], None]
Location = tuple[str | int, ...]
_Shape = TypeVar("_Shape", bound=BaseModel)


@dataclass(frozen=True)
class Source:
    """Where the parts of a document stand. lines: location in the document -> line, from 1."""

    file: str
    lines: Mapping[Location, int]

    def place(self, *location: str | int) -> str:
        """Return `file:line` of a part, or of what it stands in."""
        while location and location not in self.lines:
            location = location[:-1]
        return f"{self.file}:{self.lines[location]}" if location else self.file

    def error(self, what: str, *location: str | int, hint: str = "") -> ProfileError:
        """Return the error about one part."""
        return ProfileError(profile=self.place(*location), what=what, hint=hint)


def raise_first(problem: OptimizerError) -> None:
    """Stop at the first problem: the `report` of everything but lint."""
    raise problem


def _prose(text: str) -> str:
    words = squeeze(text)
    if not words.isprintable():
        raise ValueError("has a control character")
    return words


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _mapped(value: object) -> object:
    # `set:` with nothing below it is the empty text.
    return {} if value == "" else value


_Name = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,63}$",
        description="a name of lower-case letters, digits and dashes",
    ),
]
_Prose = Annotated[str, AfterValidator(_prose)]


class Document(BaseModel):
    """The shape of a profile file. All scalars are the text that was written."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: _Name
    version: Annotated[
        str, Field(pattern=r"^[1-9][0-9]{0,8}$", description="a whole number from 1 on")
    ]
    summary: _Prose = ""
    extends: Annotated[list[_Name], BeforeValidator(_listed)] = []
    settings: Annotated[dict[str, Any], BeforeValidator(_mapped), Field(alias="set")] = {}
    health: Annotated[dict[str, Any], BeforeValidator(_mapped)] = {}
    memory: Annotated[dict[str, Any], BeforeValidator(_mapped)] = {}


class Levels(BaseModel):
    """The shape of the threshold of a health check; what is left out keeps its default."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    warning: str | None = None
    critical: str | None = None


class Alternative(BaseModel):
    """The shape of one alternative of a setting."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    exactly: str | None = None
    at_least: str | None = None
    at_most: str | None = None
    when: dict[str, str] = {}
    why: _Prose = ""

    @property
    def given(self) -> list[tuple[str, str]]:
        """The constraints that are there, with their values."""
        all_three = {"exactly": self.exactly, "at_least": self.at_least, "at_most": self.at_most}
        return [(name, text) for name, text in all_three.items() if text is not None]

    @model_validator(mode="after")
    def _has_one_constraint(self) -> Alternative:
        if len(self.given) != 1:
            raise ValueError("one of exactly, at_least and at_most is needed, and only one")
        return self


def read(path: Path, report: Report) -> tuple[Document, Source] | None:
    """Read a profile file. Problems go to `report`; None when there is nothing to go on with."""
    try:
        text = _read_text(path)
    except OptimizerError as error:
        report(error)
        return None
    reader = _Reader(path.name, report)
    tree = reader.tree(text)
    source = Source(path.name, reader.lines)
    if tree is None:
        return None
    if not isinstance(tree, dict):
        report(source.error("this is no profile: it has to begin with 'name: …'"))
        return None
    name = tree.get("name")
    if isinstance(name, str) and name != path.stem:
        what = f"the file is {path.name}, but the profile in it is named {name!r}"
        report(source.error(what, "name", hint="Give both the same name."))
    return _document(tree, source, report), source


def parse_value(text: str, origin: str) -> object:
    """Read a value in YAML's short form, such as `1`, `untouched` or `{at_least: 5}`.

    Raises ProfileError for a text that is no YAML; origin: where it was given.
    """
    if len(text) > MAX_SCALAR:
        raise ProfileError(profile=origin, what=f"a value of {len(text)} characters")
    return _Reader(origin, raise_first).tree(text) if text.strip() else ""


def check(
    shape: type[_Shape], tree: object, source: Source, location: Location, report: Report
) -> _Shape | None:
    """Return `tree`, which stands at `location`, in its shape.

    Returns None when a problem went to `report`.
    """
    try:
        return shape.model_validate(tree)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            what, hint = _in_words(shape, details)
            about = f"{location[1]}: " if location else ""
            report(source.error(about + what, *location, *details["loc"], hint=hint))
        return None


def _document(tree: Mapping[str, object], source: Source, report: Report) -> Document:
    """Return the document, without the parts that have a problem: it went to `report`."""
    document = check(Document, tree, source, (), report)
    if document is not None:
        return document
    # What is sound is looked at all the same, so that one look finds every problem.
    sound = {key: part for key, part in tree.items() if _is_sound(key, part)}
    return Document.model_validate({"name": "unsound", "version": "1", **sound})


def _is_sound(key: str, part: object) -> bool:
    try:
        Document.model_validate({"name": "sound", "version": "1", key: part})
    except ValidationError:
        return False
    return True


def _in_words(shape: type[BaseModel], details: ErrorDetails) -> tuple[str, str]:
    """Return what is wrong, and a hint, for an error of pydantic."""
    fields = {field.alias or name: field for name, field in shape.model_fields.items()}
    name = ".".join(str(part) for part in details["loc"] if isinstance(part, str))
    match details["type"]:
        case "missing":
            return f"{name} is missing", ""
        case "extra_forbidden":
            return f"{name!r} is not known here", did_you_mean(name, fields)
        case "string_type":
            return f"{name} has to be a text, not a list or mapping", ""
        case "model_type" if shape is Levels:
            return "this has to be a mapping such as {warning: 90, critical: 50}", ""
        case "model_type" if not name:
            return "this has to be a value, or a mapping such as {at_least: 5}", ""
        case "dict_type":
            return f"{name} has to be a mapping, with 'name: value' lines below it", ""
        case "list_type":
            return f"{name} has to be a name or a list of names", ""
        case "string_pattern_mismatch":
            description = "a name" if name == "extends" else fields[name].description
            return f"{name}: {details['input']!r} is not {description}", ""
    reason = details.get("ctx", {}).get("error", details["msg"])
    return f"{name}: {reason}" if name else str(reason), ""


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ProfileError(profile=str(path), what=f"cannot be read: {reason}") from error
    if len(content) > MAX_BYTES:
        raise ProfileError(profile=path.name, what=f"is larger than {MAX_BYTES // 1024} KiB")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProfileError(
            profile=path.name, what=f"is not a text in UTF-8 (byte {error.start + 1})"
        ) from error


class _TextLoader(yaml.SafeLoader):
    """YAML without what a profile does not need: anchors, aliases and tags."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node. Raises ComposerError for anchors, aliases and tags."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        for attribute, name in (("anchor", "anchors (&) and aliases (*)"), ("tag", "tags (!)")):
            if getattr(event, attribute, None) is not None:
                what = f"{name} have no meaning here; put the value in quotes"
                raise ComposerError(None, None, what, event.start_mark)
        return super().compose_node(parent, index)


class _Reader:
    """Turns YAML text into texts, lists and mappings, and notes the line of each part.

    A scalar stays the text it was written as: `on`, `1e3`, `0x10` and `12:30` are for the
    value type of the tunable to read, not for YAML.
    """

    def __init__(self, file: str, report: Report) -> None:
        self._file = file
        self._report = report
        self.lines: dict[Location, int] = {}

    def tree(self, text: str) -> object:
        """Return the document; None when it could not be read, as `report` was told."""
        try:
            root = _TextLoader(text).get_single_node()
            if root is not None:
                return self._plain(root, ())
            self._fail("there is nothing in it")
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._fail(_plain_words(error), mark)
        except ReaderError as error:
            line = text[: error.position].count("\n") + 1
            self._fail(f"line {line} has the control character {chr(error.character)!r}")
        except RecursionError:
            self._fail("lists and mappings are nested too deeply")
        return None

    def _fail(self, what: str, mark: yaml.Mark | None = None) -> None:
        place = f"{self._file}:{mark.line + 1}:{mark.column + 1}" if mark else self._file
        self._report(ProfileError(profile=place, what=what))

    def _plain(self, node: yaml.Node, location: Location) -> object:
        self.lines.setdefault(location, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(item, (*location, at)) for at, item in enumerate(node.value)]
        text = str(node.value)
        if len(text) > MAX_SCALAR:
            self._fail(f"a value of {len(text)} characters", node.start_mark)
        return text

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, object]:
        mapping: dict[str, object] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._fail("a list or mapping cannot be a name", key.start_mark)
                continue
            part = (*location, str(key.value))
            if key.value in mapping:
                what = f"{key.value} is already set in line {self.lines[part]}"
                self._fail(what, key.start_mark)
                continue
            self.lines[part] = key.start_mark.line + 1
            mapping[str(key.value)] = self._plain(value, part)
        return mapping


def _plain_words(error: MarkedYAMLError) -> str:
    said = f"{error.context or ''} {error.problem or ''}".strip()
    return next((words for theirs, words in _PLAIN_WORDS if theirs in said), said)
