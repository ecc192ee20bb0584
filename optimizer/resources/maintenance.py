"""Maintenance of the PostgreSQL clusters of a host: two timers of ours, and what they run.

The program lies below /usr/local/lib, where a host has what its packages do not bring and nobody
calls by name; /etc is for configuration, and what holds the journal may be thrown away. It takes
no setting from anywhere but its unit. Nice and IOSchedulingClass are not set: the work is done by
processes of the server, which would not have them.
Source: systemd.timer(5), systemd.service(5), systemd.kill(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from optimizer.host import program
from optimizer.model.observation import Observation, Unit
from optimizer.model.reading import Difference, Reading, ReadingState
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import ActionStep, DirectoryStep
from optimizer.model.tunable import Tunable
from optimizer.resources.base import (
    DAEMON_RELOAD,
    HEADER,
    Artifact,
    NothingAtStake,
    own_text,
    remove_file,
    remove_link,
    write_link,
    write_text,
)

OFF = "off"
PROGRAM = "/usr/local/lib/optimizer/postgresql-maintenance"
# What a timer starts -> what it says of itself.
JOBS: Mapping[str, str] = {
    "vacuum": "VACUUM (ANALYZE) of tables that need it, in all PostgreSQL clusters",
    "reindex": "REINDEX CONCURRENTLY of bloated indexes, in all PostgreSQL clusters",
}

_UNITS = "/etc/systemd/system"
# What the program does where nothing is set, in seconds; it is ended from outside this much later.
_WINDOW = 3600
_GRACE = 300
_CALENDAR = re.compile(r"OnCalendar=([^;]*) ;")


def unit_of(job: str, suffix: str) -> str:
    """Name a unit of ours; suffix: timer or service."""
    return f"optimizer-postgresql-{job}.{suffix}"


def path_of(job: str, suffix: str) -> str:
    """Return the file of a unit of ours."""
    return f"{_UNITS}/{unit_of(job, suffix)}"


def link_of(job: str) -> str:
    """Return the link that has a timer of ours start at boot."""
    return f"{_UNITS}/timers.target.wants/{unit_of(job, 'timer')}"


class Maintenance(NothingAtStake):
    """The resource kind of maintenance; the target is a job, or a setting of both."""

    name = "maintenance"

    def request(self, tunable: Tunable) -> ProbeRequest:
        """Read our units and files, and whether there is a cluster."""
        return ProbeRequest(
            units=frozenset(unit_of(job, suffix) for job in JOBS for suffix in _SUFFIXES),
            properties=frozenset({"TimersCalendar", "Environment", "DropInPaths"}),
            files=frozenset(
                {PROGRAM}
                | {path_of(job, suffix) for job in JOBS for suffix in _SUFFIXES}
                | {link_of(job) for job in JOBS}
            ),
            postgresql=frozenset({"port"}),
        )

    def read(self, tunable: Tunable, observation: Observation) -> tuple[Reading, ...]:
        """Read what systemd has loaded, and what our files say."""
        reason = _left_out(observation)
        if reason:
            return (Reading(tunable, state=ReadingState.NOT_APPLICABLE, reason=reason),)
        name = tunable.target
        job = name if name in JOBS else "reindex"
        suffix = "timer" if name in JOBS else "service"
        unit = observation.units.get(unit_of(job, suffix), Unit(unit_of(job, suffix), {}))
        own = own_settings(observation)
        absent = OFF if name in JOBS else None
        live = _calendar(unit) if name in JOBS else _environment(unit).get(name)
        path = path_of(job, suffix)
        return (
            Reading(
                tunable,
                live=live,
                # What is not as we write it is not what a profile asks for, whatever it is.
                boot=own.get(name, absent) if _is_whole(own, observation) else absent,
                source=path if path in observation.files else None,
                blocked=_blocked(unit) if live != own.get(name, absent) else "",
            ),
        )

    def impossible(self, reading: Reading, wanted: str, observation: Observation) -> str:
        """Every systemd takes every value."""
        return ""

    def write(self, differences: Sequence[Difference], observation: Observation) -> Artifact:
        """Write or take away all files together, and have the timers that are left take over."""
        changed = {one.reading.tunable.target: _wanted(one) for one in differences}
        merged = {**own_settings(observation), **changed}
        files = dict(_files({name: text for name, text in merged.items() if text != OFF}))
        starts = [
            ActionStep(action="start-timer", argument=unit_of(job, "timer"))
            for job in JOBS
            if job in changed
        ]
        return Artifact.joined(
            (
                *(_put(path, files.get(path), observation) for path in _paths()),
                *(_enable(job, path_of(job, "timer") in files, observation) for job in JOBS),
                *([] if files else [_without_folder(observation)]),
                Artifact((DAEMON_RELOAD, *starts), blobs={}),
            )
        )


_SUFFIXES = ("service", "timer")


def own_settings(observation: Observation) -> dict[str, str]:
    """Read what our files set: window, bloat, and the calendar of each timer that is on."""
    service = own_text(path_of("reindex", "service"), observation)
    found = {
        name.lower(): text for name, text in re.findall(r"^Environment=(\w+)=(.*)$", service, re.M)
    }
    for job in JOBS:
        timer = own_text(path_of(job, "timer"), observation)
        calendar = re.search(r"^OnCalendar=(.*)$", timer, re.M)
        if calendar and link_of(job) in observation.links:
            found[job] = calendar[1]
    return found


def _files(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield path and text of the files that these settings take; none for none."""
    if not settings:
        return
    yield PROGRAM, HEADER + program("maintenance")
    for job, what in JOBS.items():
        yield path_of(job, "service"), _service(job, what, settings)
        if job in settings:
            yield path_of(job, "timer"), _timer(what, settings[job])


