"""What a Node tunable is on a service: an option, a variable, a directive, or the probe.

Each says what is in force, what the next start sets and what beats ours, and puts a wanted value
into our drop-in. Sources: https://nodejs.org/api/cli.html, systemd.exec(5).
"""

from __future__ import annotations

from typing import Protocol

from optimizer.host import node_probe
from optimizer.model.node import OPTIONS, PROBE_FILE, NodeService
from optimizer.model.observation import Observation
from optimizer.model.tunable import Tunable
from optimizer.resources import node_options
from optimizer.resources.node_drop_in import DropIn
from optimizer.resources.unit import configured

MIB = 2**20
PROBE = "probe"
# An option without a value, as boot parameters have it too.
PRESENT = "present"
# systemd makes it below /run for the account of the service, and takes it away with the unit; in a
# directory for all of them, that one would stay.
_DIRECTORY, _SOCKETS = "RuntimeDirectory", "optimizer-node-%N"
# Node does not start without a file that it has to load: where ours is gone or closed, an empty
# one does. `+` has it run as root, whatever the unit may do, and `-` start the service anyway.
_LIBRARY = PROBE_FILE.rpartition("/")[0]
_GUARD, _IN_PLACE = (
    "ExecStartPre",
    (
        f"-+/bin/sh -c 'mkdir -p {_LIBRARY}; [ -e {PROBE_FILE} ] || : >{PROBE_FILE}; "
        f"chmod 755 {_LIBRARY}; chmod 644 {PROBE_FILE}'"
    ),
)
# Node raises its soft limit to the hard one when it starts.
OPEN_FILES = "LimitNOFILE"
# The file that a service is told to load is of another version, or not there.
OUTDATED, MISSING = "outdated", "missing"


class Setting(Protocol):
    """One tunable as a service has it; texts are those of the tunable, None for nothing set."""

    variable: str
    """The variable that it lives in; empty for a directive of the unit."""

    def live(self, service: NodeService, observation: Observation) -> str | None:
        """What the running process was started with."""

    def boot(self, service: NodeService, observation: Observation) -> str | None:
        """What the next start sets."""

    def own(self, drop_in: DropIn) -> str | None:
        """What our file says."""

    def beaten_by(self, service: NodeService) -> str:
        """Why nothing in our file could count; empty where it does."""

    def put(self, drop_in: DropIn, service: NodeService, text: str) -> DropIn:
        """Put a value into our file."""


def setting_of(tunable: Tunable) -> Setting:
    """Return what a tunable sets: `--option`, `VARIABLE`, `Directive` or `probe`."""
    target = tunable.target
    if target == PROBE:
        return Probe()
    if target.startswith("--"):
        return Option(target, is_size=tunable.unit == "bytes")
    return Variable(target) if target.isupper() else Directive(target)


