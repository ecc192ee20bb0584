"""What else changes when a value is written, added to the steps so that the plan says it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from optimizer.catalog.declare import sysctl_id
from optimizer.catalog.interfaces import EVERYWHERE
from optimizer.model.observation import ABSENT, LiveValue, Observation, ValueState
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import Step, ValueStep
from optimizer.model.tunable import Tunable
from optimizer.modules.watchdogs import WATCHDOGS, with_watchdogs
from optimizer.resources.sysctl import path_of
from optimizer.resources.sysfs import instance_of, matches

Find = Callable[[str], Tunable | None]

# What may have come into reach of a value since it was written.
REACHED = ProbeRequest(values=frozenset(EVERYWHERE))

_CONGESTION = "/proc/sys/net/ipv4/tcp_congestion_control"
_ALLOWED = "/proc/sys/net/ipv4/tcp_allowed_congestion_control"
_AVAILABLE = "/proc/sys/net/ipv4/tcp_available_congestion_control"
_OPPOSITE = {"0": "1", "1": "0"}


def partner_targets(tunable: Tunable, find: Find) -> tuple[str, ...]:
    """Path patterns that have to be read besides the tunable's own."""
    coupling = tunable.coupling
    names = (*coupling.excludes, *coupling.mirrors, *coupling.opposes, *coupling.resets)
    switches = WATCHDOGS if _target(tunable) in WATCHDOGS else ()
    return (*(_pattern(name, find) for name in names), *coupling.owns, *switches)


def _target(tunable: Tunable) -> str:
    return path_of(tunable.target) if tunable.kind == "sysctl" else tunable.target


def _pattern(name: str, find: Find) -> str:
    """Return the path pattern of a partner: an id of the catalogue, or such a pattern itself."""
    tunable = find(name)
    return _target(tunable) if tunable else name


