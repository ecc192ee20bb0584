"""The language between controller and host: variables in, tab-separated answers out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from optimizer.host import kept_restore, node_client, program
from optimizer.host.postgresql_health_query import (
    SECONDS,
    SESSION,
    database_query,
    databases_query,
    health_query,
)
from optimizer.host.postgresql_query import postgresql_query
from optimizer.model.errors import InvalidValue, OptimizerError
from optimizer.model.node import VARIABLES
from optimizer.model.observation import ABSENT
from optimizer.model.pending import Pending
from optimizer.model.redis import INFO_FIELDS, RedisLogin
from optimizer.model.request import ProbeRequest
from optimizer.model.snapshot import Snapshot, snapshot_id
from optimizer.model.transaction import (
    ActionStep,
    DirectoryStep,
    FileRef,
    FileStep,
    LineStep,
    LinkStep,
    ModuleStep,
    MoveStep,
    Step,
    ValueStep,
)
from optimizer.model.tunable import Permission

# Name of a server (its port, or the path of its socket; empty for all others) -> login.
Logins = Mapping[str, RedisLogin]
NO_LOGINS: Logins = {}

EMPTY = "@empty"

_PLAIN = re.compile(rb"[^A-Za-z0-9 _./:,;=+@%^#\[\]{}()<>|&~-]")


class GarbledAnswer(OptimizerError):
    """{host} gave an answer that cannot be read: {what}"""

    code = "HOST-002"
    hint = "Does the login shell of this account print something of its own?"


def assign(**variables: str) -> str:
    """Return shell assignments; every value is quoted, none is ever formatted into code."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())


def _ascii_only(text: str) -> str:
    """Wrap a program so that its answer is ASCII whatever bytes it meets on the host."""
    return f"{{\n{text}\n}} | LC_ALL=C tr -c '\\11\\12\\40-\\176' '?'\n"


def probe_program(request: ProbeRequest, logins: Logins = NO_LOGINS) -> str:
    """Return the program that answers a probe request."""
    variables = _logins(logins) + assign(
        VALUES="\n".join(sorted(request.values)),
        FILES="\n".join(sorted(request.files)),
        MODULES=" ".join(sorted(request.modules)),
        UNITS=" ".join(sorted(request.units)),
        PROPERTIES=",".join(("Id", "LoadState", "ActiveState", *sorted(request.properties))),
        NAMES=" ".join(sorted(request.names)),
        REDIS=" ".join(sorted(request.redis)),
        POSTGRESQL=" ".join(sorted(request.postgresql)),
        POSTGRESQL_QUERY=postgresql_query(request.postgresql),
        POSTGRESQL_HEALTH=health_query() if request.postgresql_health else "",
        POSTGRESQL_DATABASES=databases_query() if request.postgresql_health else "",
        POSTGRESQL_DATABASE=database_query() if request.postgresql_health else "",
        POSTGRESQL_OBJECTS="yes" if request.postgresql_objects else "no",
        PGBOUNCER=" ".join(sorted(request.pgbouncer)),
        PACKAGES=" ".join(sorted(request.packages)),
        POSTGRESQL_SESSION=" ".join(f"-c {name}={text}" for name, text in SESSION.items()),
        POSTGRESQL_SECONDS=str(SECONDS),
        NODE_HEALTH="yes" if request.node_health else "no",
        NODE_CLIENT=node_client() if request.node_health else "",
        **_node(request.node),
        REDIS_INFO=" ".join(INFO_FIELDS),
        REDIS_HEALTH="yes" if request.redis_health else "no",
        GRUB="yes" if request.grub else "no",
        WITH_SNAPSHOTS="yes" if request.snapshots else "no",
    )
    return _ascii_only(variables + program("probe"))


def _node(targets: Collection[str]) -> dict[str, str]:
    """Sort what is asked of Node services into options, variables and directives of units."""
    flags = {one for one in targets if one.startswith("--")}
    variables = {one for one in targets if one.isupper()}
    return {
        "NODE": " ".join(sorted(variables | VARIABLES)) if targets else "",
        "NODE_FLAGS": " ".join(sorted(flags)),
        "NODE_DIRECTIVES": " ".join(
            sorted(set(targets) - flags - variables | {"MemoryMax", "RuntimeDirectory"})
        ),
    }


def _logins(logins: Logins) -> str:
    """Hand the logins of the host's servers over; one line each, `@all` for any server."""
    lines = [
        "\t".join((name or "@all", login.user or EMPTY, login.password))
        for name, login in sorted(logins.items(), reverse=True)
    ]
    return assign(REDIS_LOGINS="\n".join(lines))


def apply_program(snapshot: Snapshot, timeout: int, logins: Logins = NO_LOGINS) -> str:
    """Return the program that carries a snapshot's steps out, guarded by the safety timer.

    timeout: seconds until the host restores itself.
    """
    variables = assign(
        RUN=snapshot.run,
        TIMEOUT=str(timeout),
        MACHINE=snapshot.machine_id,
        BOOT=snapshot.boot_id,
    )
    variables += _logins(logins)
    return _ascii_only(variables + _journal_contents(snapshot) + program("apply"))


