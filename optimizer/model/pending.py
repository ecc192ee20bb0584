"""A change of a host that is not confirmed yet: whose it is, and what will become of it."""

from __future__ import annotations

from dataclasses import dataclass

_AT_WORK = {
    "applying": "is being applied",
    "confirming": "is being confirmed",
    "restoring": "is being put back",
}


@dataclass(frozen=True)
class Pending:
    """The change that keeps all others out of a host.

    by: `user@controller`. since: UTC, ISO 8601.
    doing: applying, confirming or restoring; empty when nothing of the host is at work on it.
    left: seconds until the host restores itself; None where no safety timer is armed.
    """

    run: str
    profile: str = ""
    by: str = "unknown"
    since: str = ""
    doing: str = ""
    left: int | None = None

    def __str__(self) -> str:
        """Say whose it is, since when, and what there is to do."""
        begun = f", begun {moment(self.since)}," if self.since else ""
        return f"run {self.run} of {self.by}{begun} {self._way_out}"

    @property
    def _way_out(self) -> str:
        if self.doing:
            return f"{_AT_WORK.get(self.doing, self.doing)}: try again when that is done"
        if self.left is None:
            return (
                "was never confirmed, and its safety timer is gone: "
                "the next apply or confirm puts it back"
            )
        return (
            f"is not confirmed yet: optimizer confirm INVENTORY {self.run} keeps it, "
            f"else the host restores itself in {max(self.left, 0)} s"
        )


def moment(text: str) -> str:
    """Write a time of a record, ISO 8601 in UTC, as people read it."""
    return f"{text[:19].replace('T', ' ')} UTC"
