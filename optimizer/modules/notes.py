"""What a person should know besides the changes: files that win, other tools, what waits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from optimizer.model.observation import Observation
from optimizer.model.tunable import Effect
from optimizer.modules.node_notes import node_notes
from optimizer.planning.comparing import Status, Verdict
from optimizer.resources import grub, package, sysctl

_AUTHORITIES = {
    "tuned": "tuned is running and may write the same values again",
    "irqbalance": "irqbalance is running and moves interrupts between the CPUs",
    "saptune": "saptune is running and may write the same values again",
    "bpftune": "bpftune is running and changes network buffers by itself",
    "tlp": "tlp is running and sets CPU and disk power values",
    "auto-cpufreq": "auto-cpufreq is running and sets the CPU governor",
    "ksmtuned": "ksmtuned is running and switches page merging on and off",
    "ufw": "ufw is enabled and loads /etc/ufw/sysctl.conf when it starts",
}


_SOMAXCONN = "/proc/sys/net/core/somaxconn"
_NO_LESS_ON_A_STANDBY = (
    "postgresql.max_connections",
    "postgresql.max_wal_senders",
    "postgresql.max_worker_processes",
)
_BACKLOGS = ("redis.tcp-backlog", "postgresql.pgbouncer.listen_backlog")


def notes_for(verdicts: Sequence[Verdict], observation: Observation) -> tuple[str, ...]:
    """Collect the notes of one host."""
    return tuple(
        dict.fromkeys(
            [
                *unconfirmed_notes(observation),
                *_overridden(verdicts),
                *_legacy_file(verdicts, observation),
                *_unknown_ranges(verdicts),
                *_waiting(verdicts),
                *_given_twice(verdicts, observation),
                *_not_kept(verdicts),
                *_short_queues(verdicts, observation),
                *_standbys_first(verdicts),
                *node_notes(verdicts, observation),
                *_packages(verdicts, observation),
                *authority_notes(observation),
                *_rights(observation),
            ]
        )
    )


def unconfirmed_notes(observation: Observation) -> Iterator[str]:
    """Say that a change waits, or that one cannot go back by itself."""
    if observation.pending:
        yield f"nothing can be changed here now: {observation.pending}"
    if observation.broken:
        yield (
            f"a change was not confirmed and cannot go back by itself: {observation.broken}; "
            "optimizer rollback takes it back by the copy of the controller that made it"
        )


def _overridden(verdicts: Iterable[Verdict]) -> Iterator[str]:
    for verdict in verdicts:
        reading = verdict.reading
        if reading.overridden_by and verdict.wanted and reading.boot != verdict.wanted:
            boot = "does not set it" if reading.boot is None else f"sets {reading.boot}"
            yield (
                f"{reading.id}: the next boot {boot}, because "
                f"{reading.overridden_by} is read after our file"
            )


def _legacy_file(verdicts: Sequence[Verdict], observation: Observation) -> Iterator[str]:
    """Name lines of /etc/sysctl.conf that `sysctl --system` applies last of all."""
    wanted = {
        sysctl.normal_key(verdict.reading.tunable.target): verdict.wanted
        for verdict in verdicts
        if verdict.reading.tunable.kind == "sysctl" and verdict.wanted
    }
    for line in observation.config.get("sysctl.conf", ()):
        name, _, text = line.text.partition("=")
        key = sysctl.normal_key(name.strip().removeprefix("-"))
        if key in wanted and " ".join(text.split()) != wanted[key]:
            yield f"{line.place} sets {name.strip()} too; `sysctl --system` reads it last"


def _unknown_ranges(verdicts: Iterable[Verdict]) -> Iterator[str]:
    for verdict in verdicts:
        if not verdict.reading.tunable.is_known and verdict.difference:
            yield f"{verdict.reading.id} is not in the catalogue: its range is unknown"


def _waiting(verdicts: Iterable[Verdict]) -> Iterator[str]:
    waiting = [verdict.reading for verdict in verdicts if verdict.status is Status.PENDING]
    for is_reboot, what in ((False, "restart of its service"), (True, "reboot")):
        names = [one.id for one in waiting if (one.effect is Effect.REBOOT) == is_reboot]
        if names:
            yield f"waits for a {what}: {', '.join(names)}"


def _given_twice(verdicts: Iterable[Verdict], observation: Observation) -> Iterator[str]:
    """Name who else gives a boot parameter another value; ours stands behind it."""
    for verdict in verdicts:
        reading = verdict.reading
        if reading.tunable.kind != "boot" or reading.blocked or not verdict.wanted:
            continue
        found = grub.set_elsewhere(reading.tunable.target, observation)
        is_ours = reading.own is not None or verdict.difference is not None
        if found and is_ours and found[0] != verdict.wanted:
            yield (
                f"{reading.id}: {found[1].place} sets {found[0]}; the kernel takes the last, "
                "which is ours"
            )


def _not_kept(verdicts: Iterable[Verdict]) -> Iterator[str]:
    lost: dict[str, list[str]] = {}
    for verdict in verdicts:
        if verdict.difference and verdict.reading.unkept:
            lost.setdefault(verdict.reading.unkept, []).append(verdict.reading.id)
    for reason, names in lost.items():
        yield f"not kept over a restart, as {reason}: {', '.join(names)}"


def _short_queues(verdicts: Sequence[Verdict], observation: Observation) -> Iterator[str]:
    """A listener gets the smaller of what it asks for and the kernel's own limit."""
    planned = {one.reading.path: one.wanted for one in verdicts if one.reading.path == _SOMAXCONN}
    value = observation.values.get(_SOMAXCONN)
    limit = planned.get(_SOMAXCONN) or (value.text if value else "")
    for verdict in verdicts:
        asked = verdict.wanted if verdict.reading.tunable.id in _BACKLOGS else ""
        if asked and limit.isdecimal() and int(asked) > int(limit):
            yield f"{verdict.reading.id} {asked} is cut to net.core.somaxconn, which is {limit}"


def _standbys_first(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """A standby with less than its primary stops, or stops following.

    Source: "Hot Standby: Administrator's Overview" of the PostgreSQL manual.
    """
    for verdict in verdicts:
        reading, difference = verdict.reading, verdict.difference
        if reading.tunable.id not in _NO_LESS_ON_A_STANDBY or difference is None:
            continue
        before, after = reading.live or "", difference.live or difference.boot or ""
        is_more = before.isdecimal() and after.isdecimal() and int(after) > int(before)
        if is_more and reading.facts.get("role") == "primary":
            yield (
                f"{reading.id} rises: a standby needs at least as much by then, so apply it to "
                "the standbys of this cluster first (--limit)"
            )


def _packages(verdicts: Iterable[Verdict], observation: Observation) -> Iterator[str]:
    for verdict in verdicts:
        if verdict.difference and verdict.reading.tunable.kind == "package":
            found = observation.packages[verdict.reading.tunable.target]
            yield f"{verdict.reading.id}: {package.note(found)}"


def authority_notes(observation: Observation) -> Iterator[str]:
    """Name other tools on the host that set the same things."""
    for name, said in observation.authorities.items():
        if name == "tuned-profile":
            yield f"tuned has the active profile {said}"
        else:
            yield _AUTHORITIES.get(name, f"{name} is {said}")
    files = observation.config_files.get("sysctl", {})
    for path in files:
        if "cloud" in path.rpartition("/")[2]:
            yield f"{path} comes from cloud-init, which may write it again"


def _rights(observation: Observation) -> Iterator[str]:
    if not observation.facts.is_root:
        yield "read without root's rights: values that only root may read or write are left out"