def take_program(snapshot: Snapshot) -> str:
    """Return the program that keeps a snapshot without changing anything."""
    return _ascii_only(_journal_contents(snapshot) + program("take"))


def confirm_program(
    run: str, request: ProbeRequest, snapshot: str = "", logins: Logins = NO_LOGINS
) -> str:
    """Return the program that makes a change permanent, and then answers a probe.

    run: empty confirms whatever waits. snapshot: id that tells a change that was confirmed
    already from one that was put back.
    """
    confirm = _logins(logins) + assign(RUN=run, EXPECTED_ID=snapshot) + program("confirm")
    return _ascii_only(confirm) + probe_program(request, logins)


def cancel_program(run: str, logins: Logins = NO_LOGINS, copy: Snapshot | None = None) -> str:
    """Return the program that puts an unconfirmed change back at once.

    copy: the controller's own copy of it, by which a damaged journal is mended first.
    """
    contents = _journal_contents(copy) if copy else ""
    return _ascii_only(_logins(logins) + assign(RUN=run) + contents + program("cancel"))


def _journal_contents(snapshot: Snapshot) -> str:
    manifest = encode_manifest(snapshot)
    blobs = [f"put_blob {sha} {_escaped(content)}" for sha, content in snapshot.blobs.items()]
    return (
        assign(
            MANIFEST=manifest,
            EXPECTED_ID=snapshot_id(manifest),
            RESTORE_PROGRAM=kept_restore(),
        )
        + "put_blobs() {\n"
        + " &&\n".join(["true", *blobs])
        + "\n}\n"
    )


def _escaped(content: bytes) -> str:
    r"""Quote bytes for `printf %b`: whatever is not harmless goes as \0ooo."""
    octal = _PLAIN.sub(lambda match: b"\\0%03o" % match[0][0], content)
    return shlex.quote(octal.decode("ascii"))


# The form of a manifest. What a reader of the form before would not understand makes it a new one.
FORMAT = 1


def encode_manifest(snapshot: Snapshot) -> str:
    """Write a snapshot as the manifest that the host keeps: header lines, then steps."""
    header = {
        "format": str(FORMAT),
        "run": snapshot.run,
        "kind": snapshot.kind,
        "created": snapshot.created,
        "profile": snapshot.profile,
        "version": str(snapshot.version),
        "by": snapshot.by,
        "machine": snapshot.machine_id,
        "boot": snapshot.boot_id,
        "kernel": snapshot.kernel,
        "undoes": " ".join(snapshot.undoes),
        "label": snapshot.label,
    }
    lines = [f"{key}\t{_field(value)}" for key, value in header.items()]
    lines += ["\t".join(_encode_step(step)) for step in snapshot.steps]
    return "\n".join(lines) + "\n"


def _field(text: str) -> str:
    """Keep a field free of what separates fields; the empty text would be lost by `read`."""
    # What a command line had that is no text in its encoding is no reason to fail.
    return " ".join(text.encode(errors="replace").decode().split()) or EMPTY


def _verbatim(text: str) -> str:
    """Keep a field as it is. InvalidValue: it has what separates fields, or is no text."""
    if "\t" in text or len(text.splitlines()) > 1 or not text.isprintable():
        what = f"{text!r} has a tab or another control character, and is left alone"
        raise InvalidValue(what=what)
    return text or EMPTY


def _encode_step(step: Step) -> tuple[str, ...]:
    return tuple(
        _verbatim(word) if position in _VERBATIM.get(type(step), ()) else _field(word)
        for position, word in enumerate(_fields_of(step))
    )


# Which fields of a step are found again on the host only as they are.
_VERBATIM: Mapping[type, tuple[int, ...]] = {
    FileStep: (1,),
    LinkStep: (1,),
    DirectoryStep: (1,),
    MoveStep: (1, 2),
    LineStep: (1, 6, 7),
}


def _fields_of(step: Step) -> tuple[str, ...]:
    match step:
        case ValueStep():
            texts = (step.tunable, step.path, step.before, step.after)
            patience, needs = str(step.patience), _encode_needs(step.needs)
            waited = (step.waited,) if step.waited else ()
            return ("value", *texts, step.write, step.restore, patience, needs, *waited)
        case FileStep():
            return ("file", step.path, _encode_file(step.before), _encode_file(step.after))
        case LinkStep():
            return ("link", step.path, step.before or ABSENT, step.after or ABSENT)
        case LineStep():
            files = (_encode_file(step.before), _encode_file(step.original), str(step.size))
            present = _present(step.is_present)
            return ("line", step.path, present, *files, step.line, step.replaces)
        case MoveStep():
            return ("move", step.path, step.to)
        case DirectoryStep():
            return ("directory", step.path, _present(step.is_present))
        case ModuleStep():
            return ("module", step.name, "loaded" if step.is_loaded else "unloaded")
        case ActionStep():
            return ("action", step.action, step.argument or "-", _encode_needs(step.needs))


def _encode_needs(needs: Iterable[Permission]) -> str:
    return ",".join(needs) or "-"