class Option:
    """An option of Node in NODE_OPTIONS; the command line of the program beats it.

    is_size: Node counts it in MiB, the tunable in bytes.
    """

    variable = OPTIONS

    def __init__(self, name: str, *, is_size: bool = False) -> None:
        self._name = name
        self._is_size = is_size

    def live(self, service: NodeService, observation: Observation) -> str | None:
        return self._of(service, service.variables.get(OPTIONS, ""))

    def boot(self, service: NodeService, observation: Observation) -> str | None:
        return self._of(service, next_text(service, OPTIONS))

    def own(self, drop_in: DropIn) -> str | None:
        return self._read(node_options.value_of(drop_in.variables.get(OPTIONS, ""), self._name))

    def beaten_by(self, service: NodeService) -> str:
        if self._name in service.flags:
            value = service.flags[self._name]
            said = f"{self._name}={value}" if value else self._name
            return f"the command line of {service.name} has {said}, which beats NODE_OPTIONS"
        return _beaten(service, OPTIONS)

    def put(self, drop_in: DropIn, service: NodeService, text: str) -> DropIn:
        value = str(int(text) // MIB) if self._is_size else text
        value = "" if value == PRESENT else value
        options = node_options.with_option(merged(drop_in, service), self._name, value)
        return drop_in.with_variable(OPTIONS, options)

    def _of(self, service: NodeService, options: str) -> str | None:
        flag = service.flags.get(self._name)
        return self._read(node_options.value_of(options, self._name) if flag is None else flag)

    def _read(self, text: str | None) -> str | None:
        if text is None:
            return None
        if self._is_size and text.isdecimal():
            return str(int(text) * MIB)
        return text or PRESENT


class Variable:
    """A variable of the environment, of which an empty one is none."""

    def __init__(self, name: str) -> None:
        self.variable = name

    def live(self, service: NodeService, observation: Observation) -> str | None:
        return service.variables.get(self.variable) or None

    def boot(self, service: NodeService, observation: Observation) -> str | None:
        return next_text(service, self.variable) or None

    def own(self, drop_in: DropIn) -> str | None:
        return drop_in.variables.get(self.variable)

    def beaten_by(self, service: NodeService) -> str:
        return _beaten(service, self.variable)

    def put(self, drop_in: DropIn, service: NodeService, text: str) -> DropIn:
        return drop_in.with_variable(self.variable, text)


class Directive:
    """A directive of the unit, such as LimitNOFILE."""

    variable = ""

    def __init__(self, name: str) -> None:
        self._name = name

    def live(self, service: NodeService, observation: Observation) -> str | None:
        found = service.limits.get(self._name)
        boot = self.boot(service, observation)
        line = service.last_to_set(self._name)
        is_ours = line is not None and line.path == service.drop_in
        # What the process has made of the limits that we have set is no difference.
        if found is None or (is_ours and boot is not None and found == self.held(boot)):
            return boot
        return found

    def held(self, text: str) -> str:
        """Return what a process has that was started with `text`."""
        return text.rpartition(":")[2] if self._name == OPEN_FILES else text

    def boot(self, service: NodeService, observation: Observation) -> str | None:
        unit = observation.units.get(service.unit)
        return configured(unit, self._name) if unit else None

    def own(self, drop_in: DropIn) -> str | None:
        return drop_in.directives.get(self._name)

    def beaten_by(self, service: NodeService) -> str:
        line = service.set_behind_ours(self._name)
        return f"{line.path} sets {self._name} and is read after our file" if line else ""

    def put(self, drop_in: DropIn, service: NodeService, text: str) -> DropIn:
        return drop_in.with_directive(self._name, text)


class Probe:
    """Our file that every process of the service loads before its program: on or off."""

    variable = OPTIONS

    def live(self, service: NodeService, observation: Observation) -> str | None:
        return _switch(service.variables.get(OPTIONS, ""))

    def boot(self, service: NodeService, observation: Observation) -> str | None:
        switch = _switch(next_text(service, OPTIONS))
        state = observation.files.get(PROBE_FILE)
        if switch == "off" or (state and state.content == node_probe().encode()):
            return switch
        return OUTDATED if state else MISSING

    def own(self, drop_in: DropIn) -> str | None:
        return _switch(drop_in.variables[OPTIONS]) if OPTIONS in drop_in.variables else None

    def beaten_by(self, service: NodeService) -> str:
        return _beaten(service, OPTIONS)

    def put(self, drop_in: DropIn, service: NodeService, text: str) -> DropIn:
        options = merged(drop_in, service)
        loaded = node_options.with_required(options, PROBE_FILE, is_wanted=text == "on")
        # Where the service has a directory of its own, the socket is in there.
        needs_directory = text == "on" and service.set_by(_DIRECTORY) is None
        with_directory = drop_in.with_directive(_DIRECTORY, _SOCKETS if needs_directory else "")
        guarded = with_directory.with_directive(_GUARD, _IN_PLACE if text == "on" else "")
        return guarded.with_variable(OPTIONS, loaded)


def _switch(options: str) -> str:
    return "on" if node_options.requires(options, PROBE_FILE) else "off"


def next_text(service: NodeService, variable: str) -> str:
    """Return what a variable will be at the next start; an environment file beats the unit."""
    found = service.files.get(variable)
    return found.text if found else service.configured.get(variable, "")


def merged(drop_in: DropIn, service: NodeService) -> str:
    """Return the NODE_OPTIONS that a change starts from: what others set, and what we have set.

    What others have changed since we wrote ours comes in again.
    """
    theirs = base(service)
    ours = drop_in.variables.get(OPTIONS)
    if ours is None:
        return theirs
    return node_options.with_missing(ours, theirs)


def base(service: NodeService) -> str:
    """Return NODE_OPTIONS as the unit has them without our file."""
    is_ours = any(one.path == service.drop_in and one.name == OPTIONS for one in service.lines)
    if not is_ours:
        return service.configured.get(OPTIONS, "")
    line = service.set_by(OPTIONS)
    text = line.text.replace("%%", "\0") if line else ""
    # A specifier was filled in when ours was written, and is in there.
    return "" if "%" in text else text.replace("\0", "%")


def hidden_options(service: NodeService) -> list[str]:
    """Return the options that somebody has set since, and that our file hides."""
    return node_options.missing(next_text(service, OPTIONS), base(service))


def _beaten(service: NodeService, variable: str) -> str:
    found = service.files.get(variable)
    if found:
        return f"EnvironmentFile={found.path} sets {variable}, which beats what a unit sets"
    line = service.set_behind_ours(variable)
    return f"{line.path} sets {variable} and is read after our file" if line else ""
