"""What the host is asked to do, as data: the steps of one guarded change.

A step carries the state it expects before and the state it leaves behind, so the same
list applies, checks, restores and, kept as a manifest, can be undone much later.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from optimizer.model.boot import is_boot_path
from optimizer.model.tunable import Permission

if TYPE_CHECKING:
    from optimizer.model.observation import FileState, LinedFile


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class ModuleStep(_Data):
    """Load a kernel module, or (a rollback) unload it where nothing uses it any more."""

    step: Literal["module"] = "module"
    name: str
    is_loaded: bool = True


class ValueStep(_Data):
    """One value in force, canonical text before and after.

    path: a file of the kernel, `redis:ADDRESS/PARAMETER`, `postgresql:ADDRESS/SETTING`,
        `postgresql:ADDRESS/view/DATABASE/NAME` (`extension` for `view`),
        `pgbouncer:ADDRESS/PARAMETER`, `package:NAME`, `node:UNIT/VARIABLE`, or `boot:NAME`.
    write: `set` writes it; `file` has it come with a file that the confirmation writes;
        `pend` leaves it as it is until somebody restarts the server, or reboots the host, and
        says what it will be then by the files of this change;
        `follow` expects the kernel to change it together with another value; `hold` writes
        the same value again because another write resets it, and says where that could not be
        done; `last` has the confirmation
        make an object in a database, or install a package, when files count and servers were
        restarted.
    restore: `skip` where the kernel refuses to take the old value back and restoring its
        partner brings it back instead (vm.dirty_bytes = 0).
    patience: seconds that writing it may take, such as an append-only file being written.
    needs: what has to be allowed on the command line, all of it, or the step is left out.
    waited: what the files had for the next restart when that was not the value in force; a
        restart of the way back brings this, not `before`.
    """

    step: Literal["value"] = "value"
    tunable: str
    path: str
    before: str
    after: str
    write: Literal["set", "file", "pend", "follow", "hold", "last"] = "set"
    restore: Literal["set", "skip"] = "set"
    patience: int = 0
    needs: tuple[Permission, ...] = ()
    waited: str = ""

    @property
    def is_from_file(self) -> bool:
        """Whether nothing but files, and what makes them count, changes it."""
        return self.write in ("file", "pend")

    @property
    def takes_restart(self) -> bool:
        """Whether files change it at the next restart only."""
        if self.takes_reboot:
            return False
        return self.write == "pend" or (self.write == "file" and Permission.RESTART in self.needs)

    @property
    def takes_reboot(self) -> bool:
        """Whether files change it at the next reboot only."""
        return is_boot_path(self.path)


class FileRef(_Data):
    """A regular file: hash of its bytes, permission bits in octal, owner as `uid:gid`."""

    sha256: str
    mode: str
    owner: str

    @classmethod
    def of(cls, found: FileState | LinedFile) -> FileRef:
        """Return what a step names a file by that was found."""
        return cls(sha256=found.sha256, mode=found.mode, owner=found.owner)

    def __str__(self) -> str:
        """Print enough of it to tell it from another one."""
        return f"{self.sha256[:12]} {self.mode} {self.owner}"


class DirectoryStep(_Data):
    """A directory that is made (`is_present`) or, when empty, taken away again."""

    step: Literal["directory"] = "directory"
    path: str
    is_present: bool = True


class FileStep(_Data):
    """A file that is written or removed; None means that it does not exist."""

    step: Literal["file"] = "file"
    path: str
    before: FileRef | None
    after: FileRef | None


class LinkStep(_Data):
    """A symbolic link; before and after are its targets, None where there is none."""

    step: Literal["link"] = "link"
    path: str
    before: str | None
    after: str | None


class LineStep(_Data):
    """A line in a file that is somebody else's: added at the end (`is_present`) or taken out.

    replaces: the line that it stands in for, at the same place; empty for a line at the end.

    The bytes of the file stay on the host, as they may hold passwords.
    before: the file as it is. original, size: the file without the line, where it is taken
        out; without them, and where the file was edited since, only the line goes.
    """

    step: Literal["line"] = "line"
    path: str
    line: str
    before: FileRef
    is_present: bool = True
    original: FileRef | None = None
    size: int = 0
    replaces: str = ""


class MoveStep(_Data):
    """A file that is set aside under another name in its directory, so that nothing reads it."""

    step: Literal["move"] = "move"
    path: str
    to: str


# Restarts that a way back has to know of, also where they were not allowed.
_LATER = ("restart-postgresql", "restart-node")


class ActionStep(_Data):
    """Something that makes files count, or checks that they will.

    restart-postgresql, restart-later: `UNIT ADDRESS` of a cluster, the latter also `UNIT` of a
        Node service, as restart-node has it; it does nothing, and
        tells the way back what a restart that was not allowed would have restarted.
    needs: what has to be allowed on the command line, all of it.
    """

    step: Literal["action"] = "action"
    action: Literal[
        "daemon-reload",
        "restart-timer",
        "start-timer",
        "restart-unit",
        "restart-node",
        "check-logrotate",
        "check-redis",
        "check-postgresql",
        "check-node",
        "reload-postgresql",
        "check-pgbouncer",
        "reload-pgbouncer",
        "restart-postgresql",
        "restart-later",
    ]
    argument: str = ""
    needs: tuple[Permission, ...] = ()

    @property
    def restarts(self) -> str:
        """The unit that it restarts; empty for anything else."""
        is_restart = self.action in ("restart-unit", *_LATER)
        return self.argument.partition(" ")[0] if is_restart else ""


Step = Annotated[
    ModuleStep | ValueStep | DirectoryStep | FileStep | LinkStep | LineStep | MoveStep | ActionStep,
    Field(discriminator="step"),
]


def is_allowed(step: Step, allow: Collection[Permission]) -> bool:
    """Whether a step is carried out, given what the command line allows."""
    needs = step.needs if isinstance(step, ValueStep | ActionStep) else ()
    return all(one in allow for one in needs)


def only_allowed(steps: Iterable[Step], allow: Collection[Permission]) -> Iterator[Step]:
    """Leave out what is not allowed, and note what the files of the change have waiting by then."""
    for step in steps:
        if is_allowed(step, allow):
            yield step
        elif isinstance(step, ValueStep) and step.write == "file":
            yield step.model_copy(update={"write": "pend", "needs": ()})
        elif isinstance(step, ActionStep) and step.action in _LATER:
            yield step.model_copy(update={"action": "restart-later", "needs": ()})


def in_order(steps: list[Step]) -> tuple[Step, ...]:
    """Sort steps into the order in which a host carries them out; restoring walks it backwards.

    Directories are made before the files in them, and go after them, innermost first.
    Within a kind the given order stays.
    """
    return tuple(sorted(steps, key=_position))


def _position(step: Step) -> tuple[int, int]:
    match step:
        case ModuleStep(is_loaded=is_loaded):
            return (0, 0) if is_loaded else (6, 0)
        case ValueStep():
            return (1, 0)
        case DirectoryStep(is_present=is_present, path=path):
            return (2, path.count("/")) if is_present else (5, -path.count("/"))
        case FileStep():
            return (3, 0)
        case LinkStep():
            return (4, 0)
        case LineStep():
            # What includes a file comes after the file, and goes before it.
            return (4, 1) if step.is_present else (2, 1000)
        case MoveStep():
            return (4, 2)
        case ActionStep(action=action):
            # All is checked before any of it counts; a service with a check of its own is
            # restarted by that.
            first = ("daemon-reload", "restart-node")
            return (7, 0 if action.startswith("check-") else 1 + (*first, action).index(action))
