"""Log sets: the files of one program that logrotate turns over together.

The canonical text of a log set is its logrotate stanza on one line, paths first:
`/var/log/titan/*.log; daily; rotate 14; …; postrotate systemctl kill -s HUP titan.service`.
`render` makes the file from it, `flatten` reads it back from the file.

https://man7.org/linux/man-pages/man8/logrotate.8.html
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from optimizer.model.errors import InvalidValue
from optimizer.model.nearest import did_you_mean
from optimizer.model.values import SWITCH, Choice, Integer, parse_size, plain

HEADER = "# Managed by optimizer. Change the profile instead: an edit here counts as drift."

# A command that fails must not stop the rotation of the files after it.
_GUARD = " || true"

_FREQUENCY = Choice(("hourly", "daily", "weekly", "monthly"))
_ROTATE = Integer(1, 10_000)
_MAXAGE = Integer(1, 36_500, "days")
_SIZES = (("G", 2**30), ("M", 2**20), ("k", 2**10))
_LARGEST_SIZE = 2**50

_NAME = r"[A-Za-z0-9._@+,=-]+"
_GLOB = r"[A-Za-z0-9._@+,=*?-]+"
_ACCOUNT = r"[A-Za-z_][A-Za-z0-9_.-]{0,31}"
# At least one folder by name, and wildcards in the last two components only.
_PATH = re.compile(rf"(/{_NAME})+(/{_GLOB})?/{_GLOB}")
_SU = re.compile(rf"{_ACCOUNT} {_ACCOUNT}")
_CREATE = re.compile(rf"0?([0246][0246][04]) ({_ACCOUNT} {_ACCOUNT})")
_NEVER_LOGS = ("boot", "dev", "etc", "proc", "sys")

# What would keep `|| true` behind a command from catching its failure.
_LEAVES_SHELL = re.compile(r"(?:\A|[;&|({])\s*(?:exit|exec)\b")
_COMMENT = re.compile(r"(?:\A|\s)#")
_UNFINISHED = (";", "&", "|", "\\")

# The lines every stanza has: without sharedscripts the command runs once per file, and
# without missingok a set without files fails the whole logrotate run.
_ALWAYS = ("missingok", "notifempty", "sharedscripts")
_COMPRESSED = ("compress", "delaycompress")
_UNCOMPRESSED = ("nocompress",)
_COMMAND = "postrotate"


@dataclass(frozen=True)
class LogSet:
    """When and how the files of one program are rotated, and what happens afterwards.

    rotate: how many old files are kept. maxsize: rotate earlier when larger, but only when
    logrotate runs. maxage: days after which old files are deleted. su: `user group` to
    rotate as, create: `mode user group` of the new file, postrotate: a shell command of
    one line; each of the three may be empty.
    """

    name: str
    paths: tuple[str, ...]
    frequency: str = "daily"
    rotate: str = "14"
    maxsize: str = "100M"
    maxage: str = "30"
    compress: bool = True
    su: str = ""
    create: str = ""
    postrotate: str = ""

    @property
    def canonical(self) -> str:
        """The stanza on one line."""
        directives = [
            " ".join(self.paths),
            self.frequency,
            f"rotate {self.rotate}",
            f"maxsize {self.maxsize}",
            f"maxage {self.maxage}",
            *(_COMPRESSED if self.compress else _UNCOMPRESSED),
            *_ALWAYS,
        ]
        optional = {"su": self.su, "create": self.create, _COMMAND: self.postrotate}
        return "; ".join(
            [*directives, *(f"{key} {text}" for key, text in optional.items() if text)]
        )


@dataclass(frozen=True)
class LogSetValue:
    """The value type of a log set; `name` says which one in messages."""

    name: str

    is_numeric = False

    def canonical(self, text: str) -> str:
        """Return the canonical text of a log set.

        text: JSON of a mapping with `paths` and what differs from the defaults, or a
        canonical text. Raises InvalidValue for anything else.
        """
        if text.lstrip().startswith("{"):
            return _checked(self.name, _from_json(text)).canonical
        return parse(self.name, text).canonical

    def order(self, text: str) -> tuple[int, ...]:
        """Raise InvalidValue: no log set is more than another."""
        raise InvalidValue(what=f"log set {self.name} has no 'at least' or 'at most'")

    def describe(self) -> str:
        """Say which parts the mapping may have."""
        return f"a mapping of {', '.join(_READERS)}"


def parse(name: str, canonical: str) -> LogSet:
    """Return the log set of a canonical text. Raises InvalidValue for any other text."""
    log_set = _checked(name, _from_canonical(canonical))
    # A directive that is missing, or that we never write, is not ours to overlook.
    if log_set.canonical != canonical:
        raise InvalidValue(what=f"log set {name}: {canonical!r} is not what we write")
    return log_set


def render(canonical: str) -> str:
    """Return the logrotate file for the canonical text of a log set."""
    stanza, _, command = canonical.partition(f"; {_COMMAND} ")
    paths, *directives = stanza.split("; ")
    lines = [f"    {directive}" for directive in directives]
    if command:
        lines += [f"    {_COMMAND}", f"        {command}{_GUARD}", "    endscript"]
    return "\n".join([HEADER, f"{paths} {{", *lines, "}", ""])


def flatten(file_text: str) -> str:
    """Return the text of a logrotate file on one line: the canonical text if it is ours.

    Never raises. The canonical text comes out only for the lines that `render` makes of
    it; any other file, edited or broken, comes out as a text that no log set has.
    """
    lines = _significant(file_text)
    directives: list[str] = []
    script: list[str] | None = None
    for line in lines:
        if line == _COMMAND:
            script = []
        elif script is not None and line != "endscript":
            script.append(line)
        elif script is not None:
            directives.append(f"{_COMMAND} {'; '.join(script).removesuffix(_GUARD)}")
            script = None
        elif line != "}":
            directives.append(line.removesuffix(" {"))
    flat = "; ".join(directives)
    if _significant(render(flat)) != lines:
        flat = f"edited by hand; {flat}"
    return "".join(char if char.isprintable() else "?" for char in flat)


def _significant(file_text: str) -> list[str]:
    lines = (line.strip(" \t") for line in file_text.split("\n"))
    return [line for line in lines if line and not line.startswith("#")]


def _from_json(text: str) -> Mapping[str, object]:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidValue(what=f"this is no mapping that describes a log set: {error}") from error
    return dict(given)


def _from_canonical(text: str) -> Mapping[str, object]:
    stanza, _, command = text.partition(f"; {_COMMAND} ")
    paths, *directives = stanza.split("; ")
    given: dict[str, object] = {"paths": paths.split(" "), _COMMAND: command}
    for directive in directives:
        word, _, rest = directive.partition(" ")
        if word in _FREQUENCY.options:
            given["frequency"] = word
        elif word in ("compress", "nocompress"):
            given["compress"] = word == "compress"
        elif word in _READERS:
            given[word] = rest
    return given


def _checked(name: str, given: Mapping[str, object]) -> LogSet:
    parts: dict[str, Any] = {}
    for key, value in {**given, "paths": given.get("paths", ())}.items():
        if key not in _READERS:
            what = f"log set {name}: {key!r} is not known here"
            raise InvalidValue(what=what, hint=did_you_mean(key, _READERS))
        try:
            parts[key] = _READERS[key](value)
        except InvalidValue as error:
            raise InvalidValue(what=f"log set {name}: {key}: {error}", hint=error.hint) from error
    return LogSet(name, **parts)


def _text(value: object) -> str:
    if not isinstance(value, str | int):
        raise InvalidValue(what=f"{value!r} is not a text")
    return str(value)


def _compress(text: str) -> bool:
    return SWITCH.canonical(text) == "1"


def _paths(value: object) -> tuple[str, ...]:
    paths = [value] if isinstance(value, str) else value
    if not isinstance(paths, list) or not paths:
        raise InvalidValue(
            what="at least one path is needed", hint="For example paths: [/var/log/titan/*.log]"
        )
    checked = tuple(_path(_text(path)) for path in paths)
    if len(set(checked)) < len(checked):
        raise InvalidValue(what="a path is there twice, which logrotate refuses")
    return checked


def _path(path: str) -> str:
    components = path.split("/")
    if not _PATH.fullmatch(path) or "." in components or ".." in components:
        raise InvalidValue(
            what=f"{path!r} is not a path of log files",
            hint="It is absolute, has no blanks, and wildcards (* ?) in its last two parts only.",
        )
    if components[1] in _NEVER_LOGS:
        raise InvalidValue(what=f"{path}: there are no logs in /{components[1]}")
    if path.endswith(("*", "?")):
        raise InvalidValue(
            what=f"{path} would match files that were rotated before, and rotate them again",
            hint="End the pattern in what the names of the logs end in: *.log",
        )
    return path


def _size(text: str) -> str:
    size = parse_size(text)
    if not 1 <= size <= _LARGEST_SIZE:
        raise InvalidValue(what=f"{text} is out of range, allowed is 1 byte to 1 PiB")
    return next((f"{size // one}{unit}" for unit, one in _SIZES if size % one == 0), str(size))


def _su(text: str) -> str:
    words = plain(text)
    if words and not _SU.fullmatch(words):
        raise InvalidValue(what=f"{text!r} is not a user and a group")
    return words


def _create(text: str) -> str:
    words = plain(text)
    match = _CREATE.fullmatch(words)
    if words and match is None:
        raise InvalidValue(
            what=f"{text!r} is not a mode, a user and a group",
            hint="For example 0640 titan titan. A log is never executable or writable by all.",
        )
    return f"0{match[1]} {match[2]}" if match else ""


def _command(text: str) -> str:
    command = text.strip(" ").removesuffix(_GUARD).strip(" ")
    if not command:
        return ""
    if not (command.isascii() and command.isprintable()):
        raise InvalidValue(what=f"{text!r} is not one line of printable ASCII")
    _refuse_unguarded(command)
    return command


def _refuse_unguarded(command: str) -> None:
    """Raise InvalidValue for a command that `|| true` behind it would not make safe."""
    if command.split(" ")[0] == "endscript" or command.endswith(_UNFINISHED):
        raise InvalidValue(what=f"{command!r} is not a complete command")
    try:
        shlex.split(command)
    except ValueError as error:
        raise InvalidValue(what=f"{command!r} ends inside a quotation") from error
    if _COMMENT.search(command) or _LEAVES_SHELL.search(command):
        raise InvalidValue(
            what=f"{command!r} could stop the rotation when it fails",
            hint="Leave out comments, exit and exec.",
        )


def _of_text(read: Callable[[str], object]) -> Callable[[object], object]:
    return lambda value: read(_text(value))


# How each part of a log set is read from what a profile gives for it.
_READERS: Mapping[str, Callable[[object], object]] = {
    "paths": _paths,
    "frequency": _of_text(_FREQUENCY.canonical),
    "rotate": _of_text(_ROTATE.canonical),
    "maxsize": _of_text(_size),
    "maxage": _of_text(_MAXAGE.canonical),
    "compress": _of_text(_compress),
    "su": _of_text(_su),
    "create": _of_text(_create),
    _COMMAND: _of_text(_command),
}