def _decode_needs(text: str) -> tuple[Permission, ...]:
    return () if text == "-" else tuple(map(Permission, text.split(",")))


def _present(is_present: bool) -> str:
    return "present" if is_present else "absent"


def _encode_file(ref: FileRef | None) -> str:
    return f"{ref.sha256} {ref.mode} {ref.owner}" if ref else ABSENT


def decode_manifest(text: str, blobs: Mapping[str, bytes] | None = None) -> Snapshot:
    """Read a manifest back. GarbledAnswer: it is none, or has what only a newer version knows."""
    header: dict[str, str] = {}
    steps: list[Step] = []
    try:
        for line in text.removesuffix("\n").split("\n"):
            word, *rest = line.split("\t")
            if word in _DECODERS:
                steps.append(_DECODERS[word](rest))
            elif word in _HEADER:
                header[word] = "" if rest == [EMPTY] else "\t".join(rest)
            else:
                # A step that was passed over would be one that a way back leaves out.
                raise ValueError(f"{word!r} is not known")
        if int(header.get("format", "1")) > FORMAT:
            raise ValueError(f"it is of a newer version, form {header['format']}")
        return Snapshot(
            run=header["run"],
            kind=header["kind"],  # type: ignore[arg-type]
            created=header["created"],
            profile=header["profile"],
            version=int(header["version"]),
            by=header["by"],
            machine_id=header["machine"],
            boot_id=header["boot"],
            kernel=header["kernel"],
            steps=tuple(steps),
            undoes=tuple(header["undoes"].split()),
            label=header["label"],
            blobs=blobs or {},
        )
    except (KeyError, ValueError, IndexError) as error:
        raise GarbledAnswer(host="", what=f"a manifest that is cut or changed: {error}") from None


def _text(word: str) -> str:
    return "" if word == EMPTY else word


def _decode_value(words: list[str]) -> Step:
    tunable, path, before, after, write, restore, *more = words
    # Manifests of earlier versions end sooner.
    patience, needs, waited = (*more, *("0", "-", "")[len(more) :])
    return ValueStep(
        tunable=tunable,
        path=path,
        before=_text(before),
        after=_text(after),
        write=write,
        restore=restore,
        patience=int(patience),
        needs=_decode_needs(needs),
        waited=waited,
    )


def decode_file(text: str) -> FileRef | None:
    """Read `sha256 mode uid:gid` or @absent."""
    if text == ABSENT:
        return None
    sha256, mode, owner = text.split(" ")
    return FileRef(sha256=sha256, mode=mode, owner=owner)


def decode_pending(words: Iterable[str]) -> Pending:
    """Read run, profile, by whom, since when, what is done about it, and the seconds left."""
    run, profile, by, since, doing, left = (*map(_text, words), *[""] * 6)[:6]
    seconds = int(left) if left.removeprefix("-").isdecimal() else None
    return Pending(run, profile, by, since, doing, seconds)


def _decode_line(words: list[str]) -> Step:
    path, present, before, original, size, line, replaces = words
    ref = decode_file(before)
    if ref is None:
        raise ValueError(f"{path} is not there")
    return LineStep(
        path=path,
        line=line,
        before=ref,
        is_present=present == "present",
        original=decode_file(original),
        size=int(size),
        replaces=_text(replaces),
    )


def _decode_link(words: list[str]) -> Step:
    path, before, after = words
    return LinkStep(
        path=path,
        before=None if before == ABSENT else before,
        after=None if after == ABSENT else after,
    )


def _decode_action(words: list[str]) -> Step:
    action, argument, needs = words
    return ActionStep(
        action=action,
        argument="" if argument == "-" else argument,
        needs=_decode_needs(needs),
    )


_DECODERS = {
    "value": _decode_value,
    "file": lambda words: FileStep(
        path=words[0], before=decode_file(words[1]), after=decode_file(words[2])
    ),
    "link": _decode_link,
    "line": _decode_line,
    "move": lambda words: MoveStep(path=words[0], to=words[1]),
    "directory": lambda words: DirectoryStep(path=words[0], is_present=words[1] == "present"),
    "module": lambda words: ModuleStep(name=words[0], is_loaded=words[1] == "loaded"),
    "action": _decode_action,
}


# Manifests of earlier versions lack the form.
_HEADER = frozenset(
    {"format", "run", "kind", "created", "profile", "version"}
    | {"by", "machine", "boot", "kernel", "undoes", "label"}
)


@dataclass(frozen=True)
class Answer:
    """One line of an answer: its word and its fields."""

    word: str
    fields: tuple[str, ...]


def parse_answer(text: str) -> tuple[Answer, ...]:
    """Split an answer into its lines; empty lines are dropped."""
    # Not splitlines(), which breaks at what a host has in its values too.
    return tuple(_answers(text.replace("\r\n", "\n").split("\n")))


def _answers(lines: Iterable[str]) -> Iterator[Answer]:
    for line in lines:
        if line:
            word, *rest = line.split("\t")
            yield Answer(word, tuple(rest))