@dataclass(frozen=True)
class Coupler:
    """Adds the steps that follow from the kernel's own couplings."""

    find: Find
    observation: Observation

    def couple(self, steps: Sequence[Step]) -> tuple[Step, ...]:
        """Return the steps with what they drag along, each right behind its cause."""
        planned = {step.path: step.after for step in steps if isinstance(step, ValueStep)}
        coupled: dict[str, Step] = {}
        for number, step in enumerate(steps):
            for more in self._with_partners(step, planned):
                # What goes with one value is not held because of another.
                key = more.path if isinstance(more, ValueStep) else str(number)
                coupled.setdefault(key, more)
        return with_watchdogs(tuple(coupled.values()), self.observation)

    def reached(self, steps: Sequence[Step]) -> tuple[Step, ...]:
        """Return the steps of a way back with what has come into their reach since.

        A network card that was plugged in later follows the setting of all cards too.
        """
        planned = {step.path: step.after for step in steps if isinstance(step, ValueStep)}
        return tuple(more for step in steps for more in self._with_reached(step, planned))

    def _with_reached(self, step: Step, planned: Mapping[str, str]) -> Iterator[Step]:
        yield step
        tunable, _ = self._cause(step)
        if tunable and isinstance(step, ValueStep) and step.write == "set":
            patterns = [name for name in tunable.coupling.mirrors if "*" in name]
            yield from self._mirrored(step, patterns, planned)

    def _with_partners(self, step: Step, planned: Mapping[str, str]) -> Iterator[Step]:
        tunable, instance = self._cause(step)
        if tunable is None or not isinstance(step, ValueStep):
            yield step
            return
        coupling = tunable.coupling
        # Partners that are zero already are named too: a later way back has to know of them.
        excluded = [
            _follow(name, value, "0")
            for name, value in self._partners(coupling.excludes, step)
            if value.path not in planned and step.after != "0"
        ]
        # Zero cannot be written back; bringing the partner back zeroes this one again.
        is_exchanged = step.before == "0" and any(one.before != "0" for one in excluded)
        yield step.model_copy(update={"restore": "skip"}) if is_exchanged else step
        yield from excluded
        yield from self._mirrored(step, coupling.mirrors, planned)
        for name, value in self._partners(coupling.opposes, step):
            if value.path not in planned and step.after in _OPPOSITE:
                yield _follow(name, value, _OPPOSITE[step.after])
        yield from self._owned(step, tunable, instance, planned)
        for name, value in self._partners(coupling.resets, step):
            if value.path not in planned and value.path != step.path and _is_writable(value):
                yield _hold(name, value)
        if step.path == _CONGESTION:
            yield from self._admission(step)

    def _cause(self, step: Step) -> tuple[Tunable | None, str]:
        """Return the tunable that a step writes, and the instance."""
        if not isinstance(step, ValueStep):
            return None, ""
        name, _, instance = step.tunable.partition("[")
        return self.find(name), instance.rstrip("]")

    def _mirrored(
        self, step: ValueStep, names: Sequence[str], planned: Mapping[str, str]
    ) -> Iterator[Step]:
        for name, value in self._partners(names, step):
            # One that has the value already would not keep it on the way back.
            if value.path not in planned and value.path != step.path:
                yield _follow(name, value, step.after)

    def _owned(
        self, step: ValueStep, tunable: Tunable, instance: str, planned: Mapping[str, str]
    ) -> Iterator[Step]:
        """Yield the settings that only an I/O scheduler or a governor has, and that go with it."""
        if step.before == step.after:
            return
        for pattern in tunable.coupling.owns:
            is_shared = bool(instance) and tunable.target.count("*") > _folders(pattern).count("*")
            if is_shared and not self._is_last_to_leave(step, tunable, planned):
                continue
            for path in self._matching(_bound(pattern, "" if is_shared else instance)):
                value = self.observation.values[path]
                # A folder that all instances share is named after the value that brings it.
                if _is_writable(value) and not (is_shared and path.split("/")[-2] != step.before):
                    yield _follow(_own_id(step, "" if is_shared else instance, path), value, ABSENT)

    def _is_last_to_leave(
        self, step: ValueStep, tunable: Tunable, planned: Mapping[str, str]
    ) -> bool:
        """Whether nobody has the old value of a step once it and all others are written."""
        users = [
            path
            for path in self._matching(_target(tunable))
            if self.observation.values[path].text == step.before
        ]
        leaving = [path for path in planned if path in users and planned[path] != step.before]
        return len(leaving) == len(users) and step.path == leaving[-1]

    def _partners(self, names: Sequence[str], step: ValueStep) -> Iterator[tuple[str, LiveValue]]:
        """Yield id and value of each partner that can be read."""
        instance = self._cause(step)[1]
        for name in names:
            pattern = _pattern(name, self.find)
            for path in self._matching(_bound(pattern, instance)):
                value = self.observation.values[path]
                if value.state is ValueState.UNREADABLE:
                    continue
                which = instance_of(path, pattern)
                known = f"{name}[{which}]" if which else name
                yield _own_id(step, instance, path) if name == pattern else known, value

    def _matching(self, pattern: str) -> list[str]:
        if "*" not in pattern:
            return [pattern] if pattern in self.observation.values else []
        return sorted(path for path in self.observation.values if matches(path, pattern))

    def _admission(self, step: ValueStep) -> Iterator[Step]:
        """Making an algorithm the default also puts it on the list that anyone may use."""
        allowed = self.observation.values.get(_ALLOWED)
        available = self.observation.values.get(_AVAILABLE)
        if not allowed or not available or step.after in allowed.text.split():
            return
        admitted = {*allowed.text.split(), step.after}
        order = available.text.split()
        order += [step.after] if step.after not in order else []
        after = " ".join(word for word in order if word in admitted)
        yield _follow(sysctl_id("net.ipv4.tcp_allowed_congestion_control"), allowed, after)


def _bound(pattern: str, instance: str) -> str:
    """Put the instance of a cause into a pattern, name by name."""
    names = iter(instance.split("/") if instance else ())
    return "/".join(next(names, part) if "*" in part else part for part in pattern.split("/"))


def _own_id(step: ValueStep, instance: str, path: str) -> str:
    """Name a value that the catalogue does not have, by its path and beside its cause."""
    if path.startswith("/proc/sys/"):
        return sysctl_id(path.removeprefix("/proc/sys/").translate(str.maketrans("./", "/.")))
    group = step.tunable.partition("[")[0].rpartition(".")[0]
    *_, folder, name = path.split("/")
    return f"{group}.{folder}.{name}" + (f"[{instance}]" if instance else "")


def _folders(pattern: str) -> str:
    return pattern.rpartition("/")[0]


def _is_writable(value: LiveValue) -> bool:
    return value.state is ValueState.WRITABLE


def _follow(name: str, value: LiveValue, after: str) -> ValueStep:
    return ValueStep(tunable=name, path=value.path, before=value.text, after=after, write="follow")


def _hold(name: str, value: LiveValue) -> ValueStep:
    return ValueStep(
        tunable=name, path=value.path, before=value.text, after=value.text, write="hold"
    )