def _put(path: str, text: str | None, observation: Observation) -> Artifact:
    if text is None:
        return remove_file(path, observation)
    return write_text(path, text, observation)


def _enable(job: str, is_on: bool, observation: Observation) -> Artifact:
    link = link_of(job)
    if not is_on:
        return remove_link(link, observation)
    return write_link(link, path_of(job, "timer"), observation)


def _without_folder(observation: Observation) -> Artifact:
    """Take the folder of the program away, which has our name and nothing else in it."""
    folder = PROGRAM.rpartition("/")[0]
    is_there = folder in observation.directories
    step = DirectoryStep(path=folder, is_present=False)
    return Artifact((step,) if is_there else (), blobs={})


def _paths() -> Iterator[str]:
    """Yield every file of ours: what is run before what runs it."""
    yield PROGRAM
    for job in JOBS:
        yield from (path_of(job, suffix) for suffix in _SUFFIXES)


def _service(job: str, what: str, settings: Mapping[str, str]) -> str:
    environment = "".join(
        f"Environment={name.upper()}={settings[name]}\n"
        for name in ("window", "bloat")
        if name in settings
    )
    seconds = int(settings.get("window", _WINDOW)) + _GRACE
    # The program alone is told to stop, and cancels what the server does for it. As this unit
    # comes after the server's, it is stopped before it.
    return f"""{HEADER}[Unit]
Description={what}
After=postgresql.service

[Service]
Type=oneshot
{environment}ExecStart=/bin/sh {PROGRAM} {job}
TimeoutStartSec={seconds}
KillMode=mixed
"""


def _timer(what: str, calendar: str) -> str:
    # Not Persistent: what was missed is not made up for when the market is open.
    return f"""{HEADER}[Unit]
Description={what}

[Timer]
OnCalendar={calendar}
AccuracySec=1s

[Install]
WantedBy=timers.target
"""


def _left_out(observation: Observation) -> str:
    """Say why there is nothing to keep up here; empty also where only our files are left."""
    if observation.facts.init != "systemd":
        return "this host does not run systemd"
    if any(path in observation.files for path in _paths()):
        return ""
    if not any(one.can_change and not one.is_elsewhere for one in observation.postgresql):
        return "there is no PostgreSQL cluster on this host"
    if "flock" not in observation.facts.tools:
        return "there is no flock, which keeps two runs apart"
    return ""


def _is_whole(settings: Mapping[str, str], observation: Observation) -> bool:
    files = _files(settings)
    return all(own_text(path, observation) == text for path, text in files)


def _calendar(unit: Unit) -> str:
    found = _CALENDAR.findall(unit.properties.get("TimersCalendar", ""))
    return "; ".join(map(str.strip, found)) if found and unit.is_active else OFF


def _environment(unit: Unit) -> dict[str, str]:
    pairs = (word.partition("=") for word in unit.properties.get("Environment", "").split())
    return {name.lower(): text for name, _, text in pairs}


def _blocked(unit: Unit) -> str:
    drop_ins = unit.properties.get("DropInPaths", "")
    return f"{drop_ins.split()[-1]} beats our file: change it there" if drop_ins else ""


def _wanted(difference: Difference) -> str:
    """Return what is asked for; the same live as at boot, where only one of them differs."""
    reading = difference.reading
    return difference.boot or difference.live or reading.boot or OFF
