"""What else changes when a value is written, added to the steps so that the plan says it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from optimizer.model.observation import LiveValue, Observation, ValueState
from optimizer.model.transaction import Step, ValueStep
from optimizer.model.tunable import Tunable
from optimizer.resources.sysctl import path_of

Find = Callable[[str], Tunable | None]

_CONGESTION = "/proc/sys/net/ipv4/tcp_congestion_control"
_ALLOWED = "/proc/sys/net/ipv4/tcp_allowed_congestion_control"
_AVAILABLE = "/proc/sys/net/ipv4/tcp_available_congestion_control"
_WATCHDOG = "system.sysctl.kernel.watchdog"
_DETECTORS = ("/proc/sys/kernel/soft_watchdog", "/proc/sys/kernel/nmi_watchdog")


def partner_targets(tunable: Tunable, find: Find) -> tuple[str, ...]:
    """Path patterns that have to be read besides the tunable's own."""
    coupling = tunable.coupling
    names = (*coupling.excludes, *coupling.mirrors, *coupling.resets)
    partners = (find(name) for name in names)
    switch = (path_of("kernel.watchdog"), *_DETECTORS) if _pattern(tunable) in _DETECTORS else ()
    return (*(_pattern(partner) for partner in partners if partner), *switch)


def _pattern(tunable: Tunable) -> str:
    return path_of(tunable.target) if tunable.kind == "sysctl" else tunable.target


@dataclass(frozen=True)
class Coupler:
    """Adds the steps that follow from the kernel's own couplings."""

    find: Find
    observation: Observation

    def couple(self, steps: Sequence[Step]) -> tuple[Step, ...]:
        """Return the steps with what they drag along, each right behind its cause."""
        planned = {step.path: step.after for step in steps if isinstance(step, ValueStep)}
        return tuple(more for step in steps for more in self._with_partners(step, planned))

    def _with_partners(self, step: Step, planned: Mapping[str, str]) -> Iterator[Step]:
        if not isinstance(step, ValueStep):
            yield step
            return
        name, _, instance = step.tunable.partition("[")
        tunable = self.find(name)
        if tunable is None:
            yield step
            return
        # Partners that are zero already are named too: a later way back has to know of them.
        excluded = [
            _follow(partner, value, "0")
            for partner, value in self._partners(tunable.coupling.excludes, instance.rstrip("]"))
            if value.path not in planned and step.after != "0"
        ]
        # Zero cannot be written back; bringing the partner back zeroes this one again.
        is_exchanged = step.before == "0" and any(one.before != "0" for one in excluded)
        yield step.model_copy(update={"restore": "skip"}) if is_exchanged else step
        yield from excluded
        for partner, value in self._partners(tunable.coupling.mirrors, instance.rstrip("]")):
            if value.path not in planned and value.text != step.after:
                yield _follow(partner, value, step.after)
        for partner, value in self._partners(tunable.coupling.resets, instance.rstrip("]")):
            if value.path not in planned and value.state is ValueState.WRITABLE:
                yield _hold(partner, value, instance)
        if step.path == _CONGESTION:
            yield from self._admission(step)
        if step.path in _DETECTORS:
            yield from self._common_switch(step, planned)

    def _partners(self, names: Sequence[str], instance: str) -> Iterator[tuple[Tunable, LiveValue]]:
        for name in names:
            partner = self.find(name)
            if partner:
                path = _pattern(partner).replace("*", instance)
                value = self.observation.values.get(path)
                if value and value.state is not ValueState.UNREADABLE:
                    yield partner, value

    def _common_switch(self, step: ValueStep, planned: Mapping[str, str]) -> Iterator[Step]:
        """The switch of both detectors of locked CPUs reads 1 as long as one of them runs."""
        tunable = self.find(_WATCHDOG)
        switch = self.observation.values.get(_pattern(tunable)) if tunable else None
        written = [path for path in planned if path in _DETECTORS]
        if not tunable or not switch or switch.path in planned or step.path != written[-1]:
            return
        found = {path: self.observation.values.get(path) for path in _DETECTORS}
        running = [planned.get(path, value.text if value else "0") for path, value in found.items()]
        yield _follow(tunable, switch, "1" if "1" in running else "0")

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
        yield ValueStep(
            tunable="system.sysctl.net.ipv4.tcp_allowed_congestion_control",
            path=_ALLOWED,
            before=allowed.text,
            after=after,
            write="follow",
        )


def _follow(partner: Tunable, value: LiveValue, after: str) -> ValueStep:
    return ValueStep(
        tunable=partner.id, path=value.path, before=value.text, after=after, write="follow"
    )


def _hold(partner: Tunable, value: LiveValue, instance: str) -> ValueStep:
    name = f"{partner.id}[{instance}" if "*" in partner.target else partner.id
    return ValueStep(
        tunable=name, path=value.path, before=value.text, after=value.text, write="hold"
    )
